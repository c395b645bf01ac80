"""What wasmtime says about a component's functions, as text that can be compared with the world's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from caxton_core.errors import InvalidModule
from wasmtime import component as components

from caxton_plugins.sandboxes.components.worlds import EXPORTS, IMPORTS, MESSAGE, NODE

if TYPE_CHECKING:
    from wasmtime import Engine
    from wasmtime.component import Component

_PARTS: Final = 1_000
"""How much of a type is described: more than any of the world has, and less than one of a few bytes can have."""


def refuse_types(engine: Engine, component: Component) -> InvalidModule | None:
    """Say which function has not the type of the world, if any; names were checked before (`sections.py`)."""
    found = component.type
    imports = found.imports(engine)
    if NODE in imports:
        node = imports[NODE].ty
        assert isinstance(node, components.ComponentInstanceType)
        functions = {
            name: item.ty
            for name, item in node.exports(engine).items()
            if not isinstance(item.ty, components.ValType)
        }
        for name in functions:
            if name not in IMPORTS:
                return InvalidModule(f"it imports {NODE} {name}, which this node does not offer")
        if refusal := _compare("import", functions, {name: IMPORTS[name] for name in functions}):
            return refusal
    exports = {name: item.ty for name, item in found.exports(engine).items() if name in EXPORTS}
    return _compare("export", exports, EXPORTS)


def _compare(
    what: str, found: Mapping[str, Any], wanted: Mapping[str, str]
) -> InvalidModule | None:
    for name, signature in wanted.items():
        given = signature_of(found[name]) if name in found else "nothing"
        if given != signature:
            short = [text.replace(MESSAGE, "message")[:200] for text in (given, signature)]
            return InvalidModule(f"its {what} {name} is {short[0]}; the world has {short[1]}")
    return None


def signature_of(function: object) -> str:
    """Describe a function as WIT would."""
    if not isinstance(function, components.FuncType):
        return "no function"
    parts = iter(range(_PARTS))
    parameters = ", ".join(f"{name}: {_text(kind, parts)}" for name, kind in function.params)
    result = "" if function.result is None else f" -> {_text(function.result, parts)}"
    return f"func({parameters}){result}"


def _text(kind: Any, parts: Iterator[int]) -> str:
    if next(parts, None) is None:
        return "..."
    match kind:
        case components.ListType():
            return f"list<{_text(kind.element, parts)}>"
        case components.OptionType():
            return f"option<{_text(kind.payload, parts)}>"
        case components.TupleType():
            return f"tuple<{', '.join(_text(of, parts) for of in kind.elements)}>"
        case components.RecordType():
            fields = (f"{name}: {_text(of, parts)}" for name, of in kind.fields)
            return f"record {{{', '.join(fields)}}}"
        case components.EnumType():
            return f"enum {{{', '.join(kind.names)}}}"
        case components.ResultType(ok=None, err=None):
            return "result"
        case components.ResultType(ok=ok, err=None):
            return f"result<{_text(ok, parts)}>"
        case components.ResultType(ok=ok, err=err):
            return f"result<{'_' if ok is None else _text(ok, parts)}, {_text(err, parts)}>"
        case _:
            return type(kind).__name__.lower()
