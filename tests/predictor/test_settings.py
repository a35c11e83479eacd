import os
import sys
from pathlib import Path

import pytest

from predictor.settings import parse

TRUST = {"GEOMETRY_TRUST": "/keys/trust.json"}


def test_without_arguments_it_serves_what_kserve_mounts() -> None:
    settings = parse([], {**TRUST, "MODEL_DIGEST": "abc"})
    assert (settings.model_dir, settings.trust) == (Path("/mnt/models"), Path("/keys/trust.json"))
    assert (settings.model_name, settings.digest, settings.grpc_port) == (None, "abc", 8081)
    assert settings.workers >= 1
    assert (settings.max_body, settings.max_images, settings.max_pixels) == (10_000_000, 64, 16_000_000)


def test_kserves_own_flags_are_understood() -> None:
    settings = parse(["--model_name", "shapes", "--enable_grpc", "false", "--http_port", "1", "--trust", "t"], {})
    assert (settings.model_name, settings.grpc_port, settings.trust) == ("shapes", None, Path("t"))


def test_an_empty_digest_insists_on_nothing() -> None:
    assert parse([], {**TRUST, "MODEL_DIGEST": ""}).digest is None


def test_the_variant_is_fp32_unless_the_environment_or_before_it_the_flag_says_otherwise() -> None:
    int8 = {**TRUST, "GEOMETRY_VARIANT": "int8"}
    found = [parse(arguments, given).variant for arguments, given in (([], TRUST), ([], int8))]
    assert [*found, parse(["--variant", "fp32"], int8).variant] == ["fp32", "int8", "fp32"]


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ([], {}, "--trust (or GEOMETRY_TRUST): missing"),
        (["--workers", "0"], TRUST, "--workers: wanted at least 1, found 0"),
        (["--max_body", "ten"], TRUST, "--max_body: invalid int value: 'ten'"),
        (["--drain", "-1"], TRUST, "--drain: wanted seconds from 0 on, found -1"),
        (["--unknown"], TRUST, "--unknown"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_reason(
    capsys: pytest.CaptureFixture[str], arguments: list[str], environment: dict[str, str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments, environment)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always one process")
@pytest.mark.parametrize(("quota", "workers"), [("100000 100000", 1), ("50000 100000", 1)])
def test_a_containers_quota_bounds_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, workers: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr("predictor.settings._CGROUP_QUOTA", tmp_path / "cpu.max")
    assert parse([], TRUST).workers == workers


@pytest.mark.parametrize("told", ["max 100000", "nonsense"])
def test_without_a_quota_every_core_has_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    (tmp_path / "cpu.max").write_text(told)
    monkeypatch.setattr("predictor.settings._CGROUP_QUOTA", tmp_path / "cpu.max")
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    assert parse([], TRUST).workers == cores
