"""What is discovered, when, and what happens to what is broken."""

import os
import threading

import pytest

import lllm
from lllm_packages import (
    Runtime,
    get_default_runtime,
    load_config,
    load_cwd_fallback,
    load_package,
    load_prompt,
    load_runtime,
    load_tactic,
    resolve_config,
)


@pytest.fixture
def project(write, home):
    """Write the project of the working directory."""

    def write_project(files, toml=""):
        return write(home / "work", {"lllm.toml": '[package]\nname = "my_project"\n' + toml, **files})

    return write_project


def test_the_project_is_there_without_loading_it(project, prompt_source, tactic_source):
    """`import lllm` is enough: prompts, configs and tactics of the working directory are found."""
    project(
        {
            "prompts/system.py": prompt_source(),
            "configs/default.yaml": "tactic_type: discovered\n",
            "tactics/my_tactic.py": tactic_source("discovered"),
        }
    )
    assert load_prompt("my_project:system").path == "system"
    assert resolve_config("default") == {"tactic_type": "discovered"}
    assert lllm.get_tactic_class("discovered").name == "discovered"
    packaged = [key for key in get_default_runtime().keys() if ":" in key]  # noqa: SIM118 - not a dict
    assert packaged == [
        "my_project.configs:default",
        "my_project.prompts:system/system",
        "my_project.tactics:discovered",
    ]


def test_looking_up_runs_only_what_is_asked_for(project, prompt_source, tmp_path):
    """Modules are not imported by discovery, by listing or by another look-up."""
    mark = f"with open({str(tmp_path / 'ran')!r}, 'a') as file:\n    file.write(__name__ + ' ')\n"
    project(
        {
            "prompts/a.py": mark + prompt_source("a"),
            "prompts/b.py": mark + prompt_source("b"),
            "configs/c.yaml": "x: 1",
        }
    )
    runtime = get_default_runtime()
    assert load_config("c") == {"x": 1}
    assert runtime.keys("prompt") == ["my_project.prompts:a/a", "my_project.prompts:b/b"]
    assert runtime.has("b")
    assert not (tmp_path / "ran").exists()
    load_prompt("b")
    assert (tmp_path / "ran").read_text() == "lllm_pkg.my_project.prompts.b "


def test_importing_lllm_reads_nothing(project, run_python):
    """The import neither imports this plugin nor looks at the project, even a broken one."""
    project({"lllm.toml": "not toml ["})
    run_python("import lllm, sys; assert 'lllm_packages' not in sys.modules, 'imported'")


def test_broken_toml_is_a_warning(project):
    """The warning names the file; look-ups then find nothing."""
    file = project({"lllm.toml": "[package"}) / "lllm.toml"
    with pytest.warns(RuntimeWarning, match=f"A package is left out: {file} is not valid TOML"):
        assert not get_default_runtime().packages


@pytest.mark.parametrize(
    "body", ["raise SystemExit(3)", "raise RuntimeError('boom')", "import no_such_module_at_all", "1 / 0"]
)
def test_a_module_that_raises_is_an_import_error_with_its_cause(project, prompt_source, body):
    """Only who asks for its resource is told, with the file and what happened; the program goes on."""
    folder = project(
        {"prompts/bad.py": prompt_source("bad") + body, "prompts/good.py": prompt_source("good")}
    )
    assert load_prompt("good").path == "good"
    with pytest.raises(ImportError) as caught:
        load_prompt("bad")
    assert str(folder / "prompts" / "bad.py") in str(caught.value)
    assert type(caught.value.__cause__).__name__ in str(caught.value)
    assert load_prompt("good").path == "good"


def test_a_keyboard_interrupt_is_not_caught(project, prompt_source):
    """The user's Control-C ends the program, whatever was being imported."""
    project({"prompts/bad.py": prompt_source("bad") + "raise KeyboardInterrupt"})
    with pytest.raises(KeyboardInterrupt):
        load_prompt("bad")


