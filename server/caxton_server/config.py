"""The configuration of a node: read from its file, the environment and flags, and checked.

Rules:
- File < environment < flags. Every given value keeps its `Origin`; what was not given has none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from caxton_core.errors import InvalidSetting
from caxton_core.signatures import Trust
from returns.result import Failure, Result, Success

from caxton_server import signatures
from caxton_server.config_sections import (
    AuthConfig,
    ClusterConfig,
    PluginsConfig,
    RuntimeConfig,
    ServerConfig,
    StorageConfig,
    TelemetryConfig,
)
from caxton_server.config_sources import (
    DEFAULT,
    InvalidConfig,
    Origin,
    Setting,
    nest,
    read_environment,
    read_file,
    read_flags,
    unreadable,
)
from caxton_server.config_values import assemble, leaves, shape_of, show

CONFIG_PATH_VARIABLE = "CAXTON_CONFIG_PATH"
SYSTEM_CONFIG = Path("/etc/caxton/config.yaml")

FLAGS: Mapping[str, str] = {
    "server.host": "--host",
    "server.port": "--port",
    "storage.url": "--data",
}
"""The flags of `caxton serve` by the setting they override."""

_PASSWORD = re.compile(r"(://[^/@:]*:).*(?=@)|([?&]password=)[^&]*")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a node, checked; `origins` says where the given ones came from."""

    server: ServerConfig = ServerConfig()
    storage: StorageConfig = StorageConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    auth: AuthConfig = AuthConfig()
    plugins: PluginsConfig = PluginsConfig()
    cluster: ClusterConfig = ClusterConfig()
    file: str | None = None
    origins: dict[str, Origin] = {}

    def shown(self) -> dict[str, Any]:
        """Return all settings as JSON values, in their sections, secrets hidden."""
        return nest(self.flat().items())

    def origin(self, name: str) -> Origin:
        """Say where the value of a setting came from."""
        return self.origins.get(name, DEFAULT)

    def trust(self) -> Result[Trust, InvalidSetting]:
        """Read the keys that are trusted and revoked."""
        given = self.runtime.signatures
        found = signatures.trust_of(given.policy, given.trusted, given.revoked)
        if isinstance(found, Success):
            return found
        key, why = found.failure()
        name = f"runtime.signatures.{key}"
        return Failure(InvalidSetting(str(self.origin(name)), name, str(why).rstrip(".")))

    def flat(self) -> dict[str, Any]:
        """Return every setting by its dotted name, secrets hidden."""
        flat: dict[str, Any] = {}
        for name, kind in SETTINGS.items():
            value: Any = self
            for part in name.split("."):
                value = getattr(value, part)
            flat[name] = show(name, kind, value)
        flat["storage.url"] = _PASSWORD.sub(r"\1\2***", self.storage.url)
        return flat


SECTIONS = ("server", "storage", "runtime", "telemetry", "auth", "plugins", "cluster")
SETTINGS = leaves(Config, SECTIONS)
"""The declared type of every setting, by dotted name."""
SHAPE = shape_of(Config, SECTIONS)


def load(
    path: str | Path | None, environ: Mapping[str, str], overrides: Mapping[str, object]
) -> Result[Config, InvalidConfig]:
    """Read the configuration from its file, the environment and flags, in rising order of weight.

    Args:
        path: what `--config` named; None looks at `CAXTON_CONFIG_PATH`, then /etc/caxton.
        environ: the environment variables.
        overrides: values by dotted name; None means not given.

    >>> load(None, {}, {"server.port": 9000}).unwrap().server.port
    9000
    """
    mistakes: list[InvalidSetting] = []
    settings: list[Setting] = []
    file = find_file(path, environ)
    if file is not None:
        found, bad = read_file(file, SHAPE)
        settings += found
        mistakes += bad
    found, bad = read_environment(environ, SHAPE)
    settings += found + read_flags(overrides, FLAGS)
    mistakes += bad
    by_name = {setting.name: setting for setting in settings}
    if "auth.token_file" in by_name and "auth.token" not in by_name:
        mistakes += _read_secret(by_name)
    config, bad = assemble(Config, SECTIONS, by_name.values())
    mistakes += bad
    origins = {name: setting.origin for name, setting in by_name.items()}
    config = msgspec.structs.replace(config, file=str(file) if file else None, origins=origins)
    mistakes += _check(config)
    return Failure(InvalidConfig(tuple(mistakes))) if mistakes else Success(config)


def find_file(path: str | Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the configuration file: the one named, else the system's if there is one."""
    named = path or environ.get(CONFIG_PATH_VARIABLE)
    if named:
        return Path(named)
    return SYSTEM_CONFIG if SYSTEM_CONFIG.exists() else None


def data_url(folder: str | Path) -> str:
    """Return the `storage.url` that `--data` stands for.

    >>> data_url("/var/lib/caxton")
    'sqlite:////var/lib/caxton/caxton.db'
    """
    return f"sqlite:///{Path(folder) / 'caxton.db'}"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_secret(by_name: dict[str, Setting]) -> list[InvalidSetting]:
    setting = by_name["auth.token_file"]
    try:
        text = Path(str(setting.value)).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not UTF-8"
        return [unreadable(setting.origin, f"{setting.value}: {reason}")]
    by_name["auth.token"] = Setting("auth.token", text, Origin(str(setting.value)), text=True)
    return []


def _check(config: Config) -> list[InvalidSetting]:
    """Return what is wrong with values that have the right type."""
    host, wrong = config.server.host, []
    if not host:
        wrong.append(("server.host", "must name an address"))
    elif not is_loopback(host) and config.auth.token is None:
        reason = f"{host} can be reached from other machines; set auth.token_file, or listen on 127.0.0.1"
        wrong.append(("server.host", reason))
    if config.runtime.workers != 1:
        reason = (
            f"only 1 worker works for now, not {config.runtime.workers}; run one node for each core"
        )
        wrong.append(("runtime.workers", reason))
    if config.server.grpc_port is not None:
        wrong.append(("server.grpc_port", "this build has no gRPC; leave it off"))
    trust = config.trust()
    return [
        *(InvalidSetting(str(config.origin(name)), name, reason) for name, reason in wrong),
        *([trust.failure()] if isinstance(trust, Failure) else []),
    ]
