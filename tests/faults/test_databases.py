"""A small run of `databases`, and of `kills` on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import databases, kills
from tests.faults.campaigns import Nodes
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Run one server for all tests here, which syncs."""
    with databases.server() as running:
        yield running


@pytest.mark.parametrize("outage", databases.NAMES)
def test_an_outage_of_postgresql_loses_nothing(
    nodes: Nodes, server: PostgresServer, outage: str
) -> None:
    """Work is refused with a time to come again, the probes say so at once, and the node goes on by itself."""
    databases.run(nodes, server, outage, 10, 1)


def test_all_that_was_acknowledged_is_done_once_through_20_kills(
    nodes: Nodes, server: PostgresServer
) -> None:
    """As on SQLite."""
    kills.run(lambda: databases.start(nodes, server.create_database()), 20, 1)


def test_sigterm_while_postgresql_is_down_ends_with_a_sentence(
    nodes: Nodes, server: PostgresServer
) -> None:
    """Exit code 1 within the grace period; what was acknowledged before is there."""
    databases.stop_node(nodes, server)
