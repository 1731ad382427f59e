"""`lllm refs` and `lllm list`: what is bound, who opens it, what is missing."""

import json

import pytest

CONFIG = """
[refs."psi://demo/b/tactics/one"]
url = "http://127.0.0.1:8000/tactics/one"
[refs."psi://demo/b/tactics/nowhere"]
label = "x"
[refs."psi://demo/b/tactics/absent"]
runtime = "agents"
[refs."psi://demo/b/tactics/wrong"]
store = ".sssn"
[refs."psi://demo/b/tactics/locked"]
url = "https://sick.example/x"
api_key_ref = "vault.key"
[refs."psi://demo/b/services/api"]
url = "http://sick.example"
[refs."psi://demo/b/services/none"]
port = 3
[refs."psi://demo/b/channels/events"]
store = "default"
[refs."psi://demo/b/channels/plain"]
store = ".sssn"
[refs."psi://demo/b/channels/cloud"]
store = "cloud:x"
[refs."psi://demo/b/snapshots/both"]
store = "a"
path = "b"
[refs."psi://demo/b/docs/guide"]
path = "guide.md"
[stores.default]
path = "sqlite:data"
"""


def test_each_ref_has_target_opener_and_state(invoke, bind):
    """Every binding is shown, and what is wrong with one does not hide the others."""
    bind(CONFIG)
    result = invoke("refs", "--json")
    assert result.exit_code == 0, result.stderr
    rows = {row["ref"].removeprefix("psi://demo/b/"): row for row in json.loads(result.stdout)}
    assert rows["tactics/one"] == {
        "ref": "psi://demo/b/tactics/one",
        "target": "url http://127.0.0.1:8000/tactics/one",
        "opener": "runtime fake",
        "problem": None,
        "url": "http://127.0.0.1:8000/tactics/one",
        "runtime": "fake",
        "health": None,
    }
    assert "binds nothing" in rows["tactics/nowhere"]["problem"]
    assert "pip install lllm-runtime-agents" in rows["tactics/absent"]["problem"]
    assert "must declare a url target" in rows["tactics/wrong"]["problem"]
    assert "config.toml:9:" in rows["tactics/wrong"]["problem"]
    assert "set LLLM_CREDENTIAL_VAULT_KEY" in rows["tactics/locked"]["problem"]
    assert rows["services/api"]["target"] == "url http://sick.example"
    assert "binds nothing" in rows["services/none"]["problem"]
    assert rows["channels/events"]["opener"] == "store sqlite"
    assert rows["channels/plain"]["opener"] == "store sqlite"
    assert "cloud" in rows["channels/cloud"]["problem"]
    assert "exactly one of url, store, path, got store, path" in rows["snapshots/both"]["problem"]
    assert (rows["docs/guide"]["target"], rows["docs/guide"]["problem"]) == ("path guide.md", None)


def test_the_table_is_for_people(invoke, bind):
    """Without --json the refs are one row each under a head."""
    bind('[refs."psi://demo/b/tactics/one"]\nurl = "http://127.0.0.1:8000"')
    assert invoke("refs").stdout == (
        "REF                       TARGET                     OPENED BY     STATE\n"
        "psi://demo/b/tactics/one  url http://127.0.0.1:8000  runtime fake  bound\n"
    )


def test_check_asks_each_service_for_its_health(invoke, bind, monkeypatch):
    """--check reports what the runtime's health check says, and exits 1 when something is wrong."""
    bind('[refs."psi://demo/b/tactics/one"]\nurl = "http://well.example"')
    result = invoke("refs", "--check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].endswith("  ok")
    bind(CONFIG)
    monkeypatch.setenv("LLLM_CREDENTIAL_VAULT_KEY", "x")
    result = invoke("refs", "--check", "--json")
    assert result.exit_code == 1
    health = {row["ref"].removeprefix("psi://demo/b/"): row["health"] for row in json.loads(result.stdout)}
    assert health["tactics/one"] == "ok"
    assert health["tactics/locked"] == "failed: it does not answer"
    assert health["services/api"] == "failed: it does not answer"
    assert health["channels/plain"] is None


def test_services_are_asked_at_once(invoke, bind):
    """Three services that answer only when all of them have been asked are all well."""
    bindings = (f'[refs."psi://demo/b/tactics/{name}"]\nurl = "http://together.example"\n' for name in "abc")
    bind("".join(bindings))
    result = invoke("refs", "--check")
    assert result.exit_code == 0
    assert result.stdout.count("  ok\n") == 3


def test_the_environment_shows_in_the_target(invoke, bind, monkeypatch):
    """A binding that the environment replaces shows the URL that is really used."""
    bind('[refs."psi://demo/b/tactics/one"]\nurl = "http://127.0.0.1:8000"')
    monkeypatch.setenv("LLLM_REF_DEMO__B__TACTICS__ONE", "https://elsewhere.example")
    assert "url https://elsewhere.example" in invoke("refs").stdout


def test_without_a_config_nothing_is_bound(invoke):
    """No config is no error."""
    assert invoke("refs").stdout == "There is no .psi/config.toml here; nothing is bound.\n"
    assert invoke("refs", "--json", "--check").stdout == "[]\n"


@pytest.mark.parametrize("command", ["refs", "list"])
def test_a_malformed_table_exits_2_with_its_place(invoke, bind, command):
    """What is wrong with the table itself is one line with file and line."""
    path = bind('\n[refs."http://x"]\nurl = "y"\n')
    result = invoke(command)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"lllm: error: {path}:2: Config ref must be a psi:// resource ref")


def test_list_shows_tactics_of_plugins_and_config(invoke, bind):
    """Both sources are listed by ref; the config wins where both have one."""
    assert json.loads(invoke("list", "--json").stdout) == [
        {"ref": "psi://acme/cli/tactics/wrapped", "source": "plugin", "target": "acme_cli:reverse"}
    ]
    bind(
        '[refs."psi://acme/cli/tactics/wrapped"]\nurl = "http://127.0.0.1:8000"\n'
        '[refs."psi://tactics/services/services/x"]\nurl = "http://127.0.0.1:8000"\n'
        '[refs."psi://a/b/tactics/c"]\nstore = "x"\n'
    )
    first, *rows = invoke("list").stdout.splitlines()
    assert first.split() == ["REF", "SOURCE", "TARGET"]
    assert rows[0].startswith("psi://a/b/tactics/c             config  not usable: ")
    assert rows[1] == "psi://acme/cli/tactics/wrapped  config  url http://127.0.0.1:8000"
    assert len(rows) == 2


def test_list_without_tactics_says_how_to_get_some(invoke):
    """An empty list explains itself."""
    assert "No tactics are known here" in invoke("--no-plugins", "list").stdout


def test_a_config_that_binds_nothing_is_said(invoke, bind):
    """Instead of a table without rows; for programs it is an empty array."""
    path = bind("[plugins]\ndisable = []\n")
    assert invoke("refs").stdout == f"{path} binds nothing.\n"
    assert invoke("refs", "--check").exit_code == 0
    assert json.loads(invoke("refs", "--json").stdout) == []
