"""Whether a description is what a template asks for (FIPA SC00023 6.4.2.1).

Rules:
- Each parameter in the template must be in the description, and match; what the template leaves out matches anything.
- Sets match if every element of the template's has a match in the description's.
- Names of agents match in any case of letters; all other values match if they are equal.
- A description is put into sets once (`Shape`), so that one match takes time in proportion to services, not to values.
"""

from __future__ import annotations

from typing import final

from caxton_core.directory_descriptions import AmsAgent, DfAgent, Service


@final
class ServiceShape:
    """A service with its sets as sets."""

    __slots__ = ("languages", "name", "ontologies", "owner", "properties", "protocols", "type")

    def __init__(self, service: Service, *, template: bool) -> None:
        self.name, self.type, self.owner = service.name, service.type, service.ownership
        self.protocols = frozenset(service.protocols)
        self.ontologies = frozenset(service.ontologies)
        self.languages = frozenset(service.languages)
        pairs = {(each.name, each.value) for each in service.properties}
        if not template:
            # A template's property without a value asks for the name only.
            pairs |= {(each.name, "") for each in service.properties}
        self.properties = frozenset(pairs)


@final
class Shape:
    """A description, or a template, made ready for matching."""

    __slots__ = ("agent", "languages", "ontologies", "protocols", "services")

    def __init__(self, agent: DfAgent, *, template: bool = False) -> None:
        self.agent = agent
        self.services = tuple(
            [ServiceShape(service, template=template) for service in agent.services]
        )
        self.protocols = frozenset(agent.protocols)
        self.ontologies = frozenset(agent.ontologies)
        self.languages = frozenset(agent.languages)


def matches(template: Shape, entry: Shape) -> bool:
    """Answer whether the DF's entry is what the template asks for.

    >>> entry = Shape(DfAgent("p@caxton", (Service("spot", "pricing"),)))
    >>> matches(Shape(DfAgent(services=(Service(type="pricing"),)), template=True), entry)
    True
    >>> matches(Shape(DfAgent("q@caxton"), template=True), entry)
    False
    """
    asked, agent = template.agent, entry.agent
    if asked.name and asked.name != agent.name:
        return False
    if asked.lease is not None and asked.lease != agent.lease:
        return False
    if not (
        template.protocols <= entry.protocols
        and template.ontologies <= entry.ontologies
        and template.languages <= entry.languages
    ):
        return False
    offered = entry.services
    return all(any(_serves(wanted, service) for service in offered) for wanted in template.services)


def _serves(wanted: ServiceShape, service: ServiceShape) -> bool:
    return (
        (not wanted.type or wanted.type == service.type)
        and (not wanted.name or wanted.name == service.name)
        and (not wanted.owner or wanted.owner == service.owner)
        and wanted.protocols <= service.protocols
        and wanted.ontologies <= service.ontologies
        and wanted.languages <= service.languages
        and wanted.properties <= service.properties
    )


def ams_matches(template: AmsAgent, entry: AmsAgent) -> bool:
    """Answer whether the AMS's entry is what the template asks for.

    >>> ams_matches(AmsAgent(state="active"), AmsAgent("p@caxton", "active"))
    True
    """
    return (
        (not template.name or template.name == entry.name)
        and (not template.state or template.state == entry.state)
        and (not template.ownership or template.ownership == entry.ownership)
    )
