"""How a command reaches a node: the options every such command has, and what becomes of a refusal."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

from caxton_server.cli.exits import Exit, Stopped

if TYPE_CHECKING:
    from returns.result import Result

    from caxton_server.client import Client
    from caxton_server.client_errors import ClientError

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8080"

json_option = click.option("--json", "json_", is_flag=True, help="Print JSON.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Entries shown."
)
cursor_option = click.option("--cursor", help="Go on where a list before ended (`next_cursor`).")


def connected(command: Callable[Concatenate[Client, P], None]) -> Callable[P, None]:
    """Give a command the options `--url` and `--token-file`, and a client made from them."""

    @click.option(
        "--url",
        envvar="CAXTON_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help="Address of the node.",
    )
    @click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with the token; default CAXTON_TOKEN, then ~/.config/caxton/token.",
    )
    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        url, token_file = kwargs.pop("url"), kwargs.pop("token_file")
        command(connect(str(url), token_file), *args, **kwargs)

    return run


def retried(command: Callable[P, None]) -> Callable[P, None]:
    """Give a command the options of what is done once however often it is asked for: `key` and `retry`, in seconds."""
    from caxton_server.cli.durations import DURATION

    command = click.option(
        "--retry", type=DURATION, default="0s", show_default=True,
        help="Try again for this long when no answer comes or the node is busy; it is done once all the same.",
    )(command)  # fmt: skip
    return click.option(
        "--key",
        help="The Idempotency-Key: the same command under the same key is done once in 24 hours.",
    )(command)


def connect(url: str, token_file: Any) -> Client:
    """Return a client for a node's address, closed when the command ends."""
    from urllib.parse import urlsplit

    from caxton_server.client import Client

    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Stopped(Exit.USAGE, f"{url!r} is no http:// or https:// address.")
    client = Client(url, token=read_token(token_file))
    click.get_current_context().call_on_close(client.close)
    return client


def read_token(file: Path | None) -> str | None:
    """Return the token: of the file named, else CAXTON_TOKEN, else of the user's own file."""
    if file is None and os.environ.get("CAXTON_TOKEN"):
        return os.environ["CAXTON_TOKEN"].strip()
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = file or home / "caxton" / "token"
    if file is None and not path.exists():
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise Stopped(Exit.USAGE, f"Can't read the token in {path}: {reason}.") from None


def answer(result: Result[T, ClientError]) -> T:
    """Return what a node answered, or stop with the exit code its refusal stands for."""
    from returns.result import Failure

    from caxton_server.client_errors import Unreachable

    if not isinstance(result, Failure):
        return result.unwrap()
    error = result.failure()
    hint = (
        "\nIs a node running there? `caxton serve` starts one." if _is(error, Unreachable) else ""
    )
    raise Stopped(Exit(error.exit_code), f"{error}{hint}")


def _is(error: object, kind: type) -> bool:
    return isinstance(error, kind)


def plain(view: Any) -> Any:
    """Return a view as the JSON values it is encoded to."""
    import msgspec

    return msgspec.to_builtins(view, enc_hook=str)


def documents(path: Path) -> Any:
    """Read a YAML or JSON document from a file, or from standard input for `-`."""
    import yaml

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text("utf-8")
        return yaml.safe_load(text)
    except OSError as error:
        raise Stopped(Exit.USAGE, f"Can't read {path}: {error.strerror or error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        reason = str(error) or "nested too deeply"
        raise Stopped(Exit.USAGE, f"{path} is no YAML or JSON: {reason}") from None


def read_bytes(path: Path) -> bytes:
    """Read a file that the command line names."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Stopped(Exit.USAGE, f"Can't read {path}: {error.strerror or error}.") from None
