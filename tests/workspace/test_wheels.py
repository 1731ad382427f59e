"""The wheels of all members, installed where nothing else of this repository is."""

import json
import re
import sys
import zipfile

import pytest

import workspace

COMMAND = "from lllm.cli import main; raise SystemExit(main([{!r}]))"
NEEDS = {
    "plugins/packages": "import lllm; lllm.create_project",
    "plugins/process": COMMAND.format("process"),
    "plugins/serve": "import lllm; lllm.create_tactic_app",
    "plugins/sssn": "import sssn",
    "plugins/wrappers": "import lllm; lllm.ProxyTactic",
    "runtimes/agents": "import lllm; lllm.Prompt",
    "runtimes/callable": "import lllm; lllm.as_tactic(len)",
    "runtimes/pydantic_ai": "import lllm; lllm.PydanticAITactic",
    "runtimes/remote": "import lllm; lllm.RemoteTactic",
    "stores/file": "import lllm; lllm.open_store('file:///nowhere')",
    "stores/http": "import lllm; lllm.open_store('http://127.0.0.1:1')",
    "stores/sqlite": "import lllm; lllm.open_store('events')",
}
"""For each folder a program that needs it."""

PLUGINS = {member.folder: member for member in workspace.plugins()}


def test_wheels_hold_what_they_should(members, wheels):
    """One wheel a member, of the one version, with the type marker and without tests or foreign packages."""
    version = re.search(
        r'__version__ = "(.+)"', (members[0].package / "_version.py").read_text(encoding="utf-8")
    )[1]
    assert set(wheels) == {member.name for member in members}
    for member in members:
        names = zipfile.ZipFile(wheels[member.name]).namelist()
        assert wheels[member.name].name.split("-")[1] == version
        assert f"{member.package.name}/py.typed" in names
        packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
        assert packages == {member.package.name}


@pytest.fixture
def installed(clean_environment, wheels, run):
    """A clean environment with every wheel, installed by pip without an index, dependencies checked."""
    pip = ("-m", "pip", "--python", str(clean_environment), "--disable-pip-version-check", "--quiet")
    run([sys.executable, *pip, "install", "--no-index", *map(str, wheels.values())])
    run([sys.executable, *pip, "check"])
    return clean_environment


def test_the_demo_runs_from_the_wheels(installed, run, root, tmp_path):
    """All wheels install without an index; the demo then runs, and every plugin is found."""
    folder = installed.parent
    where = run([installed, "-c", "import lllm, sssn; print(lllm.__file__, sssn.__file__)"], cwd=tmp_path)
    assert all(path.startswith(str(folder.parent)) for path in where.stdout.split())

    workflow = root / "examples/lllm_tactic_processor/workflow.py"
    shown = json.loads(run([installed, workflow, "--store", "kept"], cwd=tmp_path).stdout)
    kept = run([folder / "sssn", "--store", "kept", "query-events", "analysis"], cwd=tmp_path)
    (analysis,) = map(json.loads, kept.stdout.splitlines())
    assert [analysis["id"]] == shown["analysis_event_ids"]
    assert analysis["parent_ids"] == [shown["raw_event_id"]]

    listed = json.loads(run([folder / "lllm", "plugins", "list", "--json"], cwd=tmp_path).stdout)
    assert {row["distribution"] for row in listed} == {member.name for member in PLUGINS.values()}
    assert {row["state"] for row in listed} <= {"ready", "loaded"}


@pytest.mark.parametrize("folder", PLUGINS)
def test_the_rest_works_without_one_folder(folder, clean_environment, members, unpacked, run, tmp_path):
    """Without one member the core imports and lists the others, and what needs it says what to install."""
    missing = PLUGINS[folder].name
    present = [str(path) for name, path in unpacked.items() if name != missing]
    environment = {"PYTHONPATH": ":".join(present)}

    program = "import sys; from lllm.cli import main; sys.exit(main(['plugins', 'list', '--json']))"
    listed = run([clean_environment, "-c", program], cwd=tmp_path, env=environment)
    names = {row["distribution"] for row in json.loads(listed.stdout)}
    assert names == {member.name for member in PLUGINS.values()} - {missing}

    assert folder in NEEDS, "add to NEEDS a program that cannot do without this folder"
    failed = run([clean_environment, "-c", NEEDS[folder]], cwd=tmp_path, env=environment, check=False)
    assert failed.returncode != 0
    last = failed.stderr.strip().splitlines()[-1].replace("'", "")
    extras = members[0].project["project"]["optional-dependencies"]
    ways = [missing, *(f"lllm[{extra}]" for extra, names in extras.items() if missing in names)]
    if folder == "plugins/sssn":  # whoever imports it by name asks Python, not us
        assert last == "ModuleNotFoundError: No module named sssn"
    else:
        assert any(f"pip install {way}" in last for way in ways), last
