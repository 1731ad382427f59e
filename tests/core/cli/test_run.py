"""`lllm run`: inputs, outputs, failures."""

import json
import os
import signal
import subprocess
import sys
from types import ModuleType

import pytest


def test_input_is_json_and_so_is_the_output(invoke):
    """The argument is validated by the tactic, and the output is printed by alias, indented."""
    result = invoke("run", "user_tactics:Shout", '{"text": "hé"}')
    assert result.exit_code == 0, result.stderr
    assert result.stdout == '{\n  "text": "HÉ",\n  "shoutAt": null\n}\n'


@pytest.mark.parametrize("flags", [["-"], ["--input", "-"]])
def test_input_may_come_from_stdin(invoke, flags):
    """A dash reads stdin."""
    assert json.loads(invoke("run", "user_tactics:Silent", *flags, input="[1, 2]").stdout) == {
        "given": [1, 2]
    }


def test_input_may_come_from_a_file(invoke, project):
    """`@FILE` reads a file, a byte order mark or not."""
    (project / "in.json").write_bytes(b'\xef\xbb\xbf{"a": null}')
    assert json.loads(invoke("run", "user_tactics:Silent", "@in.json").stdout) == {"given": {"a": None}}


def test_no_input_is_null(invoke):
    """Without INPUT the tactic gets None."""
    assert json.loads(invoke("run", "user_tactics:Silent").stdout) == {"given": None}


def test_text_needs_no_quotes(invoke):
    """--text takes the input as it is, also from stdin."""
    assert json.loads(invoke("run", "user_tactics:reverse", "--text", "abc").stdout) == "cba"
    assert json.loads(invoke("run", "user_tactics:reverse", "--text", "-", input="1\n").stdout) == "\n1"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hello", "INPUT is not JSON: .* --text"),
        ("{", "INPUT is not JSON: Expecting property name"),
        ("[NaN]", "NaN is no JSON number"),
        ("[" * 100_000, "it nests too deeply"),
        ("1" * 5000, r"INPUT is not JSON: a number has too many digits\.$"),
        ("latin.json", r"INPUT is not JSON: .*; to read that file, write @latin\.json\.$"),
        ("@absent.json", "INPUT from `absent.json` cannot be read: No such file"),
        ("@.", "cannot be read: Is a directory"),
        ("@latin.json", "is not UTF-8"),
    ],
    ids=lambda value: value[:20],
)
def test_bad_input_is_a_usage_error(invoke, project, value, message):
    """What is no JSON never reaches the tactic: one line, exit code 2."""
    (project / "latin.json").write_bytes(b'"\xe9"')
    result = invoke("run", "user_tactics:Silent", value)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert pytest.importorskip("re").search(message, result.stderr)
    assert result.stderr.count("\n") == 1


