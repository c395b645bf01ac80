"""What wasmtime says about a component's functions, as text that can be compared with the world's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caxton_core.errors import InvalidModule
from wasmtime import component as components

from caxton_plugins.sandboxes.components.worlds import EXPORTS, IMPORTS, MESSAGE, NODE

if TYPE_CHECKING:
    from wasmtime import Engine
    from wasmtime.component import Component


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
    parameters = ", ".join(f"{name}: {_text(kind)}" for name, kind in function.params)
    result = "" if function.result is None else f" -> {_text(function.result)}"
    return f"func({parameters}){result}"


def _text(kind: Any) -> str:
    match kind:
        case components.ListType():
            return f"list<{_text(kind.element)}>"
        case components.OptionType():
            return f"option<{_text(kind.payload)}>"
        case components.TupleType():
            return f"tuple<{', '.join(map(_text, kind.elements))}>"
        case components.RecordType():
            return f"record {{{', '.join(f'{name}: {_text(of)}' for name, of in kind.fields)}}}"
        case components.EnumType():
            return f"enum {{{', '.join(kind.names)}}}"
        case components.ResultType(ok=None, err=None):
            return "result"
        case components.ResultType(ok=ok, err=None):
            return f"result<{_text(ok)}>"
        case components.ResultType(ok=ok, err=err):
            return f"result<{'_' if ok is None else _text(ok)}, {_text(err)}>"
        case _:
            return type(kind).__name__.lower()
