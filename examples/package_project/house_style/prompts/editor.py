"""What every editor of the house is told."""

from lllm import Prompt

EDITOR = Prompt(path="editor", prompt="You make texts plain and exact. You answer with the text alone.")
