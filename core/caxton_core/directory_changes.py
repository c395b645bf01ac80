"""What changes in the directory; the journal keeps these values as they are."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from caxton_core.directory_descriptions import DfAgent


class Registered(msgspec.Struct, frozen=True, array_like=True, tag="registered", gc=False):
    """The DF says this of an agent from now on."""

    agent: DfAgent


class Deregistered(msgspec.Struct, frozen=True, array_like=True, tag="deregistered", gc=False):
    """What an agent has registered with the DF is gone."""

    name: str


class Owned(msgspec.Struct, frozen=True, array_like=True, tag="owned", gc=False):
    """The AMS says whose an agent is."""

    name: str
    ownership: str


Change: TypeAlias = Registered | Deregistered | Owned
