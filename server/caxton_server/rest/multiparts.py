"""multipart/form-data bodies, split in memory once they have been read under their limit.

aiohttp's reader streams and decodes transfer encodings; a body that is already bounded needs
neither, and a splitter this small has no state to confuse.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import HTTP

import msgspec
from returns.result import Failure, Result, Success

from caxton_server.rest.problems import InvalidRequest

MAX_PARTS = 16
_LARGEST_HEAD = 8192


class Part(msgspec.Struct, frozen=True):
    """One named part."""

    name: str
    media: str
    data: bytes


def boundary_of(content_type: str) -> str:
    """Return the boundary a Content-Type names, empty when it names none.

    >>> boundary_of('multipart/form-data; boundary="a b"')
    'a b'
    """
    head = _headers(f"Content-Type: {content_type}".encode("latin-1", "replace"))
    found = head.get_param("boundary")
    return found if isinstance(found, str) else ""


def split(data: bytes, boundary: str) -> Result[dict[str, Part], InvalidRequest]:
    """Split a body into its parts by name; each name may occur once.

    >>> body = b'--x\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n1\\r\\n--x--\\r\\n'
    >>> split(body, "x").unwrap()["a"].data
    b'1'
    """
    mark = b"\r\n--" + boundary.encode("latin-1", "replace")
    start = 0 if data.startswith(mark[2:]) else data.find(mark)
    if not boundary or start < 0:
        return _malformed("the boundary of the Content-Type does not occur")
    at = start + len(mark) - (2 if start == 0 else 0)
    parts: dict[str, Part] = {}
    while not data.startswith(b"--", at):
        end = data.find(mark, at)
        if end < 0:
            return _malformed("the closing boundary is missing")
        part = _part(data, at, end)
        if part is None:
            return _malformed("a part has no readable header with a name")
        if part.name in parts or len(parts) == MAX_PARTS:
            return _malformed(f"the part {part.name!r} is one too many")
        parts[part.name] = part
        at = end + len(mark)
    return Success(parts)


def _part(data: bytes, start: int, end: int) -> Part | None:
    blank = data.find(b"\r\n\r\n", start, min(end, start + _LARGEST_HEAD))
    if blank < 0 or not data.startswith(b"\r\n", start):
        return None
    headers = _headers(data[start + 2 : blank])
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str) or not name:
        return None
    media = headers.get_content_type() if "content-type" in headers else ""
    return Part(name, media, data[blank + 4 : end])


def _headers(head: bytes) -> EmailMessage:
    return BytesHeaderParser(policy=HTTP).parsebytes(head)


def _malformed(why: str) -> Failure[InvalidRequest]:
    return Failure(InvalidRequest(f"The multipart body can't be read: {why}."))
