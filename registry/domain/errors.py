"""Everything the registry refuses or cannot do.

    RegistryError
    ├── InvalidName        a model, version or class name breaks its rule
    ├── InvalidDocument    a card, manifest, policy or journal entry breaks its schema
    ├── NotVerified        a signature, digest or file does not match
    ├── Refused            a rule says no (exit 3)
    ├── NotFound           model or version unknown
    ├── Conflict           another writer was first, or the version exists with another digest
    ├── JournalDamaged     the chain is torn, altered, shorter than its anchor, or the volume is unfit
    └── Unreachable        no controller, no MLflow, no revision (exit 5)

Messages say what was found, what was wanted, and what to do. The command line maps them to exit codes in one place.
"""


class RegistryError(Exception):
    """Base of all errors of this package."""


class InvalidName(RegistryError):
    """A name breaks its rule."""


class InvalidDocument(RegistryError):
    """A document breaks its schema; the message names the field. path: keys and indices that lead to it."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class NotVerified(RegistryError):
    """Bytes are not what was signed; the message names the file."""


class Refused(RegistryError):
    """A rule of the registry says no; the message carries the numbers."""


class NotFound(RegistryError):
    """The model or version does not exist."""


class Conflict(RegistryError):
    """Another writer was first."""


class JournalDamaged(RegistryError):
    """The journal cannot be trusted; the message names the entry."""


class Unreachable(RegistryError):
    """Something that must answer does not."""
