"""The version this process serves: verified first, then read, never looked at again.

A version that fails here is never loaded and its port never opened.
"""

from dataclasses import dataclass
from pathlib import Path

from registry.domain.card import CARD, Card, parse_card
from registry.domain.errors import NotVerified, RegistryError
from registry.domain.version import Model, Version
from registry.store.keys import load_trust
from registry.store.versions import verify_directory

FP32 = "fp32"


@dataclass(frozen=True)
class Served:
    """Who answers: on the wire, in metrics and in logs. `net`: the verified bytes of the variant's .tflite file."""

    model: Model
    version: Version
    digest: str
    card: Card
    variant: str
    net: bytes

    @property
    def classes(self) -> tuple[str, ...]:
        return self.card.classes


def open_version(directory: Path, trust: Path, *, model: str | None, digest: str | None, variant: str = FP32) -> Served:
    """Verify a version's directory against the trust list and read it.

    model, digest, variant: what the caller insists on (None: whatever is signed). Raises NotVerified naming the file or
    what differs, and NotFound or InvalidDocument for a missing or broken trust list or card.
    """
    if not directory.is_dir():
        raise NotVerified(f"{directory}: no such directory, wanted one version (--model_dir)")
    verified = verify_directory(directory, load_trust(trust))
    found = verified.manifest
    if digest is not None and verified.digest != digest:
        raise NotVerified(f"{directory}: digest is {verified.digest}, MODEL_DIGEST wants {digest}")
    if model is not None and found.model != model:
        raise NotVerified(
            f"{directory}: is model {found.model}, --model_name wants {model}; leave it out to take the signed name"
        )
    card = _card(directory, verified.read(CARD))
    if (card.model, card.version) != (found.model, found.version):
        raise NotVerified(
            f"{directory / CARD}: is of {card.model} {card.version}, wanted {found.model} {found.version}"
        )
    if variant not in card.variants:
        raise NotVerified(f"{directory}: offers {', '.join(card.variants)}, --variant wants {variant}")
    net = verified.read(card.file(variant))
    return Served(found.model, found.version, verified.digest, card, variant, net)


def _card(directory: Path, content: bytes) -> Card:
    try:
        return parse_card(content)
    except RegistryError as error:
        raise NotVerified(f"{directory / CARD}: {error}") from error
