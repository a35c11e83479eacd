"""`geometry models`: which versions exist, and what each says of itself."""

from typing import Any

import typer

from registry.cli import retirement, transfer
from registry.cli.compare import compare_versions
from registry.cli.completion import ModelOption, VersionArgument
from registry.cli.options import BRING_BACK, MODEL, ContextOption, Format, FormatOption, HomeOption, NamespaceOption
from registry.cli.places import installation, state_of
from registry.cli.printing import print_data
from registry.domain.card import Card
from registry.domain.comparison import slo_document
from registry.domain.documents import timestamp
from registry.domain.errors import NotFound, NotVerified
from registry.domain.version import model_name, version_name


def add(app: typer.Typer) -> None:
    verbs = typer.Typer(help="Versions of a model.", no_args_is_help=True)
    verbs.command("list")(list_versions)
    verbs.command("get")(get_version)
    verbs.command("compare")(compare_versions)
    retirement.add(verbs)
    transfer.add(verbs)
    app.add_typer(verbs, name="models")


def list_versions(
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """List the versions of a model, oldest first."""
    found = installation(home, context, namespace)
    state = state_of(found, model)
    rows: list[dict[str, Any]] = [
        {
            "version": version.version,
            "stage": "deleted" if version.deleted else version.stage.value,
            "variants": _variants(found.recorded_card(state.model, version.version, digest=version.digest)),
            "digest": version.digest if output is not Format.TABLE else version.digest[:12],
            "published": timestamp(version.published),
        }
        for version in sorted(state.versions.values(), key=lambda version: version.sequence)
    ]
    waiting = [version for version in found.stored(state.model) if version not in state.versions]
    rows += [{"version": version, "stage": "not yet published"} for version in waiting]
    print_data(rows, output, columns=("version", "stage", "variants", "digest", "published"))


def _variants(card: Card | None) -> list[str] | None:
    """Names of the nets that a version offers; None where its files are gone or not those that were recorded."""
    return None if card is None else list(card.variants)


def get_version(
    version: VersionArgument,
    model: ModelOption = MODEL,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
    context: ContextOption = None,
    namespace: NamespaceOption = None,
) -> None:
    """Verify one version and print its card. Exit 1 names the file that is not what was signed."""
    found, name, chosen = installation(home, context, namespace), model_name(model), version_name(version)
    known = state_of(found, model).versions.get(chosen)
    if known is not None and known.deleted:
        raise NotFound(f"{model} {version}: was deleted; `geometry history` says by whom and why")
    candidate = found.candidate(name, chosen)
    if candidate.card is None or candidate.manifest is None:
        wrong = candidate.verification_error or f"{model} {version}: has no card.json, wanted one"
        raise NotVerified(f"{wrong}; {BRING_BACK}")
    card = candidate.card
    print_data(
        {
            "model": card.model,
            "version": card.version,
            "stage": known.stage.value if known else "not yet published",
            "digest": candidate.manifest.digest,
            "created": timestamp(candidate.manifest.created),
            "classes": list(card.classes),
            "input": f"{card.input.width}×{card.input.height}×{card.input.channels} {card.input.dtype}",
            "accuracy": card.metrics.accuracy,
            "ece": card.metrics.ece,
            "per_class": dict(card.metrics.per_class),
            "low_confidence": card.low_confidence,
            "run": card.lineage.run_id,
            "data": card.lineage.data_digest,
            "code": card.lineage.code_version,
            "tested_on": len(candidate.evaluation.images) if candidate.evaluation else 0,
            "slo": slo_document(card),
            "variants": {name: dict(variant) for name, variant in card.variants.items()},
            "files": [entry.path for entry in candidate.manifest.files],
        },
        output,
    )
