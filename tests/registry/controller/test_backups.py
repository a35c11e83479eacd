"""Backups on a schedule: made in a child, told when they end, neither forgotten nor made twice."""

import logging
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from registry.controller.backups import PAUSE, Backups, Kept
from registry.domain.journal import Anchor
from registry.domain.policy import Backup
from registry.domain.version import Model
from registry.store.backup import read_backup
from registry.store.home import Home
from tests.fixtures.versions import CREATED
from tests.registry.store.installations import installation

SHAPES = Model("shapes")
HOURLY = Backup(to="copies", every=3600)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return installation(tmp_path / "home")


def made(home: Home) -> list[str]:
    return sorted(path.name for path in (home.root / "copies").glob("2*"))


def ended(backups: Backups, now: object) -> None:
    """Wait for the child, and let a turn see its end."""
    end = time.monotonic() + 60
    while backups._running is not None:
        assert time.monotonic() < end
        backups._running.wait(60)
        backups.step(Backup(), now)


def test_a_due_backup_is_made_by_a_child_and_told(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    backups = Backups(home, list)
    backups.step(HOURLY, CREATED)
    assert backups._running is not None
    ended(backups, CREATED)
    assert read_backup(home.root / "copies" / made(home)[0]).created == CREATED
    assert "backup.written path=" in caplog.text


def test_the_next_one_is_due_after_its_time_also_for_another_controller(home: Home) -> None:
    first, again = Backups(home, list), Backups(home, list)
    first.step(HOURLY, CREATED)
    ended(first, CREATED)
    again.step(HOURLY, CREATED + timedelta(seconds=3599))
    assert again._running is None
    again.step(HOURLY, CREATED + timedelta(seconds=3600))
    ended(again, CREATED)
    assert len(made(home)) == 2


def test_a_failed_backup_is_told_with_its_reason_and_tried_again_later(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    backups, file = Backups(home, list), home.store / "models/shapes/1/model.tflite"
    file.write_bytes(b"!")
    backups.step(HOURLY, CREATED)
    ended(backups, CREATED)
    assert "model.tflite: found 1 bytes" in caplog.text
    backups.step(HOURLY, CREATED + PAUSE / 2)
    assert (backups._running, made(home)) == (None, [])
    backups.step(HOURLY, CREATED + PAUSE)
    assert backups._running is not None
    backups.stop()


@pytest.mark.parametrize("wanted", [Backup(), Backup(to="copies"), Backup(every=1)])
def test_without_place_and_time_there_is_none(home: Home, wanted: Backup) -> None:
    backups = Backups(home, list)
    backups.step(wanted, CREATED)
    assert backups._running is None


def test_a_controller_that_ends_ends_its_backup(home: Home) -> None:
    backups = Backups(home, lambda _: [sys.executable, "-c", "input()"])
    backups.step(HOURLY, CREATED)
    child = backups._running
    backups.stop()
    assert child is not None
    assert child.returncode == -9


def test_a_backup_holds_the_anchors_that_were_found_and_none_is_made_of_a_journal_behind_them(home: Home) -> None:
    backups, head = Backups(home, list), home.journal_of(SHAPES).read()[-1].anchor
    backups.step(HOURLY, CREATED, {SHAPES: head, Model("other"): None})
    ended(backups, CREATED)
    assert read_backup(home.root / "copies" / made(home)[0]).anchors == {SHAPES: head}
    later = CREATED + timedelta(hours=1)
    backups.step(HOURLY, later, {SHAPES: Anchor(head.sequence + 1, head.sha256)})
    ended(backups, later)
    assert len(made(home)) == 1


def test_where_a_volume_is_wanted_nothing_is_written_beside_it(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    backups = Backups(home, list, mounted=True)
    backups.step(HOURLY, CREATED)
    assert (backups._running, backups.kept) == (None, Kept(3600))
    assert "copies is not there; mount a volume" in caplog.text
    assert not (home.root / "copies").exists()
    (home.root / "copies").mkdir()
    backups.step(HOURLY, CREATED + PAUSE)
    ended(backups, CREATED + PAUSE)
    backups.step(HOURLY, CREATED + PAUSE)
    assert backups.kept == Kept(3600, CREATED + PAUSE)
