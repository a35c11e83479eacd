"""Names of models, versions and revisions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.errors import InvalidName
from registry.domain.version import Version, model_name, next_version, revision_name, version_name

VERSIONS = st.from_regex(r"[1-9][0-9]{0,4}|[0-9]\.[0-9]\.[0-9]", fullmatch=True)


@pytest.mark.parametrize("text", ["shapes", "a", "a-b-9", "a" * 30])
def test_dns_labels_are_model_names(text: str) -> None:
    assert model_name(text) == text


@pytest.mark.parametrize(
    "text", ["", "A", "9a", "-a", "a-", "a_b", "a.b", "a/b", "..", "a\n", "a" * 31, "shapes-staging"]
)
def test_other_model_names_are_refused(text: str) -> None:
    with pytest.raises(InvalidName, match=re.escape(repr(text))):
        model_name(text)


@pytest.mark.parametrize("text", ["1", "42", "1.0.0", "0.1.0", "999999999999"])
def test_integers_and_three_numbers_are_versions(text: str) -> None:
    assert version_name(text) == text


@pytest.mark.parametrize("text", ["", "0", "01", "v1", "1.0", "1.0.0.0", "1.00.0", "-1", "1\n", "١", "1" * 13, ".."])
def test_other_versions_are_refused(text: str) -> None:
    with pytest.raises(InvalidName, match=re.escape(repr(text))):
        version_name(text)


@given(st.lists(VERSIONS))
def test_the_next_version_is_new_and_a_version(taken: list[Version]) -> None:
    assert version_name(next_version(taken)) not in taken


@given(VERSIONS)
def test_a_revision_is_a_dns_label(version: Version) -> None:
    assert re.fullmatch(r"v[a-z0-9-]*[a-z0-9]", revision_name(version))


def test_dots_become_dashes() -> None:
    assert (revision_name(Version("3")), revision_name(Version("1.0.0"))) == ("v3", "v1-0-0")
