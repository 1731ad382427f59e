"""Refs and service URLs: what is one, what is not, and how the refusal reads."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm.errors import TacticRefError
from lllm.refs import (
    PSI_REF_SECTIONS,
    PsiRef,
    TacticRef,
    check_http_url,
    check_psi_ref,
    check_service_ref,
    check_tactic_ref,
    parse_psi_ref,
)

REF = "psi://demo/briefs/tactics/brief"
SERVICE = "psi://demo/briefs/services/api"


def refusal(check, value):
    """Return the text of the ValueError with which a check refuses the value, or None when it accepts it."""
    try:
        check(value)
    except ValueError as error:
        return str(error)
    return None


segments = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,20}", fullmatch=True)
sections = st.sampled_from(PSI_REF_SECTIONS)


@given(segments, segments, sections, segments)
def test_every_plain_ref_survives_the_round_trip(org, package, section, name):
    """Parsing a ref made of plain parts gives the parts, and its text gives the ref again."""
    ref = parse_psi_ref(f"psi://{org}/{package}/{section}/{name}")
    assert ref == PsiRef(org, package, section, name)
    assert ref.resource_kind == section
    assert parse_psi_ref(str(ref)) == ref


@given(st.text())
def test_any_text_is_a_ref_with_one_spelling_or_a_value_error(text):
    """No text makes the parser fail otherwise, and what it accepts it gives back unchanged."""
    for candidate in (text, f"psi://{text}", f"psi://a/b/tactics/{text}"):
        message = refusal(parse_psi_ref, candidate)
        if message is None:
            assert str(parse_psi_ref(candidate)) == candidate
        else:
            assert message.startswith("ref ")
            assert message.isprintable()


@given(st.text(), st.sampled_from(["org", "package", "name"]))
def test_no_accepted_segment_can_be_read_another_way(text, part):
    """An accepted segment has no delimiter, no percent sign, no white space and nothing invisible."""
    parts = {"org": "o", "package": "p", "name": "n", part: text}
    candidate = "psi://{org}/{package}/tactics/{name}".format(**parts)
    if refusal(parse_psi_ref, candidate) is not None:
        return
    ref = parse_psi_ref(candidate)
    value = getattr(ref, part)
    assert value == text
    assert not set(value) & set('/:\\;%?#<>"`{}|^[]')
    assert value not in {".", ".."}
    assert value.isprintable()
    assert not any(character.isspace() for character in value)


@pytest.mark.parametrize("value", ["", "   ", None, 3, b"psi://a/b/tactics/c", ["psi://a/b/tactics/c"]])
def test_a_tactic_ref_must_be_a_non_empty_string(value):
    """Blank texts and other types are refused with the same sentence."""
    with pytest.raises(TacticRefError, match=r"^Tactic ref must be a non-empty string\.$"):
        TacticRef(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("http://a/b/tactics/c", "must use psi:// scheme: "),
        ("PSI://a/b/tactics/c", "must use psi:// scheme: "),
        (" psi://a/b/tactics/c", "must use psi:// scheme: "),
        ("\tpsi://a/b/tactics/c", "must use psi:// scheme: "),
        ("psi:a/b/tactics/c", "must use psi:// scheme: "),
        ("psi://a/b/tactics/c?x=1", "params, query, or fragment"),
        ("psi://a/b/tactics/c?", "params, query, or fragment"),
        ("psi://a/b/tactics/c#", "params, query, or fragment"),
        ("psi://a/b/tactics/c;v=1", "params, query, or fragment"),
        ("psi://a/b/tactics", "must have shape psi://org/package/tactics/name: "),
        ("psi://a/b/tactics/c/", "must have shape psi://org/package/tactics/name: "),
        ("psi://a/b/tactics/c/d", "must have shape psi://org/package/tactics/name: "),
        ("psi:///b/tactics/c", "must have shape psi://org/package/tactics/name: "),
        ("psi://a//tactics/c", "must have shape psi://org/package/tactics/name: "),
        ("psi://", "must have shape psi://org/package/tactics/name: "),
        ("psi://a/b/services/c", "must point at /tactics/, got /services/"),
        ("psi://a/b/Tactics/c", "must point at /tactics/, got /Tactics/"),
        ("psi://a/b/tactics/c d", "whitespace-bearing segment"),
        ("psi://a/b/tactics/c ", "whitespace-bearing segment"),
        ("psi://a/b/tactics/c%20d", "whitespace-bearing segment"),
        ("psi://a /b/tactics/c", "whitespace-bearing segment"),
        ("psi://a/b/tactics/c\u00a0d", "whitespace-bearing segment"),
        ("psi://a/b/tactics/\n", "whitespace-bearing segment"),
        ("psi://./b/tactics/c", "invalid segment"),
        ("psi://a/../tactics/c", "invalid segment"),
        ("psi://a/b/tactics/..", "invalid segment"),
        ("psi://a:80/b/tactics/c", "invalid segment"),
        ("psi://user@a/b/tactics/c", "invalid segment"),
        ("psi://a/b\\x/tactics/c", "invalid segment"),
        ("psi://a/b/tactics/c%2Fd", "invalid segment"),
        ("psi://a/b/tactics/c%", "invalid segment"),
        ("psi://a/b/tactics/\x00", "invalid segment"),
        ("psi://a/b/tactics/<b>", "invalid segment"),
        ("psi://a/b/tactics/c\u202ed", "invalid segment"),
        ("psi://a/b/tactics/c\u200bd", "invalid segment"),
        ("psi://a/b/tactics/cafe\u0301", "invalid segment"),
        ("psi://a/b/tactics/\ud800", "invalid segment"),
        ("psi://a/b/tactics/" + "x" * 513, "invalid segment"),
    ],
)
def test_a_malformed_tactic_ref_says_which_rule_it_breaks(value, message):
    """Each broken rule has its own sentence, always a TacticRefError, always one printable line."""
    with pytest.raises(TacticRefError) as caught:
        TacticRef(value)
    assert str(caught.value).startswith("Tactic ref ")
    assert message in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_tactic_ref_is_a_value():
    """Refs of one text are equal, hash alike, cannot change, and survive copies and pickles."""
    ref = TacticRef(REF)
    assert (ref.value, ref.org, ref.package, ref.resource_kind, ref.name) == (
        REF,
        "demo",
        "briefs",
        "tactics",
        "brief",
    )
    assert str(ref) == REF
    assert ref == TacticRef.parse(REF)
    assert hash(ref) == hash(TacticRef.parse(REF))
    assert ref != TacticRef("psi://demo/briefs/tactics/other")
    assert pickle.loads(pickle.dumps(ref)) == ref
    assert copy.deepcopy(ref) == ref
    with pytest.raises(AttributeError):
        ref.name = "x"


def test_parse_returns_an_instance_unchanged():
    """A ref that is parsed already is not parsed again."""
    ref = TacticRef(REF)
    assert TacticRef.parse(ref) is ref


def test_names_beyond_ascii_are_refs_in_their_one_form():
    """Letters of any script are legal when the text is in its composed Unicode form."""
    assert TacticRef("psi://demo/briefs/tactics/caf\u00e9").name == "caf\u00e9"


def test_several_sections_show_in_the_shape_and_the_refusal():
    """A parser for channels and snapshots names both."""
    wanted = ("channels", "snapshots")
    assert parse_psi_ref("psi://a/b/snapshots/c@1", "SSSN ref", sections=wanted).name == "c@1"
    with pytest.raises(
        ValueError, match=r"^SSSN ref must have shape psi://org/package/\{channels\|snapshots\}/name"
    ):
        parse_psi_ref("psi://a/b", "SSSN ref", sections=wanted)
    with pytest.raises(ValueError, match="must point at /channels/ or /snapshots/, got /tactics/"):
        parse_psi_ref(REF, "SSSN ref", sections=wanted)


def test_any_section_is_fine_without_a_list():
    """Without a list of sections the parser only looks at the shape."""
    assert check_psi_ref("psi://a/b/whatever/c", "ref") == "psi://a/b/whatever/c"
    with pytest.raises(ValueError, match="must have shape psi://org/package/section/name"):
        check_psi_ref("psi://a/b", "ref")


def test_a_tactic_ref_field_names_itself_in_the_error():
    """The label of the field opens the message."""
    assert check_tactic_ref(REF, "package_ref") == REF
    with pytest.raises(ValueError, match=r"^package_ref must point at /tactics/, got /services/"):
        check_tactic_ref(SERVICE, "package_ref")


@pytest.mark.parametrize(
    "value",
    [
        SERVICE,
        "http://127.0.0.1:8000",
        "http://127.0.0.1:8000/",
        "https://example.org/tactics/echo/",
        "http://[::1]:8000/tactics/echo",
        "HTTP://example.org",
        "http://b\u00fccher.example/x",
        "http://localhost:65535/run",
    ],
)
def test_service_refs_are_returned_unchanged(value):
    """A psi service ref or a plain URL passes as it is written."""
    assert check_service_ref(value) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "must be a non-empty string"),
        ("  ", "must be a non-empty string"),
        (None, "must be a non-empty string"),
        (b"http://a", "must be a non-empty string"),
        (" http://a", "whitespace"),
        ("http://a/\u2028", "whitespace"),
        (REF, "must point at /services/, got /tactics/"),
        ("psi://a/b/services", "must have shape psi://org/package/services/name"),
        ("psi:/a", "psi://"),
        ("ftp://a", "absolute HTTP(S) URL"),
        ("a.example/x", "psi://"),
        ("http://", "absolute HTTP(S) URL"),
        ("http:///x", "absolute HTTP(S) URL"),
        ("http://:80", "absolute HTTP(S) URL"),
        ("http://[::1", "absolute HTTP(S) URL"),
        ("http://a\x00b", "absolute HTTP(S) URL"),
        ("http://<a>", "absolute HTTP(S) URL"),
        ("http://user:pw@a", "embedded credentials"),
        ("http://user:pw@[::1", "absolute HTTP(S) URL"),
        ("http://@a", "embedded credentials"),
        ("http://a/b;c", "params, query, or fragment"),
        ("http://a/?x=1", "params, query, or fragment"),
        ("http://a/?", "params, query, or fragment"),
        ("http://a#", "params, query, or fragment"),
        ("http://a/%2e", "percent escapes"),
        ("http://a%41/", "percent escapes"),
        ("http://a/b\\c", "backslashes or colons"),
        ("http://a\\b", "backslashes or colons"),
        ("http://a/b:c", "backslashes or colons"),
        ("http://a//", "empty segments"),
        ("http://a/b//c", "empty segments"),
        ("http://a/b//", "empty segments"),
        ("http://a/./b", "dot segments"),
        ("http://a/..", "dot segments"),
        ("http://a:0", "port between 1 and 65535"),
        ("http://a:65536", "port between 1 and 65535"),
        ("http://a:", "port between 1 and 65535"),
        ("http://a:x", "port between 1 and 65535"),
        ("http://a:\u0661", "port between 1 and 65535"),
        ("http://[::1]:99999", "port between 1 and 65535"),
    ],
)
def test_a_malformed_service_ref_says_which_rule_it_breaks(value, message):
    """Every refusal is a ValueError that begins with the label and never shows a password."""
    with pytest.raises(ValueError) as caught:
        check_service_ref(value)
    assert str(caught.value).startswith("service_ref ")
    assert message in str(caught.value)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nope", "absolute http(s) URL"),
        ("psi://a/b/services/c", "absolute http(s) URL"),
        ("http://a/?b", "query or fragment"),
    ],
)
def test_a_url_field_refuses_refs_and_queries(value, message):
    """A field that takes a URL alone says so in the words of the remote client."""
    with pytest.raises(ValueError, match=r"^url ") as caught:
        check_http_url(value)
    assert message in str(caught.value)


@given(
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5}){0,2}", fullmatch=True),
    st.none() | st.integers(1, 65535),
    st.lists(segments, max_size=4),
    st.booleans(),
)
def test_every_plain_url_is_accepted(scheme, host, port, path, slash):
    """Hosts, ports, plain segments and one trailing slash make a service URL."""
    url = f"{scheme}://{host}" + (f":{port}" if port else "") + "".join(f"/{part}" for part in path)
    url += "/" if slash else ""
    assert check_http_url(url) == url


@given(st.text())
def test_any_text_is_a_url_or_a_value_error(text):
    """No text makes the URL check fail otherwise, and what it accepts cannot be read another way."""
    for candidate in (text, f"http://{text}", f"http://a/{text}"):
        message = refusal(check_http_url, candidate)
        if message is None:
            rest = candidate.split("://", 1)[1]
            assert "@" not in rest.split("/")[0]
            assert not set(rest) & set(";?#%\\")
            assert "//" not in rest
            assert candidate.isprintable()
        else:
            assert message.startswith("url ")
            assert message.isprintable()
