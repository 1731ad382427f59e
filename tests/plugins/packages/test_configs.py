"""Inheritance and overrides of configs."""

from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm_packages import (
    Runtime,
    get_default_runtime,
    load_config,
    load_runtime,
    resolve_config,
    vendor_config,
)
from lllm_packages.configs import merge_configs


@pytest.fixture
def configs():
    """Register configs in the default registry."""

    def register(**named):
        for name, config in named.items():
            get_default_runtime().register_config(name, config)

    return register


def test_a_config_inherits_its_base(configs):
    """Dicts merge, lists and scalars replace, `base` is removed, recursively."""
    configs(
        grand={"a": {"x": 1, "y": 1}, "list": [1, 2], "only": "grand"},
        parent={"base": "grand", "a": {"y": 2, "z": 2}, "list": [3]},
        child={"base": "parent", "a": {"z": 3}, "new": None},
    )
    assert resolve_config("child") == {
        "a": {"x": 1, "y": 2, "z": 3},
        "list": [3],
        "only": "grand",
        "new": None,
    }
    assert list(resolve_config("child")) == ["a", "list", "only", "new"]


def test_a_dict_replaces_a_scalar_and_the_other_way_round(configs):
    """Only two dicts merge."""
    configs(base={"a": {"x": 1}, "b": 1}, child={"base": "base", "a": 2, "b": {"y": 1}})
    assert resolve_config("child") == {"a": 2, "b": {"y": 1}}


def test_several_bases_are_laid_from_left_to_right(configs):
    """A later base wins over an earlier one, the config over both; a shared grand-base is no circle."""
    configs(
        root={"a": 0, "r": 0},
        left={"base": "root", "a": 1, "b": 1, "c": 1},
        right={"base": "root", "b": 2, "c": 2},
        child={"base": ["left", "right"], "c": 3},
    )
    assert resolve_config("child") == {"a": 0, "r": 0, "b": 2, "c": 3}


def test_null_is_no_base(configs):
    """`base:` without a value inherits nothing."""
    configs(a={"base": None, "x": 1}, b={"base": [], "x": 2})
    assert (resolve_config("a"), resolve_config("b")) == ({"x": 1}, {"x": 2})


@pytest.mark.parametrize("base", [1, {"a": 1}, [1], [""], ""])
def test_a_base_is_a_name_or_names(configs, base):
    """Anything else is a TypeError that names the config."""
    configs(a={"base": base})
    with pytest.raises(TypeError, match="Config 'a': base must be a name or a list of names"):
        resolve_config("a")


def test_a_circle_is_an_error(configs):
    """The error shows the way around."""
    configs(a={"base": "b"}, b={"base": ["c"]}, c={"base": "a"}, me={"base": "me"})
    with pytest.raises(ValueError, match=r"^Circular config inheritance detected: a -> b -> c -> a$"):
        resolve_config("a")
    with pytest.raises(ValueError, match="Circular config inheritance detected: me -> me"):
        resolve_config("me")


def test_a_circle_is_seen_through_different_names(loaded):
    """A bare and a qualified name of one config are the same config."""
    loaded(files={"configs/a.yaml": "base: my_project:b", "configs/b.yaml": "base: a"})
    with pytest.raises(ValueError, match="Circular config inheritance detected"):
        resolve_config("my_project.configs:a")


@pytest.mark.parametrize("value", [None, [1], "text", 3])
def test_a_config_is_a_dict(configs, value):
    """Anything else is a TypeError that names it."""
    configs(n=value)
    with pytest.raises(TypeError, match=r"^Config 'n' is not a dict"):
        resolve_config("n")


def test_an_unknown_config_is_a_key_error(configs):
    """The name is close to what is there; for a base the note names the config that has it."""
    configs(default={"x": 1}, child={"base": "defualt"})
    with pytest.raises(KeyError, match=r"Resource 'defualt' not found\. Did you mean: \['default'\]"):
        resolve_config("defualt")
    with pytest.raises(KeyError) as caught:
        resolve_config("child")
    assert caught.value.__notes__ == ["It is the base of config 'child'."]