@pytest.mark.parametrize("key", ["bad", "bad/x", "my_project:bad", "my_project.prompts:bad/x", "x"])
def test_a_module_that_cannot_be_read_is_a_warning_and_an_import_error(project, prompt_source, key):
    """A syntax error is reported when the section is scanned, and again to who asks for what it should hold."""
    folder = project(
        {"prompts/bad.py": prompt_source("x") + "def (", "prompts/good.py": prompt_source("good")}
    )
    with pytest.warns(RuntimeWarning, match=r"bad\.py of package `my_project` cannot be read: SyntaxError"):
        assert load_prompt("good").path == "good"
    with pytest.raises(ImportError) as caught:
        load_prompt(key)
    assert str(folder / "prompts" / "bad.py") in str(caught.value)
    assert isinstance(caught.value.__cause__, SyntaxError)


def test_a_key_that_a_broken_module_may_hold_is_noted(project, prompt_source):
    """An unrelated missing key stays a KeyError, with a note on the module that could not be read."""
    project({"prompts/bad.py": "def (", "prompts/good.py": prompt_source("good")})
    with pytest.warns(RuntimeWarning, match="cannot be read"), pytest.raises(KeyError) as caught:
        load_prompt("elsewhere")
    assert "bad.py" in caught.value.__notes__[0]


def test_an_opaque_module_is_imported_when_nothing_else_is_found(project, prompt_source, tmp_path):
    """What the source does not tell is found by importing, and only then."""
    opaque = (
        f"from lllm import Prompt\nwith open({str(tmp_path / 'ran')!r}, 'a') as file:\n    file.write('x')\n"
        "def make(name):\n    return Prompt(path=name, prompt='made')\n"
        "FIRST = make('first')\nSECOND = make('second')\n"
    )
    project({"prompts/made.py": opaque, "prompts/plain.py": prompt_source("plain")})
    assert load_prompt("plain").path == "plain"
    assert not (tmp_path / "ran").exists()
    assert load_prompt("my_project:second").prompt == "made"
    assert load_prompt("made/first").prompt == "made"
    with pytest.raises(KeyError, match="third"):
        load_prompt("third")
    assert (tmp_path / "ran").read_text() == "x"


def test_of_opaque_modules_the_one_with_the_name_is_imported_first(project):
    """A module that derives its tactics from another one's class does not make all the others run."""
    source = "from ._base import Base\nclass A(Base):\n    name = '%s'\n    agent_group = []\n"
    project(
        {
            "tactics/_base.py": "from lllm import Tactic\nclass Base(Tactic, register=False):\n"
            "    def call(self, task):\n        return self.name\n",
            "tactics/a.py": source % "opaque-a" + "raise RuntimeError",
            "tactics/b.py": source % "opaque-b",
        }
    )
    assert load_tactic("my_project:opaque-b")({})("x") == "opaque-b"
    with pytest.warns(RuntimeWarning, match=r"a\.py of package"), pytest.raises(ImportError, match=r"a\.py"):
        load_tactic("opaque-a")


