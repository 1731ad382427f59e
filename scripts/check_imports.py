"""Who may import whom, checked from the sources.

Inside the core no module imports upward in `ORDER`; what only type checkers import may point upward. A plugin's
package imports the standard library, `lllm` with what `lllm` itself requires, and what its own `pyproject.toml`
declares; of `lllm` and of a sibling nothing that begins with an underscore. An import that is tried and caught
needs no declaration. The tests import what some `pyproject.toml` declares, so that a fresh machine has it.

    python scripts/check_imports.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from workspace import ROOT, Member, members

ORDER = (
    ("_version",),
    ("errors",),
    ("ids",),
    ("import_strings",),
    ("names",),
    ("secrets",),
    ("error_text",),
    ("refs",),
    ("hookspecs",),
    ("distributions",),
    ("config",),
    ("credentials",),
    ("plugins",),
    ("forwarded",),
    ("propagation",),
    ("assembly",),
    ("cost",),
    ("schema",),
    ("fields",),
    ("context",),
    ("events",),
    ("trace",),
    ("agent_session",),
    ("calls", "session"),
    ("background",),
    ("tactic",),
    ("adapt",),
    ("store",),
    ("entrypoint",),
    ("bindings",),
    ("tactic_binding",),
    ("resolver",),
    ("invokers",),
    ("testing",),
    ("cli",),
    ("__main__",),
)
"""The modules of the core, lowest first; those on one line are two halves of one thing."""

RANK = {module: rank for rank, modules in enumerate(ORDER) for module in modules}

BUNDLED = {
    "pydantic_core": ["pydantic"],
    "typing_extensions": ["pydantic"],
    "httpx": ["pydantic-ai-slim"],
    "httpx2": ["pydantic-ai-slim"],
}
"""Import packages that another requirement than their own always brings."""

TESTING = {"pytest"}
"""What `lllm.testing` may import beyond the core's dependencies: it runs inside a test session."""

STRANGERS = "acme_"
"""How the names of packages begin that tests write for themselves."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: the module it names, where it stands, who runs it and whether its failure is expected."""

    module: str
    path: Path
    line: int
    typing_only: bool
    tried: bool

    @property
    def top(self) -> str:
        """The top-level package that is imported."""
        return self.module.partition(".")[0]


