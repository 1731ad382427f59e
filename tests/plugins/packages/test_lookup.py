"""The rules by which a key finds a resource."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm_packages import (
    ResourceNode,
    Runtime,
    get_default_runtime,
    load_config,
    load_package,
    load_prompt,
    load_resource,
    load_tactic,
)


@pytest.mark.parametrize(
    "key", ["my_project:system", "my_project.prompts:system/system", "system/system", "system"]
)
def test_four_names_of_one_prompt(loaded, prompt_source, key):
    """The file's name, the prompt's own path, and both with the package, all mean the same prompt."""
    loaded(files={"prompts/system.py": prompt_source("system")})
    assert load_prompt(key).path == "system"
    assert load_prompt(key) is load_prompt("system")


@pytest.mark.parametrize(
    "key", ["my_project.prompts:system", "intro", "my_project:intro", "deep/system/intro"]
)
def test_a_prompt_is_found_by_its_path_or_its_module(loaded, prompt_source, key):
    """A module with one prompt stands for it; a prompt's own path is enough; the section may be named."""
    loaded(
        files={"prompts/deep/system.py": prompt_source("intro"), "prompts/system.py": prompt_source("other")}
    )
    expected = "other" if key == "my_project.prompts:system" else "intro"
    assert load_prompt(key).path == expected


def test_of_a_module_with_several_prompts_the_one_of_its_name_is_meant(loaded):
    """`system` means the prompt `system` of module `system`, also when another module has one of that path."""
    source = (
        'from lllm import Prompt\nA = Prompt(path="system", prompt="{0}")\nB = Prompt(path="b", prompt="b")\n'
    )
    loaded(
        files={
            "prompts/system.py": source.replace("{0}", "first"),
            "prompts/other.py": source.replace("{0}", "second"),
        }
    )
    assert load_prompt("system").prompt == "first"
    with pytest.raises(KeyError, match="Resource 'b' is ambiguous"):
        load_prompt("b")


def test_an_ambiguous_prompt_names_its_candidates(loaded, prompt_source):
    """Two prompts of one path in one package: the error lists the qualified keys."""
    runtime = loaded(files={"prompts/a.py": prompt_source("x"), "prompts/b.py": prompt_source("x")})
    with pytest.raises(KeyError) as caught:
        load_prompt("x")
    assert caught.value.args == (
        "Resource 'x' is ambiguous: ['my_project.prompts:a/x', 'my_project.prompts:b/x']",
    )
    assert not runtime.has("x", "prompt")


@pytest.mark.parametrize(
    "key", ["add", "my_project:add", "my_project.tools:add", "maths/add", "my_project.tools:one"]
)
def test_a_tool_is_found_by_its_name(loaded, key):
    """As a prompt is: by its own name, or by a module that holds it alone."""
    loaded(
        files={
            "tools/maths.py": "from lllm import tool\n@tool\ndef add(a: int) -> int:\n    return a\n"
            "@tool\ndef other(a: int) -> int:\n    return a\n",
            "tools/one.py": "from lllm import tool\n@tool\ndef alone(a: int) -> int:\n    return a\n",
        }
    )
    found = get_default_runtime().get(key, "tool")
    assert found.name == ("alone" if key.endswith("one") else "add")


def test_the_exact_key_comes_first(loaded):
    """What the program registers under a bare key hides what packages have."""
    runtime = loaded(files={"configs/a.yaml": "from: package"})
    runtime.register_config("a", {"from": "program"})
    assert load_config("a") == {"from": "program"}
    assert load_config("my_project:a") == {"from": "package"}


def test_the_default_package_comes_before_others(loaded, package):
    """A bare key means the default package's resource even when another has one too."""
    loaded(files={"configs/a.yaml": "from: first"})
    load_package(package("second", {"configs/a.yaml": "from: second", "configs/b.yaml": "from: second"}))
    assert load_config("a") == {"from": "first"}
    assert load_config("second:a") == {"from": "second"}
    assert load_config("second.configs:a") == {"from": "second"}


def test_a_bare_key_of_one_other_package_is_found(loaded, package, tactic_source, prompt_source):
    """What exactly one package has needs no qualification, whatever its type."""
    loaded()
    load_package(
        package(
            "second",
            {
                "configs/b.yaml": "x: 1",
                "tactics/t.py": tactic_source("lookup-greet"),
                "prompts/p.py": prompt_source("q"),
            },
        )
    )
    assert load_config("b") == {"x": 1}
    assert load_tactic("lookup-greet").name == "lookup-greet"
    assert load_prompt("q").path == "q"
    assert load_prompt("p/q").path == "q"


def test_a_bare_key_of_two_other_packages_is_ambiguous(loaded, package):
    """Nothing is guessed: the error names both."""
    loaded()
    load_package(package("second", {"configs/b.yaml": "x: 1"}))
    load_package(package("third", {"configs/b.yaml": "x: 2"}))
    with pytest.raises(KeyError, match=r"'b' is ambiguous: \['second\.configs:b', 'third\.configs:b'\]"):
        load_config("b")


def test_a_prompt_and_a_config_of_one_name_never_collide(loaded, prompt_source):
    """The type is part of the match; without one, a key comes before a prompt's own path."""
    runtime = loaded(files={"configs/system.yaml": "x: 1", "prompts/system.py": prompt_source("system")})
    assert load_config("system") == {"x": 1}
    assert load_prompt("system").path == "system"
    assert runtime.get("system/system").path == "system"
    assert runtime.get("my_project:system") == runtime.get("system") == {"x": 1}


