"""What `import lllm` offers and what it costs: lazy names as a tested contract."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import lllm
from lllm.forwarded import FORWARDED

PUBLIC = [
    "AgentCallSession",
    "BudgetExceeded",
    "CallContext",
    "CallResult",
    "CallTrace",
    "ConfigError",
    "CredentialNotFoundError",
    "DeadlineExceeded",
    "EndpointSpec",
    "InvokeCost",
    "LLLMError",
    "PluginConflictError",
    "PluginError",
    "PluginImportError",
    "PluginNotFoundError",
    "ProtocolError",
    "Runtime",
    "RuntimeSpec",
    "SchemaError",
    "StoreSpec",
    "Tactic",
    "TacticCallSession",
    "TacticError",
    "TacticEvent",
    "TacticInfo",
    "TacticLoadError",
    "TacticRef",
    "TacticRefError",
    "TacticResolver",
    "TacticServiceError",
    "TacticUnsupportedError",
    "__version__",
    "as_tactic",
    "build_tactic",
    "current_call",
    "current_session",
    "endpoint",
    "get_tactic_class",
    "hookimpl",
    "hookspec",
    "open_store",
    "plugins",
    "record_usage",
    "register_tactic_class",
]
PROMISED = {
    *(
        "CallableTactic",
        "ProxyTactic",
        "proxy_tactic",
        "ProxyRecord",
        "InMemoryProxyLog",
        "ValueHook",
        "ErrorHook",
    ),
    *(
        "RecordSink",
        "SandboxedTactic",
        "sandbox_tactic",
        "SandboxPolicy",
        "SandboxError",
        "SandboxLimitError",
    ),
    *("SandboxTimeoutError", "RemoteTactic", "RemoteTacticError", "PydanticAITactic", "tactic_as_tool"),
    *(
        "NativeTacticAdapter",
        "BaseParser",
        "DefaultTagParser",
        "ParseError",
        "find_xml_blocks",
        "find_md_blocks",
    ),
    *("create_service_app", "create_tactic_app", "create_project", "Prompt", "Agent", "resolve_config"),
}
"""Names that plugins own and that the user's documents and the protocol import from `lllm`."""

LIBRARIES = (
    "pydantic",
    "pydantic_core",
    "pluggy",
    "tomlkit",
    "click",
    "importlib_metadata",
    "fastapi",
    "httpx",
)


def run(program, *options):
    """Run a program in a fresh interpreter and return what it printed."""
    argv = [sys.executable, *options, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(statement):
    """Return the modules that a statement adds to those of an empty interpreter."""
    program = f"import sys\nbefore = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before))"
    return run(program).split()


def top_levels(modules):
    """Return the top-level packages of modules."""
    return {module.partition(".")[0] for module in modules}


def test_the_public_names_are_these():
    """A name enters or leaves the surface only together with this list."""
    assert lllm.__all__ == PUBLIC


def test_plugins_own_the_names_that_are_promised():
    """Every documented name that lives in a plugin is forwarded, and none hides a name of the core."""
    assert set(FORWARDED) >= PROMISED
    assert not set(FORWARDED) & set(lllm.__all__)


def test_dir_shows_what_can_be_imported():
    """Completion in an editor or a shell offers the core's names and the forwarded ones."""
    assert dir(lllm) == sorted({*PUBLIC, *FORWARDED})


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_resolves_to_something_documented(name):
    """Each is found, stays the same object, and has a docstring where it can have one."""
    value = getattr(lllm, name)
    assert getattr(lllm, name) is value
    if inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value):
        assert inspect.getdoc(value)


def test_type_checkers_see_the_same_names():
    """The imports under TYPE_CHECKING are exactly the lazy table, from the same modules."""
    tree = ast.parse(Path(lllm.__file__).read_text(encoding="utf-8"))
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in guarded.body for alias in node.names}
    assert seen.pop("plugins") == "lllm"
    assert seen == lllm._CORE


def test_import_lllm_imports_only_itself():
    """Neither pydantic nor any other library, no plugin, and of the standard library nothing noteworthy."""
    loaded = loaded_by("import lllm")
    assert {module for module in loaded if module.startswith("lllm")} == {"lllm", "lllm._version"}
    assert len(loaded) <= 4


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import lllm.plugins", ("pydantic", "click", "tomlkit", "fastapi", "httpx")),
        ("import lllm.plugins; lllm.plugins.manager().plugins()", ("pydantic", "fastapi", "httpx")),
        ("from lllm import hookimpl, RuntimeSpec, StoreSpec", ("pydantic", "click", "tomlkit", "asyncio")),
        ("from lllm import TacticRef", ("pydantic", "click", "pluggy")),
        ("from lllm import Tactic", ("click", "tomlkit", "fastapi", "httpx", "pluggy", "rich", "yaml")),
        ("from lllm import as_tactic; as_tactic(len)", ("click", "tomlkit", "fastapi", "httpx", "rich")),
        ("from lllm.errors import LLLMError", ("pydantic", "click", "pluggy", "tomlkit")),
    ],
)
def test_what_is_not_needed_is_not_imported(statement, absent):
    """Each step of the surface imports what it uses and none of the libraries that others use."""
    assert not top_levels(loaded_by(statement)) & set(absent)


def test_import_lllm_works_when_libraries_are_missing():
    """With web, client and model libraries blocked the package and its tactics still import."""
    blocked = ("fastapi", "httpx", "uvicorn", "pydantic_ai", "starlette")
    program = (
        "import sys\n"
        f"for name in {blocked!r}:\n    sys.modules[name] = None\n"
        "import lllm, lllm.cli\n"
        "print([getattr(lllm, name) is not None for name in lllm.__all__].count(True))"
    )
    assert int(run(program)) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PROMISED))
def test_a_missing_plugin_says_what_to_install(name):
    """The ImportError of a forwarded name has the object, the plugin and the command that installs it."""
    package = FORWARDED[name].package
    program = (
        "import sys, json\n"
        f"sys.modules.pop({package!r}, None)\n"
        "class Missing:\n"
        "    def find_spec(self, found, path=None, target=None):\n"
        f"        if found == {package!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {found!r}', name=found)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "import lllm\n"
        "try:\n"
        f"    lllm.{name}\n"
        "except ImportError as error:\n"
        "    print(json.dumps(str(error)))\n"
    )
    message = json.loads(run(program))
    assert message.startswith(f"{name} needs the ")
    assert f": {FORWARDED[name].install}" in message


def test_a_plugin_that_cannot_be_imported_is_not_called_missing(monkeypatch, tmp_path):
    """When the plugin is there and a library of its own is not, the true error is shown."""
    package = tmp_path / "lllm_wrappers"
    package.mkdir()
    (package / "__init__.py").write_text("import a_library_that_is_not_there\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lllm_wrappers", raising=False)
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        lllm.ProxyTactic


def test_an_unknown_name_is_an_attribute_error():
    """As of any module; `hasattr` works."""
    assert not hasattr(lllm, "Tactics")
    with pytest.raises(AttributeError, match="module 'lllm' has no attribute 'Tactics'"):
        lllm.Tactics


def test_no_private_path_shows_in_messages_of_the_surface():
    """The version is text, and the module says what it is."""
    assert isinstance(lllm.__version__, str)
    assert lllm.__doc__.startswith("LLLM")
