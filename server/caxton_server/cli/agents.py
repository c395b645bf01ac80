"""`caxton agent`: deploy agents, watch them, move them through their states."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caxton_server.cli.connections import (
    answer,
    connected,
    cursor_option,
    documents,
    json_option,
    limit_option,
    plain,
    read_bytes,
)
from caxton_server.cli.development import dev
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.printing import clean, data, pairs, short, table, talk
from caxton_server.cli.projects import build, new, test
from caxton_server.cli.signatures import read_signature, signature_option

if TYPE_CHECKING:
    from caxton_server.client import Client


@click.group()
def agent() -> None:
    """Write, deploy, watch and control agents."""


for _command in (new, build, test, dev):
    agent.add_command(_command)


@agent.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--module", type=click.Path(path_type=Path), help="The module, if not the manifest's."
)
@click.option("--name", help="Name of the agent, if not the manifest's.")
@signature_option
@connected
@json_option
def deploy(
    node: Client,
    /,
    file: Path,
    module: Path | None,
    name: str | None,
    signature: Path | None,
    json_: bool,
) -> None:
    """Deploy the agent that the manifest FILE describes; FILE may also be a .wasm with --name.

    The module's path counts from the manifest's folder. The agent is running when the command ends.

    \b
    Examples:
      caxton agent deploy pricer.yaml
      caxton agent deploy pricer.wasm --name pricer
    """
    manifest, path = read_manifest(file, module, name)
    wasm = None if path is None else read_bytes(path)
    deployed = answer(node.deploy(manifest, wasm, signature=read_signature(signature, path)))
    if json_:
        data(deployed)
    else:
        who = deployed.agent
        talk(f"{who.address} runs version {who.version} (handle {who.id}).")


def read_manifest(
    file: Path, module: Path | None, name: str | None
) -> tuple[dict[str, Any], Path | None]:
    """Return a manifest and the path of its module; None when it names a digest."""
    if file.suffix == ".wasm":
        if name is None:
            raise Stopped(Exit.USAGE, f"{file} is a module: say --name, or deploy a manifest.")
        return {"name": name}, module or file
    manifest = documents(file)
    if not isinstance(manifest, dict):
        raise Stopped(Exit.USAGE, f"{file} is no manifest: expected a mapping.")
    if name is not None:
        manifest["name"] = name
    named = manifest.get("module")
    if module is None and isinstance(named, str) and named and not named.startswith("sha256:"):
        module = file.parent / named
    return manifest, module


@agent.command("list")
@click.option("--state", help="Only agents in this state.")
@click.option("--name", help="Only agents whose name fits, * for any text.")
@click.option("--service", help="Only agents that offer a service of this type.")
@limit_option
@cursor_option
@connected
@json_option
def list_agents(
    node: Client,
    /,
    state: str | None,
    name: str | None,
    service: str | None,
    limit: int,
    cursor: str | None,
    json_: bool,
) -> None:
    """List agents.

    \b
    Example:
      caxton agent list --state running
    """
    found = answer(node.agents(state=state, name=name, service=service, limit=limit, cursor=cursor))
    if json_:
        data(found)
        return
    table(
        plain(found.items),
        {
            "name": "name",
            "state": "state",
            "version": "version",
            "queue": "queue",
            "restarts": "restarts",
            "module": lambda row: short(row["module"]),
            "id": "id",
        },
    )
    if found.next_cursor:
        talk(f"There are more: --cursor {found.next_cursor}")


@agent.command()
@click.argument("name")
@connected
@json_option
def show(node: Client, /, name: str, json_: bool) -> None:
    """Show an agent and what it has used.

    \b
    Example:
      caxton agent show pricer
    """
    view = plain(answer(node.agent(name)))
    stats = plain(answer(node.stats(name)))
    if json_:
        data({**view, "stats": stats})
        return
    services = [f"{s['type']}/{s['name']}" if s["name"] else s["type"] for s in view["services"]]
    used = {key: value for key, value in stats.items() if key not in view}
    pairs({**view, "services": services, **used})


@agent.command()
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only lines after this number.")
@connected
@json_option
def logs(node: Client, /, name: str, follow: bool, after: int, json_: bool) -> None:
    """Print what an agent wrote; with --follow until Ctrl-C.

    \b
    Example:
      caxton agent logs pricer -f
    """
    found = answer(node.logs(name, after=after))
    if json_ and not follow:
        data(found)
        return
    lines = node.follow_logs(name, after=after) if follow else iter(found.items)
    for line in lines:
        if json_:
            data(line, line=True)
        else:
            click.echo(f"{line.time} {line.level:5} {clean(line.text, lines=False)}")


VERBS = {
    "start": "Start a stopped agent.",
    "stop": "Stop an agent at once; its mailbox is answered with failures.",
    "drain": "Let an agent finish its mailbox and open conversations, then stop it.",
    "restart": "Replace an agent's instance by a fresh one.",
    "suspend": "Hold an agent at a step boundary; messages wait.",
    "resume": "Let a suspended agent go on.",
}


def _control(verb: str, text: str) -> click.Command:
    @click.command(
        verb, help=f"{text}\n\n\b\nExample:\n  caxton agent {verb} pricer", short_help=text
    )
    @click.argument("name")
    @connected
    @json_option
    def run(node: Client, /, name: str, json_: bool) -> None:
        view = answer(node.control(name, verb))
        if json_:
            data(view)
        else:
            talk(f"{view.address} is {view.state}.")

    return run


for _verb, _text in VERBS.items():
    agent.add_command(_control(_verb, _text))


@agent.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@connected
def rm(node: Client, /, name: str, yes: bool) -> None:
    """Remove an agent; its mailbox is answered with failures and its handle is never used again.

    \b
    Example:
      caxton agent rm pricer
    """
    if not yes and sys.stdin.isatty():
        click.confirm(f"Remove {name} with its state?", abort=True, err=True)
    answer(node.remove_agent(name))
    talk(f"{name} is removed.")
