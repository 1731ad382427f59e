"""What a plugin's distribution requires of the host, read from its own metadata.

This is the requirement that pip checked when the plugin was installed. It is looked at again because the host
may have been replaced since, and because a checkout has no pip in between.
"""

from __future__ import annotations

import re

from lllm.plugins.versions import InvalidVersionError, satisfies

__all__ = ["excludes"]

_REQUIREMENT = re.compile(
    r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*(?P<versions>[^;]*)(?:;(?P<marker>.*))?"
)


def excludes(requirement: str, host: str) -> bool:
    """Tell whether a `Requires-Dist` line on the host excludes a version of it.

    A line that holds only for an extra, or not in this environment, excludes nothing.

    Args:
        requirement: Such as `lllm>=0.1,<0.3; python_version >= "3.11"`.
        host: Version of the host.

    Raises:
        InvalidVersionError: The line is malformed.
    """
    match = _REQUIREMENT.fullmatch(requirement)
    if match is None:
        raise InvalidVersionError(f"`{requirement}` is not a requirement.")
    versions = match["versions"].strip()
    if versions.startswith("(") and versions.endswith(")"):
        versions = versions[1:-1]
    if match["marker"]:
        # Markers on the host are rare, and `platform` is not cheap to import.
        from lllm.plugins.markers import holds

        if not holds(match["marker"]):
            return False
    return not satisfies(host, versions)
