"""What random agents ask of the directory: registrations, searches and subscriptions, in SL0."""

from __future__ import annotations

from random import Random

from caxton_server.simulation.guests import Message

_DF = "(agent-identifier :name df@caxton)"
_TYPES = ("x", "y")


def question(chance: Random, address: str) -> Message:
    """Return a message to the DF: mostly sensible for the agent with that address, and sometimes for nobody."""
    kind = chance.choice(_TYPES)
    service = f":services (set (service-description :name {kind}-1 :type {kind}))"
    mine = f"(df-agent-description :name (agent-identifier :name {address}) {service})"
    whose = f"(df-agent-description {service})"
    what = chance.choice(
        (
            f"register {mine}",
            f"register {mine}",
            f"modify {mine}",
            f"deregister {mine}",
            f"search {whose}",
            "search",
        )
    )
    fields: Message = {
        "receiver": "df",
        "ontology": "fipa-agent-management",
        "language": "fipa-sl0",
        "performative": "request",
        "content": f"((action {_DF} ({what})))",
    }
    luck = chance.random()
    if luck < 0.3:
        found = f"((iota ?x (result (action {_DF} (search {whose})) ?x)))"
        return {
            **fields,
            "performative": "subscribe",
            "protocol": "fipa-subscribe",
            "content": found,
        }
    if luck < 0.6:
        return {**fields, "protocol": "fipa-request"}
    return fields
