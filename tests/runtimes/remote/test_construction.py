"""URLs, names and arguments of a remote tactic."""

import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lllm import RemoteTactic, RemoteTacticError, SchemaError, as_tactic
from lllm.names import check_segment
from lllm_runtime_remote.errors import error_from_body
from lllm_runtime_remote.urls import default_name, service_urls


@pytest.mark.parametrize(
    ("url", "base", "name"),
    [
        ("http://h:1", "http://h:1", "h"),
        ("http://h:1/", "http://h:1", "h"),
        ("http://h:1/run", "http://h:1", "h"),
        ("http://h:1/echo", "http://h:1/echo", "echo"),
        ("http://h:1/echo/stream", "http://h:1/echo", "echo"),
        ("https://h/tactics/echo", "https://h/tactics/echo", "echo"),
        ("https://h/tactics/echo/info", "https://h/tactics/echo", "echo"),
        ("http://h/tactics/run", "http://h/tactics/run", "run"),
        ("http://h/tactics/run/run", "http://h/tactics/run", "run"),
        ("http://h/x/tactics/info/", "http://h/x/tactics/info", "info"),
        ("http://[::1]:80", "http://[::1]:80", "remote"),
    ],
)
def test_urls_and_default_names(url, base, name):
    """One URL gives all routes; a tactic may be called run, stream or info."""
    tactic = RemoteTactic(url)
    assert tactic.url == f"{base}/run"
    assert tactic.stream_url == f"{base}/stream"
    assert tactic.info_url == f"{base}/info"
    assert tactic.tactic_name == name
    assert tactic.service_ref == url


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("h", "absolute http"),
        ("ftp://h", "absolute http"),
        ("http://h/a b", "whitespace"),
        ("http://u:p@h", "embedded credentials"),
        ("http://@h", "embedded credentials"),
        ("http://h/?q", "query, or fragment|query or fragment"),
        ("http://h/#f", "query, or fragment|query or fragment"),
        ("http://h/%41", "percent escapes"),
        ("http://h//a", "empty segments"),
        ("http://h/a/../b", "dot segments"),
        ("http://h/a:b", "backslashes or colons"),
        ("http://h:99999", "port"),
    ],
)
def test_bad_urls(url, part):
    """The error begins with the argument and says what is wrong."""
    with pytest.raises(ValueError, match=f"^url .*({part})"):
        RemoteTactic(url)


@pytest.mark.parametrize("timeout", [0, -1, True, "1", float("inf"), float("nan")])
def test_bad_timeouts(timeout):
    """None or a finite number above zero."""
    with pytest.raises(ValueError, match=r"^timeout must be a positive number or None\.$"):
        RemoteTactic("http://h", timeout=timeout)
    assert RemoteTactic("http://h", timeout=None).timeout is None


def test_metadata_and_capabilities():
    """The run URL wins over the caller's; capabilities are all four until the service has been asked."""
    metadata = {"url": "spoof", "label": "x"}
    tactic = RemoteTactic("http://h/echo", metadata=metadata)
    assert tactic.info().metadata == {"url": "http://h/echo/run", "label": "x"}
    assert metadata["url"] == "spoof"
    assert tactic.info().capabilities == ("arun", "events", "run", "stream")
    assert tactic.info().runtime_kind == "http"
    with pytest.raises(TypeError, match="metadata"):
        RemoteTactic("http://h", metadata=[])
    with pytest.raises(ValueError, match="retries"):
        RemoteTactic("http://h", retries=-1)


def test_a_url_becomes_a_remote_tactic():
    """as_tactic asks the runtime of the URL's scheme."""
    tactic = as_tactic("http://127.0.0.1:1/tactics/echo", timeout=3)
    assert isinstance(tactic, RemoteTactic)
    assert tactic.timeout == 3.0


@given(st.lists(st.text("abcrunstreamifo.-_", min_size=1).filter(lambda s: s not in {".", ".."}), max_size=4))
def test_any_path_gives_valid_routes_and_a_valid_name(segments):
    """Derived URLs are stable: each of them gives the same four again.

    A path that ends in `tactics` is left out: it is the list of a service and no tactic.
    """
    assume(segments[-1:] != ["tactics"])
    url = "http://h:8/" + "/".join(segments)
    urls = service_urls(url)
    check_segment(default_name(url), "name")
    assert service_urls(urls.run) == service_urls(urls.stream) == service_urls(urls.info) == urls


@pytest.mark.parametrize("status", [99, 600, True, "500", None])
def test_error_status_is_checked(status):
    """The error names the field."""
    with pytest.raises(ValueError, match="status_code"):
        RemoteTacticError(status)


def test_error_fields_are_checked():
    """Tokens and segments are ValueErrors, bytes TypeErrors."""
    for field in ("error_type", "endpoint", "request_id"):
        with pytest.raises(ValueError, match=field):
            RemoteTacticError(500, **{field: "a b"})
    with pytest.raises(TypeError, match="tactic"):
        RemoteTacticError(500, tactic=b"x")


def test_error_text_and_message():
    """The message falls back to a string detail or the nested error."""
    error = RemoteTacticError(500, error_type="ValueError", message="msg")
    assert str(error) == "Remote tactic returned HTTP 500 (ValueError): msg"
    assert RemoteTacticError(502, detail="plain").message == "plain"
    assert RemoteTacticError(502, detail={"detail": {"error": {"message": "nested"}}}).message == "nested"
    assert str(RemoteTacticError(503)) == "Remote tactic returned HTTP 503"


def test_malformed_fields_are_left_out_on_their_own():
    """One bad field does not lose the others."""
    body = {
        "detail": {
            "error": {"type": "a b", "message": "m", "tactic": 5, "endpoint": "run", "request_id": "r"}
        }
    }
    error = error_from_body(500, body)
    assert (error.error_type, error.message, error.tactic) == (None, "m", None)
    assert (error.endpoint, error.request_id, error.detail) == ("run", "r", body)
    assert error_from_body(404, {"detail": "Not Found"}).message == "Not Found"
    assert error_from_body(500, {"error": {"message": "top"}}).message == "top"


def test_known_types_are_caught_as_such():
    """A remote SchemaError is a SchemaError, and errors survive pickling."""
    error = error_from_body(400, {"detail": {"error": {"type": "SchemaError", "message": "m"}}})
    assert isinstance(error, SchemaError)
    assert isinstance(error, RemoteTacticError)
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), copied.status_code, copied.message) == (type(error), 400, "m")
    assert type(error_from_body(500, {"error": {"type": "SystemExit"}})) is RemoteTacticError
