"""Ed25519 keys: the one that signs manifests, and the list of public keys that are trusted.

The signing key is only where versions are published; the trust list goes to whoever verifies (predictor, controller)
and never comes from the store. Several keys may be trusted, so that a key can be replaced while old versions serve.
"""

import base64
import binascii
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from registry.domain.documents import Fields, canonical_bytes, sha256
from registry.domain.errors import Conflict, InvalidDocument, NotFound, NotVerified
from registry.store import durable

if TYPE_CHECKING:  # where needed, cryptography is imported late: most commands sign and verify nothing
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNING_KEY = "signing.key"
TRUST = "trust.json"
SCHEMA = 1
_LOCK = ".lock"


@dataclass(frozen=True)
class SigningKey:
    """A private key. `keyid`: first 16 digits of the sha256 of its raw public key."""

    private: "Ed25519PrivateKey"

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def keyid(self) -> str:
        return _keyid(self.public)

    def sign(self, content: bytes) -> bytes:
        """The Ed25519 signature of `content`, 64 bytes."""
        return self.private.sign(content)


@dataclass(frozen=True)
class Trust:
    """Public keys (32 raw bytes) by key id."""

    keys: Mapping[str, bytes]

    def verify(self, keyid: str, signature: bytes, content: bytes) -> None:
        """Raise NotVerified, naming the key, unless `keyid` is trusted and its signature of `content` is right."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if keyid not in self.keys:
            known = ", ".join(self.keys) or "none"
            raise NotVerified(
                f"signed with key {keyid}, which is not trusted; trusted are {known}; "
                "`geometry keys trust FILE` adds those of another installation's trust.json"
            )
        try:
            Ed25519PublicKey.from_public_bytes(self.keys[keyid]).verify(signature, content)
        except InvalidSignature:
            raise NotVerified(f"the signature is not one that key {keyid} made of these bytes") from None

    def content(self) -> bytes:
        """The bytes of `trust.json`."""
        keys = {keyid: base64.b64encode(public).decode() for keyid, public in self.keys.items()}
        return canonical_bytes({"schema": SCHEMA, "keys": keys})


def generate_key(directory: Path) -> SigningKey:
    """Create `signing.key` (PEM, mode 0600) in `directory` and add its public key to `trust.json` there.

    Raises Conflict when there is a signing key already: it is never overwritten.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    durable.make_directory(directory, mode=0o700)
    path = directory / SIGNING_KEY
    with durable.locked(directory / _LOCK):
        durable.clear_asides(directory)
        if path.exists():
            raise Conflict(f"{path}: exists already and is never overwritten; move it away to make a new one")
        key = SigningKey(Ed25519PrivateKey.generate())
        # Trust first: killed in between, there is a trusted key that nobody has, and the next call makes another one.
        trusted = dict(load_trust(directory).keys) if (directory / TRUST).exists() else {}
        durable.replace(directory / TRUST, Trust({**trusted, key.keyid: key.public}).content())
        durable.replace(path, _pem(key.private), mode=0o600)
    return key


def add_trust(directory: Path, other: Path) -> tuple[str, ...]:
    """Put the keys of the trust list `other` into the one of `directory`; return the ids that were not there.

    Raises NotFound or InvalidDocument.
    """
    new = load_trust(other)
    durable.make_directory(directory, mode=0o700)
    with durable.locked(directory / _LOCK):
        durable.clear_asides(directory)
        trusted = load_trust(directory).keys if (directory / TRUST).exists() else {}
        durable.replace(directory / TRUST, Trust({**trusted, **new.keys}).content())
    return tuple(keyid for keyid in new.keys if keyid not in trusted)


def load_signing_key(directory: Path) -> SigningKey:
    """Read `signing.key` of `directory`; raises NotFound, or InvalidDocument (no Ed25519 key, or open to all)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = directory / SIGNING_KEY
    try:
        content, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        raise NotFound(f"{path}: no signing key; `geometry keys init` makes one") from None
    # Readers by group are allowed: that is how Kubernetes hands a Secret to a process that is not root.
    if mode & stat.S_IRWXO:
        raise InvalidDocument(f"{path}: mode is {mode:04o}, so that every user can read it; wanted 0600 (chmod 600)")
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise InvalidDocument(f"{path}: not a readable key, wanted an Ed25519 private key as PEM without password")
    return SigningKey(private)


def load_trust(path: Path) -> Trust:
    """Read a trust list: the file, or `trust.json` of a directory. Raises NotFound or InvalidDocument."""
    file = path / TRUST if path.is_dir() else path
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{file}: no trust list; `geometry keys init` makes one") from None
    fields = Fields.parse(content, str(file))
    fields.schema(SCHEMA)
    keys = fields.object("keys")
    return Trust({keyid: _public(keys.text(keyid), keyid, file) for keyid in keys.document})


def _public(text: str, keyid: str, file: Path) -> bytes:
    try:
        public = base64.b64decode(text, validate=True)
    except binascii.Error:
        public = b""
    if len(public) != 32 or _keyid(public) != keyid:
        raise InvalidDocument(f"{file}: key {keyid} is {text!r}, wanted the 32 bytes in base64 that have this key id")
    return public


def _keyid(public: bytes) -> str:
    return sha256(public)[:16]


def _pem(private: "Ed25519PrivateKey") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
