"""What a mirror says of a journal."""

from registry.domain.documents import timestamp
from registry.domain.mirror import aliases, mirrored
from tests.registry.domain.builders import MODEL, V1, V2, V3, digest, idle, promoted, soaking


def said(place):
    return mirrored(MODEL, place.entries)


def test_every_version_carries_its_identity_and_its_stage():
    tags = said(promoted()).tags
    assert {version: tags[version]["stage"] for version in tags} == {
        V1: "archived",
        V2: "production",
        V3: "development",
    }
    assert (tags[V2]["version"], tags[V2]["digest"]) == (V2, digest(V2))


def test_the_canary_is_named_as_long_as_its_rollout_lasts():
    place = soaking()
    assert said(place).aliases == {"production": V1, "staging": V2, "previous": None, "canary": V2}
    place.ask("rollback")
    place.turn()
    assert said(place).aliases == {"production": V1, "staging": None, "previous": None, "canary": None}


def test_a_promotion_leaves_production_and_previous():
    assert said(promoted()).aliases == {"production": V2, "staging": None, "previous": V1, "canary": None}


def test_aliases_are_those_of_the_state():
    place = promoted()
    assert said(place).aliases == aliases(place.state)


def test_whoever_asked_brought_a_version_to_where_it_is():
    place = promoted()
    entry = next(entry for entry in reversed(place.entries) if entry.kind == "promoted")
    told = f"by ann at {timestamp(entry.time)}, entry {entry.sequence} (promoted)"
    assert {version: said(place).tags[version]["promotion"] for version in (V1, V2)} == {
        V1: f"archived {told}",
        V2: f"production {told}",
    }


def test_where_nobody_asked_it_is_who_decided():
    place = idle()
    published = next(entry for entry in place.entries if entry.data.get("version") == V3)
    assert f" by {published.actor} at " in said(place).tags[V3]["promotion"]
    assert said(place).tags[V3]["promotion"].endswith(f"entry {published.sequence} (published)")


def test_who_ended_a_rollout_is_named_not_who_began_it():
    place = soaking()
    place.ask("rollback", by="bob")
    place.turn()
    assert " by bob at " in said(place).tags[V2]["promotion"]


def test_a_deletion_is_the_last_word_on_a_version():
    place = idle()
    for action in ("archive", "delete"):
        place.ask(action, V3, by="bob")
        place.turn()
    assert said(place).tags[V3]["promotion"].endswith("(deleted)")


def test_an_empty_journal_is_mirrored_as_nothing():
    found = mirrored(MODEL, ())
    assert (dict(found.tags), set(found.aliases.values())) == ({}, {None})
