"""The templates of `manifests/predictor/` as values: beside this module in an installed wheel, two folders up in a
checkout. One object a file; what fills them in is `registry.domain.objects`."""

from pathlib import Path
from typing import Any

import yaml

from registry.domain.documents import Fields
from registry.domain.errors import InvalidDocument, NotFound
from registry.domain.objects import Templates


def templates_directory() -> Path:
    """Where the templates are; raises NotFound when the installation lost them."""
    here = Path(__file__).resolve().parent
    for directory in (here / "predictor", here.parents[1] / "manifests" / "predictor"):
        if directory.is_dir():
            return directory
    raise NotFound(f"{here / 'predictor'}: the templates are not there; install ml-geometry again")


def read_templates(directory: Path | None = None, *, namespace: str | None = None) -> Templates:
    """The four templates, for a namespace of a cluster or for one machine (None). Raises NotFound or InvalidDocument,
    naming the file."""
    directory = directory or templates_directory()
    return Templates(
        serving_runtime=_read(directory / "servingruntime.yaml", kind="ServingRuntime"),
        inference_service=_read(directory / "inferenceservice.yaml", kind="InferenceService"),
        http_route=_read(directory / "httproute.yaml", kind="HTTPRoute"),
        pinned_route=_read(directory / "httproute-pinned.yaml", kind="HTTPRoute"),
        namespace=namespace,
    )


def _read(path: Path, *, kind: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise NotFound(f"{path}: not there, wanted the template of a {kind}") from error
    except yaml.YAMLError as error:
        raise InvalidDocument(f"{path}: not readable as YAML ({error})") from error
    found = Fields(document, str(path))
    if found.text("kind") != kind:
        raise InvalidDocument(f"{path}: kind is {found.text('kind')}, wanted {kind}")
    return dict(found.document)
