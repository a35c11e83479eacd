"""What is missing, altered or broken on disk stops the model it belongs to, is said, and ends when it is repaired."""

import shutil

from tests.fixtures.versions import publish_tiny


def test_a_missing_journal_is_not_begun_anew(served):
    journal = served.home.journal / "shapes"
    served.stop()
    shutil.move(journal, served.home.root / "aside")
    served.start()
    served.until(lambda: "found no entries, wanted entry" in served.problem())
    assert not journal.exists()
    assert served.controller.substrate._revisions == {}


def test_a_missing_journal_is_not_begun_anew_while_envoy_cannot_be_asked(served):
    served.stop()
    shutil.move(served.home.journal / "shapes", served.home.root / "aside")
    served.start()
    served.controller.substrate.gateway.child.kill()
    assert served.controller.substrate.gateway.child.wait(timeout=10)
    served.controller.turn()
    assert not (served.home.journal / "shapes").exists()


def test_a_shorter_journal_stops_the_model_and_the_whole_one_goes_on(served):
    last = max((served.home.journal / "shapes").glob("*.json"))
    served.stop()
    content = last.read_bytes()
    last.unlink()
    served.start()
    served.until(lambda: "which was acted upon" in served.problem())
    last.write_bytes(content)
    served.until(lambda: served.weights() == {"1": 100})
    assert served.ask()[0] == 200


def test_an_altered_entry_is_named_and_nothing_is_acted_upon(served):
    served.stop()
    entry = served.home.journal / "shapes" / "000002.json"
    entry.write_bytes(entry.read_bytes().replace(b"somebody", b"nobody!!"))
    served.start()
    served.until(lambda: "journal entry 2: was altered" in served.problem())
    assert served.controller.substrate._revisions == {}


def test_a_journal_that_vanishes_while_serving_leaves_the_route_as_it_is(served):
    journal, aside = served.home.journal / "shapes", served.home.root / "aside"
    journal.rename(aside)
    served.until(lambda: "is missing now" in served.problem())
    assert served.ask()[0] == 200
    aside.rename(journal)
    served.until(lambda: not served.problem() and served.weights() == {"1": 100})


def test_a_journal_emptied_while_serving_is_acted_upon_only_when_it_is_adopted(served):
    (served.home.journal / "shapes").rename(served.home.root / "aside")
    served.until(lambda: "found no entries, wanted entry" in served.problem())
    assert served.controller.known["shapes"].damaged
    served.promote("1")
    served.controller.turn()
    assert (served.kinds(), served.ask()[0]) == (["requested"], 200)
    served.request("adopt")
    served.until(lambda: served.state().production == "1")
    assert served.kinds()[2:4] == ["adopted", "published"]
    assert not served.controller.known["shapes"].damaged


def test_a_journal_rolled_back_while_serving_is_not_acted_upon_whatever_was_acted_upon_last(served):
    served.request("abort")
    served.until(lambda: "refused" in served.kinds())
    last = max((served.home.journal / "shapes").glob("*.json"))
    last.unlink()
    for _ in range(3):
        served.controller.turn()
    assert "which was acted upon" in served.problem()


def test_a_tampered_version_is_never_published_and_is_named(installation, caplog):
    file = installation.home.store / "models/shapes/1/model.tflite"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    for _ in range(3):
        installation.controller.turn()
    assert installation.kinds() == []
    assert caplog.text.count("version.refused") == 1
    assert str(file) in caplog.text


def test_a_broken_policy_is_said_and_a_mended_one_goes_on(served, traffic):
    text = served.home.policy.read_text()
    served.second()
    served.until(lambda: served.weights() == {"1": 50, "2": 50})
    served.home.policy.write_text("rollout: {stepz: []}")
    served.until(lambda: "stepz" in served.problem())
    before = served.kinds()
    for _ in range(5):
        served.controller.turn()
    assert served.kinds() == before
    assert served.ask()[0] == 200
    served.home.policy.write_text(text)
    with traffic:
        served.until(lambda: served.state().production == "2")


def test_a_vanished_store_does_not_end_what_serves(served):
    served.home.store.rename(served.home.root / "aside")
    for _ in range(3):
        served.controller.turn()
    assert served.ask()[0] == 200
    (served.home.root / "aside").rename(served.home.store)
    publish_tiny(served.home.root, flip=True)
    served.until(lambda: "2" in served.state().versions)


def test_a_view_that_cannot_be_written_does_not_end_what_serves(served, caplog):
    views = served.home.run / "views"
    shutil.rmtree(views)
    views.write_text("in the way")
    for _ in range(3):
        served.controller.turn()
    assert served.ask()[0] == 200
    assert caplog.text.count("views") == 1
    views.unlink()
    served.until(lambda: served.weights() == {"1": 100})


def test_other_things_in_the_journals_folder_are_no_models(served):
    (served.home.journal / "lost+found").mkdir()
    (served.home.journal / "notes.txt").touch()
    for _ in range(3):
        served.controller.turn()
    assert set(served.controller._watched) == {"shapes"}
