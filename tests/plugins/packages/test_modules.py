"""The modules of packages: their names, imports between them, and what happens when files change."""

import gc
import importlib
import os
import pickle
import sys
import threading

import pytest

from lllm_packages import Runtime, load_package, load_prompt, load_runtime, load_tactic
from lllm_packages.modules import ROOT


def modules_of(package):
    return sorted(name for name in sys.modules if name.startswith(f"{ROOT}.{package}"))


def touch(file, text):
    """Write a file so that its time of change differs whatever the resolution of the clock is."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before + 1_000_000, before + 1_000_000))


def test_modules_have_stable_names(loaded, tactic_source):
    """`lllm_pkg.<package>.<section>.<path>`, in `sys.modules`."""
    loaded(files={"tactics/deep/my_tactic.py": tactic_source("stable")})
    cls = load_tactic("stable")
    assert cls.__module__ == "lllm_pkg.my_project.tactics.deep.my_tactic"
    assert sys.modules[cls.__module__].Greet is cls
    assert importlib.import_module(cls.__module__).Greet is cls


def test_classes_and_instances_pickle(loaded):
    """Dataclasses, models and tactics of a package go through pickle."""
    source = (
        "from dataclasses import dataclass\nfrom pydantic import BaseModel\nfrom lllm import Tactic\n"
        "@dataclass\nclass Data:\n    x: int = 1\nclass Model(BaseModel):\n    y: int = 2\n"
        "class Pickled(Tactic):\n    name = 'pickled'\n    def _run(self, value, *, context=None):\n"
        "        return Data(), Model()\n"
    )
    loaded(files={"tactics/t.py": source})
    cls = load_tactic("pickled")
    assert pickle.loads(pickle.dumps(cls)) is cls
    data, model = cls().run(None)
    assert pickle.loads(pickle.dumps((data, model))) == (data, model)


def test_pickles_load_in_another_process(package, run_python, home, tactic_source):
    """A fresh process that knows the package plugin finds the module again."""
    package("my_project", {"tactics/t.py": tactic_source("travels")}, folder=home / "work")
    dump = run_python("import pickle, lllm; print(pickle.dumps(lllm.load_tactic('travels')).hex())")
    loaded = run_python(
        f"""
        import pickle, lllm
        lllm.get_default_runtime()
        print(pickle.loads(bytes.fromhex("{dump.stdout.strip()}")))
        """
    )
    assert loaded.stdout.strip() == "<class 'lllm_pkg.my_project.tactics.t.Greet'>"


def test_modules_import_each_other_relatively(loaded, prompt_source):
    """Across folders and sections, and modules beside the package file."""
    source = (
        "from lllm import Tactic\nfrom ..prompts.system import PROMPT\nfrom ._words import WORD\n"
        "from .deep.more import MORE\nfrom .. import shared\n"
        "class Relative(Tactic):\n    name = 'relative'\n    def _run(self, value, *, context=None):\n"
        "        return PROMPT.path, WORD, MORE, shared.X\n"
    )
    loaded(
        files={
            "prompts/system.py": prompt_source(),
            "tactics/_words.py": "WORD = 'word'",
            "tactics/deep/more.py": "from .._words import WORD\nMORE = WORD + '!'",
            "shared.py": "X = 'shared'",
            "tactics/t.py": source,
        }
    )
    assert load_tactic("relative")().run(None) == ("system", "word", "word!", "shared")
    assert load_prompt("system") is sys.modules["lllm_pkg.my_project.prompts.system"].PROMPT


def test_package_modules_run_once(loaded):
    """`__init__.py` of the package and of a section run before the modules below them."""
    loaded(
        files={
            "__init__.py": "ORDER = ['package']",
            "tactics/__init__.py": "from .. import ORDER\nORDER.append('section')",
            "tactics/t.py": "from lllm import Tactic\nfrom .. import ORDER\nORDER.append('module')\n"
            "class Order(Tactic):\n    name = 'order'\n    def _run(self, value, *, context=None):\n"
            "        return ORDER\n",
        }
    )
    assert load_tactic("order")().run(None) == ["package", "section", "module"]


def test_sections_may_have_several_folders(loaded, prompt_source):
    """Modules of one name in two folders of a section are two modules."""
    loaded(
        files={
            "one/a.py": prompt_source("x", "first"),
            "two/a.py": prompt_source("y", "second"),
            "two/b.py": "from .a import PROMPT\n" + prompt_source("z").replace("PROMPT", "OTHER"),
            "three/c.py": prompt_source("c"),
        },
        toml='[prompts]\npaths = ["one", "two", "three under in/side"]\n',
    )
    assert (load_prompt("x").prompt, load_prompt("y").prompt) == ("first", "second")
    assert load_prompt("in/side/c/c").path == "c"
    assert load_prompt("z").path == "z"
    assert set(modules_of("my_project")) >= {
        "lllm_pkg.my_project.prompts.a",
        "lllm_pkg.my_project.prompts@1.a",
        "lllm_pkg.my_project.prompts.in.side.c",
    }


def test_dots_in_names_are_escaped(loaded, tactic_source):
    """Packages and files with dots in their names have modules of one part each."""
    loaded("my.project", {"tactics/v1.2.py": tactic_source("dotted")})
    assert load_tactic("dotted").__module__ == "lllm_pkg.my%2Eproject.tactics.v1%2E2"
    assert pickle.loads(pickle.dumps(load_tactic("dotted"))) is load_tactic("dotted")


def test_two_folders_of_one_name_have_modules_of_their_own(package, tactic_source):
    """Registries that live side by side do not share the modules of unlike packages."""
    one = load_runtime(package("same", {"tactics/t.py": tactic_source("same", answer="one")}), "modules-one")
    other = package(
        "same", {"tactics/t.py": tactic_source("same", answer="two")}, folder=one.project_dir.parent / "b"
    )
    two = load_runtime(other, "modules-two")
    first, second = one.get_tactic("same"), two.get_tactic("same")
    assert (first().run(None), second().run(None)) == ("one", "two")
    assert first.__module__ == "lllm_pkg.same.tactics.t"
    assert second.__module__.startswith("lllm_pkg.same@")
    assert pickle.loads(pickle.dumps(second)) is second
    one.reset()
    two.reset()


def test_a_name_is_free_again_when_its_registry_is_gone(package, tactic_source):
    """The plain module name goes to the next folder once nobody uses the first."""
    folder = package("reused", {"tactics/t.py": tactic_source("reused", answer="one")})
    other = package(
        "reused", {"tactics/t.py": tactic_source("reused", answer="two")}, folder=folder.parent / "b"
    )
    runtime = Runtime()
    load_package(folder, runtime)
    assert runtime.get_tactic("reused")().run(None) == "one"
    node = runtime.get_node("reused", "tactic")
    del runtime
    gc.collect()
    second = Runtime()
    load_package(other, second)
    assert second.get_tactic("reused").__module__ == "lllm_pkg.reused.tactics.t"
    assert second.get_tactic("reused")().run(None) == "two"
    assert node.value().run(None) == "one"


def test_a_stale_node_does_not_load_another_package(package, tactic_source):
    """A node that was kept while its package was replaced says so instead of loading the wrong file."""
    folder = package("swapped", {"tactics/t.py": tactic_source("swapped")})
    runtime = Runtime()
    load_package(folder, runtime)
    node = runtime.get_node("swapped", "tactic")
    runtime.reset()
    second = Runtime()
    load_package(package("swapped", folder=folder.parent / "b"), second)
    with pytest.raises(ImportError, match=r"`swapped` of .* was replaced by the one in"):
        _ = node.value


def test_changed_files_are_run_again_by_a_new_load(package, tactic_source):
    """Loading a project again sees its edits, in modules and in what they import."""
    folder = package(
        "edited",
        {
            "tactics/t.py": "from ._w import W\n" + tactic_source("edited").replace('"hello"', "W"),
            "tactics/_w.py": "W = 1",
        },
    )
    load_runtime(folder)
    assert load_tactic("edited")().run(None) == 1
    first = load_tactic("edited")
    load_runtime(folder)
    assert load_tactic("edited") is first
    touch(folder / "tactics" / "_w.py", "W = 2")
    load_runtime(folder)
    assert load_tactic("edited")().run(None) == 2
    touch(folder / "tactics" / "t.py", tactic_source("edited-anew"))
    load_runtime(folder)
    assert load_tactic("edited-anew")().run(None) == "hello"


def test_a_member_that_is_gone_is_an_import_error(loaded, prompt_source):
    """The file was edited between the scan and the first use."""
    runtime = loaded(files={"prompts/system.py": prompt_source()})
    assert runtime.has("system", "prompt")
    touch(runtime.project_dir / "prompts" / "system.py", "X = 1")
    with pytest.raises(ImportError, match=r"system\.py of package `my_project` defines no `PROMPT` any more"):
        load_prompt("system")


def test_no_bytecode_is_written(loaded, prompt_source):
    """Folders of packages stay as their authors made them."""
    runtime = loaded(files={"prompts/system.py": prompt_source()})
    load_prompt("system")
    assert not list(runtime.project_dir.rglob("__pycache__"))


def test_a_module_that_failed_is_tried_again(loaded, prompt_source):
    """A failed import leaves no half module behind."""
    runtime = loaded(files={"prompts/system.py": prompt_source() + "1 / 0"})
    for _ in range(2):
        with pytest.raises(ImportError, match="ZeroDivisionError"):
            load_prompt("system")
    assert "lllm_pkg.my_project.prompts.system" not in sys.modules
    touch(runtime.project_dir / "prompts" / "system.py", prompt_source())
    assert load_prompt("system").path == "system"


def test_a_module_that_asks_for_itself_is_an_import_error(loaded, prompt_source):
    """A prompt that loads itself while it is defined fails and does not recurse."""
    loaded(
        files={"prompts/system.py": "from lllm import load_prompt\nload_prompt('system')\n" + prompt_source()}
    )
    with pytest.raises(ImportError, match="still being imported"):
        load_prompt("system")


def test_a_module_may_load_other_resources(loaded, prompt_source):
    """A tactic module can look its prompts up while it is imported."""
    source = (
        "from lllm import Tactic, load_prompt\nTEXT = load_prompt('system').prompt\n"
        "class Uses(Tactic):\n    name = 'uses'\n    def _run(self, value, *, context=None):\n        return TEXT\n"
    )
    loaded(files={"prompts/system.py": prompt_source(text="short"), "tactics/t.py": source})
    assert load_tactic("uses")().run(None) == "short"


def test_threads_share_one_module(loaded, tmp_path):
    """Many threads that ask at once run the module once and get the same class."""
    source = (
        "import time\nfrom lllm import Tactic\n"
        f"with open({str(tmp_path / 'ran')!r}, 'a') as file:\n    file.write('x')\n"
        "time.sleep(0.02)\nclass Once(Tactic):\n    name = 'once'\n    def _run(self, value, *, context=None):\n"
        "        return 1\n"
    )
    loaded(files={"tactics/t.py": source})
    found = []
    threads = [threading.Thread(target=lambda: found.append(load_tactic("once"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert (tmp_path / "ran").read_text() == "x"


@pytest.mark.parametrize(
    "name", ["lllm_pkg.nobody", "lllm_pkg.my_project.prompts.nothing", "lllm_pkg.my_project.%2E%2E"]
)
def test_unknown_modules_are_not_found(loaded, name):
    """Names below `lllm_pkg` that stand for nothing are an ordinary ModuleNotFoundError."""
    loaded(files={"prompts/x.txt": ""})
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)


def test_other_imports_pass_by(tmp_path, monkeypatch):
    """A module whose name merely begins alike is found in the usual way."""
    (tmp_path / "lllm_pkgs_of_somebody.py").write_text("X = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.import_module("lllm_pkgs_of_somebody").X == 1
