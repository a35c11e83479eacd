"""A controller over a store that is pruned and a journal that comes back from a backup."""

import shutil

from registry.store.backup import write_backup
from registry.store.filing import file_request
from registry.store.restore import restore
from tests.fixtures.versions import publish_tiny


def asked(installation, action, version):
    request = {"id": f"{action}-{version}", "action": action, "version": version, "to": "", "reason": "old"}
    file_request(installation.home.journal_of("shapes"), request, by="ann", now=installation.now())


def test_what_is_deleted_leaves_the_store_and_its_number_stays_taken(served):
    publish_tiny(served.home.root, flip=True)
    served.until(lambda: "2" in served.state().versions)
    asked(served, "archive", "2")
    asked(served, "delete", "2")
    served.until(lambda: served.state().version("2").deleted)
    left = served.home.versions().directory("shapes", "2")
    assert {path.name for path in left.iterdir()} == {"manifest.json", "manifest.sig"}
    assert publish_tiny(served.home.root).version == "3"
    assert served.ask()[0] == 200


def test_a_restored_journal_is_gone_on_from_though_it_is_older_than_what_was_acted_upon(served):
    home, anchors = served.home, served.controller.substrate.gateway.anchors()
    backup = write_backup(home, home.root / "copies", anchors=anchors, now=served.now())
    publish_tiny(home.root, flip=True)
    served.until(lambda: "2" in served.state().versions)
    served.until(lambda: served.controller.substrate.gateway.anchors()["shapes"].sequence == len(served.entries()))
    served.stop()
    shutil.rmtree(home.journal / "shapes")
    anchors = served.controller.substrate.gateway.anchors()
    restore(home, backup.directory, anchors=anchors, by="ann", reason="lost", now=served.now())
    served.start()
    served.until(lambda: served.weights() == {"1": 100} and "2" in served.state().versions)
    assert (served.ask()[0], served.problem()) == (200, "")
    assert "restored" in served.kinds()
