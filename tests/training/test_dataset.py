"""Data sets: reproducible, disjoint, and plain about what is wrong with a folder of images."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor.image import decode, decode_file
from registry.domain.features import PIXELS, measure, reference
from training.dataset import Dataset, folders, rendered
from training.errors import DatasetError
from training.shapes import CLASSES, render
from training.split import Split, image_id

PARTS = ("train", "validation", "calibration", "test")


def shapes(seed: int = 1, train: int = 64, test: int = 32) -> Dataset:
    return rendered(seed=seed, train=train, validation=16, calibration=16, test=test, width=32, height=32)


def class_folders(directory: Path, *, each: int = 30, classes: tuple[str, ...] = ("circle", "hexagon")) -> Path:
    """Rendered images in folders: class k of the data set gets images whose label is that class."""
    for name in classes:
        (directory / name).mkdir(parents=True)
        for number in range(each):
            image = render(4, number * len(CLASSES) + CLASSES.index(name))
            (directory / name / f"{number}.img").write_bytes(image.content)
    return directory


def read(directory: Path, *, skip: bool = False) -> Dataset:
    return folders(directory, width=32, height=32, skip_unreadable=skip)


def test_rendered_splits_have_the_asked_sizes_and_types() -> None:
    data = shapes()
    assert [len(getattr(data, part)) for part in PARTS] == [64, 16, 16, 32]
    assert data.train.images.shape == (64, 32, 32, 3)
    assert (data.train.images.dtype, data.train.labels.dtype) == (np.uint8, np.int64)
    assert data.classes == CLASSES


def test_pixels_are_what_the_predictor_decodes() -> None:
    data, image = shapes(seed=6), render(6, 3)
    assert data.train.ids[3] == image_id(image.content)
    assert (data.train.images[3] == decode(image.content, width=32, height=32)).all()


def test_features_are_those_of_the_pixels_and_of_the_file() -> None:
    data, image = shapes(seed=6), render(6, 3)
    pixels, file = decode_file(image.content, width=32, height=32)
    assert data.train.features()[3] == (*measure(pixels[None])[0], *file)
    assert data.train.only([3]).features() == [data.train.features()[3]]


def test_files_of_folders_have_features_and_pixels_without_files_have_less(tmp_path: Path) -> None:
    folder = class_folders(tmp_path)
    test = read(folder).test
    sizes = {image_id(path.read_bytes()): path.stat().st_size for path in folder.rglob("*.img")}
    assert [row[4] for row in test.features()] == [sizes[name] for name in test.ids]
    assert tuple(reference(split(["0" * 16], [0]).features())) == PIXELS


def test_the_same_seed_gives_the_same_data() -> None:
    assert shapes(seed=3).digest == shapes(seed=3).digest
    assert shapes(seed=3).digest != shapes(seed=4).digest


def test_the_test_split_does_not_depend_on_the_seed() -> None:
    assert shapes(seed=3).test.digest == shapes(seed=4).test.digest


def test_a_smaller_test_split_begins_a_larger_one() -> None:
    assert shapes(test=48).test.ids[:16] == shapes(test=16).test.ids


def test_rendered_splits_share_no_image() -> None:
    data = shapes()
    ids = [name for part in PARTS for name in getattr(data, part).ids]
    assert len(ids) == len(set(ids))


def test_processes_change_nothing() -> None:
    many = rendered(seed=2, train=600, validation=8, calibration=8, test=8, width=8, height=8)
    few = rendered(seed=2, train=48, validation=8, calibration=8, test=8, width=8, height=8)
    assert many.train.ids[:48] == few.train.ids
    assert (many.train.images[:48] == few.train.images).all()


@given(st.integers(0, 9), st.sampled_from(["label", "id", "order"]))
@settings(max_examples=20)
def test_the_digest_of_a_split_changes_with_any_label_id_or_order(place: int, what: str) -> None:
    ids, labels = [f"{number:016x}" for number in range(10)], list(range(10))
    before = split(ids, labels).digest
    if what == "label":
        labels[place] += 1
    elif what == "id":
        ids[place] = "f" * 16
    else:
        ids[place], ids[place - 1] = ids[place - 1], ids[place]
    assert split(ids, labels).digest != before


def split(ids: list[str], labels: list[int]) -> Split:
    count = len(ids)
    return Split(
        np.zeros((count, 1, 1, 3), np.uint8), np.array(labels, np.int64), tuple(ids), np.zeros(count, np.bool_)
    )


def test_folders_become_classes_with_every_class_in_every_split(tmp_path: Path) -> None:
    data = read(class_folders(tmp_path))
    assert data.classes == ("circle", "hexagon")
    assert sum(len(getattr(data, part)) for part in PARTS) == 60
    assert all(set(getattr(data, part).labels.tolist()) == {0, 1} for part in PARTS)


def test_one_byte_changes_the_digest_of_a_folder(tmp_path: Path) -> None:
    before = read(class_folders(tmp_path)).digest
    path = tmp_path / "circle" / "0.img"
    path.write_bytes(path.read_bytes() + b"\0")
    assert read(tmp_path).digest != before


def test_a_copy_under_another_name_counts_once(tmp_path: Path) -> None:
    before = read(class_folders(tmp_path))
    content = (tmp_path / "circle" / "5.img").read_bytes()
    (tmp_path / "circle" / "another.jpg").write_bytes(content)
    assert read(tmp_path).digest == before.digest


def test_an_image_stays_in_its_split_when_others_are_added(tmp_path: Path) -> None:
    before = read(class_folders(tmp_path, each=60))
    for number in range(60, 90):
        image = render(4, number * len(CLASSES))
        (tmp_path / "circle" / f"{number}.img").write_bytes(image.content)
    after = read(tmp_path)
    assert set(before.test.ids) <= set(after.test.ids)
    assert set(before.train.ids) <= set(after.train.ids)


def test_the_same_image_in_two_classes_names_both_files(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "hexagon" / "odd.jpg").write_bytes((tmp_path / "circle" / "7.img").read_bytes())
    with pytest.raises(DatasetError, match=r"circle/7.img and .*hexagon/odd.jpg are the same image in two classes"):
        read(tmp_path)


def test_unreadable_files_are_named_and_stop_the_run(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "circle" / "notes.txt").write_text("no picture")
    (tmp_path / "hexagon" / "empty.png").touch()
    with pytest.raises(DatasetError, match="2 files are no readable images") as refused:
        read(tmp_path)
    assert "circle/notes.txt" in str(refused.value)
    assert "hexagon/empty.png" in str(refused.value)


def test_unreadable_files_are_skipped_on_request_and_named(tmp_path: Path) -> None:
    before = read(class_folders(tmp_path))
    (tmp_path / "circle" / "notes.txt").write_text("no picture")
    data = read(tmp_path, skip=True)
    assert data.skipped == (tmp_path / "circle" / "notes.txt",)
    assert data.digest == before.digest


def test_too_few_images_of_a_class_are_counted(tmp_path: Path) -> None:
    class_folders(tmp_path, each=19)
    with pytest.raises(DatasetError, match="circle 19, hexagon 19; wanted at least 20 of each"):
        read(tmp_path)


def test_the_least_images_fill_every_split(tmp_path: Path) -> None:
    data = read(class_folders(tmp_path, each=20))
    assert all(set(getattr(data, part).labels.tolist()) == {0, 1} for part in PARTS)


def test_one_class_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found 1 class folders, wanted at least 2"):
        read(class_folders(tmp_path, classes=("circle",)))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: not a folder that can be read"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["x" * 65, "bell\a", " "])
def test_a_class_name_must_be_printable_and_short(tmp_path: Path, name: str) -> None:
    (class_folders(tmp_path) / name).mkdir()
    with pytest.raises(DatasetError, match="wanted 1 to 64 printable characters"):
        read(tmp_path)


def test_hidden_files_dangling_links_and_linked_folders_are_ignored(tmp_path: Path) -> None:
    before = read(class_folders(tmp_path / "data"))
    circle = tmp_path / "data" / "circle"
    (circle / ".DS_Store").write_bytes(b"junk")
    (tmp_path / "data" / ".git").mkdir()
    (circle / "dangling.png").symlink_to(tmp_path / "gone.png")
    (circle / "loop").symlink_to(tmp_path / "data", target_is_directory=True)
    assert read(tmp_path / "data").digest == before.digest


def test_a_pipe_among_the_images_does_not_hang(tmp_path: Path) -> None:
    before = read(class_folders(tmp_path))
    os.mkfifo(tmp_path / "circle" / "pipe.png")
    assert read(tmp_path).digest == before.digest
