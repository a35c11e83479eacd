"""`geometry report`, and the files that it finds or writes."""

import pytest

from registry.store.reports import report_path, write_reports
from tests.fixtures.versions import publish_tiny
from tests.registry.domain.builders import stepping

MODEL = "shapes"


def journal_of(place, home):
    """Give a home the journal of an installation without processes."""
    directory = home.journal / MODEL
    directory.mkdir(parents=True, exist_ok=True)
    for entry in place.entries:
        (directory / f"{entry.sequence:06d}.json").write_bytes(entry.content())


@pytest.fixture
def rolled(home):
    """Version 1 promoted and version 2 ended by hand."""
    publish_tiny(home.root)
    publish_tiny(home.root, flip=True)
    place = stepping()
    place.ask("rollback")
    place.turn()
    journal_of(place, home)
    return home


def started(home):
    """Sequences of the entries that start a rollout."""
    return [entry.sequence for entry in home.journal_of(MODEL).read() if entry.kind == "started"]


def test_the_report_of_the_latest_rollout_is_written_and_its_path_printed(rolled, geometry):
    ran = geometry("report")
    path = report_path(rolled, MODEL, started(rolled)[-1])
    assert (ran.code, ran.output) == (0, f"{path}\n")
    assert "version 2 aborted" in path.read_text()
    assert "against</td><td>version 1" in path.read_text()


def test_a_report_is_found_by_version_and_by_entry(rolled, geometry):
    first, last = started(rolled)
    assert geometry("report", "1").output.endswith(f"/{first}.html\n")
    assert geometry("report", "--sequence", str(last)).output.endswith(f"/{last}.html\n")
    assert geometry("report", "--open-path").output.startswith("file:///")


def test_a_report_that_is_there_is_not_touched(rolled, geometry):
    path = report_path(rolled, MODEL, started(rolled)[-1])
    geometry("report")
    before = path.stat().st_mtime_ns
    geometry("report")
    assert path.stat().st_mtime_ns == before


def test_a_damaged_report_is_written_again(rolled, geometry):
    path = report_path(rolled, MODEL, started(rolled)[-1])
    geometry("report")
    whole = path.read_bytes()
    for broken in (b"", b"\xff" * 400):
        path.write_bytes(broken)
        geometry("report")
        assert path.read_bytes() == whole


def test_a_version_that_is_gone_leaves_its_report_as_it_is(rolled, geometry):
    path = report_path(rolled, MODEL, started(rolled)[-1])
    geometry("report")
    (rolled.store / "models/shapes/2/card.json").unlink()
    before = path.read_bytes()
    geometry("report", "2")
    assert path.read_bytes() == before
    path.unlink()
    geometry("report", "2")
    assert "card.json: missing" in path.read_text()


def test_a_window_that_ends_is_told_too(rolled, geometry):
    first = started(rolled)[0]
    path = report_path(rolled, MODEL, first)
    write_reports(rolled, MODEL, [entry for entry in rolled.journal_of(MODEL).read() if entry.sequence <= first + 1])
    before = path.read_text()
    assert geometry("report", "1").code == 0
    assert path.read_text() != before
    assert "rollback window over" in path.read_text()


def test_what_is_in_progress_has_no_report_yet(home, geometry):
    journal_of(stepping(), home)
    ran = geometry("report")
    assert (ran.code, ran.output) == (1, "")
    assert "`geometry status` shows it now" in ran.told


@pytest.mark.parametrize(
    ("arguments", "told"), [(("9",), "version 9 had no rollout"), (("--sequence", "1"), "entry 1 starts no rollout")]
)
def test_a_rollout_that_never_was_is_named_beside_those_that_were(rolled, geometry, arguments, told):
    ran = geometry("report", *arguments)
    assert (ran.code, ran.output) == (1, "")
    assert told in ran.told
    assert "(version 2)" in ran.told


def test_without_any_rollout_it_says_so(home, geometry):
    assert "there was no rollout" in geometry("report").told


def test_every_report_that_is_due_is_written(rolled):
    entries = rolled.journal_of(MODEL).read()
    assert [account.outcome for account in write_reports(rolled, MODEL, entries)] == ["promoted", "aborted"]
    assert sorted(path.stem for path in (rolled.root / "reports" / MODEL).iterdir()) == sorted(
        map(str, started(rolled))
    )
