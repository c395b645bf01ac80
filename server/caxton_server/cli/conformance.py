"""`caxton conformance`: replay cases of conversations against the engine that the runtime uses."""

from __future__ import annotations

from pathlib import Path

import click

from caxton_server.cli.connections import json_option
from caxton_server.cli.exits import Exit, Stopped
from caxton_server.cli.plugins import installed
from caxton_server.cli.printing import clean, data

MOST_BYTES = 16 * 1024 * 1024


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def conformance(file: Path, json_: bool) -> int:
    """Replay the cases of FILE against the conversation engine; exit code 1 when any differs.

    FILE is JSON in the conformance format; - reads standard input. No server is needed, nor any waiting: the clock
    is the cases' own. The protocols are those of the installed plugins.

    \b
    Example:
      caxton conformance cases.json
    """
    from caxton_core.conformance import differences, parse_cases, replay
    from returns.result import Failure

    try:
        with click.open_file(str(file), "rb") as source:
            read: bytes = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise Stopped(Exit.USAGE, f"{file} can't be read: {error.strerror}.") from None
    if len(read) > MOST_BYTES:
        raise Stopped(Exit.USAGE, f"{file} has more than {MOST_BYTES} bytes.")
    parsed = parse_cases(read)
    if isinstance(parsed, Failure):
        raise Stopped(Exit.USAGE, f"{file}: {parsed.failure().detail}.")
    cases = parsed.unwrap()
    protocols = {name: protocol for protocol in installed().protocols() for name in protocol.names}
    failed, shown = 0, []
    for case in cases:
        replayed = replay(case, protocols)
        found = differences(case, replayed)
        failed += bool(found)
        shown.append({
            "id": case.id, "protocol": case.protocol, "ok": not found, "differences": found,
            "reasons": replayed.reasons, "state": replayed.final_state, "outcome": replayed.outcome,
        })  # fmt: skip
        for line in () if json_ else found:
            click.echo(clean(f"{case.id}: {line}"))
    if json_:
        data({"cases": shown, "failed": failed})
    else:
        click.echo(f"{len(cases)} cases, {failed} failed")
    return Exit.FAILURE if failed else Exit.OK