def test_threads_wait_for_an_opaque_module(project, tmp_path):
    """While one thread imports it the others wait and find what it holds; it runs once."""
    source = (
        "import time\nfrom lllm import Prompt\n"
        f"with open({str(tmp_path / 'ran')!r}, 'a') as file:\n    file.write('x')\n"
        "time.sleep(0.05)\ndef make(name):\n    return Prompt(path=name, prompt='')\nX = make('slow')\n"
    )
    project({"prompts/made.py": source})
    found = []
    threads = [threading.Thread(target=lambda: found.append(load_prompt("slow"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert (tmp_path / "ran").read_text() == "x"


def test_opaque_modules_that_look_each_other_up_do_not_wait_for_ever(project):
    """Two threads import two modules, each of which asks for a name that only the other might have."""
    source = (
        "import time\nfrom lllm import Prompt, get_default_runtime\ntime.sleep(0.05)\n"
        "get_default_runtime().has('%s', 'prompt')\n"
        "def make(name):\n    return Prompt(path=name, prompt='')\nX = make('%s')\n"
    )
    project({"prompts/one.py": source % ("two", "one"), "prompts/two.py": source % ("one", "two")})
    found = []
    threads = [
        threading.Thread(target=lambda name=name: found.append(load_prompt(name))) for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert sorted(prompt.path for prompt in found) == ["one", "two"]


def test_an_interrupted_import_is_done_again(project):
    """Control-C while an opaque module runs does not lose its resources."""
    folder = project({"prompts/made.py": "raise KeyboardInterrupt\nX = make('late')\n"})
    with pytest.raises(KeyboardInterrupt):
        load_prompt("late")
    (folder / "prompts" / "made.py").write_text(
        "from lllm import Prompt\ndef make(name):\n    return Prompt(path=name, prompt='')\nX = make('late')\n"
    )
    assert load_prompt("late").path == "late"


def test_listing_imports_opaque_modules(project):
    """`keys()` is complete; a module that fails is left out with a warning, once."""
    project(
        {
            "prompts/made.py": "from lllm import Prompt\ndef make():\n    return Prompt(path='m', prompt='')\n"
            "X = make()\n",
            "prompts/bad.py": "X = make()",
        }
    )
    runtime = get_default_runtime()
    with pytest.warns(RuntimeWarning, match=r"bad\.py of package `my_project` cannot be imported: NameError"):
        keys = runtime.keys("prompt")
    assert keys == ["my_project.prompts:made/m"]
    assert runtime.keys("prompt") == keys


def test_imported_prompts_are_not_defined_again(project, prompt_source):
    """What a module imports, by name, by star or from a library, is not its own."""
    project(
        {
            "prompts/shared.py": prompt_source("shared"),
            "prompts/user.py": (
                "from lllm import Prompt\nfrom .shared import PROMPT\nfrom .shared import *\n"
                "def make():\n    return Prompt(path='own', prompt='')\nOWN = make()\n"
            ),
            "prompts/star.py": "from .shared import *\nX = dict(make=1)\nY = unknown = len([])\nZ = str.upper('a')\n",
            "prompts/star2.py": "from .shared import *\nX = PROMPT.model_copy()\n",
        }
    )
    assert get_default_runtime().keys("prompt") == [
        "my_project.prompts:shared/shared",
        "my_project.prompts:star2/shared",
        "my_project.prompts:user/own",
    ]


def test_opaque_tactics_are_those_that_register(project, tactic_source):
    """Bases from other modules are followed by importing; `register=False` and imported classes are left out."""
    project(
        {
            "tactics/_base.py": "from lllm import Tactic\nclass Base(Tactic, register=False):\n"
            "    name = 'opaque-base'\n    def _run(self, value, *, context=None):\n        return 1\n",
            "tactics/real.py": "from ._base import Base\nclass Real(Base):\n    name = 'opaque-real'\n"
            "class Hidden(Base, register=False):\n    name = 'opaque-hidden'\n",
            "tactics/plain.py": tactic_source("plain-greet"),
        }
    )
    runtime = get_default_runtime()
    assert load_tactic("opaque-real")().run(None) == 1
    assert [key for key in runtime.keys("tactic") if key.startswith("my_project")] == [
        "my_project.tactics:opaque-real",
        "my_project.tactics:plain-greet",
    ]
    with pytest.raises(KeyError):
        lllm.get_tactic_class("opaque-base")


def test_packaged_tactics_stay_out_of_the_table_of_the_program(project, tactic_source):
    """A class of the program and a packaged one of the same name do not replace each other."""
    project({"tactics/t.py": tactic_source("shared-name")})

    class Own(lllm.Tactic):
        name = "shared-name"

        def _run(self, input_value, *, context=None):
            return "own"

    packaged = load_tactic("my_project:shared-name")
    assert packaged().run(None) == "hello"
    assert load_tactic("shared-name") is Own
    assert lllm.get_tactic_class("shared-name") is Own


def test_a_packaged_tactic_knows_its_package(project, tactic_source, home, write):
    """`tactic_path` is package and name, whatever the folder, `under` or alias."""
    project({"tactics/t.py": tactic_source("root-path")}, '[dependencies]\npackages = ["dep as d"]\n')
    write(
        home / "work" / "dep",
        {
            "lllm.toml": '[package]\nname = "dep"\n[tactics]\npaths = ["t under x/y"]',
            "t/deep/m.py": tactic_source("dep-path"),
        },
    )
    assert load_tactic("root-path")().tactic_path == "my_project::root-path"
    assert load_tactic("d:x/y/dep-path")().tactic_path == "dep::dep-path"

    class Derived(load_tactic("root-path")):
        name = "derived-path"

    assert Derived().tactic_path == "derived-path"


def test_two_files_with_one_tactic_name(project, tactic_source):
    """The first file, in sorted order, is used; the warning names both."""
    project(
        {
            "tactics/a.py": tactic_source("defined_in_two_files", answer="a"),
            "tactics/b.py": tactic_source("defined_in_two_files", answer="b"),
        }
    )
    with pytest.warns(
        RuntimeWarning,
        match=r"'defined_in_two_files' of package `my_project` is defined in .*a\.py and in .*b\.py",
    ):
        assert load_tactic("defined_in_two_files")().run(None) == "a"


def test_private_files_are_skipped(project, prompt_source):
    """Names that begin with `_` or `.`, `__pycache__`, and other endings are no resources."""
    project(
        {
            "prompts/_a.py": prompt_source("a"),
            "prompts/.b.py": prompt_source("b"),
            "prompts/__pycache__/c.py": prompt_source("c"),
            "prompts/_d/d.py": prompt_source("d"),
            "prompts/.e/e.py": prompt_source("e"),
            "prompts/f.txt": "text",
            "prompts/README.md": "About these prompts.",
            "configs/_g.yaml": "x: 1",
            "configs/h.txt": "x",
        }
    )
    assert get_default_runtime().keys("prompt") == []
    assert get_default_runtime().keys("config") == []


def test_configs_may_be_yaml_toml_and_json(project):
    """The ending decides; of one name in two formats the first is used, with a warning."""
    project(
        {
            "configs/a.yaml": "x: 1",
            "configs/b.yml": "x: 2",
            "configs/deep/c.toml": "x = 3",
            "configs/d.json": '{"x": 4}',
            "configs/e.json": '{"x": 5}',
            "configs/e.yaml": "x: 6",
        }
    )
    with pytest.warns(
        RuntimeWarning, match=r"'e' of package `my_project` is defined in .*e\.yaml and in .*e\.json"
    ):
        assert [load_config(key)["x"] for key in ("a", "b", "deep/c", "d", "e")] == [1, 2, 3, 4, 6]


def test_under_is_a_prefix_of_keys(project, prompt_source, tactic_source):
    """Prompts, tactics, configs and files of a path with `under` have it in front of their keys."""
    project(
        {
            "more/p.py": prompt_source("q"),
            "moret/t.py": tactic_source("under-greet"),
            "morec/c.yaml": "x: 1",
            "mored/d.bin": b"1",
            "one/file.py": prompt_source("single"),
            "one/other.py": prompt_source("other"),
        },
        '[prompts]\npaths = ["more under extra/deep", "one/file.py"]\n[tactics]\npaths = ["moret under extra"]\n'
        '[configs]\npaths = ["morec under extra"]\n[data]\npaths = ["mored under extra"]\n',
    )
    runtime = get_default_runtime()
    assert sorted(node.qualified_key for node in runtime.iter_nodes() if node.namespace) == [
        "my_project.configs:extra/c",
        "my_project.data:extra/d.bin",
        "my_project.prompts:extra/deep/p/q",
        "my_project.prompts:file/single",
        "my_project.tactics:extra/under-greet",
    ]
    assert load_prompt("extra/deep/p").path == "q"
    assert load_prompt("single").path == "single"
    assert load_tactic("extra/under-greet").name == "under-greet"
    node = runtime.get_node("my_project.data:extra/d.bin")
    assert node.metadata["file_path"].endswith("mored/d.bin")


def test_a_named_path_that_does_not_exist_is_a_warning(project):
    """The rest of the package loads; a default folder that is missing is no news."""
    project({"configs/a.yaml": "x: 1"}, '[prompts]\npaths = ["nowhere"]\n')
    with pytest.warns(
        RuntimeWarning, match=r"\[prompts\] of .*lllm\.toml names 'nowhere', which does not exist"
    ):
        assert load_config("a") == {"x": 1}


def test_markdown_prompts(project):
    """Front matter holds the fields, the body is the text; without a path the file's name is it."""
    project(
        {
            "prompts/memo.md": "---\npath: 'notes/memo'  # where\nmetadata: {lang: en}\n---\n\nAbout {topic}.\n\n",
            "prompts/plain.md": "Just {text}.",
        }
    )
    memo = load_prompt("notes/memo")
    assert (memo.path, memo.prompt, memo.metadata) == ("notes/memo", "About {topic}.", {"lang": "en"})
    assert load_prompt("my_project:memo") is memo
    assert load_prompt("plain")(text="this") == "Just this."


@pytest.mark.parametrize(
    "text",
    ["---\nunknown_field: 1\n---\nx", "---\n- a\n---\nx", "---\na: [\n---\nx", b"\xff", "Unbalanced {"],
)
def test_a_faulty_markdown_prompt_is_an_import_error(project, text):
    """Asking for it names the file."""
    project({"prompts/bad.md": text})
    with pytest.raises(ImportError, match=r"bad\.md is not a prompt"):
        load_prompt("bad")


def test_tools_are_found_by_file_and_name(project):
    """`@tool` functions of the section `tools`, statically and by importing."""
    project(
        {
            "tools/maths.py": "from lllm import tool\n@tool\ndef add(a: int, b: int) -> int:\n    return a + b\n",
            "tools/made.py": "from lllm import Function\ndef make():\n"
            "    return Function(name='made', description='', properties={})\nX = make()\n",
        }
    )
    runtime = get_default_runtime()
    assert runtime.get("maths/add", "tool").name == "add"
    assert runtime.keys("tool") == ["my_project.tools:made/made", "my_project.tools:maths/add"]


@pytest.mark.parametrize("value", ["0", "false", "No", "OFF"])
def test_discovery_can_be_turned_off(project, monkeypatch, value):
    """`LLLM_AUTO_INIT` off: nothing is discovered, what is loaded explicitly works."""
    folder = project({"configs/a.yaml": "x: 1"})
    monkeypatch.setenv("LLLM_AUTO_INIT", value)
    assert not get_default_runtime().has("a", "config")
    load_package(folder)
    assert load_config("a") == {"x": 1}


def test_shared_packages_are_discovered(project, home, write, monkeypatch):
    """What is installed for the project hides what the user has under the same name."""
    project(
        {
            "lllm_packages/shared/lllm.toml": '[package]\nname = "shared"',
            "lllm_packages/shared/configs/a.yaml": "x: 1",
        }
    )
    write(
        home / ".lllm" / "packages",
        {
            "shared/lllm.toml": '[package]\nname = "shared"',
            "shared/configs/a.yaml": "x: 2",
            "users/lllm.toml": '[package]\nname = "users"',
            "users/configs/b.yaml": "x: 3",
        },
    )
    runtime = get_default_runtime()
    assert list(runtime.packages) == ["my_project", "shared", "users"]
    assert (load_config("a"), load_config("b")) == ({"x": 1}, {"x": 3})
    monkeypatch.setenv("LLLM_AUTO_SHARED_PACKAGES", "0")
    assert list(load_runtime().packages) == ["my_project"]
    monkeypatch.delenv("LLLM_AUTO_SHARED_PACKAGES")
    assert list(load_runtime(discover_shared_packages=False).packages) == ["my_project"]
    assert list(load_runtime(discover_cwd=False).packages) == ["shared", "users"]
    assert load_runtime(discover_cwd=False, discover_shared_packages=False).packages == {}


def test_a_broken_shared_package_does_not_stop_an_explicit_load(package, home, write):
    """Somebody else's broken package is a warning, the project that was asked for is loaded."""
    write(home / ".lllm" / "packages", {"broken/lllm.toml": "["})
    with pytest.warns(RuntimeWarning, match="A package is left out"):
        runtime = load_runtime(package("mine"))
    assert list(runtime.packages) == ["mine"]


def test_an_installed_package_may_not_reach_out_of_its_folder(home, write):
    """Paths that lead out of an installed package are refused with a warning."""
    write(
        home / ".lllm" / "packages",
        {"bad/lllm.toml": '[package]\nname = "bad"\n[assets]\npaths = ["../../.."]'},
    )
    with pytest.warns(
        RuntimeWarning, match=r"Invalid path entry: '\.\./\.\./\.\.' in \[assets\] .* leads out"
    ):
        assert get_default_runtime().packages == {}


def test_an_explicit_load_raises(package):
    """Who loads a faulty package by name is told with an exception."""
    with pytest.raises(ValueError, match="Invalid path entry"):
        load_runtime(package("bad", toml="[prompts]\npaths = [1]"))
    with pytest.raises(ValueError, match="Invalid dependency entry"):
        load_package(package("worse", toml="[dependencies]\npackages = [1]"))


def test_bare_folders_are_a_package_when_that_is_switched_on(home, write, monkeypatch):
    """Off by default; with `LLLM_AUTO_CWD_FALLBACK` prompts, configs and tactics load without a package file."""
    write(home / "work", {"configs/a.yaml": "x: 1", "data/b.yaml": "x: 2"})
    assert not get_default_runtime().has("a", "config")
    monkeypatch.setenv("LLLM_AUTO_CWD_FALLBACK", "1")
    runtime = load_runtime()
    assert list(runtime.packages) == ["work"]
    assert load_config("work:a") == {"x": 1}
    assert runtime.keys("config") == ["work.configs:a"]


def test_bare_folders_can_be_loaded_by_hand(home, write):
    """`load_cwd_fallback` needs no switch, and warns where there is nothing."""
    runtime = Runtime()
    with pytest.warns(RuntimeWarning, match="holds none of the folders"):
        assert load_cwd_fallback(runtime) is None
    write(home / "work", {"configs/a.yaml": "x: 1"})
    assert load_cwd_fallback(runtime).name == "work"
    assert load_config("a", runtime) == {"x": 1}


def test_eager_loading_runs_everything_at_once(package, prompt_source):
    """With `eager=True` a broken module is an error of `load_package`."""
    runtime = Runtime()
    load_package(package("good", {"prompts/a.py": prompt_source("a")}), runtime, eager=True)
    assert runtime.get_node("a", "prompt").is_loaded
    with pytest.raises(ImportError, match=r"b\.py of package `bad` cannot be imported"):
        load_package(package("bad", {"prompts/b.py": prompt_source("b") + "1 / 0"}), Runtime(), eager=True)


def test_a_package_is_loaded_once(package):
    """Loading it again changes nothing; another folder of its name is an error without an alias."""
    runtime = Runtime()
    folder = package("twin", {"configs/a.yaml": "x: 1"})
    first = load_package(folder, runtime)
    assert load_package(folder / "lllm.toml", runtime) is first
    other = package("twin", {"configs/a.yaml": "x: 2"}, folder=folder.parent / "elsewhere")
    with pytest.raises(
        ValueError, match=r"`twin`, for the package in .*elsewhere, is the name of the one in .*twin"
    ):
        load_package(other, runtime)
    info = load_package(other, runtime, alias="second")
    assert (info.effective_name, list(runtime.packages)) == ("second", ["twin", "second"])
    assert load_config("twin:a", runtime) == {"x": 1}
    assert load_config("second:a", runtime) == {"x": 2}
    with pytest.raises(ValueError, match="is the name of the one in"):
        load_package(package("third"), runtime, alias="second")


def test_an_alias_can_be_added_later(package):
    """Loading a known package under an alias adds the alias."""
    runtime = Runtime()
    folder = package("late", {"configs/a.yaml": "x: 1"})
    load_package(folder, runtime)
    assert load_package(folder, runtime, alias="l").alias == "l"
    assert load_config("l:a", runtime) == load_config("late:a", runtime) == {"x": 1}


def test_discovery_uses_the_configured_project(package, monkeypatch):
    """`LLLM_CONFIG` decides which project is discovered."""
    monkeypatch.setenv("LLLM_CONFIG", str(package("elsewhere", {"configs/a.yaml": "x: 1"})))
    assert get_default_runtime().default_namespace == "elsewhere"
    assert get_default_runtime().project_dir.name == "elsewhere"


def test_links_to_folders_are_not_followed(project, tmp_path, write):
    """A section is walked without following links to folders, so that loops do no harm."""
    folder = project({"configs/a.yaml": "x: 1"})
    os.symlink(folder / "configs", folder / "configs" / "loop")
    assert get_default_runtime().keys("config") == ["my_project.configs:a"]
