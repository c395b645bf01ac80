"""The command line: one file per noun, each imported only when its command is used.

Rules:
- `COMMANDS` names every command with its file, so that `caxton --help` imports nothing but click.
- Data goes to stdout and talk to stderr; exit codes are those of `exits.py`, on every path.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

EXAMPLES = """\b
Examples:
  caxton demo                              agents bid for work on a real scheduling problem
  caxton serve --data caxton-data          run a node
  caxton agent new pricer --lang c         write an agent; build and test it
  caxton agent deploy pricer.yaml          deploy an agent
  caxton request pricer '{"sku": "A1"}'    ask it and wait for its reply
"""

COMMANDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Begin": {
        "demo": ("demo:demo", "Solve a job-shop problem with WebAssembly agents."),
        "bench": ("bench:bench", "Measure this machine on the standard workloads."),
    },
    "Run a node": {
        "serve": ("serve:serve", "Run a node until it is told to stop."),
        "health": ("health:health", "Ask a node how it is."),
        "doctor": ("doctor:doctor", "Examine this machine and this installation."),
        "config": ("configs:config", "Check and show the configuration."),
        "plugin": ("plugins:plugin", "Show the plugins."),
        "db": ("databases:db", "Check, back up, restore and export a node's database."),
    },
    "Work with agents": {
        "agent": ("agents:agent", "Write, deploy, watch and control agents."),
        "module": ("modules:module", "Check, sign, push and list WebAssembly modules."),
        "send": ("messages:send", "Send one message."),
        "request": ("messages:request", "Send one message and wait for the reply."),
        "conversation": ("conversations:conversation", "Start, watch and cancel conversations."),
        "directory": ("directory:directory", "List the services that agents offer."),
        "dlq": ("dead_letters:dlq", "Look at dead letters and deliver them again."),
    },
    "Learn": {
        "states": ("states:states", "Show the state tables of agents, deployments, conversations."),
        "acl": ("acl:acl", "Read and write messages in FIPA's string form."),
        "conformance": ("conformance:conformance", "Replay cases against the conversation engine."),
        "simulate": ("simulate:simulate", "Live through crashes and faults in simulated time."),
    },
}
"""Every command under its heading: the file and name of the click command, and its short help."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        for section in COMMANDS.values():
            if cmd_name in section:
                module, _, attribute = section[cmd_name][0].partition(":")
                found: click.Command = getattr(
                    importlib.import_module(f"{__name__}.{module}"), attribute
                )
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one is an error that names the nearest."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise click.NoSuchCommand(name, possibilities=self.list_commands(ctx), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the short help of every command without importing any."""
        for heading, section in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, text) for name, (_, text) in section.items()])


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from caxton_core import __version__

        click.echo(f"caxton {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=f"Caxton runs multi-agent systems of WebAssembly agents.\n\n{EXAMPLES}",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def caxton() -> None:
    """Hold the commands."""


def main(args: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    from caxton_server.cli.exits import Exit

    try:
        code: Any = caxton.main(
            list(sys.argv[1:] if args is None else args),
            prog_name="caxton",
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return Exit.INTERRUPTED
    return code if isinstance(code, int) else Exit.OK
