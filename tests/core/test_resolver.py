"""The resolver: what is bound to a ref, who opens it and when, and how bad bindings are refused."""

import asyncio
import sys
import threading
import tomllib
from collections.abc import Iterator
from types import ModuleType

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import lllm
from lllm import CallContext, Tactic, TacticRefError, TacticResolver
from lllm.errors import CredentialNotFoundError, PluginNotFoundError
from lllm.plugins import PluginManager, use

REF = "psi://demo/briefs/tactics/brief"
SERVICE = "psi://demo/briefs/services/api"
URL = "http://127.0.0.1:8000/tactics/brief"


class Topic(BaseModel):
    topic: str


class Brief(Tactic[Topic, str]):
    """Writes briefs."""

    name = "brief"
    seen: CallContext | None = None

    def _run(self, input_value, *, context=None):
        self.seen = context
        return f"About {input_value.topic}."

    def _stream(self, input_value, *, context=None):
        self.seen = context
        yield from input_value.topic.split()


class Opened(Tactic):
    """What the runtime of these tests opens: a tactic that remembers its binding."""

    runtime_kind = "http"

    def __init__(self, ref, binding):
        super().__init__(name=binding["name"], metadata=binding["metadata"])
        self.ref = ref
        self.binding = dict(binding)

    def _run(self, input_value, *, context=None):
        return input_value


class Runtime:
    """Opens every binding and counts them."""

    opened = 0

    def open(self, ref, binding):
        if "refused" in binding.get("url", ""):
            raise ValueError("url is refused by the runtime")
        type(self).opened += 1
        return Opened(ref, binding)


class Plugin:
    """Contributes the runtime for http and shout, and one tactic."""

    @lllm.hookimpl
    def lllm_runtimes(self):
        return [
            lllm.RuntimeSpec("fake", "acme_fake:Runtime", "Fake.", schemes=("http", "https", "shout")),
            lllm.RuntimeSpec("other", "acme_fake:Runtime", "Other."),
        ]

    @lllm.hookimpl
    def lllm_tactics(self):
        return {
            "psi://acme/fake/tactics/brief": "acme_fake:Brief",
            "psi://acme/fake/tactics/bad": "acme_fake:x",
        }


@pytest.fixture(autouse=True)
def manager(monkeypatch) -> Iterator[PluginManager]:
    """Put a manager with the plugin of these tests in force."""
    module = ModuleType("acme_fake")
    module.Runtime = type("Runtime", (Runtime,), {"opened": 0})
    module.Brief = Brief
    module.x = 3
    monkeypatch.setitem(sys.modules, "acme_fake", module)
    own = PluginManager(discover=False)
    own.register(Plugin(), name="fake")
    with use(own):
        yield own


@pytest.fixture
def project(tmp_path):
    """Return a function that writes the config of a project and loads it."""

    def load(text):
        path = tmp_path / ".psi" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return TacticResolver.from_config(tmp_path)

    return load


def opened_count():
    """Return how many bindings the runtime has opened."""
    return sys.modules["acme_fake"].Runtime.opened


def test_a_registered_tactic_is_resolved_and_run():
    """The seed's local registration works, and resolving gives the very object."""
    resolver = TacticResolver()
    tactic = Brief()
    resolver.register(REF, tactic)
    assert resolver.resolve(REF) is tactic
    assert resolver.resolve(lllm.TacticRef(REF)) is tactic
    assert resolver.run(REF, {"topic": "LLLM refs"}) == "About LLLM refs."
    assert resolver.refs() == (REF,)
    assert resolver.infos()[REF].description == "Writes briefs."


def test_register_fills_an_empty_package_ref_only():
    """The first ref becomes the tactic's own; another one never replaces it, and both stay bound."""
    resolver = TacticResolver()
    tactic = Brief()
    other = "psi://demo/briefs/tactics/other"
    resolver.register(REF, tactic)
    resolver.register(other, tactic)
    assert tactic.package_ref == REF
    assert resolver.refs() == (REF, other)
    assert resolver.resolve(other) is tactic


