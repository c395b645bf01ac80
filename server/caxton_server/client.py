"""A client of the REST API, for the CLI, the demo and tests: typed answers, typed errors, no asyncio.

Rules:
- Every call returns a `Result`; nothing is raised for what a server or a network may do.
- One connection per thread, reused while it is fresh. What creates or sends takes a `key` (Idempotency-Key); only with one, or
  with `retry` seconds, which give it its own, is a request ever sent again.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Generator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from caxton_core.views import (
    AcceptedView,
    AgentView,
    ConversationView,
    DeadLetterView,
    DeployedView,
    DeploymentView,
    EventView,
    ExchangeView,
    HealthView,
    LogLine,
    MessageView,
    ModuleView,
    Page,
    PluginView,
    ServiceView,
    StatsView,
    VersionView,
)
from returns.result import Result, Success

from caxton_server.client_connections import JSON, Transport
from caxton_server.client_errors import ClientError

_GRACE_SECONDS = 10.0


class Client(Transport):
    """A server at a URL.

    >>> Client("http://127.0.0.1:1").health().failure().exit_code
    6
    """

    # The node

    def health(self) -> Result[HealthView, ClientError]:
        """Ask for the node in one look."""
        return self.call("GET", "/health", HealthView)

    def is_ready(self) -> bool:
        """Tell whether the node takes work."""
        return isinstance(self.call("GET", "/readyz", dict[str, Any]), Success)

    def plugins(self) -> Result[Page[PluginView], ClientError]:
        """List the loaded plugins."""
        return self.call("GET", _api("plugins"), Page[PluginView])

    def config(self) -> Result[dict[str, Any], ClientError]:
        """Ask for the configuration in force."""
        return self.call("GET", _api("config"), dict[str, Any])

    def directory(self, **query: str | int | None) -> Result[Page[ServiceView], ClientError]:
        """Look up services by `type`, `name`, `protocol`, `limit`, `cursor`."""
        return self.call("GET", _api("directory"), Page[ServiceView], query=query)

    def events(
        self, *, after: int | None = None, **query: str | None
    ) -> Generator[EventView, None, None]:
        """Follow the event log by `types`, `agent`, `conversation`; ends when the server does."""
        return self.stream(_api("events"), EventView, query=query, after=after)

    # Modules and agents

    def push_module(
        self, data: bytes, *, profile: str | None = None, signature: bytes | None = None
    ) -> Result[ModuleView, ClientError]:
        """Push a module, with its signature file."""
        headers = {}
        if signature is not None:
            headers["Caxton-Signature"] = base64.b64encode(signature).decode()
        return self.call(
            "POST", _api("modules"), ModuleView, query={"profile": profile}, body=data,
            media="application/wasm", headers=headers,
        )  # fmt: skip

    def modules(self, **query: str | int | None) -> Result[Page[ModuleView], ClientError]:
        """List modules."""
        return self.call("GET", _api("modules"), Page[ModuleView], query=query)

    def remove_module(self, sha256: str) -> Result[None, ClientError]:
        """Forget a module."""
        return self.call("DELETE", _api("modules", sha256), type(None))

    def deploy(
        self,
        manifest: Mapping[str, Any],
        module: bytes | None = None,
        *,
        signature: bytes | None = None,
        key: str | None = None,
    ) -> Result[DeployedView, ClientError]:
        """Deploy a new agent from its manifest, and its module unless the manifest names a digest."""
        body, media = _parts(manifest, module, signature)
        return self.once(_api("agents"), DeployedView, key=key, body=body, media=media)

    def agents(self, **query: str | int | None) -> Result[Page[AgentView], ClientError]:
        """List agents by `state`, `name`, `service`, `limit`, `cursor`."""
        return self.call("GET", _api("agents"), Page[AgentView], query=query)

    def agent(self, ref: str) -> Result[AgentView, ClientError]:
        """Show an agent by handle, name or address."""
        return self.call("GET", _api("agents", ref), AgentView)

    def control(self, ref: str, verb: str) -> Result[AgentView, ClientError]:
        """Move an agent: start, stop, drain, restart, suspend, resume."""
        return self.once(_api("agents", ref, verb), AgentView, key=None)

    def remove_agent(self, ref: str) -> Result[None, ClientError]:
        """Remove an agent."""
        return self.call("DELETE", _api("agents", ref), type(None))

    def stats(self, ref: str) -> Result[StatsView, ClientError]:
        """Show what an agent has used."""
        return self.call("GET", _api("agents", ref, "stats"), StatsView)

    def versions(self, ref: str) -> Result[Page[VersionView], ClientError]:
        """List the versions an agent has run."""
        return self.call("GET", _api("agents", ref, "versions"), Page[VersionView])

    def logs(self, ref: str, *, after: int = 0) -> Result[Page[LogLine], ClientError]:
        """List the lines an agent wrote after line `after`."""
        return self.call("GET", _api("agents", ref, "logs"), Page[LogLine], query={"after": after})

    def follow_logs(self, ref: str, *, after: int = 0) -> Generator[LogLine, None, None]:
        """Follow an agent's log; ends when the server does."""
        query = {"follow": 1, "after": after}
        return self.stream(_api("agents", ref, "logs"), LogLine, query=query)

    def update(
        self,
        manifest: Mapping[str, Any],
        module: bytes | None = None,
        *,
        signature: bytes | None = None,
        key: str | None = None,
    ) -> Result[DeploymentView, ClientError]:
        """Move an agent to the version of a manifest; a new agent when there is none of that name."""
        body, media = _parts(manifest, module, signature)
        return self.once(_api("deployments"), DeploymentView, key=key, body=body, media=media)

    def deployments(self, **query: str | int | None) -> Result[Page[DeploymentView], ClientError]:
        """List deployments."""
        return self.call("GET", _api("deployments"), Page[DeploymentView], query=query)

    # Messages and conversations

    def send(
        self, message: Mapping[str, Any], *, key: str | None = None
    ) -> Result[AcceptedView, ClientError]:
        """Send an ACL message."""
        return self.once(_api("messages"), AcceptedView, key=key, body=_encode(message))

    def request(
        self, message: Mapping[str, Any], *, wait: float = 5.0, key: str | None = None
    ) -> Result[ExchangeView, ClientError]:
        """Send an ACL message and wait for the reply to it."""
        return self.once(
            _api("messages"),
            ExchangeView,
            key=key,
            query={"wait": f"{round(wait * 1000)}ms"},
            body=_encode(message),
            timeout=wait + _GRACE_SECONDS,
        )

    def message(self, message_id: str) -> Result[MessageView, ClientError]:
        """Show a message and its history."""
        return self.call("GET", _api("messages", message_id), MessageView)

    def messages(self, **query: str | int | None) -> Result[Page[MessageView], ClientError]:
        """List messages by `conversation_id`, `agent`, `limit`, `cursor`."""
        return self.call("GET", _api("messages"), Page[MessageView], query=query)

    def start_conversation(
        self, spec: Mapping[str, Any], *, timeout: float | None = None, key: str | None = None
    ) -> Result[ConversationView, ClientError]:
        """Open a conversation with the server as its initiator; `wait` in the spec waits for its end."""
        body = _encode(spec)
        return self.once(
            _api("conversations"), ConversationView, key=key, body=body, timeout=timeout
        )

    def conversations(
        self, **query: str | int | None
    ) -> Result[Page[ConversationView], ClientError]:
        """List conversations by `state`, `protocol`, `limit`, `cursor`."""
        return self.call("GET", _api("conversations"), Page[ConversationView], query=query)

    def conversation(self, conversation_id: str) -> Result[ConversationView, ClientError]:
        """Show a conversation."""
        return self.call("GET", _api("conversations", conversation_id), ConversationView)

    def follow_messages(
        self, conversation_id: str, *, after: int = 0
    ) -> Generator[MessageView, None, None]:
        """Follow the messages of a conversation; ends with it, or when the server does."""
        path = _api("conversations", conversation_id, "messages")
        return self.stream(path, MessageView, query={"follow": 1}, after=after)

    def cancel_conversation(self, conversation_id: str) -> Result[ConversationView, ClientError]:
        """Cancel a conversation that the server initiated."""
        path = _api("conversations", conversation_id, "cancel")
        return self.once(path, ConversationView, key=None)

    def dead_letters(self, **query: str | int | None) -> Result[Page[DeadLetterView], ClientError]:
        """List dead letters."""
        return self.call("GET", _api("dead-letters"), Page[DeadLetterView], query=query)

    def redrive(
        self, letter_id: str, *, key: str | None = None
    ) -> Result[AcceptedView, ClientError]:
        """Send a dead letter again."""
        return self.once(_api("dead-letters", letter_id, "redrive"), AcceptedView, key=key)

    def remove_dead_letter(self, letter_id: str) -> Result[None, ClientError]:
        """Remove a dead letter."""
        return self.call("DELETE", _api("dead-letters", letter_id), type(None))


def _api(*parts: str) -> str:
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _parts(
    manifest: Mapping[str, Any], module: bytes | None, signature: bytes | None
) -> tuple[bytes, str]:
    """Return a multipart body with a manifest and what comes with it; plain JSON when nothing does."""
    parts = [("manifest", JSON, _encode(manifest))]
    if module is not None:
        parts.append(("module", "application/wasm", module))
    if signature is not None:
        parts.append(("signature", "text/plain", signature))
    if len(parts) == 1:
        return _encode({"manifest": manifest}), JSON
    boundary = uuid.uuid4().hex
    head = '--{}\r\nContent-Disposition: form-data; name="{}"\r\nContent-Type: {}\r\n\r\n'
    body = b"".join(
        head.format(boundary, name, media).encode() + content + b"\r\n"
        for name, media, content in parts
    )
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
