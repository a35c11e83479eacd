"""The command line of training: what it refuses, what it prints, and what it must not import."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from training.cli import data, train

app = typer.Typer()
app.command("train")(train)
app.add_typer(data, name="data")

HEAVY = ("tensorflow", "keras", "mlflow", "matplotlib", "ai_edge_litert", "PIL")


def test_help_costs_no_heavy_import() -> None:
    asked = f"import sys, training.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--model-version", "3"], "need --register-model"),
        (["--stage", "staging"], "need --register-model"),
        (["--register-model", "--stage", "archived"], "--stage archived"),
        (["--weights", __file__, "--resume", "1"], "--weights and --resume"),
        (["--model-type", "resnet"], "resnet"),
        (["--epochs", "0"], "--epochs"),
        (["--data", "/nowhere"], "/nowhere"),
    ],
)
def test_options_that_make_no_sense_are_a_usage_error(arguments: list[str], complaint: str) -> None:
    done = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, ["train", *arguments])
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_data_render_writes_folders_that_data_reads(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["data", "render", "--output", str(tmp_path / "images"), "--count", "16"])
    assert done.exit_code == 0
    assert done.stdout.strip() == str(tmp_path / "images")
    assert len(list((tmp_path / "images").glob("*/*"))) == 16
    assert (tmp_path / "images" / "contact_sheet.png").exists()
