"""Reads what the checklist asks of: a version's manifest, card and evaluation, each only after it verified."""

from registry.domain.card import CARD, Card, parse_card
from registry.domain.checklist import Candidate
from registry.domain.errors import InvalidDocument, InvalidName, NotFound, NotVerified
from registry.domain.evaluation import EVALUATION, Evaluation, parse_evaluation
from registry.domain.manifest import MANIFEST, parse_manifest
from registry.domain.version import Model, Version
from registry.store.keys import Trust
from registry.store.versions import VerifiedVersion, VersionStore


def read_candidate(store: VersionStore, trust: Trust, model: Model, version: Version) -> Candidate:
    """Verify and read a version. What is missing or wrong is said in `verification_error` instead of raised."""
    try:
        verified = store.verify(model, version, trust)
    except (NotVerified, NotFound) as error:
        return Candidate(version, verification_error=str(error))
    try:
        card, evaluation = _card(verified), _evaluation(verified)
    except NotVerified as error:  # changed between verifying and reading
        return Candidate(version, verification_error=str(error))
    except (InvalidDocument, InvalidName) as error:
        return Candidate(version, verified.manifest, verification_error=str(error))
    return Candidate(version, verified.manifest, card=card, evaluation=evaluation)


def read_recorded_card(store: VersionStore, model: Model, version: Version, *, digest: str) -> Card | None:
    """The card of a version whose manifest has the digest that the journal recorded, without hashing its other files.

    None where the version was deleted or is not what was recorded: `verify` says what is wrong.
    """
    directory = store.directory(model, version)
    try:
        manifest = parse_manifest((directory / MANIFEST).read_bytes())
        return _card(VerifiedVersion(manifest, directory)) if manifest.digest == digest else None
    except (NotVerified, InvalidDocument, InvalidName, OSError):
        return None


def _card(verified: VerifiedVersion) -> Card:
    card, manifest = parse_card(verified.read(CARD)), verified.manifest
    if (card.model, card.version) != (manifest.model, manifest.version):
        found, wanted = f"{card.model} {card.version}", f"{manifest.model} {manifest.version}"
        raise InvalidDocument(f"{verified.directory / CARD}: found {found}, wanted {wanted} as in its manifest")
    return card


def _evaluation(verified: VerifiedVersion) -> Evaluation:
    return parse_evaluation(verified.read(EVALUATION))
