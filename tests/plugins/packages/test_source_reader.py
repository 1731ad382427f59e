"""What a Python file defines, read without running it."""

import os
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lllm_packages.source_scan import imported_names, scan_file, scan_source


def scan(source):
    return scan_source(dedent(source).encode())


def names(source, kind):
    return [definition.name for definition in scan(source).definitions[kind]]


def opaque(source):
    return scan(source).opaque


def test_prompts_are_found():
    """`X = Prompt(path="...")` is found with its name in the module and its line."""
    (found,) = scan(
        """
        from lllm import Prompt

        SYSTEM = Prompt(path="system", prompt="Be brief.")
        """
    ).definitions["prompt"]
    assert (found.name, found.attribute, found.line) == ("system", "SYSTEM", 4)


@pytest.mark.parametrize(
    "source",
    [
        'from lllm import Prompt as P\nX = P(path="x")',
        'import lllm\nX = lllm.Prompt(path="x")',
        'import lllm as l\nX = l.Prompt(path="x")',
        'from lllm import Prompt\nX: Prompt = Prompt(path="x")',
        'from lllm import Prompt\nNAME = "x"\nX = Prompt(path=NAME)',
        'from lllm import Prompt\nclass Mine(Prompt):\n    pass\nX = Mine(path="x")',
        'from lllm import Prompt\nY = Prompt(path="y")\nY = Y.extend(path="x")',
        'from lllm import Prompt\nX = Prompt(path="x", parser=DefaultTagParser(xml_tags=["a"]))',
    ],
)
def test_prompts_are_found_however_they_are_written(source):
    """Renamed imports, attributes, annotations, constants, subclasses and `extend` are understood."""
    assert names(source, "prompt") == ["x"]
    assert "prompt" not in opaque(source)


def test_an_extended_prompt_is_a_prompt_of_its_own():
    """Both the root and what extends it are found, in the order of the source."""
    source = 'X = Prompt(path="x")\nY = X.extend(path="y")'
    assert names(source, "prompt") == ["x", "y"]


def test_what_is_rebound_or_deleted_is_no_definition():
    """The last binding of a name counts."""
    assert names('X = Prompt(path="x")\nX = None', "prompt") == []
    assert names('X = Prompt(path="x")\ndel X', "prompt") == []


def test_of_two_definitions_of_one_name_the_last_counts():
    """As in Python, the later one wins."""
    (found,) = scan('X = Prompt(path="x")\nY = Prompt(path="x")').definitions["prompt"]
    assert found.attribute == "Y"


