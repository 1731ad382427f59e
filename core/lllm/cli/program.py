"""The click group `lllm`: its own commands imported when they run, those of plugins added when they are needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import takewhile
from typing import Any, NoReturn

import click

from lllm._version import __version__
from lllm.cli.pipes import reader_is_gone
from lllm.import_strings import load_import_string

__all__ = ["Program", "make_program"]

_COMMANDS = {
    "completion": ("lllm.cli.completion:completion", "Print the script that completes commands in a shell."),
    "inspect": ("lllm.cli.inspecting:inspect", "Show the contract of a tactic."),
    "list": ("lllm.cli.listing:list_tactics", "List the tactics known from plugins and config."),
    "plugins": ("lllm.cli.plugins:plugins", "Show, check and start plugins."),
    "refs": ("lllm.cli.refs:refs", "Show what the config binds and what is missing."),
    "run": ("lllm.cli.running:run", "Run a tactic on one input and print its output as JSON."),
}

_HELP = """Run and inspect tactics: typed units of work, whoever does them.

ENTRY is `module.path:attribute` (the working directory is importable), REF is `psi://org/package/tactics/name`.
"""


# A group below that is called without a command shows its help; before click 8.2 that was no error.
_HELP_SHOWN: type[click.UsageError] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())

_WHOLE_SENTENCE = 1000
"""Characters of a command's summary that the help shows; it wraps what does not fit on one line."""


class _LazyCommand(click.Command):
    """Stands in for a command until it runs, so that listing commands imports none of them."""

    def __init__(self, name: str, target: str, summary: str) -> None:
        super().__init__(name, help=summary, short_help=summary)
        self.target = target

    def load(self) -> click.Command:
        """Import the command."""
        command: click.Command = load_import_string(self.target)
        return command


class Program(click.Group):
    """The group of all commands; one object serves one run of the program."""

    _asked_plugins = False
    _plugins_off = False
    _full_traceback = False

    def run(self, arguments: Sequence[str]) -> int:
        """Run the program and report its errors.

        Args:
            arguments: The arguments after the program's name.

        Returns:
            The exit code.
        """
        try:
            self.main(list(arguments), prog_name="lllm")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        return 0

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run the program as click does, with errors on one line.

        Args:
            args: The arguments after the program's name; those of the process when None.
            *rest: Passed on to click.
            **extra: Passed on to click.

        Raises:
            SystemExit: Always; its code is that of the program.
        """
        arguments = sys.argv[1:] if args is None else list(args)
        options = set(takewhile(lambda argument: argument.startswith("-"), arguments))
        self._full_traceback = "--traceback" in options
        self._plugins_off = "--no-plugins" in options
        if options <= {"--no-plugins", "--traceback"} and len(options) == len(arguments):
            arguments.append("--help")
        extra["standalone_mode"] = False
        try:
            with self._plugin_policy():
                code = super().main(arguments, *rest, **extra)
        except click.Abort:
            sys.exit(130)
        except _HELP_SHOWN as error:
            error.show()
            sys.exit(error.exit_code)
        except Exception as error:
            if reader_is_gone(error):
                sys.exit(1)
            self._report(error)
            sys.exit(error.exit_code if isinstance(error, click.ClickException) else 2)
        sys.exit(code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; what it returns is not an exit code.

        Args:
            ctx: The context of the program.

        Raises:
            click.UsageError: The working directory was removed.
        """
        from pathlib import Path

        try:
            working = str(Path.cwd())
        except FileNotFoundError:
            raise click.UsageError(
                "The working directory does not exist any more; change to another one."
            ) from None
        if sys.path[:1] != [working]:
            sys.path.insert(0, working)
        super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, those of plugins included, sorted.

        Args:
            ctx: The context of the program.
        """
        self._ask_plugins()
        return sorted(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported; plugins are asked only for names that are not the program's own.

        Args:
            ctx: The context of the program.
            cmd_name: Name of the command.
        """
        if cmd_name not in self.commands:
            self._ask_plugins()
        command = self.commands.get(cmd_name)
        return command.load() if isinstance(command, _LazyCommand) else command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to run, or say what to do about an unknown one.

        Args:
            ctx: The context of the program.
            args: The name of the command and its arguments.

        Raises:
            click.UsageError: There is no such command.
        """
        if args and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(self._unknown(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any.

        Args:
            ctx: The context of the program.
            formatter: What the help is written to.
        """
        try:
            names = self.list_commands(ctx)
        except Exception as error:
            from lllm.cli.failures import failure_line

            # A config that cannot be read must not hide how the program is used.
            names = sorted(self.commands)
            click.echo(f"lllm: the commands of plugins are not shown: {failure_line(error)}", err=True)
        shown = [(name, self.commands[name]) for name in names if not self.commands[name].hidden]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(_WHOLE_SENTENCE)) for name, command in shown]
            )

    def _ask_plugins(self) -> None:
        if not self._asked_plugins:
            from lllm.plugins import manager

            manager().add_commands(self)
            self._asked_plugins = True

    def _plugin_policy(self) -> AbstractContextManager[Any]:
        if not self._plugins_off:
            return nullcontext()
        from lllm.plugins import PluginManager, use

        return use(PluginManager(enabled=False))

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches

        from lllm.plugins import manager
        from lllm.plugins.known import COMMANDS, install_text

        text = f"No such command '{name}'"
        for plugin in manager().plugins():
            if (
                name in COMMANDS
                and plugin.distribution == COMMANDS[name].name
                and plugin.state not in {"ready", "loaded"}
            ):
                return f"{text}: its plugin `{plugin.name}` is {plugin.state}; see `lllm plugins show {plugin.name}`."
        install = install_text("command", name)
        if install is not None:
            return f"{text}; it comes with a plugin: {install}"
        close = get_close_matches(name, self.commands, n=1)
        return f"{text}; did you mean '{close[0]}'?" if close else f"{text}; see `lllm --help`."

    def _report(self, error: Exception) -> None:
        from lllm.cli.failures import failure_line

        if self._full_traceback:
            import traceback

            traceback.print_exception(error.__cause__ or error)
        click.echo(f"lllm: error: {failure_line(error)}", err=True)


def make_program() -> Program:
    """Return a fresh program, as each run needs one."""
    program = Program(
        "lllm",
        help=_HELP,
        commands={name: _LazyCommand(name, *command) for name, command in _COMMANDS.items()},
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    for flag, text in (
        ("--no-plugins", "Load no plugin."),
        ("--traceback", "Show where an error comes from, in full."),
    ):
        # Read from the arguments before click sees them: both matter to what click itself does.
        program.params.append(click.Option([flag], is_flag=True, expose_value=False, help=text))
    return click.version_option(__version__, prog_name="lllm", message="%(prog)s %(version)s")(program)