def test_a_faulty_file_is_named(loaded):
    """A config that is not what its ending says is a ValueError with the file, when it is asked for."""
    loaded(
        files={
            "configs/a.yaml": "x: [",
            "configs/b.json": "{",
            "configs/c.toml": "x",
            "configs/d.yaml": b"\xff",
            "configs/e.yaml": "a: &a [*a]",
            "configs/f.yaml": "!!python/object/apply:os.system ['true']",
        }
    )
    for name, kind in [
        ("a", "YAML"),
        ("b", "JSON"),
        ("c", "TOML"),
        ("d", "YAML"),
        ("e", "YAML"),
        ("f", "YAML"),
    ]:
        with pytest.raises(ValueError, match=rf"configs/{name}\.\w+ is not valid {kind}"):
            resolve_config(name)


def test_aliases_that_unfold_to_something_huge_are_refused(loaded):
    """A few lines of YAML cannot make gigabytes of a config."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    loaded(files={"configs/laughs.yaml": "\n".join(lines)})
    with pytest.raises(ValueError, match="unfold to more than 1000000 values"):
        resolve_config("laughs")


@pytest.mark.parametrize("text", ["[" * 20_000, "- " * 20_000 + "x", "- &a " * 20_000 + "x", "{a: " * 20_000])
def test_what_nests_too_deeply_is_refused(loaded, text):
    """A config of some kilobytes cannot bring the interpreter down."""
    loaded(files={"configs/deep.yaml": text})
    with pytest.raises(ValueError, match=r"deep\.yaml is not valid YAML"):
        resolve_config("deep")


def test_results_are_copies(loaded):
    """Nothing that is done to a resolved config shows in the next one, in its base, or under another anchor."""
    loaded(
        files={
            "configs/base.yaml": "a: {x: [1]}\n",
            "configs/child.yaml": "base: base\nb: &b {y: 1}\nc: *b\n",
        }
    )
    first = resolve_config("child")
    first["a"]["x"].append(2)
    first["b"]["y"] = 2
    assert first["c"] == {"y": 1}
    assert resolve_config("child") == {"a": {"x": [1]}, "b": {"y": 1}, "c": {"y": 1}}
    assert load_config("base") == {"a": {"x": [1]}}


def test_a_dependency_takes_its_own_base(loaded, package, prompt_source):
    """`base` and `system_prompt_path` in a dependency mean the dependency's own first."""
    package(
        "dep",
        {
            "configs/default.yaml": "from: dep\nglobal: {system_prompt_path: system}\n",
            "configs/child.yaml": "base: default\nagent_configs:\n- {name: a, system_prompt_path: system}\n"
            "- {name: b, system_prompt_path: 'my_project:system'}\n- {name: c, system_prompt_path: only_root}\n",
            "configs/up.yaml": "base: root_only\n",
            "prompts/system.py": prompt_source("system", "dep"),
        },
    )
    loaded(
        files={
            "configs/default.yaml": "from: root\nglobal: {system_prompt_path: system}\n",
            "configs/root_only.yaml": "root: true\nglobal: {system_prompt_path: system}\n",
            "configs/mixed.yaml": "base: [dep:child]\n",
            "prompts/system.py": prompt_source("system", "root"),
            "prompts/only_root.py": prompt_source("only_root"),
        },
        toml='[dependencies]\npackages = ["../dep"]\n',
    )
    config = resolve_config("dep:child")
    assert config["from"] == "dep"
    assert [agent["system_prompt_path"] for agent in config["agent_configs"]] == [
        "dep:system",
        "my_project:system",
        "only_root",
    ]
    assert config["global"]["system_prompt_path"] == "dep:system"
    assert resolve_config("default")["global"]["system_prompt_path"] == "system"
    assert resolve_config("mixed")["global"]["system_prompt_path"] == "dep:system"
    assert resolve_config("dep:up") == {"root": True, "global": {"system_prompt_path": "system"}}
    assert load_config("dep:default")["global"]["system_prompt_path"] == "system"


