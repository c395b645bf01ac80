"""Names that stand for a group of agents: `service:TYPE`, `service:TYPE*` and `*` (docs/messages.md)."""

from __future__ import annotations

from typing import Final

EVERYBODY: Final = "*"
SERVICE: Final = "service:"


def is_group(name: object) -> bool:
    """Tell whether a name, or one in a list, stands for a group of agents.

    >>> is_group("service:pricing"), is_group(["ann", "*"]), is_group("ann")
    (True, True, False)
    """
    if type(name) is list:
        return any(is_group(each) for each in name)
    return type(name) is str and (name == EVERYBODY or name.startswith(SERVICE))
