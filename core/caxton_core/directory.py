"""What the AMS and the DF answer to a message, purely: a message and what is registered in, an answer out.

Rules (FIPA SC00023; docs/directory.md):
- The first failing check answers: act, language and ontology, syntax of the content, function, number of arguments,
  parameters, authorisation (an agent changes only its own entry), and then the registry.
- What is wrong with the message is not-understood; what is understood and not tried is refused; what was tried and did
  not work is a failure. The content is the action, then the reason.
- A decision holds what is to change and the answer to it: whoever carries it out does both, or neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
from returns.result import Failure, Result

from caxton_core.directory_answers import Answer, done_content, failed, refused, result_content
from caxton_core.directory_changes import Deregistered, Owned, Registered
from caxton_core.directory_descriptions import AmsAgent, DfAgent, PlatformService
from caxton_core.directory_reading import (
    Constraints,
    Reading,
    read_ams_agent,
    read_constraints,
    read_df_agent,
    read_name,
)
from caxton_core.directory_reasons import ALREADY_REGISTERED, NOT_REGISTERED, UNAUTHORISED, Reason
from caxton_core.directory_terms import Term, atom, parse, show
from caxton_core.directory_writing import df_agent_term, name_term, platform_term
from caxton_core.messages import Performative

LANGUAGES: Final = frozenset({"fipa-sl0", "fipa-sl1", "fipa-sl2", "fipa-sl"})
"""SL0 is a part of the others, so each names a language whose sentences of SL0 are understood."""
ONTOLOGY: Final = "fipa-agent-management"
LONGEST_LEASE: Final = 30 * 86_400_000
"""The longest lease the DF grants, in milliseconds; whoever asks for more gets this."""
_CHANGES: Final = ("register", "deregister", "modify")


class Ask(msgspec.Struct, frozen=True):
    """A message to the AMS or the DF; `address` is the full one of the asked, `sender` of who asks.

    `answerable` says whether what it names in reply-to, if anything, can be given the answers.
    """

    service: Literal["ams", "df"]
    address: str
    sender: str
    act: Performative
    content: Any
    now: int
    protocol: str | None = None
    language: str | None = None
    ontology: str | None = None
    answerable: bool = True

    @property
    def platform(self) -> str:
        """The platform's name."""
        return self.address.partition("@")[2]


class Search(msgspec.Struct, frozen=True):
    """Find what a template asks for and answer the action with it; a negative `most` is no limit."""

    action: Term
    template: DfAgent | AmsAgent
    most: int
    search_id: str = ""


class Subscribe(msgspec.Struct, frozen=True):
    """Tell what a template asks for now and whenever that changes; `most` limits the first telling."""

    expression: Term
    template: DfAgent
    most: int


Decision: TypeAlias = Answer | Search | Subscribe


def decide(
    ask: Ask, *, registered: bool, state: str = "active", services: Sequence[PlatformService] = ()
) -> Decision:
    """Decide what the AMS or the DF does about a message.

    Args:
        registered: whether the asking agent has registered itself with the DF.
        state: of the asking agent, as the AMS tells it.
        services: of the platform.
    """
    subscribes = ask.act is Performative.SUBSCRIBE and ask.service == "df"
    wrong = _misunderstood(ask, subscribes)
    if wrong is not None:
        return wrong
    item = _item(ask.content)
    if subscribes and item is not None:
        action = _persistent(item)
    else:
        action = item
    parts = None if action is None else _action(action, ask)
    if item is None or action is None or parts is None:
        return _not_understood(ask, Reason("unrecognised-value", ("content",)))
    function, arguments = parts
    reason = _countable(ask.service, function, arguments, only_search=subscribes)
    if reason is not None:
        return refused(action, reason)
    if function == "get-description":
        described = platform_term(ask.platform, services)
        return Answer(Performative.INFORM, result_content(action, show(described)))
    if function != "search":
        return _change(ask, action, function, arguments[0], registered=registered, state=state)
    template = _template(ask, arguments[0])
    if isinstance(template, Failure):
        return refused(action, template.failure())
    constraints = Constraints(-1 if subscribes or ask.service == "ams" else 1)
    if len(arguments) == 2:
        read = read_constraints(arguments[1])
        if isinstance(read, Failure):
            return refused(action, read.failure())
        constraints = read.unwrap()
    found = template.unwrap()
    if subscribes:
        assert isinstance(found, DfAgent)
        return Subscribe(item, found, constraints.max_results)
    return Search(action, found, constraints.max_results, constraints.search_id)


# The message


def _misunderstood(ask: Ask, subscribes: bool) -> Answer | None:
    """Check act, protocol, reply-to, language and ontology."""
    if ask.act is not Performative.REQUEST and not subscribes:
        return _not_understood(ask, Reason("unsupported-act", (str(ask.act),)))
    # A subscription without a protocol could never be cancelled (docs/conversations.md).
    protocols = ("fipa-subscribe",) if subscribes else ("fipa-request", None)
    if ask.protocol not in protocols:
        return _not_understood(ask, Reason("unsupported-value", ("protocol",)))
    if not ask.answerable:
        return _not_understood(ask, Reason("unsupported-value", ("reply-to",)))
    if ask.language is not None and ask.language.lower() not in LANGUAGES:
        return _not_understood(ask, Reason("unsupported-value", ("language",)))
    if ask.ontology is not None and ask.ontology.lower() != ONTOLOGY:
        return _not_understood(ask, Reason("unsupported-value", ("ontology",)))
    return None


