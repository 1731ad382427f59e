"""Reading prompts, tactics and tools from the syntax tree of a module.

What is written plainly at the top level is found by name. What could define a resource in a way that the source
does not tell makes the module *opaque* for that type of resource: it has to be imported before one may say that
it holds no more of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Definition", "read_definitions"]

_PROMPT, _TACTIC, _TOOL, _PROXY = "prompt", "tactic", "tool", "proxy"
_VALUES = frozenset({_PROMPT, _TOOL})
_CLASSES = frozenset({_TACTIC, _PROXY})

# Bases that make a class something else than a tactic, and calls whose result is no resource. What is missing
# here costs an import on a failed look-up, nothing more.
_OTHER_BASES = frozenset(
    "object ABC Agent BaseException BaseHandler BaseInvoker BaseModel BaseParser BaseStreamHandler ContextManager "
    "DefaultTagParser Enum Exception Flag Function Generic IntEnum MCP NamedTuple Protocol RootModel RuntimeError "
    "StrEnum TypedDict ValueError dict int list str tuple".split()
)
_PLAIN_CALLS = frozenset(
    "DefaultSimpleHandler DefaultTagParser Field MCP NewType ParamSpec Path Template TypeVar bool cleandoc compile "
    "dedent dict encode float format frozenset get getLogger get_logger getenv int join len list lower lstrip max "
    "min namedtuple range read_text removeprefix removesuffix replace resolve rstrip set sorted split splitlines "
    "str strip sum title tuple upper".split()
)
_DYNAMIC_NAMES = frozenset({"exec", "globals", "setattr", "vars"})


@dataclass(frozen=True, slots=True)
class Definition:
    """One resource that a module defines.

    Attributes:
        name: The path of a prompt, the name of a tactic, a tool or another class.
        attribute: The name in the module.
        line: Where it stands in the file, from 1.
    """

    name: str
    attribute: str
    line: int


def read_definitions(tree: ast.Module) -> tuple[dict[str, tuple[Definition, ...]], frozenset[str]]:
    """Return what a module defines, and for which types of resource it is opaque.

    Args:
        tree: The syntax tree of the module.

    Returns:
        Definitions by type in the order of the source, of each name the last one; and the opaque types.
    """
    reader = _Reader()
    for statement in tree.body:
        reader.read(statement)
    return {kind: _latest(found.values()) for kind, found in reader.found.items()}, frozenset(reader.opaque)


def _latest(found: Iterable[Definition]) -> tuple[Definition, ...]:
    latest = {definition.name: definition for definition in found}
    return tuple(sorted(latest.values(), key=lambda definition: definition.line))


class _Reader:
    """Goes through the top level of one module, in order."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Definition]] = {_PROMPT: {}, _TACTIC: {}, _TOOL: {}, _PROXY: {}}
        self.opaque: set[str] = set()
        self._origins: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._tactic_classes: set[str] = set()
        self._prompt_classes: set[str] = set()
        self._other_classes: set[str] = set()

    def read(self, node: ast.stmt) -> None:
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    self._origins[alias.asname or alias.name.partition(".")[0]] = alias.name.rpartition(".")[
                        2
                    ]
            case ast.ClassDef():
                self._class(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node)
            case ast.Assign(targets=targets, value=value):
                self._assignment(targets, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assignment([target], value)
            case ast.Delete(targets=targets):
                self._forget(targets)
            case ast.If(test=test, orelse=[]) if _is_never_run(test):
                pass
            case _:
                self._other(node)

    def _class(self, node: ast.ClassDef) -> None:
        bases = [self._tail(base) for base in node.bases]
        name = self._class_name(node)
        registered = not any(
            keyword.arg == "register"
            and isinstance(keyword.value, ast.Constant)
            and keyword.value.value is False
            for keyword in node.keywords
        )
        if any(base == "Tactic" or base in self._tactic_classes for base in bases):
            self._tactic_classes.add(node.name)
            kind = _TACTIC
        elif any(base == "Prompt" or base in self._prompt_classes for base in bases):
            self._prompt_classes.add(node.name)
            return
        elif all(base in _OTHER_BASES or base in self._other_classes for base in bases):
            self._other_classes.add(node.name)
            kind = _PROXY
        else:
            # A base from another module may be a tactic; only an import can tell.
            self.opaque |= _CLASSES if registered else set()
            return
        if name and registered:
            self.found[kind][node.name] = Definition(name, node.name, node.lineno)

    def _class_name(self, node: ast.ClassDef) -> str | None:
        """Return the literal `name` in the body of a class."""
        found: str | None = None
        for statement in node.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id="name")], value=value):
                    found = self._text(value)
                case ast.AnnAssign(target=ast.Name(id="name"), value=ast.expr() as value):
                    found = self._text(value)
        return found

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if self._tail(decorator if call is None else call.func) == "tool":
                self._define(_TOOL, node.name, node.lineno, self._keyword(call, "name", node.name))
                return
        if node.decorator_list:
            self.opaque.add(_TOOL)

    def _assignment(self, targets: list[ast.expr], value: ast.expr) -> None:
        kind = self._kind(value)
        text = self._text(value)
        self._forget(targets)
        for target in targets:
            if kind is None or not isinstance(target, ast.Name):
                self._unknown(value)
                if isinstance(target, ast.Name) and text is not None:
                    self._texts[target.id] = text
            elif isinstance(value, ast.Call):
                self._define(kind, target.id, value.lineno, self._given_name(kind, value))

    def _given_name(self, kind: str, call: ast.Call) -> str | None:
        if kind == _PROMPT:
            return self._keyword(call, "path", None)
        first = call.args[0] if call.args else None
        return self._keyword(call, "name", first.id if isinstance(first, ast.Name) else None)

    def _define(self, kind: str, attribute: str, line: int, name: str | None) -> None:
        if name:
            self.found[kind][attribute] = Definition(name, attribute, line)
        else:
            self.opaque.add(kind)

    def _forget(self, targets: list[ast.expr]) -> None:
        for name in (target.id for target in targets if isinstance(target, ast.Name)):
            self._texts.pop(name, None)
            for found in self.found.values():
                found.pop(name, None)

    def _kind(self, value: ast.expr) -> str | None:
        """Tell whether an expression makes a prompt or a tool; None when the source does not say."""
        if not isinstance(value, ast.Call):
            return None
        func = value.func
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            owner = func.value.id
            if func.attr == "extend" and owner in self.found[_PROMPT]:
                return _PROMPT
            if func.attr == "from_callable" and self._origins.get(owner, owner) == "Function":
                return _TOOL
        name = self._tail(func)
        if name == "Prompt" or name in self._prompt_classes:
            return _PROMPT
        return _TOOL if name == "Function" else None

    def _other(self, node: ast.stmt) -> None:
        """Note what an expression, `if`, `try`, loop or the like may define."""
        for inner in ast.walk(node):
            match inner:
                case ast.ClassDef(bases=[_, *_]):
                    self.opaque |= _CLASSES
                case ast.FunctionDef(decorator_list=[_, *_]) | ast.AsyncFunctionDef(decorator_list=[_, *_]):
                    self.opaque.add(_TOOL)
                case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                    self._unknown(value)
                case ast.Name(id=name) if name in _DYNAMIC_NAMES:
                    self.opaque |= _VALUES | _CLASSES

    def _unknown(self, value: ast.expr) -> None:
        """Note what the calls inside an assigned value may have made."""
        for inner in ast.walk(value):
            if not isinstance(inner, ast.Call):
                continue
            name = self._tail(inner.func)
            if name not in _PLAIN_CALLS:
                # By convention a capital letter calls a class, whose result is an object and no class.
                self.opaque |= _VALUES if name[:1].isupper() else _VALUES | _CLASSES

    def _keyword(self, call: ast.Call | None, name: str, default: str | None) -> str | None:
        """Return a keyword of a call as text; the default when it is absent, None when it is not literal."""
        for keyword in call.keywords if call is not None else ():
            if keyword.arg in {name, None}:
                return self._text(keyword.value)
        return default

    def _text(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        return self._texts.get(node.id) if isinstance(node, ast.Name) else None

    def _tail(self, node: ast.expr) -> str:
        """Return the last name of an expression such as `lllm.Tactic[In, Out]`, through `import ... as`."""
        if isinstance(node, ast.Subscript):
            node = node.value
        if isinstance(node, ast.Attribute):
            return node.attr
        return self._origins.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _is_never_run(test: ast.expr) -> bool:
    """Tell whether a condition is `TYPE_CHECKING` or `__name__ == "__main__"`."""
    match test:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case ast.Compare(left=ast.Name(id="__name__"), ops=[ast.Eq()]):
            return True
    return False
