"""Write the reference pages from the program itself: `python docs/reference.py` writes, `--check` only compares.

Each page is a function that returns its text; `tests/test_docs.py` fails when a page and the program differ.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
PAGE = re.compile(r"Page_(\w+)_")
PICTURE = re.compile(r"^<!-- states: (\S+) -->\n.*?^<!-- end -->", re.MULTILINE | re.DOTALL)
NOTE = (
    "<!-- Written by `python docs/reference.py`; change the docstrings and help texts it reads. -->"
)


def cli() -> str:
    """Describe every command: its usage, its help and its options."""
    from caxton_server.cli import caxton
    from caxton_server.cli.exits import Exit

    lines = [
        "# The command line",
        NOTE,
        inspect.cleandoc("""
            The server's address comes from `--url`, `CAXTON_URL`, else `http://127.0.0.1:8080`; the token from
            `CAXTON_TOKEN` or a file. Data goes to stdout and talk to stderr.
        """),
        table(
            ("exit code", "meaning"),
            [(str(int(code)), code.name.lower().replace("_", " ")) for code in Exit],
        ),
    ]
    for name, command, context in commands(caxton, "caxton", None):
        usage = " ".join(command.collect_usage_pieces(context))
        lines += [f"## {name}", f"`{name} {usage}`", plain_help(command)]
        options = [
            (f"`{shown}`", text)
            for parameter in command.get_params(context)
            if (record := parameter.get_help_record(context)) is not None
            for shown, text in [record]
            if not shown.endswith("--help")
        ]
        if options:
            lines.append(table(("option", "meaning"), options))
    return page(lines)


def commands(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Walk a tree of commands, each with its full name."""
    # With its settings: click keeps the help option it makes for the first context of a command.
    settings: dict[str, Any] = dict(command.context_settings)
    context = click.Context(command, info_name=name.rsplit(" ", 1)[-1], parent=parent, **settings)
    yield name, command, context
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            inner = command.get_command(context, word)
            if inner is not None and not inner.hidden:
                yield from commands(inner, f"{name} {word}", context)