def test_the_later_binding_wins():
    """Registering a ref again replaces what was bound."""
    resolver = TacticResolver()
    first, second = Brief(), Brief()
    resolver.register(REF, first)
    resolver.register(REF, second)
    assert resolver.resolve(REF) is second
    resolver.bind_url(REF, URL)
    assert isinstance(resolver.resolve(REF), Opened)


@pytest.mark.parametrize("value", [None, Brief, lambda value: value, "x"])
def test_only_tactics_are_registered(value):
    """Anything else is a TypeError that says how to make a tactic of it."""
    with pytest.raises(TypeError, match=r"tactic must be a Tactic, got .*as_tactic"):
        TacticResolver().register(REF, value)


def test_unknown_and_malformed_refs_are_ref_errors():
    """Nothing bound, and nothing that is a ref, are both TacticRefError."""
    resolver = TacticResolver()
    with pytest.raises(TacticRefError, match=f"Tactic ref is not bound: {REF}"):
        resolver.resolve(REF)
    for method in (resolver.resolve, resolver.unregister):
        with pytest.raises(TacticRefError, match="must have shape"):
            method("psi://demo")
    with pytest.raises(TacticRefError, match="must use psi://"):
        resolver.register("http://x", Brief())


def test_unregister_takes_a_binding_away(project):
    """A ref that was taken away is not bound any more, opened or not."""
    resolver = project(f'[refs."{REF}"]\nurl = "{URL}"')
    resolver.unregister(REF)
    assert resolver.refs() == ()
    with pytest.raises(TacticRefError, match="not bound"):
        resolver.unregister(REF)


def test_a_call_through_the_resolver_carries_its_ref():
    """Each call passes the ref it was made with, and the caller's context is left as it is."""
    resolver = TacticResolver()
    tactic = Brief()
    other = "psi://demo/briefs/tactics/other"
    resolver.register(REF, tactic)
    resolver.register(other, tactic)
    resolver.run(other, {"topic": "a"})
    assert tactic.seen.tactic_ref == other
    context = CallContext(trace_id="t", tactic_ref="psi://a/b/tactics/c")
    context.limit(60)
    resolver.run(REF, {"topic": "a"}, context=context)
    assert tactic.seen.tactic_ref == REF
    assert tactic.seen.request_id == context.request_id
    assert tactic.seen.trace_id == "t"
    assert tactic.seen.deadline == context.deadline
    assert context.tactic_ref == "psi://a/b/tactics/c"
    with pytest.raises(TypeError, match="context must be a CallContext"):
        resolver.run(REF, {"topic": "a"}, context={})


def test_all_ways_to_call_go_through_the_resolver():
    """run, arun, stream, astream and aevents find the tactic and pass the ref."""
    resolver = TacticResolver()
    tactic = Brief()
    resolver.register(REF, tactic)
    assert resolver.run(REF, {"topic": "a b"}, return_trace=True).trace.state == "success"
    assert asyncio.run(resolver.arun(REF, {"topic": "a"})) == "About a."
    assert list(resolver.stream(REF, {"topic": "a b"})) == ["a", "b"]
    assert tactic.seen.tactic_ref == REF

    async def collect(stream):
        return [item async for item in stream]

    assert asyncio.run(collect(resolver.astream(REF, {"topic": "a b"}))) == ["a", "b"]
    assert [event.data for event in asyncio.run(collect(resolver.aevents(REF, {"topic": "a b"})))][:2] == [
        "a",
        "b",
    ]


def test_a_nested_call_through_the_resolver_keeps_the_trace():
    """A tactic that calls another by ref stays in the trace of its caller."""
    resolver = TacticResolver()
    inner = Brief()
    resolver.register(REF, inner)

    class Outer(Tactic[Topic, str]):
        def _run(self, input_value, *, context=None):
            return resolver.run(REF, input_value)

    Outer().run({"topic": "a"}, context=CallContext(trace_id="trace-1"))
    assert inner.seen.trace_id == "trace-1"
    assert inner.seen.tactic_ref == REF


