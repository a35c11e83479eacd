"""Samples to look at, and to read back as a folder of images."""

from pathlib import Path

from PIL import Image

from training.contact_sheet import CONTACT_SHEET, write_samples
from training.dataset import folders
from training.shapes import CLASSES, render


def test_samples_are_the_images_of_the_seed_in_folders_of_their_class(tmp_path: Path) -> None:
    paths = write_samples(tmp_path, seed=3, count=20)
    assert [path.read_bytes() for path in paths] == [render(3, index).content for index in range(20)]
    assert [path.parent.name for path in paths[:8]] == list(CLASSES)


def test_the_contact_sheet_is_an_image_of_eight_rows(tmp_path: Path) -> None:
    write_samples(tmp_path, seed=3, count=24)
    with Image.open(tmp_path / CONTACT_SHEET) as sheet:
        assert sheet.height > 8 * 64
        assert sheet.width > 3 * 64


def test_a_sheet_of_nothing_is_still_a_sheet(tmp_path: Path) -> None:
    assert write_samples(tmp_path / "new", seed=3, count=0) == ()
    assert (tmp_path / "new" / CONTACT_SHEET).is_file()


def test_samples_can_be_read_back_as_a_data_set(tmp_path: Path) -> None:
    write_samples(tmp_path, seed=3, count=8 * 22)
    assert folders(tmp_path, width=16, height=16, skip_unreadable=False).classes == CLASSES
