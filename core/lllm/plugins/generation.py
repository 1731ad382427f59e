"""The counter that tells others when what they learnt from the plugin host is out of date."""

from __future__ import annotations

__all__ = ["bump_generation"]


def bump_generation() -> None:
    """Count up `lllm.plugins.generation`: the active manager or its registrations changed."""
    import lllm.plugins

    lllm.plugins.generation += 1
