"""Keys and trust."""

import json
from pathlib import Path

import pytest

from registry.domain.errors import Conflict, InvalidDocument, NotFound, NotVerified
from registry.store.keys import Trust, generate_key, load_signing_key, load_trust


def test_what_was_signed_verifies(tmp_path: Path) -> None:
    key = generate_key(tmp_path)
    signature = load_signing_key(tmp_path).sign(b"manifest")
    load_trust(tmp_path).verify(key.keyid, signature, b"manifest")
    with pytest.raises(NotVerified, match=key.keyid):
        load_trust(tmp_path / "trust.json").verify(key.keyid, signature, b"manifesT")


def test_a_signing_key_is_private_and_never_overwritten(tmp_path: Path) -> None:
    key = generate_key(tmp_path / "keys")
    with pytest.raises(Conflict, match="never overwritten"):
        generate_key(tmp_path / "keys")
    assert load_signing_key(tmp_path / "keys").keyid == key.keyid
    assert (tmp_path / "keys" / "signing.key").stat().st_mode & 0o777 == 0o600


def test_an_old_key_stays_trusted_beside_a_new_one(tmp_path: Path) -> None:
    old = generate_key(tmp_path)
    (tmp_path / "signing.key").rename(tmp_path / "retired.key")
    new = generate_key(tmp_path)
    assert set(load_trust(tmp_path).keys) == {old.keyid, new.keyid}


def test_an_untrusted_key_is_named(tmp_path: Path) -> None:
    key = generate_key(tmp_path)
    with pytest.raises(NotVerified, match=f"{key.keyid}, which is not trusted"):
        Trust({}).verify(key.keyid, key.sign(b""), b"")


def test_a_key_open_to_all_is_refused(tmp_path: Path) -> None:
    generate_key(tmp_path)
    (tmp_path / "signing.key").chmod(0o644)
    with pytest.raises(InvalidDocument, match=r"0644.*chmod 600"):
        load_signing_key(tmp_path)


def test_missing_keys_say_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="keys init"):
        load_signing_key(tmp_path)
    with pytest.raises(NotFound, match="keys init"):
        load_trust(tmp_path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("secret")
    (tmp_path / "signing.key").chmod(0o600)
    with pytest.raises(InvalidDocument, match="Ed25519"):
        load_signing_key(tmp_path)


@pytest.mark.parametrize("public", ["", "AAAA", "no base64!", "A" * 43 + "="])
def test_a_trust_list_with_a_key_under_another_name_is_refused(public: str, tmp_path: Path) -> None:
    key = generate_key(tmp_path)
    (tmp_path / "trust.json").write_text(json.dumps({"schema": 1, "keys": {key.keyid: public}}))
    with pytest.raises(InvalidDocument, match=key.keyid):
        load_trust(tmp_path)
