"""`geometry train` and `geometry data render`. stdout is data: what came of the run and the next command."""

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from registry.domain.stages import Stage
from registry.domain.version import DEFAULT_MODEL, model_name, version_name
from registry.store.home import home as installation
from training.errors import TrainingError
from training.settings import ModelType, Settings
from training.submission import submission

if TYPE_CHECKING:
    from training.run import Outcome


CHECKPOINT = "GEOMETRY_CHECKPOINT"


class Format(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


data = typer.Typer(help="The rendered images.", no_args_is_help=True)
data.callback()(lambda: None)


def train(
    context: typer.Context,
    model: Annotated[
        str, typer.Option("-m", "--model", help="Name of the model.", envvar="GEOMETRY_MODEL")
    ] = DEFAULT_MODEL,
    model_type: Annotated[ModelType, typer.Option(help="The network.")] = ModelType.CUSTOM,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training images.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of images, weights and their order.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="In a minute: fewer images, a narrower network.")] = False,
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Train on folders named like their classes.")
    ] = None,
    skip_unreadable: Annotated[bool, typer.Option("--skip-unreadable", help="Leave unreadable files out.")] = False,
    weights: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Keras weights file to begin with.")
    ] = None,
    register_model: Annotated[bool, typer.Option(help="Publish a signed version.")] = False,
    model_version: Annotated[str | None, typer.Option(help="Its version (default: the next free number).")] = None,
    stage: Annotated[Stage | None, typer.Option(help="Ask for a promotion to this stage.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Version to evaluate on the same images (default: the one in production).")
    ] = None,
    resume: Annotated[str | None, typer.Option(metavar="VERSION|latest", help="Continue an earlier version.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Keep each epoch here; started again, it goes on.", envvar=CHECKPOINT),
    ] = None,
    output: Annotated[Format, typer.Option("-o", "--output", help="How data is printed.")] = Format.TABLE,
    home: Annotated[
        Path | None, typer.Option("--home", help="The installation's folder (default: $GEOMETRY_HOME or .geometry).")
    ] = None,
    submit: Annotated[bool, typer.Option("--submit", help="As a Job of a cluster, told here as it goes.")] = False,
    cluster: Annotated[str | None, typer.Option("--context", help="Of the kubeconfig, with --submit.")] = None,
    namespace: Annotated[str | None, typer.Option("-n", "--namespace", help="With --submit.")] = None,
    image: Annotated[str | None, typer.Option(help="The Job's, with --submit.")] = None,
    cpu: Annotated[str | None, typer.Option(help="The Job's, such as 4 or 500m, with --submit.")] = None,
    memory: Annotated[str | None, typer.Option(help="The Job's, such as 6Gi, with --submit.")] = None,
    data_claim: Annotated[
        str | None, typer.Option(help="PersistentVolumeClaim with folders named like their classes, with --submit.")
    ] = None,
) -> None:
    """Train a network on rendered shapes or your images, track it in MLflow, and with --register-model publish it."""
    if not register_model and (model_version or stage or baseline):
        raise typer.BadParameter("--model-version, --stage and --baseline need --register-model")
    if stage is Stage.ARCHIVED:
        raise typer.BadParameter("--stage archived: wanted development, staging or production")
    if weights and resume:
        raise typer.BadParameter("--weights and --resume: wanted one of them")
    settings = Settings(
        model=model_name(model),
        model_type=model_type,
        quick=quick,
        epochs=epochs,
        seed=seed,
        data=data,
        skip_unreadable=skip_unreadable,
        weights=weights,
        register=register_model,
        version=version_name(model_version) if model_version else None,
        baseline=version_name(baseline) if baseline else None,
        resume=resume,
        checkpoint=checkpoint,
    )
    where = {
        "--context": cluster,
        "--namespace": namespace,
        "--image": image,
        "--cpu": cpu,
        "--memory": memory,
        "--data": data_claim,
    }
    given = {option: value for option, value in where.items() if value is not None}
    if submit:
        _submit(context, settings, given, stage=stage, output=output)
        return
    if given:
        raise typer.BadParameter("--context, --namespace, --image, --cpu, --memory and --data-claim need --submit")
    _train(context, settings, stage=stage, output=output, home=home)


