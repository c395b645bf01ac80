"""The tree of commands: help, versions, and how little help needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from caxton_core import __version__
from caxton_server.cli import COMMANDS, caxton, main


def walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its full name."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk(inner, f"{path} {name}")


def test_the_commands_are_those_of_the_contract() -> None:
    """Every command this version promises is there under its name."""
    names = {path.removeprefix("caxton ") for path, _ in walk(caxton, "caxton")}
    verbs = "deploy list show logs start stop drain restart suspend resume rm"
    assert names >= {"demo", "bench", "serve", "health", "send", "request", "states", "plugin list"}
    assert names >= {f"agent {verb}" for verb in verbs.split()}
    assert names >= {f"module {verb}" for verb in ("list", "push", "check")}
    assert names >= {f"conversation {verb}" for verb in ("start", "list", "show", "cancel")}
    assert names >= {f"dlq {verb}" for verb in ("list", "redrive", "rm")}
    assert names >= {f"config {verb}" for verb in ("check", "show")}


def test_every_command_explains_itself_with_an_example() -> None:
    """`-h` works everywhere, and everything that does something shows how."""
    for path, command in walk(caxton, "caxton"):
        assert command.help, path
        if not isinstance(command, click.Group):
            assert "Example" in command.help, path


@pytest.mark.parametrize("line", [["-h"], ["--help"], ["agent", "-h"], ["agent", "list", "-h"]])
def test_help_is_data_and_exits_0(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help that was asked for goes to stdout."""
    assert main(line) == 0
    assert capsys.readouterr().out.startswith("Usage: caxton")


def test_help_shows_the_examples_first(capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer sees what to type before the list of options."""
    main(["--help"])
    text = capsys.readouterr().out
    assert text.index("caxton demo") < text.index("--version")
    for section in COMMANDS.values():
        assert all(f"  {name} " in text for name in section)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"caxton {__version__}\n"


def test_help_imports_neither_the_server_nor_its_libraries() -> None:
    """Help answers at once because nothing heavy is loaded for it."""
    code = (
        "import sys; from caxton_server.cli import main; main(['--help']);"
        "heavy = {'msgspec', 'returns', 'yaml', 'rich', 'aiohttp', 'wasmtime', 'pluggy', 'asyncio'};"
        "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
