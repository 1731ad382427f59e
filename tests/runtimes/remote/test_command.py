"""`lllm call` against a real connection."""

import json

import pytest

from lllm.cli import main


def run(capsys, *arguments):
    """Run the program and return its exit code and what it printed."""
    try:
        code = main(["call", *arguments]) or 0
    except SystemExit as exit_:
        code = exit_.code or 0
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_a_url_is_called(service, capsys, monkeypatch):
    """The input goes out as JSON, the output comes back as JSON; the token is only in the request."""
    monkeypatch.setenv("LLLM_TEST_TOKEN", "hush")
    url = f"{service.url}/tactics/echo"
    code, out, err = run(capsys, url, '{"text": "hi"}', "--timeout", "5", "--token-env", "LLLM_TEST_TOKEN")
    assert (code, json.loads(out), err) == (0, {"text": "hi"}, "")
    headers = service.requests[0][2]
    assert headers["authorization"] == "Bearer hush"
    assert int(headers["x-lllm-timeout-ms"]) <= 5000


def test_a_stream_is_printed_line_by_line(service, capsys):
    """Each chunk is one line of JSON."""
    service.answers = [lambda handler: handler.stream(b'data: "a"\n\ndata: {"b": 1}\n\n')]
    code, out, _ = run(capsys, service.url, "1", "--stream")
    assert (code, [json.loads(line) for line in out.splitlines()]) == (0, ["a", {"b": 1}])


def test_a_failed_call_exits_one(service, capsys):
    """The error of the service is one line."""
    service.answers = [(500, {"detail": {"error": {"type": "ValueError", "message": "cannot"}}})]
    code, out, err = run(capsys, service.url, "1")
    assert (code, out) == (1, "")
    assert "cannot" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["mymodule:Tactic", "1"], "neither a URL nor a psi:// ref"),
        (["http://127.0.0.1:1/x", "{bad"], "JSON"),
        (["http://127.0.0.1:1/x", "1", "--token-env", "LLLM_NOT_SET"], "holds no token"),
        (["psi://a/b/tactics/c", "1", "--token-env", "X"], "api_key_ref"),
    ],
)
def test_mistakes_exit_two(capsys, arguments, part):
    """Usage errors say what to change."""
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert part in err
