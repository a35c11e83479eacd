"""What `geometry local status` reads."""

import os

from registry.adapters.local.state import STATE, LocalState, RevisionState, forget_state, read_state, write_state

REVISION = RevisionState("shapes", "3", "v3", False, "0" * 64, 12, 1001, 1002, True, 0, "v3.log")
LOCAL = LocalState(11, "http://public", "http://pinned", "http://admin", (REVISION,), os.getpid())


def test_the_state_of_a_living_controller_is_read_as_written(tmp_path):
    write_state(tmp_path, LOCAL)
    assert read_state(tmp_path) == LOCAL


def test_the_state_of_a_dead_controller_counts_as_none(tmp_path):
    write_state(tmp_path, LOCAL)
    path = tmp_path / STATE
    path.write_text(path.read_text().replace(f'"controller":{os.getpid()}', '"controller":4194304'))
    assert read_state(tmp_path) is None


def test_an_orderly_end_leaves_no_state(tmp_path):
    write_state(tmp_path, LOCAL)
    forget_state(tmp_path)
    assert read_state(tmp_path) is None