def _not_understood(ask: Ask, reason: Reason) -> Answer:
    act: Term = ("action", name_term(ask.sender), (str(ask.act),))
    return Answer(Performative.NOT_UNDERSTOOD, show((act, reason.term)))


def _item(content: Any) -> Term | None:
    """Return the one expression in a content."""
    if type(content) is not str:
        return None
    read = parse(content)
    if isinstance(read, Failure):
        return None
    term = read.unwrap()
    return term[0] if type(term) is tuple and len(term) == 1 else None


def _head(term: Term) -> str:
    return term[0].lower() if type(term) is tuple and term and type(term[0]) is str else ""


def _parts(term: Term, head: str) -> tuple[Term, ...]:
    """Return the parts of a list that begins with a word; nothing when it is no such list."""
    return term if type(term) is tuple and _head(term) == head else ()


def _persistent(item: Term) -> Term | None:
    """Return the search in `(iota ?x (result SEARCH ?x))`, the way JADE's agents ask for it to go on."""
    parts = _parts(item, "iota")
    inner = _parts(parts[2], "result") if len(parts) == 3 else ()
    if len(inner) != 3 or inner[2] != parts[1]:
        return None
    variable = parts[1]
    return inner[1] if type(variable) is str and variable[:1] == "?" else None


def _action(action: Term, ask: Ask) -> tuple[str, tuple[Term, ...]] | None:
    """Return function and arguments of `(action ASKED (function argument...))`."""
    parts = _parts(action, "action")
    if len(parts) != 3 or not _head(parts[2]):
        return None
    actor = read_name(parts[1], ask.platform)
    if isinstance(actor, Failure) or actor.unwrap() != ask.address:
        return None
    function = _head(parts[2])
    return function, _parts(parts[2], function)[1:]


# The function


def _countable(
    service: str, function: str, arguments: tuple[Term, ...], *, only_search: bool
) -> Reason | None:
    """Check the function, and how many arguments of which kind it has."""
    known = ("search",) if only_search else (*_CHANGES, "search")
    if function not in known and not (function == "get-description" and service == "ams"):
        return Reason("unsupported-function", (atom(function),))
    kinds: tuple[str, ...] = (f"{service}-agent-description",)
    least = 1
    if function == "get-description":
        kinds, least = (), 0
    elif function == "search":
        kinds += ("search-constraints",)
    if len(arguments) < least:
        return Reason("missing-argument", (kinds[0],))
    if len(arguments) > len(kinds):
        return Reason("unexpected-argument-count")
    for argument, kind in zip(arguments, kinds, strict=False):
        if _head(argument) != kind:
            named = _head(argument)
            return Reason("unexpected-argument", (atom(named) if named else argument,))
    return None


def _template(ask: Ask, term: Term) -> Result[DfAgent, Reason] | Result[AmsAgent, Reason]:
    reading = Reading(ask.platform, ask.now)
    return read_df_agent(term, reading) if ask.service == "df" else read_ams_agent(term, reading)


def _change(
    ask: Ask, action: Term, function: str, term: Term, *, registered: bool, state: str
) -> Answer:
    """Register, deregister or modify."""
    reading = Reading(ask.platform, ask.now, strict=function != "deregister")
    read = read_df_agent if ask.service == "df" else read_ams_agent
    found: Result[DfAgent, Reason] | Result[AmsAgent, Reason] = read(term, reading)
    if isinstance(found, Failure):
        return refused(action, found.failure())
    agent: DfAgent | AmsAgent = found.unwrap()
    if not agent.name:
        kind = f"{ask.service}-agent-description"
        return refused(action, Reason("missing-parameter", (kind, "name")))
    if agent.name != ask.sender:
        return refused(action, UNAUTHORISED)
    if isinstance(agent, AmsAgent):
        return _change_ams(action, function, agent, state)
    if function == "register" and registered:
        return failed(action, ALREADY_REGISTERED)
    if function != "register" and not registered:
        return failed(action, NOT_REGISTERED)
    if function == "deregister":
        return Answer(Performative.INFORM, done_content(action), Deregistered(agent.name))
    if agent.lease is not None:
        lease = min(agent.lease, ask.now + LONGEST_LEASE)
        agent = msgspec.structs.replace(agent, lease=lease)
        # The answer says what was granted.
        actor = _parts(action, "action")[1]
        action = ("action", actor, (function, df_agent_term(agent)))
    return Answer(Performative.INFORM, done_content(action), Registered(agent))


def _change_ams(action: Term, function: str, agent: AmsAgent, state: str) -> Answer:
    """Every agent is in the AMS's registry while it exists: it can only say whose it is."""
    if function == "register":
        return failed(action, ALREADY_REGISTERED)
    if function == "deregister" or agent.state != state:
        return refused(action, UNAUTHORISED)
    return Answer(Performative.INFORM, done_content(action), Owned(agent.name, agent.ownership))
