"""`geometry models compare`, and what `models list` and `get` say of variants."""

import json

import pytest
import yaml

from tests.fixtures.versions import publish_tiny


@pytest.fixture
def two(home):
    """Version 2 is right on fewer images."""
    publish_tiny(home.root)
    publish_tiny(home.root, accuracy=0.8)
    return home


def test_the_table_says_what_got_worse(two, geometry):
    ran = geometry("models", "compare", "1", "2")
    assert ran.code == 0, ran.told
    lines = ran.output.splitlines()
    assert lines[0] == "shapes: 1 → 2, on 960 images that both were asked"
    assert lines[2].split()[:5] == ["accuracy", "960", "90.00%", "80.00%", "−10.00"]
    assert lines[2].endswith("worse")
    assert len([line for line in lines if line.startswith("recall ")]) == 8
    assert any(line.startswith("latency SLO") and "0.99 within 0.1 s" in line for line in lines)
    assert any(line.startswith("fp32") and "bytes, parity 1e-06" in line for line in lines)


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_same_numbers(two, geometry, output, read):
    found = read(geometry("models", "compare", "1", "2", "-o", output).output)
    assert found["accuracy"]["difference"] == pytest.approx(-0.1)
    assert set(found) == {
        "model", "base", "candidate", "images", "accuracy", "classes", "calibration", "slo", "variants", "traffic"
    }  # fmt: skip


def test_what_was_tested_on_other_images_is_a_failure_that_says_what_to_do(two, geometry):
    publish_tiny(two.root, test_digest="2" * 64)
    ran = geometry("models", "compare", "1", "3")
    assert (ran.code, ran.output) == (1, "")
    assert "tested on different images (111111111111 and 222222222222)" in ran.told
    assert "geometry train --baseline 1" in ran.told


def test_a_version_that_is_not_there_is_named(two, geometry):
    ran = geometry("models", "compare", "1", "7")
    assert ran.code == 1
    assert "no such version in the store; there are 1, 2" in ran.told


def test_list_and_get_show_variants(two, geometry, deciding):
    with deciding(two):
        pass
    assert json.loads(geometry("models", "list", "-o", "json").output)[0]["variants"] == ["fp32"]
    got = json.loads(geometry("models", "get", "1", "-o", "json").output)
    assert got["variants"] == {"fp32": {"file": "model.tflite", "parity": 1e-6}}
    assert got["slo"]["seconds"] == 0.1


def test_a_list_stays_readable_when_files_are_gone(two, geometry, deciding):
    with deciding(two):
        pass
    (two.store / "models/shapes/1/card.json").unlink()
    assert [row["variants"] for row in json.loads(geometry("models", "list", "-o", "json").output)] == [None, ["fp32"]]
