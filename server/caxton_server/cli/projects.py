"""`caxton agent new|build|test`: write an agent on this machine, without a node."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from caxton_server.cli.connections import json_option
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import clean, data, talk

if TYPE_CHECKING:
    from caxton_core.registry import Registry
    from returns.result import Result

    from caxton_server.authoring.building import Built
    from caxton_server.authoring.plays import Played
    from caxton_server.authoring.projects import Project

T = TypeVar("T")
Say = Callable[[str], None]

folder_argument = click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False)
)


class LanguageType(click.ParamType[str]):
    """The name of a language in the table of them, which is imported only when one is named."""

    name = "language"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the name, or fail as click does."""
        from caxton_server.authoring.languages import LANGUAGES

        if value not in LANGUAGES:
            self.fail(f"{value!r} is none of {', '.join(LANGUAGES)}.", param, ctx)
        return value


@click.command()
@click.argument("name")
@click.option(
    "--lang",
    "language",
    type=LanguageType(),
    required=True,
    help="What to write it in: c, zig, assemblyscript.",
)
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), help="Where to; default a folder NAME."
)
@json_option
def new(name: str, language: str, folder: Path | None, json_: bool) -> None:
    """Write a project of an agent NAME that works: source, manifest, a test script.

    NAME is the agent's name: a-z, 0-9, "_", "." and "-", at most 63 of them.

    \b
    Examples:
      caxton agent new hello --lang c
      caxton agent new hello --lang assemblyscript --dir agents/hello
    """
    from caxton_core.errors import InvalidValue

    from caxton_server.authoring import projects
    from caxton_server.authoring.languages import LANGUAGES

    chosen = LANGUAGES[language]
    where = folder or Path(name)
    files = good(
        projects.create(name, chosen, where),
        lambda error: Exit.USAGE if isinstance(error, InvalidValue) else Exit.FAILURE,
    )
    if json_:
        data({"folder": str(where), "language": language, "files": [str(each) for each in files]})
        return
    talk(f"{where} is an agent in {chosen.title}. To build it and try it:")
    talk(f"  cd {shlex.quote(str(where))} && caxton agent build && caxton agent test")


@click.command()
@folder_argument
@json_option
def build(folder: Path, json_: bool) -> None:
    """Compile the project in DIR, and check that a node would take the module.

    The language is that of the source: agent.c, agent.zig, agent.ts, agent.py, agent.js,
    agent.rs. A compiler that is missing is an error that says how
    to install it; packages that a project's package.json names are installed by npm.

    \b
    Examples:
      caxton agent build
      caxton agent build agents/hello --json
    """
    project = find(folder)
    built = build_project(project, registry())
    if json_:
        data({"module": built.module, "toolchain": built.toolchain, "check": built.info})
        return
    info = built.info
    talk(
        f"{project.manifest.module}: {info.size:,} bytes, profile {info.profile}, {built.toolchain}."
    )


@click.command()
@folder_argument
@click.option("--no-build", is_flag=True, help="Play against the module that is there.")
@json_option
def test(folder: Path, no_build: bool, json_: bool) -> None:
    """Play the scripts in DIR/tests against the agent, in the sandbox and on a clock of their own.

    What is not built, or older than its source, is built first. Exit code 0 when every script passed.

    \b
    Examples:
      caxton agent test
      caxton agent test agents/hello --json
    """
    from caxton_server.authoring import building, plays, scripts

    project = find(folder)
    found = project.scripts
    if not found:
        raise Stopped(Exit.USAGE, f"{project.folder / 'tests'} has no scripts (*.yaml).")
    read = [
        script
        for path in found
        for script in good(
            scripts.read(path, str(path.relative_to(project.folder))), lambda _: Exit.USAGE
        )
    ]
    plugins = registry()
    if not no_build and building.is_stale(project):
        build_project(project, plugins)
    module = good(building.read(project))
    played = good(
        plays.play_all(
            plugins,
            project.manifest,
            module,
            read,
            cache=building.cache(project, module),
            told=(lambda _: None) if json_ else _show,
        )
    )
    failed = [each for each in played if each.failed]
    if json_:
        data({"passed": len(played) - len(failed), "failed": len(failed), "scripts": played})
    else:
        talk(f"{len(played) - len(failed)} passed, {len(failed)} failed.")
    if failed:
        click.get_current_context().exit(Exit.FAILURE)


def _show(played: Played) -> None:
    """Print one line of a script that passed, and of one that failed its step and the difference."""
    if played.failed is None:
        click.echo(clean(f"ok    {played.path}:{played.line}: {played.name}", lines=False))
        return
    failed = played.failed
    click.echo(clean(f"FAIL  {played.path}:{failed.line}: {played.name}", lines=False))
    click.echo(f"      {failed.step}")
    for line in failed.detail.splitlines():
        click.echo(f"        {clean(line, lines=False)}")
    for line in failed.log:
        click.echo(f"      log: {clean(line, lines=False)}")


# What the commands share


def good(result: Result[T, Any], code: Callable[[Any], Exit] = lambda _: Exit.FAILURE) -> T:
    """Return what was made, or end the command with what went wrong."""
    from returns.result import Failure

    if isinstance(result, Failure):
        raise Stopped(code(result.failure()), str(result.failure()))
    return result.unwrap()


def find(folder: Path) -> Project:
    """Read the project in a folder, or end the command."""
    from caxton_server.authoring import projects

    return good(projects.find(folder), lambda _: Exit.USAGE)


def registry() -> Registry:
    """Load the plugins of this installation, or end the command."""
    from caxton_server.authoring import plays

    return good(plays.plugins(), lambda _: Exit.USAGE)


def build_project(project: Project, plugins: Registry) -> Built:
    """Build a project with a line on stderr of what is done, or end the command."""
    from caxton_server.authoring import building

    with progress() as doing:
        built = building.build(project, plugins, doing=doing, say=talk)
    return good(built)


@contextlib.contextmanager
def progress() -> Iterator[Say]:
    """Show what is being done in a line that moves; nothing where nobody watches."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(escape(f"{text} ..."))
