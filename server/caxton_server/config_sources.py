"""Where settings come from: a YAML file with its lines and columns, the environment, flags.

Rules:
- A source gives `Setting`s: a dotted name, a raw value and the `Origin` of that value. What the names and types
  are is `config.py`'s affair.
- YAML is only ever read with the safe constructor, and a file may not be larger than 1 MiB.
- Nothing raised by PyYAML or the file system leaves this module: it becomes an `InvalidSetting`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import yaml
from caxton_core.errors import InvalidSetting
from returns.result import Failure, Result, Success

PREFIX = "CAXTON_"
NOT_SETTINGS = frozenset(
    {"CAXTON_CONFIG_PATH", "CAXTON_URL", "CAXTON_TOKEN", "CAXTON_TRACE_PLUGINS"}
)
"""Variables with the prefix that are no settings."""

MAX_FILE_BYTES = 1024 * 1024
MAX_DEPTH = 16
MAX_SETTINGS = 10_000


class Origin(msgspec.Struct, frozen=True):
    """Where a value was given: a file with line and column, a variable, a flag; or nowhere, "default"."""

    source: str = "default"
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Say it as compilers do: `file:line:column`."""
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


DEFAULT = Origin()


class Setting(msgspec.Struct, frozen=True):
    """One value somebody gave; `text` is true when its source knows only strings."""

    name: str
    value: Any
    origin: Origin
    text: bool = False


class InvalidConfig(msgspec.Struct, frozen=True, tag=True):
    """Everything found wrong with a configuration, in the order it was read."""

    mistakes: tuple[InvalidSetting, ...]

    def __str__(self) -> str:
        """Say one mistake a line."""
        return "\n".join(str(mistake) for mistake in self.mistakes)


def unknown(name: str, origin: Origin, nearest: str | None) -> InvalidSetting:
    """Return the mistake of giving a value to a name that is no setting."""
    return InvalidSetting(str(origin), name, "unknown setting", nearest or "")


def unreadable(origin: Origin, reason: str) -> InvalidSetting:
    """Return the mistake of a file that can't be read or is no YAML."""
    return InvalidSetting(str(origin), "configuration", reason)


class Shape(msgspec.Struct, frozen=True):
    """The names that may be given: `settings` exactly, anything below one of `trees`, `sections` with a mapping."""

    settings: frozenset[str]
    trees: frozenset[str]
    sections: frozenset[str]

    def knows(self, name: str) -> bool:
        """Tell whether a value may be given to `name`."""
        return name in self.settings or self.in_tree(name)

    def in_tree(self, name: str) -> bool:
        """Tell whether `name` is a free tree or lies in one."""
        return any(name == tree or name.startswith(f"{tree}.") for tree in self.trees)

    def nearest(self, name: str) -> str | None:
        """Return the known name most like `name`, if one is like it at all."""
        known = [*self.settings, *self.trees, *self.sections]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        if close:
            return close[0]
        last = name.rpartition(".")[2]
        by_last: dict[str, str] = {}
        for one in sorted(known, key=len, reverse=True):
            by_last[one.rpartition(".")[2]] = one
        close = difflib.get_close_matches(last, by_last, n=1, cutoff=0.6)
        return by_last[close[0]] if close else None


Read: TypeAlias = tuple[list[Setting], list[InvalidSetting]]


def read_file(path: Path, shape: Shape) -> Read:
    """Read the settings of a YAML file."""
    source = str(path)
    match _load(path):
        case Success(text):
            return read_text(text, source, shape)
        case Failure(reason):
            return [], [unreadable(Origin(source), reason)]
    raise AssertionError(path)


