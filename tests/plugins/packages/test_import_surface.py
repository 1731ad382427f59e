"""What this distribution exports, and what importing it costs."""

import inspect

import pytest

import lllm
import lllm_packages

FORWARDED = [name for name in lllm_packages.__all__ if name not in {"Runtime", "ScaffoldResult"}]


def test_the_public_names():
    """The list is pinned and sorted."""
    assert lllm_packages.__all__ == sorted(lllm_packages.__all__)
    assert dir(lllm_packages) == lllm_packages.__all__
    assert set(lllm_packages.__all__) == set(
        "PackageInfo ResourceNode Runtime ScaffoldResult create_project export_package find_config_file "
        "get_default_runtime get_runtime install_package list_packages load_config load_cwd_fallback load_package "
        "load_prompt load_resource load_runtime load_tactic remove_package resolve_config set_default_runtime "
        "vendor_config".split()
    )


@pytest.mark.parametrize("name", lllm_packages.__all__)
def test_every_name_is_there_and_documented(name):
    """Each public name resolves and has a docstring."""
    assert inspect.getdoc(getattr(lllm_packages, name))


@pytest.mark.parametrize("name", FORWARDED)
def test_names_are_forwarded(name):
    """`from lllm import X` gives the same object."""
    assert getattr(lllm, name) is getattr(lllm_packages, name)


def test_the_plugin_contract_keeps_its_name():
    """`lllm.Runtime` is the protocol of runtimes, not the registry."""
    assert lllm.Runtime is not lllm_packages.Runtime


def test_an_unknown_name_is_an_attribute_error():
    """Named in the text."""
    with pytest.raises(AttributeError, match="no attribute `nothing`"):
        _ = lllm_packages.nothing


def test_importing_the_plugin_is_cheap(run_python):
    """Neither YAML nor pydantic, nor any of the implementation."""
    done = run_python("import sys, lllm_packages.plugin; print(*sys.modules)")
    loaded = set(done.stdout.split())
    assert not loaded & {
        "yaml",
        "pydantic",
        "click",
        "zipfile",
        "lllm_packages.registry",
        "lllm.tactic",
    }


def test_a_look_up_imports_only_what_it_needs(run_python, write, home):
    """JSON and TOML configs need neither YAML nor pydantic nor a model library."""
    write(home / "work", {"lllm.toml": "", "configs/a.json": '{"base": "b"}', "configs/b.toml": "x = 1"})
    done = run_python(
        "import sys; from lllm import resolve_config; print(resolve_config('a')); print(*sys.modules)"
    )
    shown, modules = done.stdout.splitlines()
    assert shown == "{'x': 1}"
    assert not set(modules.split()) & {"yaml", "pydantic", "click", "zipfile", "httpx", "asyncio"}


def test_the_commands_import_nothing_of_the_implementation(run_python):
    """Help for `lllm pkg` and `lllm create` needs click alone."""
    done = run_python(
        "import sys, click; from lllm_packages.plugin import lllm_commands as add; group = click.Group('lllm');"
        "add(group); print(*group.commands); print(*sys.modules)"
    )
    commands, modules = done.stdout.splitlines()
    assert commands == "pkg create"
    assert not set(modules.split()) & {
        "pydantic",
        "zipfile",
        "lllm_packages.install",
        "lllm_packages.scaffold",
    }
