"""`caxton module`: check modules here, push them to a node, list what it holds; `signatures.py` signs them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from caxton_core.resources import Limits, profiles_of

from caxton_server.cli.connections import (
    answer,
    connected,
    cursor_option,
    json_option,
    limit_option,
    plain,
    read_bytes,
)
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.plugins import installed
from caxton_server.cli.printing import Columns, data, pairs, short, table, talk
from caxton_server.cli.signatures import keygen, read_signature, sign, signature_option, verify

if TYPE_CHECKING:
    from caxton_core.ports import ModuleInfo
    from caxton_core.registry import Registry

    from caxton_server.client import Client


@click.group()
def module() -> None:
    """Check, sign, push and list WebAssembly modules."""


for _command in (keygen, sign, verify):
    module.add_command(_command)


@module.command("list")
@limit_option
@cursor_option
@connected
@json_option
def list_modules(node: Client, /, limit: int, cursor: str | None, json_: bool) -> None:
    """List the modules a node holds.

    \b
    Example:
      caxton module list
    """
    found = answer(node.modules(limit=limit, cursor=cursor))
    if json_:
        data(found)
        return
    columns: Columns = {
        "sha256": lambda row: short(row["sha256"]),
        "size": "size",
        "profile": "profile",
        "imports": "imports",
        "signed by": "signed_by",
    }
    table(plain(found.items), columns)
    if found.next_cursor:
        talk(f"There are more: --cursor {found.next_cursor}")


@module.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--profile", help="What to check it against: strict, standard or component.")
@signature_option
@connected
@json_option
def push(
    node: Client, /, file: Path, profile: str | None, signature: Path | None, json_: bool
) -> None:
    """Give a node a module, with its signature; manifests may then name its digest.

    \b
    Example:
      caxton module push pricer.wasm
    """
    signed = read_signature(signature, file)
    view = answer(node.push_module(read_bytes(file), profile=profile, signature=signed))
    if json_:
        data(view)
    else:
        pairs(plain(view))


@module.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    help="Check against this profile only; default strict, then standard, or component.",
)
@json_option
def check(file: Path, profile: str | None, json_: bool) -> None:
    """Tell whether a module could be deployed, in which profile, and why not; needs no node.

    A component is told from a core module by its first bytes. `memory` is what limits.memory must at least be;
    `limits` are those it would run under with a manifest that names none.

    \b
    Example:
      caxton module check pricer.wasm
    """
    content = read_bytes(file)
    registry = installed()
    info, refused = _try(registry, content, [profile] if profile else list(profiles_of(content)))
    if json_:
        found = {"profile": None} if info is None else {**plain(info), "limits": plain(Limits())}
        data({"file": str(file), **found, "refused": refused})
    elif info is not None:
        limits = ", ".join(f"{name} {value}" for name, value in plain(Limits()).items())
        pairs({"file": str(file), **plain(info), "limits": limits, **_reasons(refused)})
        if info.memory > Limits().memory:
            talk(f"Its manifest must set limits.memory to {info.memory} or more.")
    if info is None:
        raise Stopped(Exit.FAILURE, "\n".join([f"{file} is refused.", *_lines(refused)]))


def _try(
    registry: Registry, content: bytes, profiles: list[str]
) -> tuple[ModuleInfo | None, dict[str, str]]:
    """Check a module against profiles in turn; return what the first that takes it found."""
    from returns.result import Failure

    refused: dict[str, str] = {}
    for profile in profiles:
        sandbox = _sandbox(registry, profile)
        try:
            checked = sandbox.check(content, profile)
        finally:
            sandbox.close()
        if not isinstance(checked, Failure):
            found: ModuleInfo = checked.unwrap()
            return found, refused
        refused[profile] = str(checked.failure())
    return None, refused


def _sandbox(registry: Registry, profile: str) -> Any:
    from caxton_core.hookspecs import SandboxOptions
    from returns.result import Failure

    kind = registry.sandbox(profile)
    if kind is None:
        known = sorted(name for each in registry.sandboxes() for name in each.profiles)
        raise Stopped(Exit.USAGE, f"No sandbox runs profile {profile!r}; there are {known}.")
    made = kind.make(SandboxOptions())
    if isinstance(made, Failure):
        raise Stopped(Exit.USAGE, str(made.failure()))
    return made.unwrap()


def _lines(refused: dict[str, str]) -> list[str]:
    return [f"{profile}: {reason}" for profile, reason in refused.items()]


def _reasons(refused: dict[str, str]) -> dict[str, str]:
    return {f"not {profile}": reason for profile, reason in refused.items()}
