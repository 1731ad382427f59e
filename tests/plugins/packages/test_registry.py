"""The registry: nodes, registration, named registries."""

import threading
import time
from pathlib import Path

import pytest

import lllm
from lllm_packages import (
    PackageInfo,
    ResourceNode,
    Runtime,
    get_default_runtime,
    get_runtime,
    load_runtime,
    load_tactic,
    set_default_runtime,
)


class TestNode:
    """`ResourceNode`."""

    def test_an_eager_node_has_its_value(self):
        """Nothing is left to load."""
        node = ResourceNode.eager("k", 1, "p.configs", "config", {"a": 1})
        assert (node.key, node.value, node.namespace, node.resource_type) == ("k", 1, "p.configs", "config")
        assert (node.qualified_key, node.is_loaded, node.metadata) == ("p.configs:k", True, {"a": 1})
        assert repr(node) == "<ResourceNode 'p.configs:k' config loaded>"

    def test_a_plain_node_has_no_value(self):
        """The constructor alone makes a generic node without namespace, whose value is None."""
        node = ResourceNode("k")
        assert (node.qualified_key, node.resource_type, node.metadata, node.value) == (
            "k",
            "generic",
            {},
            None,
        )

    def test_a_lazy_node_loads_when_it_is_asked(self):
        """The loader does not run before the value is read."""
        calls = []
        node = ResourceNode.lazy("k", lambda: calls.append(1) or "v")
        assert (node.is_loaded, calls) == (False, [])
        assert repr(node) == "<ResourceNode 'k' generic lazy>"
        assert (node.value, node.value, node.is_loaded, calls) == ("v", "v", True, [1])

    def test_a_loader_runs_once_for_many_threads(self):
        """All threads get the one value."""
        calls = []

        def load():
            time.sleep(0.02)
            calls.append(1)
            return object()

        node = ResourceNode.lazy("k", load)
        values = []
        threads = [threading.Thread(target=lambda: values.append(node.value)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert calls == [1]
        assert len(set(map(id, values))) == 1

    def test_a_loader_that_raises_is_tried_again(self):
        """A failure is not remembered."""
        outcomes = [ValueError("no"), "yes"]

        def load():
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        node = ResourceNode.lazy("k", load)
        with pytest.raises(ValueError, match="no"):
            _ = node.value
        assert node.value == "yes"

    @pytest.mark.parametrize(("key", "error"), [("", ValueError), (1, TypeError)])
    def test_a_key_is_a_text(self, key, error):
        """An empty key or one of another type is refused."""
        with pytest.raises(error, match="key must be"):
            ResourceNode(key)

    def test_a_node_under_an_alias_shares_the_value(self):
        """Loading through either name loads once."""
        calls = []
        node = ResourceNode.lazy("k", lambda: calls.append(1) or object(), "p.configs", "config")
        alias = node.under("a.configs")
        assert alias.qualified_key == "a.configs:k"
        assert alias.value is node.value
        assert calls == [1]


def test_package_info_prefers_the_alias():
    """The effective name is the alias where there is one."""
    assert PackageInfo("p", "1", "", Path()).effective_name == "p"
    assert PackageInfo("p", "1", "", Path(), "a").effective_name == "a"


def test_a_registered_node_is_found():
    """`register`, `get`, `get_node`, `has`, `keys` and the iterators agree."""
    runtime = Runtime()
    node = ResourceNode.eager("k", 1, "p.configs", "config")
    runtime.register(node)
    runtime.register(ResourceNode.eager("a", 2))
    assert runtime.get("p.configs:k") == 1
    assert runtime.get_node("p.configs:k", "config") is node
    assert runtime.has("p.configs:k")
    assert not runtime.has("p.configs:x")
    assert runtime.keys() == ["a", "p.configs:k"]
    assert runtime.keys("config") == ["p.configs:k"]
    assert list(runtime.iter_items()) == [("a", 2), ("p.configs:k", 1)]
    assert list(runtime.iter_nodes("config")) == [node]


def test_a_taken_key_is_refused_without_overwrite():
    """By default a node replaces the one before; with `overwrite=False` it does not."""
    runtime = Runtime()
    runtime.register(ResourceNode.eager("k", 1))
    runtime.register(ResourceNode.eager("k", 2))
    assert runtime.get("k", "generic") == 2
    with pytest.raises(ValueError, match=r"^Resource 'k' already registered$"):
        runtime.register(ResourceNode.eager("k", 3), overwrite=False)


def test_one_key_may_have_several_types():
    """A prompt and a config of one name never collide."""
    runtime = Runtime()
    runtime.register(ResourceNode.eager("k", "p", resource_type="prompt"), overwrite=False)
    runtime.register(ResourceNode.eager("k", "c", resource_type="config"), overwrite=False)
    assert (runtime.get("k", "prompt"), runtime.get("k", "config"), runtime.get("k")) == ("p", "c", "p")


def test_a_key_of_another_type_is_a_type_error():
    """The error names both types."""
    runtime = Runtime()
    runtime.register(ResourceNode.eager("k", 1, resource_type="a"))
    with pytest.raises(TypeError, match=r"^Resource 'k' is type 'a', expected 'b'$"):
        runtime.get("k", "b")
    assert not runtime.has("k", "b")


def test_a_missing_key_names_close_ones():
    """The KeyError says what the user may have meant."""
    runtime = Runtime()
    runtime.register(ResourceNode.eager("summary", 1, "p.prompts", "prompt"))
    with pytest.raises(KeyError) as caught:
        runtime.get("sumary")
    assert caught.value.args == ("Resource 'sumary' not found. Did you mean: ['p.prompts:summary']?",)
    with pytest.raises(KeyError, match="Resource 'zzz' not found"):
        runtime.get("zzz")


@pytest.mark.parametrize("key", [None, 3, b"k", ("k",)])
def test_a_key_is_a_text(key):
    """Anything else is a TypeError, and `has` says no."""
    with pytest.raises(TypeError, match=r"key must be a string\."):
        Runtime().get(key)
    assert not Runtime().has(key)


def test_each_type_has_its_own_functions():
    """`register_X` and `get_X` for prompts, tactics, configs and context managers."""

    class Prompt:
        path = "p"

    class Manager:
        name = "m"

    runtime = Runtime()
    prompt = Prompt()
    runtime.register_prompt(prompt)
    runtime.register_tactic("t", int)
    runtime.register_config("c", {"a": 1})
    runtime.register_context_manager(Manager)
    assert runtime.get_prompt("p") is prompt
    assert runtime.get_tactic("t") is int
    assert runtime.get_config("c") == {"a": 1}
    assert runtime.get_context_manager("m") is Manager


def test_only_tactics_are_protected_by_default():
    """`register_tactic` keeps the first class of a name unless it is told to overwrite."""
    runtime = Runtime()
    runtime.register_tactic("t", int)
    with pytest.raises(ValueError, match="Resource 't' already registered"):
        runtime.register_tactic("t", str)
    runtime.register_tactic("t", str, overwrite=True)
    assert runtime.get_tactic("t") is str
    runtime.register_config("c", 1)
    runtime.register_config("c", 2)
    with pytest.raises(ValueError, match="Resource 'c' already registered"):
        runtime.register_config("c", 3, overwrite=False)
    assert runtime.get_config("c") == 2


def test_a_context_manager_needs_a_name():
    """A class without a name cannot be selected in a config."""
    with pytest.raises(ValueError, match="`object` must define `name`"):
        Runtime().register_context_manager(object)


def test_the_first_package_is_the_default_namespace():
    """Later packages do not change it."""
    runtime = Runtime()
    assert (runtime.default_namespace, runtime.packages, runtime.discovery_done) == (None, {}, False)
    runtime.register_package(PackageInfo("a", "", "", Path("/a")))
    runtime.register_package(PackageInfo("b", "", "", Path("/b")))
    assert runtime.default_namespace == "a"
    assert list(runtime.packages) == ["a", "b"]
    assert runtime.loaded_package_paths == {Path("/a"), Path("/b")}


def test_reset_forgets_everything(loaded):
    """After a reset nothing is registered and nothing is discovered again."""
    runtime = loaded(files={"configs/a.yaml": "x: 1"})
    assert runtime.keys("config") == ["my_project.configs:a"]
    runtime.reset()
    assert (runtime.keys("config"), runtime.packages, runtime.default_namespace) == ([], {}, None)
    assert (runtime.discovery_done, runtime.project_dir) == (False, None)


def test_a_discovery_function_is_called_once_before_the_first_look_up():
    """Whatever look-up comes first, from whichever thread."""
    calls = []

    def discover(runtime):
        time.sleep(0.02)
        calls.append(runtime.has("early", "generic"))
        runtime.register(ResourceNode.eager("k", 1))

    runtime = Runtime(discover=discover)
    runtime.register(ResourceNode.eager("early", 0))
    assert calls == []
    found = []
    threads = [threading.Thread(target=lambda: found.append(runtime.get("k", "generic"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
    assert calls == [True]
    assert runtime.discovery_done


def test_threads_register_and_look_up_at_once():
    """Nothing is lost and nothing raises while many threads write and read."""
    runtime = Runtime()
    problems = []

    def work(number):
        try:
            for step in range(50):
                runtime.register(ResourceNode.eager(f"{number}-{step}", step, "p.configs", "config"))
                assert runtime.get(f"p.configs:{number}-{step}", "config") == step
                runtime.keys("config")
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(runtime.keys("config")) == 300


def test_named_runtimes_are_kept_apart(package, tactic_source):
    """A named registry is found by its name, and neither it nor its tactics show in the default one."""
    folder = package("side", {"tactics/t.py": tactic_source(name="side-greet")})
    runtime = load_runtime(folder, "side")
    assert get_runtime("side") is runtime
    assert runtime.get_tactic("side-greet")().run(None) == "hello"
    assert get_default_runtime() is not runtime
    assert not any(key.startswith("side") for key in get_default_runtime().keys("tactic"))
    with pytest.raises(KeyError, match="side-greet"):
        lllm.get_tactic_class("side-greet")


def test_an_unknown_named_runtime_says_how_to_load_it():
    """The error is the recipe."""
    with pytest.raises(KeyError) as caught:
        get_runtime("nope")
    text = caught.value.args[0]
    assert text.startswith("Runtime 'nope' not found. Available: [")
    assert text.endswith("]. Call load_runtime(path, name='nope') first.")


def test_without_a_name_the_default_is_meant():
    """`get_runtime()` is the default registry."""
    assert get_runtime() is get_default_runtime()


def test_a_path_that_does_not_exist_is_an_error(home, write):
    """Another project is never loaded in its place."""
    write(home / "work", {"lllm.toml": '[package]\nname = "here"'})
    before = get_default_runtime()
    with pytest.raises(FileNotFoundError, match=r"No lllm\.toml found at /nowhere"):
        load_runtime("/nowhere")
    assert get_default_runtime() is before


def test_classes_of_the_program_survive_a_new_default(package):
    """What the running program defined is found in whichever registry is the default one."""

    class Survivor(lllm.Tactic):
        name = "registry-test-survivor"

        def _run(self, input_value, *, context=None):
            return 1

    first = get_default_runtime()
    assert first.get("registry-test-survivor", "tactic") is Survivor
    assert "registry-test-survivor" in first.keys("tactic")
    second = load_runtime(package("p"))
    assert get_default_runtime() is second
    assert load_tactic("registry-test-survivor") is Survivor
    assert not first.has("registry-test-survivor", "tactic")
    assert lllm.get_tactic_class("registry-test-survivor") is Survivor


def test_only_a_registry_can_be_the_default():
    """Anything else is a TypeError that names its type."""
    with pytest.raises(TypeError, match=r"must be a lllm_packages.Runtime, got dict"):
        set_default_runtime({})


def test_a_class_can_be_defined_into_a_registry():
    """`class X(Tactic, runtime=...)` registers there and not in the table of the program."""
    runtime = Runtime()

    class Own(lllm.Tactic, runtime=runtime):
        name = "registry-test-own"

        def _run(self, input_value, *, context=None):
            return 1

    assert runtime.get_tactic("registry-test-own") is Own
    assert lllm.get_tactic_class("registry-test-own", runtime) is Own
    with pytest.raises(KeyError, match="registry-test-own"):
        lllm.get_tactic_class("registry-test-own")
