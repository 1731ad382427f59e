"""The text of an `entry_points.txt`, and of the metadata beside it."""

from __future__ import annotations

from lllm.plugins.records import one_line

__all__ = ["parse_entry_points", "parse_metadata"]


def parse_entry_points(text: str, group: str) -> list[tuple[str, str]]:
    """Return the entries of one group as pairs of name and target, in the order of the file.

    A line without `=` gives a pair with an empty target.

    Args:
        text: The whole file.
        group: Name of the group.
    """
    entries: list[tuple[str, str]] = []
    inside = False
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            inside = line == f"[{group}]"
        elif inside:
            name, _, target = line.partition("=")
            # Extras in brackets are an obsolete part of the format; installers ignore them too.
            entries.append((name.strip(), "".join(target.partition("[")[0].split())))
    return entries


def parse_metadata(text: str) -> dict[str, list[str]]:
    """Return the header fields of a METADATA or PKG-INFO file, by lower-case name.

    The email parser of the standard library takes longer than everything else in discovery together.

    Args:
        text: The whole file; what follows the first empty line is not read.
    """
    fields: dict[str, list[str]] = {}
    values: list[str] = []
    for line in text.splitlines():
        if not line.strip():
            break
        if line[0] in " \t":
            if values:
                values[-1] = f"{values[-1]} {line.strip()}"
            continue
        name, colon, value = line.partition(":")
        values = fields.setdefault(name.strip().lower(), []) if colon else []
        if colon:
            values.append(one_line(value))
    return fields
