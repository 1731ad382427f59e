"""The runtime: URL bindings of a config, credentials, health."""

import pytest

from lllm import RemoteTactic, TacticResolver, TacticServiceError, plugins

REF = "psi://demo/echo/tactics/echo"


def resolver(tmp_path, service, metadata=""):
    """Return a resolver whose config binds the ref to the service."""
    (tmp_path / ".psi").mkdir()
    text = f'[refs."{REF}"]\nurl = "{service.url}/tactics/echo"\nlabel = "extra"\n{metadata}'
    (tmp_path / ".psi" / "config.toml").write_text(text)
    return TacticResolver.from_config(tmp_path)


def test_a_bound_ref_is_called_like_a_local_one(tmp_path, service):
    """The resolver opens the binding through this runtime and passes the ref along."""
    bound = resolver(tmp_path, service, f'[refs."{REF}".metadata]\ntimeout_s = 7\n')
    tactic = bound.resolve(REF)
    assert isinstance(tactic, RemoteTactic)
    assert (tactic.tactic_name, tactic.timeout) == ("echo", 7.0)
    assert tactic.info().metadata == {
        "label": "extra",
        "timeout_s": 7,
        "ref": REF,
        "url": f"{service.url}/tactics/echo/run",
    }
    assert bound.run(REF, {"text": "hi"}) == {"text": "hi"}
    assert b'"tactic_ref":"psi://demo/echo/tactics/echo"' in service.requests[-1][3]
    tactic.close()


def test_credentials_are_looked_up_at_the_call(tmp_path, service, monkeypatch):
    """The secret is in the request and nowhere else."""
    monkeypatch.setenv("LLLM_TEST_KEY", "hush-hush")
    bound = resolver(tmp_path, service, f'[refs."{REF}".metadata]\napi_key_ref = "env:LLLM_TEST_KEY"\n')
    tactic = bound.resolve(REF)
    assert "hush" not in str(vars(tactic)) + tactic.info().model_dump_json()
    tactic.run(1)
    assert {request[2]["authorization"] for request in service.requests} == {"Bearer hush-hush"}
    tactic.close()


def test_health(service):
    """A service that answers is well; an error or silence is not."""
    runtime = plugins.manager().runtime("remote")
    runtime.health(f"{service.url}/tactics/echo/run")
    assert service.requests[0][1] == "/health"
    service.answers = [(503, {})]
    with pytest.raises(TacticServiceError, match="answers HTTP 503"):
        runtime.health(service.url)
    for body in ({"ok": False}, b"<html>", b"5"):
        service.answers = [(200, body)]
        with pytest.raises(TacticServiceError, match="does not say that the service is well"):
            runtime.health(service.url)
    service.answers = [(302, b"", {"location": "/elsewhere"})]
    with pytest.raises(TacticServiceError, match="answers HTTP 302"):
        runtime.health(service.url)
    service.stop()
    with pytest.raises(TacticServiceError, match="cannot be reached"):
        runtime.health(service.url)
    service.thread.join()
