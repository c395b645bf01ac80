"""The wire under the client: one request, one decoded answer; or a stream of them.

Rules:
- A request is sent again only under an Idempotency-Key: the node does it once, however often it comes.
"""

from __future__ import annotations

import http.client
import threading
import time
import uuid
from collections.abc import Generator, Mapping
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from returns.result import Failure, Result, Success

from caxton_server.client_errors import BadAnswer, ClientError, Refused, TimedOut, Unreachable

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8080"
JSON = "application/json"
_FRESH_SECONDS = 15.0
_STREAM_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0


class _Connection:
    """One thread's connection, and when it was last used."""

    def __init__(self, made: http.client.HTTPConnection) -> None:
        self.made = made
        self.used = time.monotonic()


class Transport:
    """Makes requests of one server; a connection per thread, reused while it is fresh.

    `retry` is for how many seconds a request that creates or sends is tried again, when no answer came or the node was busy.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        retry: float = 0.0,
    ):
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.retry = retry
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._local = threading.local()

    def close(self) -> None:
        """Close this thread's connection."""
        kept: _Connection | None = getattr(self._local, "kept", None)
        self._local.kept = None
        if kept is not None:
            kept.made.close()

    def once(
        self,
        path: str,
        wanted: type[T],
        *,
        key: str | None,
        query: Mapping[str, str | int | None] | None = None,
        body: bytes | None = None,
        media: str = JSON,
        timeout: float | None = None,
    ) -> Result[T, ClientError]:
        """Post what is to be done once, under a key; without one it gets its own, if it may be tried again."""
        if key is None and self.retry > 0:
            key = str(uuid.uuid4())
        headers = {} if key is None else {"Idempotency-Key": key}
        until = time.monotonic() + (0.0 if key is None else self.retry)
        pause = _FIRST_PAUSE
        while True:
            made = self.call(
                "POST", path, wanted, query=query, body=body, media=media, headers=headers, timeout=timeout
            )  # fmt: skip
            if not isinstance(made, Failure) or not _transient(made.failure()):
                return made
            if time.monotonic() + pause > until:
                return made
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def call(
        self,
        method: str,
        path: str,
        wanted: type[T],
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: bytes | None = None,
        media: str = JSON,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Result[T, ClientError]:
        """Make one request and decode its answer into the type that is wanted."""
        sent = {**self._headers, **(headers or {})}
        if body is not None:
            sent["Content-Type"] = media
        try:
            connection = self._connect(self.timeout if timeout is None else timeout)
            connection.request(method, path + _query(query), body, sent)
            answer = connection.getresponse()
            status, data = answer.status, answer.read()
            later = answer.getheader("Retry-After") is not None
        except TimeoutError:
            self.close()
            return Failure(TimedOut(self.url, self.timeout if timeout is None else timeout))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            return Failure(Unreachable(self.url, str(error) or type(error).__name__))
        return _decode(self.url, status, data, wanted, later=later)

    def stream(
        self,
        path: str,
        wanted: type[T],
        *,
        query: Mapping[str, str | int | None] | None = None,
        after: int | None = None,
    ) -> Generator[T, None, None]:
        """Yield the entries of an event stream; a refusal or a broken connection ends it."""
        headers = self._headers if after is None else {**self._headers, "Last-Event-ID": str(after)}
        connection = self._open(_STREAM_SECONDS)
        try:
            connection.request("GET", path + _query(query), headers=headers)
            with connection.getresponse() as answer:
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


def _query(query: Mapping[str, str | int | None] | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return f"?{urlencode(given)}" if given else ""


def _transient(error: ClientError) -> bool:
    """Tell whether trying again may help: nobody answered, or the node says so."""
    return isinstance(error, Unreachable | TimedOut) or (isinstance(error, Refused) and error.later)


def _decode(
    url: str, status: int, data: bytes, wanted: type[T], *, later: bool
) -> Result[T, ClientError]:
    try:
        if status >= 400:
            refused = msgspec.json.decode(data, type=Refused)
            return Failure(msgspec.structs.replace(refused, later=later))
        return Success(msgspec.json.decode(data or b"null", type=wanted))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Failure(BadAnswer(url, status, str(error)))
