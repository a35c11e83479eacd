"""`python -m registry.controller`: one at a time."""

import fcntl
import os
import subprocess
import sys
import threading

import pytest

from registry.cli.places import runs_here
from registry.controller.__main__ import take_lock
from registry.domain.errors import Conflict
from registry.store import durable
from registry.store.home import Home

ENDED = "import sys, registry.controller.__main__ as m; print(m.main(sys.argv[1:]), flush=True); sys.stdin.read()"


def test_a_second_controller_is_told_who_is_the_first(tmp_path):
    lock = take_lock(Home(tmp_path))
    with pytest.raises(Conflict, match=rf"a controller runs already \(process {os.getpid()}\)"):
        take_lock(Home(tmp_path))
    os.close(lock)


def test_a_glance_at_the_lock_does_not_keep_a_controller_from_starting(tmp_path):
    place = Home(tmp_path)
    durable.make_directory(place.run)
    with place.lock.open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        lock = take_lock(place)
    assert int(place.lock.read_text()) == os.getpid()
    os.close(lock)


def test_the_lock_is_free_when_the_process_is_gone_and_not_before(tmp_path):
    place = Home(tmp_path)
    place.policy.write_text("rollout: {stepz: []}")
    command = [sys.executable, "-c", ENDED, "--home", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as controller:
        assert controller.stdout.readline() == "1\n"
        assert runs_here(place)
        controller.stdin.close()
        controller.wait()
        assert not runs_here(place)
