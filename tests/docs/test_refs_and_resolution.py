"""Seed 003, "Refs And Resolution": its code blocks, verbatim; what needs no service is run."""

import textwrap

import pytest

from lllm import PluginNotFoundError, TacticRefError, TacticResolver, as_tactic

REGISTRATION = """\
from lllm import TacticResolver

resolver = TacticResolver()
resolver.register("psi://demo/briefs/tactics/brief", brief_tactic)

output = resolver.run(
    "psi://demo/briefs/tactics/brief",
    {"topic": "LLLM refs"},
)
"""

REMOTE = """\
[refs."psi://demo/briefs/tactics/brief"]
url = "http://127.0.0.1:8000"

[refs."psi://demo/briefs/services/api"]
url = "http://127.0.0.1:8000"
"""

RESOLVE = """\
resolver = TacticResolver.from_config(".")
tactic = resolver.resolve("psi://demo/briefs/tactics/brief")
"""

MIXED = """\
[refs."psi://demo/briefs/tactics/brief"]
url = "http://127.0.0.1:8000"

[refs."psi://demo/briefs/services/api"]
url = "http://127.0.0.1:8000"

[refs."psi://demo/briefs/channels/events"]
store = ".sssn"
"""

TARGET = """\
[refs."psi://demo/briefs/tactics/brief"]
url = "http://127.0.0.1:8000"
"""

METADATA = """\
[refs."psi://demo/briefs/tactics/brief".metadata]
timeout_s = 30
api_key_ref = "openai.default"
"""

REF = "psi://demo/briefs/tactics/brief"


def brief(topic: dict[str, str]) -> str:
    """Say what a topic is about."""
    return f"About {topic['topic']}."


def load(page, text):
    """Write the config of the page and load it."""
    page.write(".psi/config.toml", text)
    return TacticResolver.from_config(".")


def test_a_registered_tactic_is_called_by_its_ref(page):
    """The block on local registration, with a tactic of one's own."""
    page.names["brief_tactic"] = as_tactic(brief)
    page.run(REGISTRATION)
    assert page.names["output"] == "About LLLM refs."


@pytest.mark.parametrize("config", [REMOTE, MIXED, TARGET, TARGET + METADATA])
def test_each_config_of_the_page_binds_the_ref(page, config):
    """Every config that the page shows loads, and no service has to run for that."""
    assert load(page, config).refs() == (REF,)


def test_no_layer_reads_the_bindings_of_another(page):
    """One file serves tactics, services and channels: each resolver takes what is its own."""
    from sssn import SSSNResolver

    tactics = load(page, MIXED)
    channels = SSSNResolver.from_config(".")
    assert tactics.service_url("psi://demo/briefs/services/api") == "http://127.0.0.1:8000"
    assert channels.refs() == ("psi://demo/briefs/channels/events",)


def test_a_url_binding_resolves_to_a_tactic_or_says_what_to_install(page):
    """The block that resolves a URL binding: with the remote runtime a tactic, without it its name."""
    page.write(".psi/config.toml", REMOTE)
    page.names["TacticResolver"] = TacticResolver
    try:
        import lllm_runtime_remote  # noqa: F401 - asked only whether it is installed
    except ModuleNotFoundError:
        with pytest.raises(PluginNotFoundError, match=r"pip install 'lllm\[client\]'"):
            page.run(RESOLVE)
    else:
        page.run(RESOLVE)
        assert page.names["tactic"].info().metadata["url"] == "http://127.0.0.1:8000/run"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "http://user:pass@127.0.0.1",
        "http://127.0.0.1?q=1",
        "http://127.0.0.1#f",
        "http://127.0.0.1/a;b",
        "http://127.0.0.1/%61",
        "http://127.0.0.1//a",
        "http://127.0.0.1/a/../b",
        "http://127.0.0.1/a\\\\b",
        "http://127.0.0.1/a:b",
    ],
)
def test_target_rules_for_urls(page, url):
    """A URL target is absolute HTTP(S) and has none of the parts that the page excludes."""
    with pytest.raises(TacticRefError):
        load(page, TARGET.replace("http://127.0.0.1:8000", url))


@pytest.mark.parametrize("other", ["store", "path", "object"])
def test_a_url_target_stands_alone(page, other):
    """A URL-bound tactic ref that also sets another target is refused."""
    with pytest.raises(TacticRefError, match="only one concrete target"):
        load(page, TARGET + f'{other} = "x"\n')


@pytest.mark.parametrize("key", ["api_key", "token", "password", "cookie", "authorization", "credential"])
def test_metadata_holds_no_raw_secrets(page, key):
    """A secret-shaped key is refused at any depth; a key that names a secret by reference is not."""
    nested = textwrap.dedent(f"""
        [refs."{REF}".metadata.deep]
        {key} = "x"
    """)
    with pytest.raises(TacticRefError, match="raw secret key"):
        load(page, TARGET + nested)
    assert load(page, TARGET + nested.replace(key, f"{key}_ref")).refs() == (REF,)
