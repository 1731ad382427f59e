"""The runtime `shout`: adapts megaphones, opens `shout://3`, and does the work of classes with a `megaphone`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from acme_shout.megaphone import Megaphone
from acme_shout.tactics import SpokenTactic
from lllm import Runtime, Tactic

if TYPE_CHECKING:
    from lllm.calls import Call


class ShoutRuntime(Runtime):
    """Every method of the runtime protocol, each as short as it can be."""

    def adapt(self, target: Megaphone, **options: Any) -> SpokenTactic:
        """Return a tactic that speaks through a megaphone; called by `lllm.as_tactic(megaphone)`.

        Args:
            target: The megaphone.
            **options: The keyword arguments of the tactic.
        """
        return SpokenTactic(target.say, **options)

    def open(self, ref: str | None, binding: Mapping[str, Any]) -> SpokenTactic:
        """Return the tactic behind a binding with a URL such as `shout://3`.

        Args:
            ref: The ref that is bound, or None when a bare URL is opened.
            binding: The binding; the `url` says how many exclamation marks.

        Raises:
            ValueError: The URL has no number.
        """
        marks = str(binding.get("url", "")).removeprefix("shout://")
        if not marks.isascii() or not marks.isdigit():
            raise ValueError(f"a shout URL looks like shout://3, got {binding.get('url')!r}")
        return SpokenTactic(Megaphone(int(marks)).say, name=binding.get("name", "shout"), package_ref=ref)

    def attach(self, tactic: Tactic[Any, Any], config: Mapping[str, Any] | None) -> None:
        """Check a tactic whose class has a `megaphone`, when it is constructed.

        Args:
            tactic: The tactic.
            config: Its config; this runtime knows none.

        Raises:
            TypeError: The attribute is not a megaphone, or there is a config.
        """
        megaphone = getattr(tactic, "megaphone", None)
        if not isinstance(megaphone, Megaphone):
            raise TypeError(f"`megaphone` of `{tactic.tactic_name}` is a {type(megaphone).__name__}.")
        if config is not None:
            raise TypeError(f"`{tactic.tactic_name}` takes no config.")

    def bind(self, tactic: Tactic[Any, Any], call: Call) -> SpokenTactic:
        """Return what does the work of one call.

        Args:
            tactic: The tactic that was called.
            call: The call that begins.
        """
        say = tactic.megaphone.say  # type: ignore[attr-defined]  # `attach` has checked it
        return SpokenTactic(say, name=tactic.tactic_name)
