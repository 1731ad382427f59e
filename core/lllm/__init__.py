"""LLLM: a typed boundary around agentic work; everything behind it is a plugin.

`import lllm` imports almost nothing: public names are resolved on first access.
"""

from lllm._version import __version__
