"""Splitting multipart bodies, the well-formed and the others."""

from __future__ import annotations

import pytest
from caxton_server.rest.multiparts import MAX_PARTS, Part, boundary_of, split
from returns.result import Failure, Success

HEAD = b'Content-Disposition: form-data; name="%s"\r\n\r\n'


def body(*parts: tuple[bytes, bytes], end: bytes = b"--x--\r\n") -> bytes:
    """Return a body of these parts."""
    return b"".join(b"--x\r\n" + HEAD % name + data + b"\r\n" for name, data in parts) + end


def test_parts_are_found_by_name() -> None:
    """Names, media types and bytes come out as they went in, line ends and all."""
    data = (
        b"preamble\r\n--x\r\ncontent-disposition: form-data; name=module; filename=m.wasm\r\n"
        b"Content-Type: application/wasm\r\n\r\n\x00asm\r\n--xy\r\n\r\n--x  \r\n"
        + HEAD % b"empty"
        + b"\r\n--x--epilogue"
    )
    found = split(data, "x")
    assert isinstance(found, Failure)  # `--xy` in the data is a boundary to any reader of `--x`
    clean = data.replace(b"--xy\r\n", b"").replace(b"--x  \r\n", b"--x\r\n")
    assert split(clean, "x") == Success(
        {
            "module": Part("module", "application/wasm", b"\x00asm\r\n"),
            "empty": Part("empty", "", b""),
        }
    )


@pytest.mark.parametrize(
    ("data", "boundary"),
    [
        (b"", "x"),
        (b"no boundary", "x"),
        (body((b"a", b"1")), ""),
        (body((b"a", b"1")), "y"),
        (body((b"a", b"1"), end=b""), "x"),
        (body((b"a", b"1"), (b"a", b"2")), "x"),
        (body((b"", b"1")), "x"),
        (b"--x\r\n\r\nno header\r\n--x--", "x"),
        (b"--x\r\nContent-Disposition: form-data; name=a\r\n--x--", "x"),
        (b"--x" + b"a" * 100 + b"--x--", "x"),
        (b"--x\r\nX: " + b"a" * 9000 + b"\r\n\r\n1\r\n--x--", "x"),
        (body(*((b"%d" % n, b"") for n in range(MAX_PARTS + 1))), "x"),
        (b"--x\r\n\xff\xfe: \xff\r\n\r\n1\r\n--x--", "x"),
    ],
)
def test_malformed_body_is_refused(data: bytes, boundary: str) -> None:
    """A body that is cut, has no names, repeats one or has no such boundary is an error."""
    assert isinstance(split(data, boundary), Failure)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('multipart/form-data; boundary="a b"; charset=utf-8', "a b"),
        ("multipart/form-data", ""),
        ("multipart/form-data; boundary", ""),
        ("\xff\xfe", ""),
    ],
)
def test_boundary_is_read_from_the_content_type(content_type: str, boundary: str) -> None:
    """The boundary may be quoted or missing."""
    assert boundary_of(content_type) == boundary
