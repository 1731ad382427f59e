"""What the plugin contributes, known without its implementation."""

import subprocess
import sys

PROGRAM = """
import sys
import acme_shout.plugin
from lllm.plugins import PluginManager

manager = PluginManager(discover=False)
manager.register(acme_shout.plugin, name="shout")
manager.examine()
(info,) = manager.plugins()
print("; ".join(info.contributes))
print(sorted({"acme_shout.runtime", "acme_shout.store", "acme_shout.tactics", "pydantic"} & set(sys.modules)))
"""


def test_everything_is_listed_and_nothing_is_imported():
    """Import strings are enough for a list."""
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout
    assert printed.splitlines() == [
        "runtime shout (shout:); store memory (memory:); tactic psi://acme/shout/tactics/shout; command shout",
        "[]",
    ]