def test_bind_url_returns_a_tactic_named_after_the_ref():
    """A URL is opened by the runtime of its scheme, with the metadata and options that were given."""
    resolver = TacticResolver()
    tactic = resolver.bind_url(REF, URL, metadata={"label": "x", "ref": "?", "url": "?"}, transport="T")
    assert resolver.resolve(REF) is tactic
    assert tactic.info().name == "brief"
    assert tactic.package_ref == REF
    assert tactic.ref == REF
    assert tactic.binding == {
        "url": URL,
        "name": "brief",
        "metadata": {"label": "x", "ref": REF, "url": URL},
        "transport": "T",
    }


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"api_key": "x"}, "raw secret key"),
        ({"a": [{"token": "x"}]}, "raw secret key"),
        ({"a": {"password": "x"}}, "raw secret key"),
        ({3: "x"}, "metadata keys must be strings"),
        (["x"], "metadata must be a mapping"),
        ({"timeout_s": 0}, "timeout_s must be a positive"),
        ({"timeout_s": True}, "timeout_s must be a positive"),
        ({"timeout_s": "3"}, "timeout_s must be a positive"),
        ({"timeout_s": float("inf")}, "timeout_s must be a positive"),
        ({"timeout_s": float("nan")}, "timeout_s must be a positive"),
        ({"api_key_ref": ""}, "api_key_ref must name a credential"),
        ({"api_key_ref": "sk-0123456789abcdef0123"}, "api_key_ref must name a credential"),
    ],
)
def test_bind_url_refuses_bad_metadata(metadata, message):
    """Secrets, odd keys and odd values of what LLLM reads are TacticRefErrors."""
    with pytest.raises(TacticRefError, match=message) as caught:
        TacticResolver().bind_url(REF, URL, metadata=metadata)
    assert "sk-0123" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "non-empty string"),
        (None, "non-empty string"),
        (" http://a", "whitespace"),
        ("a.example", "absolute HTTP"),
        ("ftp://a", "absolute HTTP"),
        ("shout://a b", "whitespace"),
        ("shout://user:pw@a", "embedded credentials"),
        ("http://user:pw@a", "embedded credentials"),
        ("http://a/?x", "params, query, or fragment"),
        ("http://a/%41", "percent escapes"),
        ("http://a:99999", "port between 1 and 65535"),
        ("http://refused", "refused by the runtime"),
    ],
)
def test_bind_url_refuses_bad_urls(url, message):
    """Each URL fault is a TacticRefError that names the ref, whoever finds it."""
    with pytest.raises(TacticRefError, match=f"Tactic URL binding is invalid for {REF}: url .*{message}"):
        TacticResolver().bind_url(REF, url)


def test_from_config_reads_the_contracts_example(project):
    """Loose keys and the metadata table are combined, canonical ref and url win, others' bindings are left."""
    resolver = project(
        """
        [refs."psi://demo/echo/tactics/echo"]
        url = "http://127.0.0.1:8000/tactics/echo"
        label = "extra"
        headers = "loses"
        [refs."psi://demo/echo/tactics/echo".metadata]
        headers = { x_policy = "demo" }
        [refs."psi://demo/echo/channels/events"]
        store = ".sssn"
        """
    )
    ref = "psi://demo/echo/tactics/echo"
    assert resolver.refs() == (ref,)
    assert resolver.resolve(ref).info().metadata == {
        "label": "extra",
        "headers": {"x_policy": "demo"},
        "ref": ref,
        "url": "http://127.0.0.1:8000/tactics/echo",
    }


def test_a_binding_is_opened_when_it_is_first_resolved(project):
    """Loading imports nothing; the first resolve opens, the second gives the same object."""
    resolver = project(f'[refs."{REF}"]\nurl = "{URL}"')
    assert opened_count() == 0
    assert resolver.refs() == (REF,)
    tactic = resolver.resolve(REF)
    assert resolver.resolve(REF) is tactic
    assert tactic.package_ref == REF
    assert opened_count() == 1