def read_text(text: str, source: str, shape: Shape) -> Read:
    """Read the settings of a YAML text; `source` names it in origins.

    >>> shape = Shape(frozenset({"server.port"}), frozenset(), frozenset({"server"}))
    >>> settings, mistakes = read_text("server:\\n  prot: 1\\n", "c.yaml", shape)
    >>> str(mistakes[0])
    'c.yaml:2:3: server.prot: unknown setting; did you mean server.port?'
    """
    try:
        walk = _Walk(source, shape, yaml.SafeLoader(text))
        root = walk.loader.get_single_node()
        if root is not None and not _is_null(root):
            walk.mapping("", root, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        origin = Origin(source, mark.line + 1, mark.column + 1) if mark else Origin(source)
        reason = error.problem or error.context or "is no YAML"
        return [], [unreadable(origin, f"is no YAML: {reason}")]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else "nested too deeply"
        return [], [unreadable(Origin(source), f"is no YAML: {reason}")]
    return walk.settings, walk.mistakes


def read_environment(environ: Mapping[str, str], shape: Shape) -> Read:
    """Read the settings among environment variables: `CAXTON_<SECTION>__<KEY>`."""
    settings: list[Setting] = []
    mistakes: list[InvalidSetting] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        origin = Origin(variable)
        name = variable.removeprefix(PREFIX).lower().replace("__", ".")
        if shape.knows(name) and name not in shape.trees:
            settings.append(Setting(name, environ[variable], origin, text=True))
        else:
            nearest = _nearest_variable(variable, name, shape)
            mistakes.append(unknown(variable, Origin("environment"), nearest))
    return settings, mistakes


def read_flags(overrides: Mapping[str, object], flags: Mapping[str, str]) -> list[Setting]:
    """Turn what was given on the command line into settings; None means not given."""
    return [
        Setting(name, value, Origin(flags.get(name, "command line")), text=isinstance(value, str))
        for name, value in overrides.items()
        if value is not None
    ]


def nest(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Build the tree that dotted names describe.

    >>> nest([("a.b", 1), ("a.c", 2)])
    {'a': {'b': 1, 'c': 2}}
    """
    tree: dict[str, Any] = {}
    for name, value in values:
        *parents, last = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = value
    return tree


def _load(path: Path) -> Result[str, str]:
    try:
        data = path.read_bytes()[: MAX_FILE_BYTES + 1]
    except OSError as error:
        return Failure(f"can't be read: {error.strerror or error}")
    if len(data) > MAX_FILE_BYTES:
        return Failure("is larger than 1 MiB")
    try:
        return Success(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Failure(f"is not UTF-8: byte {error.start}")


def _nearest_variable(variable: str, name: str, shape: Shape) -> str | None:
    others = difflib.get_close_matches(variable, NOT_SETTINGS, n=1, cutoff=0.85)
    if others:
        return others[0]
    nearest = shape.nearest(name) or shape.nearest(name.replace("_", "."))
    if nearest is None or nearest in shape.sections:
        return None
    return PREFIX + nearest.upper().replace(".", "__")


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


class _Walk:
    """One pass over the nodes of a document, collecting settings and mistakes."""

    def __init__(self, source: str, shape: Shape, loader: yaml.SafeLoader) -> None:
        self.source, self.shape, self.loader = source, shape, loader
        self.settings: list[Setting] = []
        self.mistakes: list[InvalidSetting] = []

    def origin(self, node: yaml.Node) -> Origin:
        return Origin(self.source, node.start_mark.line + 1, node.start_mark.column + 1)

    def mapping(self, prefix: str, node: yaml.Node, depth: int) -> None:
        if not isinstance(node, yaml.MappingNode):
            where = prefix or "the file"
            self.mistakes.append(
                InvalidSetting(str(self.origin(node)), where, "expected a mapping of settings")
            )
            return
        if depth > MAX_DEPTH or len(self.settings) > MAX_SETTINGS:
            raise ValueError("too deep or too many settings")
        self.loader.flatten_mapping(node)
        seen: dict[str, Origin] = {}
        for key, value in self.pairs(node):
            name = f"{prefix}.{key.value}" if prefix else key.value
            origin = self.origin(key)
            if name in seen:
                reason = f"given twice, first at line {seen[name].line}"
                self.mistakes.append(InvalidSetting(str(origin), name, reason))
                continue
            seen[name] = origin
            self.entry(name, origin, value, depth)

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value
            else:
                self.mistakes.append(
                    unreadable(self.origin(key), "a setting's name must be a plain word")
                )

    def entry(self, name: str, origin: Origin, value: yaml.Node, depth: int) -> None:
        if name in self.shape.sections or (
            self.shape.in_tree(name) and isinstance(value, yaml.MappingNode)
        ):
            if not _is_null(value):
                self.mapping(name, value, depth + 1)
        elif self.shape.knows(name) and not (name in self.shape.trees and _is_null(value)):
            built = self.loader.construct_object(value, deep=True)
            self.settings.append(Setting(name, built, self.origin(value)))
        elif name not in self.shape.trees:
            self.mistakes.append(unknown(name, origin, self.shape.nearest(name)))