def test_environment_variables_expand_under_invoker_config(configs, monkeypatch):
    """Only there, only in texts, wherever the key stands."""
    monkeypatch.setenv("LLLM_TEST_KEY", "secret")
    monkeypatch.setenv("LLLM_TEST_EMPTY", "")
    configs(
        a={
            "model": "${LLLM_TEST_KEY}",
            "invoker_config": {
                "api_key": "${LLLM_TEST_KEY}",
                "url": "http://${LLLM_TEST_HOST:-localhost}:${LLLM_TEST_PORT:-80}/${LLLM_TEST_EMPTY}",
                "empty": "${LLLM_TEST_EMPTY:-given}",
                "headers": [{"x": "${LLLM_TEST_NONE:-}"}],
                "count": 3,
                "literal": "$LLLM_TEST_KEY ${} ${1}",
            },
            "agent_configs": [{"name": "w", "invoker_config": "${LLLM_TEST_KEY}"}],
            "global": {"invoker_config": {"k": "${LLLM_TEST_KEY}"}},
        }
    )
    config = resolve_config("a")
    assert config["model"] == "${LLLM_TEST_KEY}"
    assert config["invoker_config"] == {
        "api_key": "secret",
        "url": "http://localhost:80/",
        "empty": "given",
        "headers": [{"x": ""}],
        "count": 3,
        "literal": "$LLLM_TEST_KEY ${} ${1}",
    }
    assert config["agent_configs"][0]["invoker_config"] == "secret"
    assert config["global"]["invoker_config"] == {"k": "secret"}
    assert load_config("a")["invoker_config"]["api_key"] == "${LLLM_TEST_KEY}"


def test_a_variable_that_is_not_set_is_an_error(configs):
    """The error names config, field and variable, and says what to write."""
    configs(a={"invoker_config": {"api_key": "${LLLM_TEST_UNSET}"}})
    with pytest.raises(ValueError) as caught:
        resolve_config("a")
    assert str(caught.value) == (
        "Config 'a', invoker_config.api_key needs the environment variable LLLM_TEST_UNSET, which is not set; set it "
        "or write ${LLLM_TEST_UNSET:-default}."
    )
    assert vendor_config("a", {"invoker_config": {"api_key": "x"}}) == {"invoker_config": {"api_key": "x"}}


def test_vendor_config_takes_a_name_or_a_dict(configs):
    """Either is resolved, then the overrides are merged; the arguments stay as they are."""
    configs(default={"a": {"x": 1, "y": [1]}})
    overrides = {"a": {"y": [2]}}
    assert vendor_config("default") == {"a": {"x": 1, "y": [1]}}
    assert vendor_config("default", overrides) == {"a": {"x": 1, "y": [2]}}
    source = {"base": "default", "a": {"z": 1}}
    assert vendor_config(source, overrides) == {"a": {"x": 1, "y": [2], "z": 1}}
    assert source == {"base": "default", "a": {"z": 1}}
    assert overrides == {"a": {"y": [2]}}
    vendored = vendor_config({"a": [1]})
    vendored["a"].append(2)
    assert vendor_config({"a": [1]}) == {"a": [1]}


@pytest.mark.parametrize(
    ("arguments", "name"), [((1,), "source"), (([],), "source"), (({}, [1]), "overrides")]
)
def test_vendor_config_names_a_bad_argument(arguments, name):
    """The TypeError says which argument has which type."""
    with pytest.raises(TypeError, match=f"{name} must be"):
        vendor_config(*arguments)


def test_a_registry_can_be_given(package):
    """Configs of a private registry are resolved there."""
    runtime = load_runtime(
        package("p", {"configs/a.yaml": "base: b", "configs/b.yaml": "x: 1"}), "configs-named"
    )
    assert resolve_config("a", runtime) == {"x": 1}
    assert vendor_config("a", {"y": 2}, runtime=runtime) == {"x": 1, "y": 2}
    assert vendor_config({"base": "a"}, runtime=runtime) == {"x": 1}
    with pytest.raises(KeyError):
        resolve_config("a", Runtime())
    runtime.reset()


CONFIG = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)


@given(CONFIG, CONFIG, CONFIG)
def test_merging_behaves_like_laying_sheets_on_each_other(one, two, three):
    """Nothing laid on nothing changes; the order of grouping does not matter; the arguments are not changed."""
    before = deepcopy((one, two, three))
    assert merge_configs(one, {}) == merge_configs({}, one) == merge_configs(one, one) == one
    assert merge_configs(merge_configs({}, one), two) == merge_configs(one, two)
    merged = merge_configs(one, two)
    assert all(merged[key] == two[key] for key in two if not isinstance(two[key], dict))
    assert set(merged) == set(one) | set(two)
    assert (one, two, three) == before