@data.command()
def render(
    output: Annotated[Path, typer.Option(help="Folder to write to: what --data reads, and a contact sheet.")],
    seed: Annotated[int, typer.Option(min=0, help="Of the images.")] = 1,
    count: Annotated[int, typer.Option(min=1, help="Images.")] = 96,
) -> None:
    """Write rendered images and a contact sheet."""
    from training.contact_sheet import write_samples

    write_samples(output, seed=seed, count=count)
    print(output)


def _train(
    context: typer.Context, settings: Settings, *, stage: Stage | None, output: Format, home: Path | None
) -> None:
    from training.progress import own_stderr, reporter
    from training.run import run

    found = installation(os.environ, home)
    uri = os.environ.get("MLFLOW_TRACKING_URI") or found.tracking_uri
    found.root.mkdir(parents=True, exist_ok=True)
    # TensorFlow, Keras and MLflow have much to say that is not about this run.
    with own_stderr(found.run / "train.log") as stream, reporter(stream) as telling:
        outcome = run(settings, home=found, tracking_uri=uri, reporter=telling)
    _print(outcome, output)
    if outcome.version is not None and stage in (Stage.STAGING, Stage.PRODUCTION):
        _promote(context, [outcome.version, "--to", stage, "--yes", "-m", outcome.model, "--home", str(found.root)])
    outcome.require_tracked()


def _submit(
    context: typer.Context, settings: Settings, where: Mapping[str, str], *, stage: Stage | None, output: Format
) -> None:
    """Have a Job of a cluster do it, print what it printed, and end as it ended."""
    if settings.data or settings.weights:
        raise typer.BadParameter("--data and --weights name files of this machine: with --submit use --data-claim")
    options = [part for option in where.items() for part in option]
    ended = _verb(context, "submit", [*options, "--", *submission(settings, claimed="--data" in where)])
    code, told = (ended, "") if isinstance(ended, int) else ended  # alone where somebody interrupted it
    if code != 0:
        raise typer.Exit(code)
    outcome = json.loads(told)
    _show(outcome, output)
    if outcome["version"] is not None and stage in (Stage.STAGING, Stage.PRODUCTION):
        place = [part for option in ("--context", "--namespace") if option in where for part in (option, where[option])]
        _verb(context, "promote", [outcome["version"], "--to", stage, "--yes", "-m", outcome["model"], *place])


def _promote(context: typer.Context, arguments: list[str]) -> None:
    """Ask as the user would. It raises what refuses it."""
    _verb(context, "promote", arguments)


def _verb(context: typer.Context, name: str, arguments: list[str]) -> Any:
    """Call the verb beside this one; whose packages are not known here."""
    verb = getattr(context.find_root().command, "commands", {}).get(name)
    if verb is None:
        raise TrainingError(f"no `{name}` here to ask; run: geometry {name} {' '.join(arguments)}")
    return verb.main(arguments, prog_name=f"geometry {name}", standalone_mode=False)


def _print(outcome: "Outcome", output: Format) -> None:
    """The last lines of a run."""
    published = outcome.version is not None
    told = {
        "run": outcome.run_id,
        "tracking": outcome.run_url,
        "model": outcome.model,
        "version": outcome.version,
        "digest": outcome.digest,
        "accuracy": round(outcome.accuracy, 4),
        "ece": round(outcome.ece, 4),
        "int8": outcome.int8,
        "next": f"geometry promote {outcome.version} --to production" if published else None,
    }
    _show(told, output)


def _show(told: Mapping[str, object], output: Format) -> None:
    if output is Format.JSON:
        print(json.dumps(told))
    elif output is Format.YAML:
        print(yaml.safe_dump(dict(told), sort_keys=False), end="")
    else:
        for name, value in told.items():
            if value is not None:
                print(f"{name:<9} {value}")
