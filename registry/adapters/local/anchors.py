"""`run/envoy/anchor.json`: per model the journal entry last acted upon, kept beside the configuration made from it."""

import json
from pathlib import Path

from registry.domain.documents import canonical_bytes
from registry.domain.errors import InvalidDocument
from registry.domain.journal import Anchor
from registry.domain.objects import anchor_text, parse_anchor
from registry.domain.version import Model

DIRECTORY = Path("run") / "envoy"
FILE = "anchor.json"


def read_anchors(directory: Path) -> dict[Model, Anchor]:
    """Empty where nothing was acted upon yet. Raises InvalidDocument when the file is damaged."""
    path = directory / FILE
    try:
        found = json.loads(path.read_bytes())
        return {Model(model): parse_anchor(text) for model, text in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise InvalidDocument(
            f"{path}: not readable; after a look at the journal (`geometry history`), remove the file"
        ) from error


def anchors_content(anchors: dict[Model, Anchor]) -> bytes:
    """The bytes of the file."""
    return canonical_bytes({model: anchor_text(anchor) for model, anchor in anchors.items()})
