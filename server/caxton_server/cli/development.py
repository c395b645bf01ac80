"""`caxton agent dev`: build and deploy an agent again whenever one of its files changes."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from caxton_server.cli.connections import answer, connected
from caxton_server.cli.printing import clean, talk
from caxton_server.cli.projects import find, folder_argument, progress, registry

if TYPE_CHECKING:
    from caxton_core.registry import Registry
    from caxton_core.views import LogLine

    from caxton_server.authoring.development import Deployed, Looks
    from caxton_server.client import Client


@click.command()
@folder_argument
@click.option("--serve", is_flag=True, help="Run a node of its own when none answers.")
@connected
def dev(node: Client, /, folder: Path, serve: bool) -> None:
    """Build the project in DIR, deploy it, and do so again whenever one of its files changes.

    What the agent logs is shown as it is written. A version that can't be built or does not start is told of, and the one
    before goes on running. With --serve, and no node at the address, a node with data of its own runs until Ctrl-C; an agent
    on another node stays there.

    \b
    Examples:
      caxton agent dev --serve
      caxton agent dev agents/hello --url http://127.0.0.1:8080
    """
    from returns.result import Success

    find(folder)
    plugins = registry()
    with contextlib.ExitStack() as stack:
        if serve and not isinstance(node.health(), Success):
            node = stack.enter_context(_own())
        answer(node.health())
        _run(node, folder, plugins)


@contextlib.contextmanager
def _own() -> Iterator[Client]:
    """Run a node whose data goes with it."""
    from caxton_server.cli.demo import own_node
    from caxton_server.client import Client

    with (
        tempfile.TemporaryDirectory(prefix="caxton-dev-", ignore_cleanup_errors=True) as data,
        own_node(Path(data)) as url,
        contextlib.closing(Client(url)) as client,
    ):
        talk(f"A node runs at {url} until Ctrl-C: export CAXTON_URL={url}")
        yield client


def _run(node: Client, folder: Path, plugins: Registry) -> None:
    """Deploy, and wait for the next change, until interrupted."""
    from caxton_server.authoring import development

    stop = threading.Event()
    followed: set[str] = set()
    seen: Looks | None = development.look(folder)
    try:
        while seen is not None:
            deployed = _deploy(node, folder, plugins)
            if deployed is not None and deployed.agent not in followed:
                followed.add(deployed.agent)
                _follow(node, deployed, stop)
            seen = development.wait_for_change(folder, seen, stop)
    finally:
        stop.set()


def _deploy(node: Client, folder: Path, plugins: Registry) -> Deployed | None:
    """Deploy once; return what runs, or None after telling why it does not."""
    from returns.result import Failure

    from caxton_server.authoring import development

    with progress() as doing:
        done = development.deploy(folder, node, plugins, doing=doing, say=talk)
    if isinstance(done, Failure):
        talk(f"Error: {done.failure()}")
        talk("Nothing was changed. Waiting for the next change.")
        return None
    deployed = done.unwrap()
    before = f", after {deployed.before}" if deployed.before else ""
    talk(f"{deployed.agent} runs version {deployed.version}{before}. Waiting for changes.")
    return deployed


def _follow(node: Client, deployed: Deployed, stop: threading.Event) -> None:
    """Show what an agent has logged since the deployment began, and logs from now on."""
    from caxton_server.authoring import development

    def tell(line: LogLine) -> None:
        click.echo(f"{line.time} {line.level:5} {clean(line.text, lines=False)}")

    told = (node, deployed.agent, deployed.logged, stop, tell)
    threading.Thread(target=development.follow, args=told, name="log", daemon=True).start()