def test_threads_that_resolve_at_once_share_one_tactic(project):
    """However many threads resolve a ref first, it is opened once."""
    resolver = project(f'[refs."{REF}"]\nurl = "{URL}"')
    found = []
    start = threading.Barrier(8)

    def resolve():
        start.wait()
        found.append(resolver.resolve(REF))

    threads = [threading.Thread(target=resolve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(tactic) for tactic in found}) == 1
    assert opened_count() == 1


def test_timeout_and_credential_reach_the_runtime(project, monkeypatch, tmp_path):
    """`timeout_s` becomes the timeout and `api_key_ref` a function; both stay in the metadata as written."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    resolver = project(
        f'[refs."{REF}"]\nurl = "{URL}"\n[refs."{REF}".metadata]\ntimeout_s = 30\napi_key_ref = "openai.default"'
    )
    tactic = resolver.resolve(REF)
    assert tactic.binding["timeout"] == 30.0
    assert tactic.info().metadata == {
        "timeout_s": 30,
        "api_key_ref": "openai.default",
        "ref": REF,
        "url": URL,
    }
    with pytest.raises(CredentialNotFoundError, match="LLLM_CREDENTIAL_OPENAI_DEFAULT"):
        tactic.binding["credential"]()
    monkeypatch.setenv("LLLM_CREDENTIAL_OPENAI_DEFAULT", "sk-secret")
    assert tactic.binding["credential"]() == "sk-secret"
    assert "sk-secret" not in repr(tactic.binding)


def test_a_named_runtime_opens_what_has_no_url(project):
    """`runtime = ...` takes any one target, or none, and goes before the scheme of a URL."""
    resolver = project(
        f"""
        [refs."{REF}"]
        runtime = "other"
        path = "configs/brief.yaml"
        [refs."psi://demo/briefs/tactics/bare"]
        runtime = "other"
        [refs."psi://demo/briefs/tactics/odd"]
        runtime = "other"
        url = "anything:goes"
        """
    )
    assert resolver.resolve(REF).binding == {
        "path": "configs/brief.yaml",
        "name": "brief",
        "metadata": {"ref": REF},
    }
    assert resolver.resolve("psi://demo/briefs/tactics/bare").binding["metadata"] == {
        "ref": "psi://demo/briefs/tactics/bare"
    }
    assert resolver.resolve("psi://demo/briefs/tactics/odd").binding["url"] == "anything:goes"


def test_an_object_of_this_process_needs_an_opt_in(project, tmp_path):
    """A config makes the resolver import code only when the caller allows it."""
    text = f'[refs."{REF}"]\nobject = "acme_fake:Brief"'
    with pytest.raises(TacticRefError, match="must declare a url target"):
        project(text)
    resolver = TacticResolver.from_config(tmp_path, allow_objects=True)
    assert isinstance(resolver.resolve(REF), Brief)
    assert resolver.resolve(REF) is resolver.resolve(REF)


def test_a_missing_runtime_is_told_when_the_ref_is_resolved(project):
    """A config that names a runtime which is not installed loads; only that ref cannot be resolved."""
    resolver = project(f'[refs."{REF}"]\nruntime = "absent"\n[refs."psi://a/b/tactics/c"]\nurl = "{URL}"')
    assert isinstance(resolver.resolve("psi://a/b/tactics/c"), Opened)
    with pytest.raises(PluginNotFoundError, match="absent"):
        resolver.resolve(REF)


def test_without_the_remote_runtime_the_error_says_what_to_install(project):
    """An HTTP binding loads without any runtime for it, and resolving names the distribution."""
    with use(PluginManager(discover=False)):
        resolver = project(f'[refs."{REF}"]\nurl = "{URL}"')
        with pytest.raises(PluginNotFoundError, match=r"lllm\[client\]"):
            resolver.resolve(REF)


def test_bindings_without_a_target_are_skipped(project):
    """A binding that says nothing about where binds nothing."""
    assert project(f'[refs."{REF}"]\nlabel = "x"').refs() == ()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('store = ".sssn"', "must declare a url target"),
        ('path = "x"', "must declare a url target"),
        ('object = "a:b"', "must declare a url target"),
        (f'url = "{URL}"\nstore = ".sssn"', "only one concrete target"),
        ('path = "x"\nstore = ".sssn"', "only one concrete target"),
        ("url = 3", "non-empty string"),
        ('url = " "', "non-empty string"),
        ('url = "http://a b"', "whitespace"),
        ('url = "http://a/../b"', "dot segments"),
        ('url = "ftp://a"', "absolute HTTP"),
        (f'url = "{URL}"\nmetadata = 3', "must be a TOML table"),
        (f'url = "{URL}"\napi_key = "x"', "raw secret key"),
        (f'url = "{URL}"\nmetadata.deep = [{{token = "x"}}]', "raw secret key"),
        (f'url = "{URL}"\nmetadata.timeout_s = -1', "timeout_s"),
        (f'url = "{URL}"\napi_key_ref = ""', "api_key_ref"),
        ('runtime = ""', "non-empty string"),
        ('runtime = "other"\npath = "../x"', "relative path inside the project"),
        ('runtime = "other"\npath = "x"\nurl = "y"', "only one concrete target"),
    ],
)
def test_a_malformed_binding_names_file_line_and_key(project, tmp_path, body, message):
    """Every fault of a tactic binding is a TacticRefError with its place."""
    with pytest.raises(TacticRefError, match=message) as caught:
        project(f'[settings]\n[refs."{REF}"]\n{body}')
    place, _, _ = str(caught.value).partition(": ")
    assert place.rpartition(":")[0] == str(tmp_path / ".psi" / "config.toml")
    assert int(place.rpartition(":")[2]) >= 2


plain_keys = st.sampled_from(
    ["url", "store", "path", "object", "runtime", "metadata", "timeout_s", "api_key_ref", "x"]
)
toml_values = st.recursive(
    st.one_of(
        st.text(max_size=5), st.integers(-3, 3), st.booleans(), st.floats(), st.sampled_from([URL, "other"])
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(plain_keys | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
ref_keys = st.sampled_from([REF, SERVICE, "psi://a/b/channels/c", "psi://a/b/tactics/d"]) | st.text(
    max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    st.dictionaries(ref_keys, st.dictionaries(plain_keys, toml_values, max_size=4) | toml_values, max_size=3)
)
def test_any_ref_table_loads_or_is_a_ref_error(tmp_path, refs):
    """Whatever stands under [refs], the load gives bound refs or a TacticRefError that names the file."""
    path = tmp_path / "any.toml"
    path.write_text(tomlkit.dumps({"refs": refs}), encoding="utf-8")
    try:
        resolver = TacticResolver.from_config(path)
    except TacticRefError as error:
        assert str(error).startswith(f"{path}:")  # noqa: PT017
    else:
        assert set(resolver.refs()) <= set(refs)


def test_a_malformed_ref_table_is_a_ref_error(project):
    """A broken key of any layer fails the load."""
    with pytest.raises(TacticRefError, match="psi:// resource ref"):
        project('[refs."psi://a/b/channels"]\nstore = "x"')
    with pytest.raises(TacticRefError, match="must be a TOML table"):
        project("refs = 3")


def test_from_config_takes_paths(tmp_path):
    """A path that is none is a ValueError, a missing file a FileNotFoundError, bad TOML a TOMLDecodeError."""
    for value in ("", " x", None, b"x"):
        with pytest.raises(ValueError, match="config path"):
            TacticResolver.from_config(value)
    with pytest.raises(FileNotFoundError):
        TacticResolver.from_config(tmp_path)
    path = tmp_path / "other.toml"
    path.write_text("a = ")
    with pytest.raises(tomllib.TOMLDecodeError, match=r"other\.toml"):
        TacticResolver.from_config(path)
    path.write_text(f'[refs."{REF}"]\nurl = "{URL}"')
    assert TacticResolver.from_config(str(path)).refs() == (REF,)


def test_services_of_the_config_have_urls(project, monkeypatch):
    """A service binding is available by its ref, checked when it is loaded; the environment goes first."""
    resolver = project(
        f'[refs."{SERVICE}"]\nurl = "http://127.0.0.1:8000"\n[refs."psi://a/b/services/c"]\nport = 3'
    )
    assert resolver.refs() == ()
    assert resolver.service_url(SERVICE) == "http://127.0.0.1:8000"
    with pytest.raises(TacticRefError, match="Service ref is not bound: psi://a/b/services/c"):
        resolver.service_url("psi://a/b/services/c")
    with pytest.raises(TacticRefError, match="must point at /services/"):
        resolver.service_url(REF)
    monkeypatch.setenv("LLLM_REF_DEMO__BRIEFS__SERVICES__API", "https://elsewhere.example")
    assert resolver.service_url(SERVICE) == "https://elsewhere.example"
    monkeypatch.setenv("LLLM_REF_DEMO__BRIEFS__SERVICES__API", "nonsense")
    with pytest.raises(TacticRefError, match="LLLM_REF_DEMO__BRIEFS__SERVICES__API must be an absolute"):
        resolver.service_url(SERVICE)
    with pytest.raises(TacticRefError, match="dot segments"):
        project(f'[refs."{SERVICE}"]\nurl = "http://a/.."')


def test_the_environment_replaces_a_binding(project, monkeypatch):
    """The variable of a ref goes before the config, whose metadata stays; it binds unbound refs too."""
    monkeypatch.setenv("LLLM_REF_DEMO__BRIEFS__TACTICS__BRIEF", "https://elsewhere.example/tactics/brief")
    resolver = project(f'[refs."{REF}"]\nruntime = "other"\nlabel = "x"')
    assert resolver.resolve(REF).info().metadata == {
        "label": "x",
        "ref": REF,
        "url": "https://elsewhere.example/tactics/brief",
    }
    unbound = TacticResolver()
    assert unbound.resolve(REF).binding["url"] == "https://elsewhere.example/tactics/brief"
    own = TacticResolver()
    own.register(REF, Brief())
    assert isinstance(own.resolve(REF), Brief)


def test_a_bad_override_names_its_variable(project, monkeypatch):
    """A variable that holds no URL is a TacticRefError with the name of the variable."""
    monkeypatch.setenv("LLLM_REF_DEMO__BRIEFS__TACTICS__BRIEF", "nonsense")
    with pytest.raises(TacticRefError, match="LLLM_REF_DEMO__BRIEFS__TACTICS__BRIEF: Tactic URL binding"):
        project(f'[refs."{REF}"]\nurl = "{URL}"')
    with pytest.raises(TacticRefError, match="LLLM_REF_DEMO__BRIEFS__TACTICS__BRIEF"):
        TacticResolver().resolve(REF)


def test_installed_plugins_contribute_tactics():
    """A ref that nothing binds is looked up in the plugins; it is not listed as bound here."""
    resolver = TacticResolver()
    tactic = resolver.resolve("psi://acme/fake/tactics/brief")
    assert isinstance(tactic, Brief)
    assert resolver.resolve("psi://acme/fake/tactics/brief") is tactic
    assert resolver.refs() == ()
    assert tactic.package_ref == "psi://acme/fake/tactics/brief"
    assert resolver.run("psi://acme/fake/tactics/brief", {"topic": "a"}) == "About a."
    assert tactic.seen.tactic_ref == "psi://acme/fake/tactics/brief"
    with pytest.raises(TypeError, match="did not resolve to a tactic or callable"):
        resolver.resolve("psi://acme/fake/tactics/bad")


def test_a_plugin_that_is_gone_contributes_nothing(manager):
    """What a plugin contributed goes with it."""
    resolver = TacticResolver()
    resolver.resolve("psi://acme/fake/tactics/brief")
    manager.unregister("fake")
    with pytest.raises(TacticRefError, match="not bound"):
        resolver.resolve("psi://acme/fake/tactics/brief")
