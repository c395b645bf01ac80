"""A client of the REST API, for the CLI, the demo and tests: typed answers, typed errors, no asyncio.

Rules:
- Every call returns a `Result`; nothing is raised for what a server or a network may do.
- One connection per thread, reused while it is fresh; a request is never sent twice.
"""

from __future__ import annotations

import http.client
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

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
from returns.result import Failure, Result, Success

from caxton_server.client_errors import BadAnswer, ClientError, Refused, TimedOut, Unreachable

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8080"
JSON = "application/json"
_FRESH_SECONDS = 15.0
_STREAM_SECONDS = 60.0
_GRACE_SECONDS = 10.0


class _Connection:
    """One thread's connection, and when it was last used."""

    def __init__(self, made: http.client.HTTPConnection) -> None:
        self.made = made
        self.used = time.monotonic()


class Client:
    """A server at a URL.

    >>> Client("http://127.0.0.1:1").health().failure().exit_code
    6
    """

    def __init__(self, url: str = DEFAULT_URL, *, token: str | None = None, timeout: float = 30.0):
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._local = threading.local()

    def close(self) -> None:
        """Close this thread's connection."""
        kept: _Connection | None = getattr(self._local, "kept", None)
        self._local.kept = None
        if kept is not None:
            kept.made.close()

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

    def directory(self, **query: str | None) -> Result[Page[ServiceView], ClientError]:
        """Look up services by `type`, `name`, `protocol`."""
        return self.call("GET", _api("directory"), Page[ServiceView], query=query)

    def events(self, *, after: int | None = None, **query: str | None) -> Iterator[EventView]:
        """Follow the event log by `types`, `agent`, `conversation`; ends when the server does."""
        return self.stream(_api("events"), EventView, query=query, after=after)

    # Modules and agents

    def push_module(
        self, data: bytes, *, profile: str | None = None
    ) -> Result[ModuleView, ClientError]:
        """Push a module."""
        query = {"profile": profile}
        return self.call(
            "POST", _api("modules"), ModuleView, query=query, body=data, media="application/wasm"
        )

    def modules(self, **query: str | int | None) -> Result[Page[ModuleView], ClientError]:
        """List modules."""
        return self.call("GET", _api("modules"), Page[ModuleView], query=query)

    def remove_module(self, sha256: str) -> Result[None, ClientError]:
        """Forget a module."""
        return self.call("DELETE", _api("modules", sha256), type(None))

    def deploy(
        self, manifest: Mapping[str, Any], module: bytes | None = None
    ) -> Result[DeployedView, ClientError]:
        """Deploy a new agent from its manifest, and its module unless the manifest names a digest."""
        body, media = _parts(manifest, module)
        return self.call("POST", _api("agents"), DeployedView, body=body, media=media)

    def agents(self, **query: str | int | None) -> Result[Page[AgentView], ClientError]:
        """List agents by `state`, `name`, `service`, `limit`, `cursor`."""
        return self.call("GET", _api("agents"), Page[AgentView], query=query)

    def agent(self, ref: str) -> Result[AgentView, ClientError]:
        """Show an agent by handle, name or address."""
        return self.call("GET", _api("agents", ref), AgentView)

    def control(self, ref: str, verb: str) -> Result[AgentView, ClientError]:
        """Move an agent: start, stop, drain, restart, suspend, resume."""
        return self.call("POST", _api("agents", ref, verb), AgentView)

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

    def follow_logs(self, ref: str, *, after: int = 0) -> Iterator[LogLine]:
        """Follow an agent's log; ends when the server does."""
        query = {"follow": 1, "after": after}
        return self.stream(_api("agents", ref, "logs"), LogLine, query=query)

    def deployments(self, **query: str | int | None) -> Result[Page[DeploymentView], ClientError]:
        """List deployments."""
        return self.call("GET", _api("deployments"), Page[DeploymentView], query=query)

    # Messages and conversations

    def send(self, message: Mapping[str, Any]) -> Result[AcceptedView, ClientError]:
        """Send an ACL message."""
        return self.call("POST", _api("messages"), AcceptedView, body=_encode(message))

    def request(
        self, message: Mapping[str, Any], *, wait: float = 5.0
    ) -> Result[ExchangeView, ClientError]:
        """Send an ACL message and wait for the reply to it."""
        return self.call(
            "POST",
            _api("messages"),
            ExchangeView,
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
        self, spec: Mapping[str, Any], *, timeout: float | None = None
    ) -> Result[ConversationView, ClientError]:
        """Open a conversation with the server as its initiator; `wait` in the spec waits for its end."""
        body = _encode(spec)
        return self.call(
            "POST", _api("conversations"), ConversationView, body=body, timeout=timeout
        )

    def conversations(
        self, **query: str | int | None
    ) -> Result[Page[ConversationView], ClientError]:
        """List conversations by `state`, `protocol`, `limit`, `cursor`."""
        return self.call("GET", _api("conversations"), Page[ConversationView], query=query)

    def conversation(self, conversation_id: str) -> Result[ConversationView, ClientError]:
        """Show a conversation."""
        return self.call("GET", _api("conversations", conversation_id), ConversationView)

    def cancel_conversation(self, conversation_id: str) -> Result[ConversationView, ClientError]:
        """Cancel a conversation that the server initiated."""
        return self.call("POST", _api("conversations", conversation_id, "cancel"), ConversationView)

    def dead_letters(self, **query: str | int | None) -> Result[Page[DeadLetterView], ClientError]:
        """List dead letters."""
        return self.call("GET", _api("dead-letters"), Page[DeadLetterView], query=query)

    def redrive(self, letter_id: str) -> Result[AcceptedView, ClientError]:
        """Send a dead letter again."""
        return self.call("POST", _api("dead-letters", letter_id, "redrive"), AcceptedView)

    def remove_dead_letter(self, letter_id: str) -> Result[None, ClientError]:
        """Remove a dead letter."""
        return self.call("DELETE", _api("dead-letters", letter_id), type(None))

    # Underneath

    def call(
        self,
        method: str,
        path: str,
        wanted: type[T],
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: bytes | None = None,
        media: str = JSON,
        timeout: float | None = None,
    ) -> Result[T, ClientError]:
        """Make one request and decode its answer into the type that is wanted."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": media}
        try:
            connection = self._connect(self.timeout if timeout is None else timeout)
            connection.request(method, path + _query(query), body, headers)
            answer = connection.getresponse()
            status, data = answer.status, answer.read()
        except TimeoutError:
            self.close()
            return Failure(TimedOut(self.url, self.timeout if timeout is None else timeout))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Failure(Unreachable(self.url, str(error) or type(error).__name__))
        return _decode(self.url, status, data, wanted)

    def stream(
        self,
        path: str,
        wanted: type[T],
        *,
        query: Mapping[str, str | int | None] | None = None,
        after: int | None = None,
    ) -> Iterator[T]:
        """Yield the entries of an event stream; a refusal or a broken connection ends it."""
        headers = self._headers if after is None else {**self._headers, "Last-Event-ID": str(after)}
        connection = self._open(_STREAM_SECONDS)
        try:
            connection.request("GET", path + _query(query), headers=headers)
            answer = connection.getresponse()
            while answer.status == 200 and (line := answer.readline()):
                if line.startswith(b"data: "):
                    yield msgspec.json.decode(line[6:], type=wanted)
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        """Return this thread's connection, a new one when the old has been idle for long."""
        kept: _Connection | None = getattr(self._local, "kept", None)
        if kept is None or time.monotonic() - kept.used > _FRESH_SECONDS:
            self.close()
            kept = self._local.kept = _Connection(self._open(timeout))
        kept.used = time.monotonic()
        kept.made.timeout = timeout
        if kept.made.sock is not None:
            kept.made.sock.settimeout(timeout)
        return kept.made

    def _open(self, timeout: float) -> http.client.HTTPConnection:
        where = urlsplit(self.url)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise ValueError(f"{self.url} is no http URL")
        kind = (
            http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        )
        return kind(where.hostname, where.port, timeout=timeout)


def _api(*parts: str) -> str:
    return "/api/v1/" + "/".join(quote(part, safe="") for part in parts)


def _query(query: Mapping[str, str | int | None] | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _parts(manifest: Mapping[str, Any], module: bytes | None) -> tuple[bytes, str]:
    """Return a multipart body with a manifest and its module; plain JSON without one."""
    if module is None:
        return _encode({"manifest": manifest}), JSON
    boundary = uuid.uuid4().hex
    head = '--{}\r\nContent-Disposition: form-data; name="{}"\r\nContent-Type: {}\r\n\r\n'
    body = b"".join(
        [
            head.format(boundary, "manifest", JSON).encode(),
            _encode(manifest),
            b"\r\n",
            head.format(boundary, "module", "application/wasm").encode(),
            module,
            f"\r\n--{boundary}--\r\n".encode(),
        ]
    )
    return body, f"multipart/form-data; boundary={boundary}"


def _decode(url: str, status: int, data: bytes, wanted: type[T]) -> Result[T, ClientError]:
    try:
        if status >= 400:
            return Failure(msgspec.json.decode(data, type=Refused))
        return Success(msgspec.json.decode(data or b"null", type=wanted))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Failure(BadAnswer(url, status, str(error)))
