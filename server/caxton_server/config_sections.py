"""The sections of the configuration: every setting, its type and its default.

Rules:
- A setting exists because a field exists here; `docs/configuration.md` has a heading for each.
- Sizes and durations are those of `caxton_core.units`; people write `16MiB` and `24h`.
- A secret is a `Secret`: nothing but `reveal` shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from caxton_core.ports import Durability
from caxton_core.resources import Limits
from caxton_core.signatures import Policy
from caxton_core.units import ByteSize, Duration

from caxton_server.config_values import Port, Secret

PlatformName: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        description="1 to 63 of a-z, 0-9, dot and hyphen",
    ),
]
StorageUrl: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9+-]*:",
        description="a URL such as sqlite:///caxton-data/caxton.db or memory:",
    ),
]


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The node's name and its addresses; port 0 takes a free one, None leaves a listener out."""

    platform: PlatformName = "caxton"
    host: str = "127.0.0.1"
    port: Port = 8080
    metrics_port: Port | None = 9090
    grpc_port: Port | None = None


class RetentionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is over is kept, and how large the storage may become before the oldest of it goes earlier."""

    messages: Duration = Duration(24 * 3_600_000)
    conversations: Duration = Duration(7 * 24 * 3_600_000)
    events: Duration = Duration(7 * 24 * 3_600_000)
    size: ByteSize | None = ByteSize(8 * 1024**3)


class StorageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the journal is kept, when a message counts as safe, and what is kept of what is over.

    `data`: the data folder of a node whose `url` names no file. `checkpoint`: by how much the journal grows before everything that is alive is written down anew.
    """

    url: StorageUrl = "sqlite:///caxton-data/caxton.db"
    data: str = "caxton-data"
    durability: Durability = "disk"
    checkpoint: ByteSize = ByteSize(64 * 1024**2)
    retention: RetentionConfig = RetentionConfig()

    def folder(self) -> Path | None:
        """Return the data folder (database, module cache, lock); None when all is in memory."""
        scheme, _, rest = self.url.partition(":")
        if scheme == "memory":
            return None
        if scheme == "sqlite":
            return Path(rest.removeprefix("///")).parent
        # A server's URL may have three slashes too: then it is on this machine, and names a database.
        if scheme in ("postgresql", "postgres") or not rest.startswith("///"):
            return Path(self.data)
        path = Path(rest.removeprefix("///"))
        return path.parent if path.suffix else path


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Limits by name; `default` is what a manifest that sets none gets."""

    default: Limits = Limits()


class SignaturesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which modules may run: keys are written out or named by the path of their file."""

    policy: Policy = "off"
    trusted: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()


class RuntimeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the node runs agents: `quantum` messages in a turn, memory of all guests together."""

    workers: int = 1
    quantum: int = 32
    conversation_ttl: Duration = Duration(24 * 3_600_000)
    node_memory: ByteSize | Literal["auto"] | None = "auto"
    limits: LimitsConfig = LimitsConfig()
    signatures: SignaturesConfig = SignaturesConfig()


class TelemetryConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Logs: `auto` is for people on a terminal and JSON elsewhere."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "text", "json"] = "auto"


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The one bearer token of this node; without it only a loopback address is served."""

    token: Secret | None = None
    token_file: str | None = None


class PluginsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Plugins that are not to be loaded, and what each of the others is told."""

    block: tuple[str, ...] = ()
    settings: dict[str, Any] = {}


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Which cluster plugin joins this node to others; `local` is a node alone."""

    plugin: Literal["local"] = "local"
