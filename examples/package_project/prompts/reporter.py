"""What the reporter is told."""

from lllm import Prompt

REPORTER = Prompt(
    path="reporter",
    prompt="You write articles of at most {words} words. Count them with your tool before you hand one in.",
)