def imports(path: Path, package: str) -> Iterator[Import]:
    """Yield the imports of one source file, `from x import y` as `x.y`.

    Args:
        path: The file.
        package: Dotted name of the package that holds it, to resolve relative imports.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    guarded = _inside(
        tree, lambda node: isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )
    tried = _inside(tree, lambda node: isinstance(node, ast.Try) and _catches_import_error(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            names = [f"{source}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(name, path, node.lineno, node in guarded, node in tried)


def _inside(tree: ast.AST, wanted: Callable[[ast.AST], bool]) -> set[ast.AST]:
    """Return every node in the body of the statements that are wanted."""
    return {
        inner
        for node in ast.walk(tree)
        if wanted(node) and isinstance(node, (ast.If, ast.Try))
        for statement in node.body
        for inner in ast.walk(statement)
    }


def _catches_import_error(node: ast.Try) -> bool:
    caught = " ".join(ast.unparse(handler.type) for handler in node.handlers if handler.type is not None)
    return "ImportError" in caught or "ModuleNotFoundError" in caught


def package_imports(root: Path) -> Iterator[tuple[str, Import]]:
    """Yield each import of a package with the dotted name of the module it stands in."""
    for path in sorted(root.rglob("*.py")):
        inner = path.relative_to(root.parent).with_suffix("").parts
        module = ".".join(inner[:-1] if inner[-1] == "__init__" else inner)
        yield from ((module, found) for found in imports(path, ".".join(inner[:-1])))


def core_complaints(core: Path, rank: Mapping[str, int] = RANK) -> Iterator[str]:
    """Yield a line for each import inside the core that points upward, and each module without a place."""
    modules = {path.relative_to(core).parts[0].removesuffix(".py") for path in core.rglob("*.py")} - {
        "__init__"
    }
    for name in sorted(modules.difference(rank)):
        yield f"{core.name}/{name}.py:1: `lllm.{name}` has no place in the order of the core's modules"
    for module, found in package_imports(core):
        if module == "lllm" or found.top != "lllm" or found.module == "lllm" or found.typing_only:
            continue
        here, there = module.split(".")[1], found.module.split(".")[1]
        if there in rank:
            if rank[there] > rank.get(here, len(rank)):
                yield f"{place(found)}: `lllm.{here}` stands below `lllm.{there}` and may not import it"
        elif not _is_module(core / there):
            yield f"{place(found)}: inside the core, import `{there}` from the module that defines it"


def _is_module(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()


def dependency_complaints(
    owner: Member, core: Member, siblings: Mapping[str, str], providers: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield a line for each import of a member that its `pyproject.toml` does not declare.

    Args:
        owner: The member.
        core: The member `lllm`; what it requires is there for every plugin.
        siblings: Import package to distribution, for every member.
        providers: Import package to distributions, for everything that is installed.
    """
    required = (*owner.requirements, *core.project["project"]["dependencies"])
    declared = {distribution(text) for text in required}
    for module, found in package_imports(owner.package):
        if found.top in sys.stdlib_module_names or found.top == owner.package.name:
            continue
        if module.startswith("lllm.testing") and found.top in TESTING:
            continue
        names = [siblings[found.top]] if found.top in siblings else providers.get(found.top, [found.top])
        names = [*names, *BUNDLED.get(found.top, ())]
        if not found.tried and not declared.intersection(map(normal, names)):
            yield f"{place(found)}: `{found.top}` is not among the dependencies of {owner.name}"
        elif found.top in siblings and any(_is_private(part) for part in found.module.split(".")):
            yield f"{place(found)}: `{found.module}` is private to {siblings[found.top]}"


def suite_complaints(
    root: Path, everyone: Sequence[Member], providers: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Yield a line for each library that the tests import and no member declares.

    Args:
        root: The repository.
        everyone: Its members.
        providers: Import package to distributions, for everything that is installed.
    """
    declared = {distribution(text) for owner in everyone for text in owner.requirements}
    ours = {path.stem for folder in ("tests", "scripts", "examples") for path in root.glob(f"{folder}/**/*")}
    ours.update(owner.package.name for owner in everyone)
    for path in sorted(root.glob("tests/**/*.py")):
        for found in imports(path, "tests"):
            names = {found.top, *providers.get(found.top, ()), *BUNDLED.get(found.top, ())}
            known = found.top in sys.stdlib_module_names or found.top in ours or found.tried
            if (
                not known
                and not found.top.startswith(STRANGERS)
                and not declared.intersection(map(normal, names))
            ):
                yield f"{place(found)}: `{found.top}` is not among the dependencies of any member"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def place(found: Import) -> str:
    """Return `file:line` of an import, from the repository's root where it lies below it."""
    path = found.path.relative_to(ROOT) if found.path.is_relative_to(ROOT) else found.path
    return f"{path.as_posix()}:{found.line}"


def distribution(requirement: str) -> str:
    """Return the normal name of the distribution that a requirement asks for."""
    return normal(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])


def normal(name: str) -> str:
    """Return a distribution's name in its normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def complaints(root: Path = ROOT) -> list[str]:
    """Return every line that the repository at `root` deserves."""
    everyone = members(root)
    siblings = {owner.package.name: owner.name for owner in everyone}
    providers = packages_distributions()
    lines = list(core_complaints(everyone[0].package))
    for owner in everyone:
        lines += dependency_complaints(owner, everyone[0], siblings, providers)
    lines += suite_complaints(root, everyone, providers)
    return list(dict.fromkeys(lines))


if __name__ == "__main__":
    lines = complaints()
    print("\n".join(lines) or "imports: nothing points the wrong way")
    sys.exit(1 if lines else 0)
