"""Shouts: everything that a plugin can contribute to LLLM, in its smallest form."""

from acme_shout.megaphone import Megaphone

__all__ = ["Megaphone"]