def plain_help(command: click.Command) -> str:
    """Return a command's help as Markdown: what click keeps as it is written becomes a code block."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(
        f"```text\n{text.removeprefix(chr(8)).strip()}\n```" if text.startswith("\b") else text
        for text in paragraphs
    )


def rest() -> str:
    """Describe every route, every type of an answer and every code of an error."""
    from caxton_server.rest.calls import BASE
    from caxton_server.rest.openapi import describe
    from caxton_server.rest.problems import CODES
    from caxton_server.rest.routes import ROUTES

    described = describe(ROUTES)
    lines = [
        "# REST",
        NOTE,
        inspect.cleandoc(f"""
            The same in OpenAPI 3.1 is served at `{BASE}/openapi.json`. Errors are `application/problem+json` (RFC 9457)
            with one of the codes at the end of this page. Lists answer `{{items, next_cursor}}`. What a `POST` or
            `DELETE` has done is worth what its answer says in `Caxton-Durability`: `disk`, `process` or `memory`.
        """),
    ]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            lines += [f"## {method.upper()} {path}", operation["summary"], *exchange(operation)]
    lines.append("## Types")
    for name, schema in sorted(described["components"]["schemas"].items()):
        if "properties" in schema and not PAGE.fullmatch(name):
            duty = schema.get("description", "").split("\n\n")[0]
            rows = [(f"`{key}`", spelled(kind)) for key, kind in schema["properties"].items()]
            lines += [f"### {name}", duty, table(("field", "type"), rows)]
    codes = [(f"`{name}`", str(code.status), code.title) for name, code in CODES.items()]
    lines += ["## Error codes", table(("code", "status", "meaning"), codes)]
    return page(lines)


def exchange(operation: Mapping[str, Any]) -> Iterator[str]:
    """Say what one operation takes and what it answers."""
    parameters = [each for each in operation["parameters"] if each["in"] == "query"]
    if parameters:
        rows = [(f"`{each['name']}`", spelled(each["schema"])) for each in parameters]
        yield table(("parameter", "value"), rows)
    if "requestBody" in operation:
        yield f"Body: {contents(operation['requestBody'])}."
    for header in [each for each in operation["parameters"] if each["in"] == "header"]:
        yield f"Header `{header['name']}` ([optional](messages.md#sending-again)). {header['description']}"
    # What is refused has a list of its own, by code.
    answers = {code: each for code, each in operation["responses"].items() if code < "4"}
    for code, answer in answers.items():
        yield f"Answers {code}" + (f" with {contents(answer)}." if "content" in answer else ".")
    if not answers:
        yield "Answers 501 `not_implemented` in this version."


def contents(holder: Mapping[str, Any]) -> str:
    """Name the media types of a body, each with its type."""
    return " or ".join(
        f"`{media}`" + (f" ({spelled(each['schema'])})" if each["schema"] else "")
        for media, each in holder["content"].items()
    )


def spelled(schema: Mapping[str, Any]) -> str:
    """Spell a JSON schema as a person would say it."""
    if "anyOf" in schema:
        text = " or ".join(spelled(each) for each in schema["anyOf"])
    elif "enum" in schema:
        text = ", ".join(f"`{value}`" for value in schema["enum"])
    elif "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        text = PAGE.sub(r"page of \1", name)
    elif schema.get("type") == "array":
        text = f"list of {spelled(schema.get('items') or {})}"
    else:
        text = schema.get("type", "any value")
    if schema.get("default") is not None:
        text += f"; default `{json.dumps(schema['default'])}`"
    return text


def hooks() -> str:
    """Describe every hook, under a heading that is its signature, and what the hooks return."""
    from caxton_core import hookspecs

    lines = ["# Hooks", NOTE, docstring(hookspecs)]
    for name, function in vars(hookspecs).items():
        if name.startswith("caxton_") and inspect.isfunction(function):
            signature = str(inspect.signature(function)).replace("'", "")
            lines += [f"## `{name}{signature}`", docstring(function)]
    lines.append("## Values")
    for name, kind in vars(hookspecs).items():
        if inspect.isclass(kind) and kind.__module__ == hookspecs.__name__:
            rows = [(f"`{field}`", f"`{text}`") for field, text in kind.__annotations__.items()]
            lines += [f"### {name}", docstring(kind), table(("field", "type"), rows)]
    return page(lines)


def metrics() -> str:
    """Describe every metric, in the order of its table."""
    from caxton_server.telemetry.metrics import BUCKETS, METRICS, PREFIX

    lines = [
        "# Metrics",
        NOTE,
        inspect.cleandoc("""
            Served for Prometheus at `/metrics` on `server.metrics_port`. Figures are gathered at the scrape; those that
            are sampled stand for all. No label names an agent, so the number of series does not grow with the agents.
        """),
    ]
    for row in METRICS:
        labels = ", ".join(f"`{label}`" for label in row.labels)
        facts = [row.kind.capitalize(), f"labels {labels}" if labels else "no labels"]
        if row.name in BUCKETS:
            facts.append("buckets " + ", ".join(f"{bound:g}" for bound in BUCKETS[row.name]))
        lines += [f"## {PREFIX}{row.name}", row.help, "; ".join(facts) + "."]
    return page(lines)


def states() -> str:
    """Draw the state tables of agents, deployments and every protocol."""
    from caxton_core import diagrams, registry
    from caxton_core.agents import AGENT
    from caxton_core.deployments import DEPLOYMENT

    protocols = sorted(registry.load().unwrap().protocols(), key=lambda protocol: protocol.name)
    text = diagrams.markdown([AGENT, DEPLOYMENT, *(protocol.table for protocol in protocols)])
    head, _, rest = text.partition("\n\n")
    return f"{head}\n\n{NOTE}\n\n{rest}"


def drawn() -> str:
    """Fill in the pictures of docs/protocols.md, which is otherwise written by hand."""
    from caxton_core import diagrams, registry

    tables = {protocol.name: protocol.table for protocol in registry.load().unwrap().protocols()}

    def picture(place: re.Match[str]) -> str:
        text = diagrams.mermaid(tables[place[1]])
        return f"<!-- states: {place[1]} -->\n```mermaid\n{text}```\n<!-- end -->"

    return PICTURE.sub(picture, (HERE / "protocols.md").read_text())


def docstring(thing: object) -> str:
    """Return a docstring as Markdown: what is indented or a doctest becomes a block of code."""
    text = re.sub(r"^:return:", "Returns", inspect.getdoc(thing) or "", flags=re.MULTILINE)
    blocks: list[str] = []
    for block in text.replace("::\n", ":\n").split("\n\n"):
        if block.startswith("Returns"):
            blocks.append(re.sub(r"\n +", "\n", block))
        elif not block.startswith((">>>", "    ")):
            blocks.append(block)
        elif blocks and blocks[-1].endswith("\n```"):
            blocks[-1] = f"{blocks[-1].removesuffix('```')}\n{textwrap.dedent(block)}\n```"
        else:
            blocks.append(f"```python\n{textwrap.dedent(block)}\n```")
    return "\n\n".join(blocks)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    cells = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in row) + " |"
        for row in cells
    )


def page(parts: list[str]) -> str:
    """Join the parts of a page with blank lines."""
    return "\n\n".join(filter(None, parts)) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli,
    "hooks.md": hooks,
    "metrics.md": metrics,
    "protocols.md": drawn,
    "rest.md": rest,
    "states.md": states,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` name those that would change."""
    texts = {HERE / name: text() for name, text in PAGES.items()}
    stale = [path for path, text in texts.items() if not same(path, text)]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.name} is not what the program says")
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path])
    return 0


def same(path: Path, text: str) -> bool:
    """Tell whether a file has this text."""
    return path.is_file() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