def test_a_closed_stdin_is_told(project):
    """`lllm run ENTRY - <&-` is an error of usage, not of Python."""
    line = f'{sys.executable} -c "from lllm.cli import main; main()" run user_tactics:Silent - <&-'
    result = subprocess.run(["bash", "-c", line], cwd=project, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "lllm: error: INPUT from stdin cannot be read: stdin is closed.\n"


def test_a_syntax_error_is_told_with_its_place_once(invoke, project):
    """The file and the line of a module that is no Python, and no more."""
    (project / "unfinished.py").write_text("x = 1\ndef f(:\n")
    result = invoke("run", "unfinished:f", "1")
    assert (result.exit_code, result.stderr) == (
        2,
        "lllm: error: SyntaxError: invalid syntax (unfinished.py:2)\n",
    )


def test_input_given_twice_is_a_usage_error(invoke):
    """The argument and --input exclude each other, and so do --trace and --stream."""
    assert "given twice" in invoke("run", "user_tactics:Silent", "1", "--input", "2").stderr
    assert "exclude each other" in invoke("run", "user_tactics:Silent", "1", "--trace", "--stream").stderr


def test_an_input_that_does_not_match_exits_2(invoke):
    """The schema's words reach the user on one line: the fields, not the value and not links."""
    result = invoke("run", "user_tactics:Shout", '{"text": 3}')
    assert result.exit_code == 2
    assert result.stderr == (
        "lllm: error: Value does not match schema Text: text: Input should be a valid string\n"
    )
    result = invoke("run", "user_tactics:Shout", "null")
    assert result.stderr.startswith("lllm: error: Value does not match schema Text: Input should be ")


def test_a_failing_tactic_exits_1_and_names_the_line(invoke):
    """The class, the text and the place of the exception are told."""
    result = invoke("run", "user_tactics:Fails", "1")
    assert result.exit_code == 1
    assert result.stderr.startswith("lllm: error: KeyError: 'no such thing' (user_tactics.py:")
    assert invoke("run", "user_tactics:Wrong", "1").exit_code == 1


def test_a_tactic_cannot_end_the_program(invoke, project):
    """A tactic or module that calls sys.exit(0) has failed, and the exit code says so."""
    (project / "leaver.py").write_text(
        "import sys\nfrom lllm import Tactic\n\n\nclass Leaves(Tactic):\n"
        "    def _run(self, input_value, *, context=None):\n        sys.exit(0)\n"
    )
    result = invoke("run", "leaver:Leaves", "1")
    assert (result.exit_code, result.stderr) == (1, "lllm: error: SystemExit: 0 (leaver.py:7)\n")
    (project / "leaver_at_once.py").write_text("import sys\nsys.exit(0)\n")
    result = invoke("run", "leaver_at_once:x", "1")
    assert result.exit_code == 2
    assert "tried to end the program with exit code 0" in result.stderr


def test_an_output_without_json_form_exits_1(invoke):
    """An output that cannot be shown is the tactic's fault."""
    result = invoke("run", "user_tactics:Strange", "1")
    assert result.exit_code == 1
    assert "A object cannot be shown as JSON" in result.stderr


def test_trace_prints_output_and_trace(invoke):
    """--trace prints the call result; a failure is printed too, with exit code 1."""
    result = json.loads(invoke("run", "user_tactics:Shout", '{"text": "a"}', "--trace").stdout)
    assert result["output"]["text"] == "A"
    assert result["trace"]["state"] == "success"
    failed = invoke("run", "user_tactics:Fails", "1", "--trace")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["trace"]["error_type"] == "KeyError"
    assert failed.stderr == "lllm: error: KeyError: 'no such thing'\n"


def test_stream_prints_one_line_a_chunk(invoke):
    """--stream prints chunks as they come; a tactic that cannot stream is a usage error."""
    assert invoke("run", "user_tactics:Shout", '{"text": "a b"}', "--stream").stdout == '"A"\n"B"\n'
    result = invoke("run", "user_tactics:Silent", "1", "--stream")
    assert result.exit_code == 2
    assert "does not support stream" in result.stderr


def test_refs_are_resolved_by_config_and_plugins(invoke, bind):
    """A ref runs what a plugin contributes, or what the config binds, and the tactic is told the ref."""
    assert json.loads(invoke("run", "psi://acme/cli/tactics/wrapped", '"ab"').stdout) == "ba"
    bind('[refs."psi://acme/cli/tactics/wrapped"]\nurl = "http://127.0.0.1:1/x"')
    assert json.loads(invoke("run", "psi://acme/cli/tactics/wrapped", '"ab"').stdout) == {
        "opened": "http://127.0.0.1:1/x"
    }


def test_a_url_is_run_where_it_is(invoke):
    """A URL is opened by the runtime of its scheme."""
    assert json.loads(invoke("run", "http://127.0.0.1:1/y", "1").stdout) == {"opened": "http://127.0.0.1:1/y"}


def test_a_process_of_its_own_reads_stdin_and_writes_json(spawn):
    """The whole program, through pipes."""
    result = spawn("run", "user_tactics:Shout", "-", input='{"text": "pipes"}')
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["text"] == "PIPES"
    assert result.stderr == ""


LONG = """
import os
from lllm import Tactic


class Chatter(Tactic):
    def _stream(self, input_value, *, context=None):
        for _ in range(100_000):
            yield "x" * 100


class Plumber(Tactic):
    def _run(self, input_value, *, context=None):
        reading, writing = os.pipe()
        os.close(reading)
        os.write(writing, b"x")
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error(project, unbuffered):
    """`lllm run --stream | head -1` says nothing and exits 1, however stdout is buffered."""
    (project / "pipes.py").write_text(LONG)
    program = [
        sys.executable,
        "-c",
        "from lllm.cli import main; main()",
        "run",
        "pipes:Chatter",
        "1",
        "--stream",
    ]
    with subprocess.Popen(
        program,
        cwd=project,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b'"' + b"x" * 100 + b'"\n'
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


def test_a_broken_pipe_of_the_tactic_is_an_error(spawn, project):
    """Somebody else's pipe is not ours: the error is told, with its place."""
    (project / "pipes.py").write_text(LONG)
    result = spawn("run", "pipes:Plumber", "1")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("lllm: error: BrokenPipeError: [Errno 32] Broken pipe (pipes.py:")


def test_an_interrupt_ends_the_program_with_130(project):
    """Ctrl-C ends a call at once, without a traceback."""
    (project / "waits.py").write_text(
        "import asyncio\n\n\nasync def wait(seconds: float) -> None:\n"
        "    print('waiting', flush=True)\n    await asyncio.sleep(seconds)\n"
    )
    # A shell without job control lets what it starts in the background ignore interrupts.
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = [sys.executable, "-c", f"{code}; from lllm.cli import main; main()", "run", "waits:wait", "50"]
    with subprocess.Popen(
        program,
        cwd=project,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read().strip() == b""


def test_an_error_that_a_plugin_foresaw_shows_no_place_in_it(invoke, manager, tmp_path, monkeypatch):
    """Of a user's module elsewhere the place is told; of a plugin only when it did not foresee the error."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = elsewhere / "far_runtime.py"
    file.write_text(
        "from lllm import Tactic, TacticError\n\n\nclass Far(Tactic):\n"
        "    def _run(self, input_value, *, context=None):\n"
        "        raise (TacticError if input_value else ZeroDivisionError)('too far')\n"
    )
    monkeypatch.syspath_prepend(elsewhere)
    far = "lllm: error: TacticError: too far"
    assert invoke("run", "far_runtime:Far", "1").stderr == f"{far} ({file}:6)\n"
    manager.register(ModuleType("far_runtime.plugin"), name="far")
    assert invoke("run", "far_runtime:Far", "1").stderr == f"{far}\n"
    assert (
        invoke("run", "far_runtime:Far", "0").stderr
        == f"lllm: error: ZeroDivisionError: too far ({file}:6)\n"
    )
    del sys.modules["far_runtime"]
