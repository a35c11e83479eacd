"""`python -m registry.controller`: one at a time."""

import fcntl
import threading

import pytest

from registry.controller.__main__ import only_one
from registry.domain.errors import Conflict
from registry.store import durable
from registry.store.home import Home


def test_a_second_controller_is_told_who_is_the_first(tmp_path):
    with only_one(Home(tmp_path)), pytest.raises(Conflict, match=r"a controller runs already \(process \d+\)"):
        only_one(Home(tmp_path)).__enter__()


def test_a_glance_at_the_lock_does_not_keep_a_controller_from_starting(tmp_path):
    place = Home(tmp_path)
    durable.make_directory(place.run)
    with place.lock.open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        with only_one(place):
            assert int(place.lock.read_text())
