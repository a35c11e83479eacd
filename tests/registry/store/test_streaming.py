"""Files in a stream of tar: what goes in comes out, and nothing comes out beside the root."""

import io
import tarfile

import pytest

from registry.domain.errors import NotVerified
from registry.store.streaming import packed, unpacked

FILES = [("a.json", b"{}"), ("models/shapes/1/" + "x" * 200, b"\0" * 1000), ("empty", b"")]


def test_what_goes_in_comes_out():
    assert list(unpacked(io.BytesIO(b"".join(packed(FILES))), where="w")) == FILES


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b"])
def test_a_path_beside_the_root_is_refused(name):
    with pytest.raises(NotVerified, match="no plain file"):
        list(unpacked(io.BytesIO(b"".join(packed([(name, b"x")]))), where="w"))


def test_a_link_is_refused():
    info = tarfile.TarInfo("link")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(NotVerified, match="no plain file"):
        list(unpacked(io.BytesIO(info.tobuf() + b"\0" * 1024), where="w"))


@pytest.mark.parametrize("kept", [100, 600, 1024, 1700, 4096, -1024, -1])
def test_one_that_breaks_off_is_refused(kept):
    with pytest.raises(NotVerified, match="broke off"):
        list(unpacked(io.BytesIO(b"".join(packed(FILES))[:kept]), where="w"))
