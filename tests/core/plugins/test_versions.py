"""Version comparison and requirements, against what `packaging` says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version as TheirVersion

from lllm.plugins.markers import holds
from lllm.plugins.requirements import excludes
from lllm.plugins.versions import InvalidVersionError, Version, satisfies

numbers = st.integers(0, 3)
releases = st.lists(numbers, min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
stages = st.sampled_from(["", "a1", "b2", "rc1", ".post1", ".dev2", "a1.dev1", "rc1.post2", ".post1.dev3"])
publics = st.builds(
    lambda epoch, release, stage: f"{epoch}{release}{stage}", st.sampled_from(["", "1!"]), releases, stages
)
versions = st.builds(lambda public, local: public + local, publics, st.sampled_from(["", "", "+abc.1"]))
clauses = st.one_of(
    st.builds(
        lambda operator, version: operator + version,
        st.sampled_from(["==", "!=", "<", ">", "<=", ">="]),
        publics,
    ),
    st.builds(lambda operator, release: f"{operator}{release}.*", st.sampled_from(["==", "!="]), releases),
    st.builds(lambda release, last, stage: f"~={release}.{last}{stage}", releases, numbers, stages),
    st.builds(lambda version: f"=={version}", versions),
)


@given(versions, versions)
def test_versions_are_ordered_as_packaging_orders_them(left: str, right: str) -> None:
    """Public versions compare alike; local parts never decide."""
    theirs = TheirVersion(TheirVersion(left).public), TheirVersion(TheirVersion(right).public)
    assert (Version(left).key < Version(right).key) == (theirs[0] < theirs[1])
    assert (Version(left).key == Version(right).key) == (theirs[0] == theirs[1])


@given(versions, st.lists(clauses, max_size=3))
def test_specifiers_match_what_packaging_matches(version: str, parts: list[str]) -> None:
    """Every operator agrees, pre-releases included."""
    text = ",".join(parts)
    assert satisfies(version, text) == SpecifierSet(text).contains(version, prereleases=True)


@given(st.text(alphabet="0123456789.!abcrdevpost+-_ v", max_size=12))
def test_what_packaging_refuses_is_refused(text: str) -> None:
    """A text is a version for both or for neither."""
    try:
        TheirVersion(text)
    except ValueError:
        with pytest.raises(InvalidVersionError):
            Version(text)
    else:
        Version(text)


@pytest.mark.parametrize("text", ["0.1", ">0.1.*", "~=1", ">=", "=>1", "== 1 2", "==1.0a1.*", "banana"])
def test_a_malformed_clause_is_refused(text: str) -> None:
    """The error is a ValueError that shows the clause."""
    with pytest.raises(InvalidVersionError):
        satisfies("1.0", text)


@pytest.mark.parametrize(
    "requirement",
    [
        "lllm",
        "lllm>=0.1,<0.3",
        "lllm (>=0.3)",
        "LLLM[client] >=0.3",
        "lllm==0.1.*",
        "lllm!=0.1.5",
        "lllm>=0.3; python_version < '3'",
        'lllm>=0.3; python_version >= "3.8"',
        "lllm>=0.3; extra == 'future'",
        "lllm<0.1; sys_platform == 'nowhere' or (os_name != 'nothing' and python_full_version >= '3.9')",
        "lllm>9; 'x' in platform_machine or implementation_name not in 'a b c'",
    ],
)
def test_a_requirement_excludes_what_pip_would_not_install(requirement: str) -> None:
    """Versions and environment markers count; a requirement of an extra does not."""
    theirs = Requirement(requirement)
    applies = theirs.marker is None or theirs.marker.evaluate({"extra": ""})
    assert excludes(requirement, "0.1.5") == (applies and not theirs.specifier.contains("0.1.5"))


terms = st.sampled_from(
    [
        "python_version >= '3.9'",
        "os_name == 'x'",
        "'linux' in sys_platform",
        "extra == 'a'",
        "python_version < '3'",
    ]
)
markers = st.recursive(
    terms,
    lambda inner: (
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, st.sampled_from(["and", "or"]), inner)
        | st.builds(lambda a, op, b: f"{a} {op} {b}", inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=6,
)


@given(markers)
def test_markers_hold_when_packaging_says_so(marker: str) -> None:
    """`and` binds before `or`, and parentheses before both."""
    assert holds(marker) == Marker(marker).evaluate({"extra": ""})


@pytest.mark.parametrize(
    "marker",
    [
        "",
        "python_version",
        "python_version >=",
        "(os_name == 'x'",
        "os_name ! 'x'",
        "a == 'b'",
        "os_name == 'x' or",
    ],
)
def test_a_malformed_marker_is_refused(marker: str) -> None:
    """Nothing that packaging refuses is taken for true or false."""
    with pytest.raises(InvalidMarker):
        Marker(marker)
    with pytest.raises(InvalidVersionError):
        holds(marker)