def test_without_a_type_sections_are_tried_in_order(loaded, tactic_source):
    """Prompts, proxies, tactics, then configs."""
    proxy = 'class Weather:\n    name = "both"\n'
    runtime = loaded(
        files={
            "configs/both.yaml": "x: 1",
            "tactics/t.py": tactic_source("both"),
            "proxies/w.py": proxy,
            "configs/c.yaml": "x: 2",
        }
    )
    assert runtime.get("both").__name__ == "Weather"
    assert runtime.get("my_project:both").__name__ == "Weather"
    assert runtime.get("c") == {"x": 2}


def test_a_dependency_may_be_called_by_its_alias(loaded, package, prompt_source):
    """Alias and name both work, in all forms, and do not make a key ambiguous."""
    package("dep", {"prompts/system.py": prompt_source("intro"), "configs/only.yaml": "x: 1"})
    loaded(toml='[dependencies]\npackages = ["../dep as d"]')
    for key in (
        "d:system",
        "dep:system",
        "d.prompts:system/intro",
        "dep.prompts:system/intro",
        "d:intro",
        "intro",
    ):
        assert load_prompt(key).path == "intro", key
    assert load_prompt("d:intro") is load_prompt("dep:intro")
    assert load_config("only") == {"x": 1}


def test_names_of_packages_may_have_dots(loaded, prompt_source):
    """The last dot of a namespace separates the section."""
    loaded("my.project-v1", {"prompts/system.py": prompt_source(), "configs/a.yaml": "x: 1"})
    assert load_prompt("my.project-v1:system").path == "system"
    assert load_prompt("my.project-v1.prompts:system/system").path == "system"
    assert load_resource("my.project-v1.configs:a") == {"x": 1}


def test_keys_may_have_colons(loaded):
    """Only the first colon separates the namespace."""
    loaded(files={"configs/a:b.yaml": "x: 1"})
    assert load_config("my_project:a:b") == {"x": 1}


@pytest.mark.parametrize(
    "path", ["", "key", ":key", "section:", ".section:key", "a b:key", "pkg.:key", None, 3]
)
def test_load_resource_requires_a_section(loaded, path):
    """Anything else than `package.section:key` or `section:key` is a ValueError."""
    loaded()
    with pytest.raises(ValueError, match=r"^load_resource requires"):
        load_resource(path)


def test_load_resource_reads_any_section(loaded, prompt_source):
    """Sections that a package adds, by package or in the default one."""
    loaded(
        files={
            "data/table.csv": b"a,b\n",
            "data/x/limits.json": '{"a": 1}',
            "data/t.toml": "a = 1",
            "data/y.yml": "a: [1]",
            "assets/logo.png": b"\x89PNG",
            "prompts/system.py": prompt_source(),
        },
        toml="[data]\n",
    )
    assert load_resource("my_project.data:table.csv") == b"a,b\n"
    assert load_resource("data:x/limits.json") == {"a": 1}
    assert load_resource("data:t.toml") == {"a": 1}
    assert load_resource("data:y.yml") == {"a": [1]}
    assert load_resource("assets:logo.png") == b"\x89PNG"
    assert load_resource("prompts:system/system").path == "system"
    with pytest.raises(KeyError, match="not found"):
        load_resource("other:table.csv")


def test_load_resource_without_a_package(default_runtime):
    """Where no package is loaded there is no such resource."""
    with pytest.raises(KeyError, match="not found"):
        load_resource("data:x")


def test_loaders_take_a_registry(package):
    """A named or private registry is asked instead of the default one."""
    runtime = Runtime()
    load_package(package("private", {"configs/a.yaml": "x: 1"}), runtime)
    assert load_config("a", runtime) == {"x": 1}
    assert load_resource("configs:a", runtime) == {"x": 1}
    with pytest.raises(KeyError):
        load_config("a")


def test_a_loaded_config_is_a_copy(loaded):
    """Editing what `load_config` returns changes nothing for others."""
    loaded(files={"configs/a.yaml": "x: [1]"})
    load_config("a")["x"].append(2)
    assert load_config("a") == {"x": [1]}


KEYS = st.text(alphabet="ab/.:", min_size=1, max_size=8)


@given(
    st.lists(st.tuples(KEYS, st.sampled_from(["", "p.prompts", "p.configs", "q.configs"])), max_size=12), KEYS
)
def test_look_ups_agree_with_each_other(nodes, key):
    """Whatever is registered, `has` says what `get` does, and every qualified key finds its own node."""
    runtime = Runtime()
    types = {"": "generic", "p.prompts": "prompt", "p.configs": "config", "q.configs": "config"}
    for name, namespace in nodes:
        runtime.register(ResourceNode.eager(name, (namespace, name), namespace, types[namespace]))
    for node in runtime.iter_nodes():
        assert runtime.get(node.qualified_key, node.resource_type) == (node.namespace, node.key)
    for resource_type in (None, "prompt", "config"):
        try:
            runtime.get(key, resource_type)
            found = True
        except (KeyError, TypeError):
            found = False
        assert runtime.has(key, resource_type) is found
