"""What the values of settings are made of: secrets, sizes, durations, and their reading from raw values.

Rules:
- The types of `config.py`'s fields say everything; nothing here knows a setting by name.
- Environment and flags give text, YAML gives values; both end as the same value or as one `InvalidSetting`.
"""

from __future__ import annotations

import hmac
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
import yaml
from caxton_core.errors import InvalidSetting, InvalidValue
from caxton_core.units import ByteSize, CpuMillis, Duration
from returns.result import Failure, Result, Success

from caxton_server.config_sources import Setting, Shape, nest

T = TypeVar("T", bound=msgspec.Struct)


Port: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=65535, description="a port, 0 to 65535")]


class Secret:
    """Text that no print, log or answer may show.

    >>> str(Secret("hunter2"))
    '***'
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call it only where it is used."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))


Leaf: TypeAlias = Any
"""The declared type of one setting, `Annotated` and all."""


def leaves(root: type[msgspec.Struct], sections: Iterable[str]) -> dict[str, Leaf]:
    """Return the type of every setting below the named fields of `root`, by dotted name."""
    found: dict[str, Leaf] = {}
    for name, kind in _fields(root).items():
        if name in sections:
            _collect(name, kind, found)
    return found


def shape_of(root: type[msgspec.Struct], sections: Iterable[str]) -> Shape:
    """Return the names that may be given."""
    kinds = leaves(root, sections)
    inner = {name[:at] for name in kinds for at, letter in enumerate(name) if letter == "."}
    trees = {name for name, kind in kinds.items() if _is_a(kind, dict)}
    return Shape(frozenset(kinds) - trees, frozenset(trees), frozenset(inner))


def assemble(
    root: type[T], sections: Iterable[str], settings: Iterable[Setting]
) -> tuple[T, list[InvalidSetting]]:
    """Build `root` from settings; what is wrong with a value is a problem and leaves the default."""
    kinds = leaves(root, sections)
    values: list[tuple[str, Any]] = []
    problems: list[InvalidSetting] = []
    for setting in settings:
        match _read(setting, kinds.get(setting.name, Any)):
            case Success(value):
                values.append((setting.name, value))
            case Failure(reason):
                problems.append(InvalidSetting(str(setting.origin), setting.name, reason))
    return msgspec.convert(nest(values), root, dec_hook=_pass_secret), problems


def show(name: str, kind: Leaf, value: Any) -> Any:
    """Return a value as people would write it: JSON values, sizes and durations with units, no secrets."""
    required, _ = _unwrap(kind)
    if isinstance(value, int) and required in (ByteSize, Duration) and not name.endswith("_ms"):
        return required.format(value)
    return msgspec.to_builtins(value, enc_hook=str)


def _pass_secret(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    raise NotImplementedError(kind)


def _fields(kind: type[msgspec.Struct]) -> dict[str, Leaf]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__}


def _collect(name: str, kind: Leaf, found: dict[str, Leaf]) -> None:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field, inner in _fields(kind).items():
            _collect(f"{name}.{field}", inner, found)
    else:
        found[name] = kind


def _read(setting: Setting, kind: Leaf) -> Result[Any, str]:
    value = setting.value
    required, optional = _unwrap(kind)
    if value == "auto" and Literal["auto"] in typing.get_args(kind):
        return Success(value)
    if optional and required is not Secret and setting.text and value.lower() in _NOTHING:
        return Success(None)
    if value is False and "off" in typing.get_args(required):  # YAML reads a bare off as false
        return Success("off")
    if optional and (value is None or value is False):
        return Success(None)
    if required is Secret:
        written = isinstance(value, str) and value.strip()
        return (
            Success(Secret(value.strip())) if written else Failure("expected text, and some of it")
        )
    if required is str and setting.text:
        return _convert(value, kind, strict=True)
    unitless = setting.name.endswith("_ms")
    if required in (ByteSize, Duration) and isinstance(value, str) and not unitless:
        parsed: Result[int, InvalidValue] = required.parse(value)
        return parsed.alt(lambda wrong: wrong.detail)
    if required is Duration and not unitless:
        return Failure("write a number and one of ms s m h d")
    if kind is Any:
        return _plain(value) if setting.text else Success(value)
    if setting.text and _is_a(required, tuple):
        parts = [part.strip() for part in value.strip("[] ").split(",")]
        return _convert([part for part in parts if part], kind, strict=False)
    return _convert(value, kind, strict=not setting.text).bind(
        lambda read: _counted(read, required)
    )


_NOTHING = frozenset({"", "off", "none", "null"})


def _convert(value: Any, kind: Leaf, *, strict: bool) -> Result[Any, str]:
    try:
        return Success(msgspec.convert(value, kind, strict=strict))
    except msgspec.ValidationError as error:
        text = str(error).replace("`", "")
        return Failure(_expected(kind) or f"{text[0].lower()}{text[1:]}")


def _expected(kind: Leaf) -> str | None:
    """Say what a type wants, where its annotation has words for it."""
    required, optional = _unwrap(kind)
    if _is_a(required, typing.Literal):
        return f"expected one of {', '.join(typing.get_args(required))}"
    for note in getattr(required, "__metadata__", ()):
        if isinstance(note, msgspec.Meta) and note.description:
            return f"expected {note.description}{', or off' if optional else ''}"
    return None


def _counted(value: Any, kind: Leaf) -> Result[Any, str]:
    """Refuse negative sizes, and counts of less than 1."""
    least = {int: 1, CpuMillis: 1, Duration: 1, ByteSize: 0}.get(kind)
    if least is not None and value < least:
        return Failure(f"expected a number of at least {least}, got {value}")
    return Success(value)


def _plain(text: str) -> Result[Any, str]:
    try:
        return Success(yaml.safe_load(text))
    except yaml.YAMLError:
        return Success(text)


def _unwrap(kind: Leaf) -> tuple[Leaf, bool]:
    """Split `X | None` into X and whether None is allowed."""
    if not (_is_a(kind, types.UnionType) or _is_a(kind, typing.Union)):
        return kind, False
    rest = [one for one in typing.get_args(kind) if one is not types.NoneType]
    return rest[0], len(rest) < len(typing.get_args(kind))


def _is_a(kind: Leaf, generic: object) -> bool:
    origin: object = typing.get_origin(kind)
    return origin is generic