@pytest.mark.parametrize(
    "source",
    [
        'X = Prompt(path=f"x{1}")',
        "X = Prompt(**fields)",
        "X = make_prompt()",
        'X = helper(Prompt(path="x"))',
        'for name in "ab":\n    globals()[name] = Prompt(path=name)',
        'if DEBUG:\n    X = Prompt(path="x")',
        'try:\n    X = Prompt(path="x")\nexcept NameError:\n    pass',
        'globals().update(X=Prompt(path="x"))',
        'X, Y = Prompt(path="x"), Prompt(path="y")',
        "X = UNKNOWN.extend(path='x')",
    ],
)
def test_what_cannot_be_known_makes_the_module_opaque(source):
    """A prompt whose path or existence the source does not tell calls for an import."""
    assert "prompt" in opaque(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Text."""\nfrom __future__ import annotations\nimport re',
        "LIMIT = 3\nWORDS = ['a', 'b']\nMORE = {**{}}",
        "PATTERN = re.compile('x')\nTEXT = ' '.join(['a']).strip()",
        "def f():\n    return Prompt(path='x')",
        "class A:\n    x = Prompt(path='x')",
        "if TYPE_CHECKING:\n    from x import y",
        "if __name__ == '__main__':\n    X = make()",
        "try:\n    import a\nexcept ImportError:\n    a = None",
        "print('hello')",
        "assert True",
    ],
)
def test_ordinary_code_is_not_opaque(source):
    """Constants, functions, classes and guarded imports define no prompt."""
    assert "prompt" not in opaque(source)


def test_tactics_are_found():
    """Subclasses of Tactic with a literal name are found, through aliases, generics and classes of the module."""
    source = """
        import lllm
        from lllm import Tactic as T

        NAME = "fourth"

        class A(T):
            name = "first"

        class B(lllm.Tactic[In, Out]):
            name: str = "second"

        class C(A):
            name = "third"

        class D(Mixin, T):
            name = NAME
    """
    assert names(source, "tactic") == ["first", "second", "third", "fourth"]
    assert opaque(source) == frozenset()


def test_register_false_is_respected():
    """A base with `register=False` is no resource; what derives from it is."""
    source = """
        class Base(Tactic, register=False):
            name = "base"

        class Real(Base):
            name = "real"
    """
    assert names(source, "tactic") == ["real"]
    assert "tactic" not in opaque(source)


def test_a_class_without_a_name_of_its_own_is_no_resource():
    """A helper base may lack a name; inheriting one does not register."""
    assert names(
        'class A(Tactic):\n    pass\nclass B(Tactic):\n    name = "b"\nclass C(B):\n    pass', "tactic"
    ) == ["b"]


@pytest.mark.parametrize(
    "source",
    [
        'class A(SomebodyElses):\n    name = "a"',
        "A = make_tactic('a')",
        'if FAST:\n    class A(Tactic):\n        name = "a"',
        "A = type('A', (Tactic,), {'name': 'a'})",
    ],
)
def test_what_may_be_a_tactic_makes_the_module_opaque(source):
    """A base from another module, a made class and a conditional class call for an import."""
    assert "tactic" in opaque(source)


@pytest.mark.parametrize(
    "source",
    [
        'class A(BaseModel):\n    name: str = "a"',
        'class A(str, Enum):\n    name = "a"',
        'class A:\n    name = "a"',
        "class A(Other, register=False):\n    pass",
        "PROMPT = Prompt(path='a')",
        "log = logging.getLogger(__name__)",
    ],
)
def test_other_classes_are_no_tactics(source):
    """Models, enums, plain classes and objects are not in the way."""
    assert names(source, "tactic") == []
    assert "tactic" not in opaque(source)


def test_tools_are_found():
    """Functions under `@tool` are tools; the name may be given."""
    source = """
        from lllm import Function, tool as t

        @t
        def plain(): ...

        @t(name="renamed")
        async def other(): ...

        @t("Describes it.")
        def described(): ...

        MADE = Function(name="made")
        FROM = Function.from_callable(plain)
        FROM2 = Function.from_callable(lambda: 1, name="made2")
    """
    assert names(source, "tool") == ["renamed", "described", "made", "plain", "made2"]


@pytest.mark.parametrize(
    "source", ["@tool(name=NAME)\ndef f(): ...", "@register\ndef f(): ...", "X = make()"]
)
def test_what_may_be_a_tool_makes_the_module_opaque(source):
    """A name that is computed and a decorator that is not known call for an import."""
    assert "tool" in opaque(source)


def test_proxies_are_classes_with_a_name():
    """Any other class with a literal name may be a proxy."""
    assert names('class Weather:\n    name = "weather"', "proxy") == ["weather"]


@pytest.mark.parametrize("source", [b"def (", b"x = '\xff'", b"\0"])
def test_a_file_that_cannot_be_parsed_is_opaque_with_an_error(source):
    """A syntax error is kept and not raised."""
    found = scan_source(source, "f.py")
    assert isinstance(found.error, (SyntaxError, ValueError))
    assert "prompt" in found.opaque


def test_an_encoding_comment_is_honoured():
    """A module may be written in another encoding, as Python allows."""
    found = scan_source('# -*- coding: latin-1 -*-\nX = Prompt(path="grün")'.encode("latin-1"))
    assert [definition.name for definition in found.definitions["prompt"]] == ["grün"]


@given(st.binary(max_size=300))
def test_no_source_makes_the_scan_raise(source):
    """Whatever the bytes of a file are, a scan comes back."""
    scan_source(source)


def test_an_unchanged_file_is_scanned_once(tmp_path):
    """The scan is kept until the file's time or size changes."""
    file = tmp_path / "m.py"
    file.write_text('X = Prompt(path="a")')
    first = scan_file(file)
    assert scan_file(file) is first
    file.write_text('X = Prompt(path="b")')
    os.utime(file, ns=(1, 1))
    assert scan_file(file).definitions["prompt"][0].name == "b"


def test_a_file_that_is_not_there_has_an_error(tmp_path):
    """A file that cannot be read is opaque, with the reason."""
    assert isinstance(scan_file(tmp_path / "missing.py").error, FileNotFoundError)


def test_imported_names_are_those_of_the_module_itself():
    """Imports inside `if` and `try` count, those inside functions do not; star imports are listed apart."""
    source = b"""
import a.b, c as d
from .e import *
try:
    from f import g as h
except ImportError:
    import i
def j():
    import k
class L:
    import m
if x:
    with y:
        from n import o
match z:
    case 1:
        import p
"""
    names, stars = imported_names(source)
    assert names == {"a", "d", "h", "i", "o", "p"}
    assert stars == ((1, "e"),)
