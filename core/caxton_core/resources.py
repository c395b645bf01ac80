"""What an agent may use and how it is described: limits, restart policy, services, the manifest.

Rules:
- A manifest comes from outside as a document already loaded from YAML or JSON; `Manifest.parse` finds every error
  in it, not only the first, and an unknown key is an error with the nearest known one.
- Sizes may be numbers of bytes or text with a suffix; everything else has exactly one form.
- The defaults are those of docs/manifests.md.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.documents import Reader, kind_of
from caxton_core.errors import FieldError, InvalidManifest
from caxton_core.ids import AgentName, ModuleDigest
from caxton_core.nesting import Codec
from caxton_core.units import ByteSize, CpuMillis, Duration

Profile: TypeAlias = str
"""A profile of some sandbox: `strict` and `standard` are those of WebAssembly."""

_COMPONENT: Final = b"\0asm\x0d\0\1\0"


def profiles_of(module: bytes) -> tuple[Profile, ...]:
    """Return the profiles of WebAssembly that could run a module, the strictest first, by its first eight bytes.

    >>> profiles_of(b"\\0asm\\1\\0\\0\\0")
    ('strict', 'standard')
    """
    return ("component",) if module[:8] == _COMPONENT else ("strict", "standard")


Policy: TypeAlias = Literal["permanent", "transient", "temporary"]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one instance may use; a step over a limit fails.

    >>> Limits().memory
    16777216
    """

    memory: ByteSize = ByteSize(16 << 20)
    cpu_ms: CpuMillis = CpuMillis(50)
    time_ms: Duration = Duration(1000)
    message_size: ByteSize = ByteSize(256 << 10)
    state: ByteSize = ByteSize(1 << 20)
    mailbox: int = 1000
    fan_out: int = 100
    conversations: int = 1000
    messages_per_s: int = 100_000
    log_per_s: ByteSize = ByteSize(1 << 20)


class RestartPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When an agent whose instance died is started again, and how often before it is failed.

    permanent: always; transient: after a fault, not after an orderly end; temporary: never.
    """

    policy: Policy = "permanent"
    max_restarts: int = 5
    within_s: int = 60


class ServiceDescription(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service that the directory answers for an agent."""

    type: str
    name: str = ""
    protocols: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A module's description.

    >>> Manifest.parse({"name": "pricer", "limits": {"memory": "1MiB"}}).unwrap().limits.memory
    1048576
    >>> print(Manifest.parse({"nane": "pricer"}).failure())
    Invalid manifest: /name: it is missing; /nane: unknown key; did you mean 'name'?.
    """

    name: AgentName
    version: str = "0.0.0"
    module: str = ""
    profile: Profile = "strict"
    codec: Codec = "json"
    limits: Limits = Limits()
    restart: RestartPolicy = RestartPolicy()
    deliveries: int = 1
    services: tuple[ServiceDescription, ...] = ()
    send_to: tuple[str, ...] = ("*",)
    tools: tuple[str, ...] = ()
    config: dict[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def parse(
        cls, document: object, *, defaults: Limits | None = None
    ) -> Result[Manifest, InvalidManifest]:
        """Check a document; `defaults` are the node's own limits, where it has any."""
        reader = _ManifestReader()
        manifest = reader.manifest(document, defaults or Limits())
        if reader.errors or manifest is None:
            return Failure(InvalidManifest(tuple(reader.errors)))
        return Success(manifest)

    @classmethod
    def parse_json(
        cls, data: bytes, *, defaults: Limits | None = None
    ) -> Result[Manifest, InvalidManifest]:
        """Check a JSON document."""
        try:
            document = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            return Failure(InvalidManifest((FieldError("", f"it is not JSON: {error}"),)))
        return cls.parse(document, defaults=defaults)

    @property
    def digest(self) -> ModuleDigest | None:
        """Return the digest that `module` names; None when it names a path or nothing."""
        return (
            ModuleDigest.parse(self.module).value_or(None)
            if self.module.startswith("sha256:")
            else None
        )


def may_send(send_to: Iterable[str], name: str, services: Iterable[str]) -> bool:
    """Answer whether `send_to` lets an agent address another, by its local name or a type of its services.

    >>> may_send(["machine-*", "pricing"], "machine-3", []), may_send(["pricing"], "p", ["pricing"])
    (True, True)
    >>> may_send([], "machine-3", [])
    False
    """
    types = set(services)
    return any(pattern in types or fnmatch.fnmatchcase(name, pattern) for pattern in send_to)


_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")


class _ManifestReader(Reader):
    """Reads a manifest."""

    def manifest(self, document: object, limits: Limits) -> Manifest | None:
        if not isinstance(document, Mapping):
            self.wrong("", f"expected a mapping, got {kind_of(document)}")
            return None
        if "name" not in document:
            self.wrong("/name", "it is missing")
        readers: dict[str, Callable[[object, str], Any]] = {
            "name": self.name,
            "version": self.version,
            "module": lambda value, path: self.text(value, path, longest=4096),
            "profile": lambda value, path: self.text(value, path, longest=63),
            "codec": lambda value, path: self.one_of(value, path, get_args(Codec)),
            "limits": lambda value, path: self.limits(value, path, limits),
            "restart": self.restart,
            "deliveries": lambda value, path: self.number(value, path, most=100),
            "services": lambda value, path: self.items(value, path, self.service),
            "send_to": lambda value, path: self.items(value, path, self.text),
            "tools": lambda value, path: self.items(value, path, self.text),
            "config": self.plain,
        }
        given = self.keys(document, "", Manifest.__struct_fields__)
        fields = {key: readers[key](value, f"/{key}") for key, value in given.items()}
        return Manifest(**{"name": "", "limits": limits, **fields})

    def name(self, value: object, path: str) -> AgentName:
        match AgentName.of(self.text(value, path)) if isinstance(value, str) else None:
            case Success(name):
                return cast("AgentName", name)
            case Failure(error):
                self.wrong(path, str(error).rstrip("."))
            case _:
                self.text(value, path)
        return AgentName("")

    def version(self, value: object, path: str) -> str:
        text = self.text(value, path)
        if text and _VERSION.fullmatch(text) is None:
            self.wrong(path, f"expected a version such as 1.2.0, got {text!r}")
        return text

    def limits(self, value: object, path: str, limits: Limits) -> Limits:
        given = self.keys(value, path, Limits.__struct_fields__)
        sizes = ("memory", "message_size", "state", "log_per_s")
        return msgspec.structs.replace(
            limits,
            **{
                key: (self.size if key in sizes else self.number)(item, f"{path}/{key}")
                for key, item in given.items()
            },
        )

    def restart(self, value: object, path: str) -> RestartPolicy:
        given = self.keys(value, path, RestartPolicy.__struct_fields__)
        fields: dict[str, Any] = {
            key: self.number(item, f"{path}/{key}", least=key == "within_s")
            for key, item in given.items()
            if key != "policy"
        }
        if "policy" in given:
            fields["policy"] = self.one_of(given["policy"], f"{path}/policy", get_args(Policy))
        return RestartPolicy(**fields)

    def service(self, value: object, path: str) -> ServiceDescription:
        given = self.keys(value, path, ServiceDescription.__struct_fields__)
        if isinstance(value, Mapping) and "type" not in given:
            self.wrong(f"{path}/type", "it is missing")
        return ServiceDescription(
            type=self.text(given.get("type", ""), f"{path}/type"),
            name=self.text(given.get("name", ""), f"{path}/name"),
            protocols=self.items(given.get("protocols", ()), f"{path}/protocols", self.text),
        )
