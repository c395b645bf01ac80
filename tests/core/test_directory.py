"""Tests of what the AMS and the DF decide: every function with every error, and the order of the checks."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from caxton_core.directory import LONGEST_LEASE, Ask, Decision, Search, Subscribe, decide
from caxton_core.directory_answers import Answer
from caxton_core.directory_changes import Deregistered, Owned, Registered
from caxton_core.directory_descriptions import AmsAgent, DfAgent, PlatformService, Property, Service
from caxton_core.messages import Performative

P = Performative
ME = "(agent-identifier :name Ann)"
OTHER = "(agent-identifier :name ben@caxton)"
SERVICE = "(service-description :name s :type t)"
DF_ME = f"(df-agent-description :name {ME} :services (set {SERVICE}))"
AMS_ME = f"(ams-agent-description :name {ME} :state active)"


def decided(
    content: Any, *, service: Literal["ams", "df"] = "df", act: Performative = P.REQUEST, registered: bool = False,
    actor: str = "", **fields: Any,
) -> Decision:  # fmt: skip
    """Decide about `content`, in which `!` stands for the identifier of the asked."""
    if isinstance(content, str):
        content = content.replace("!", actor or f"(agent-identifier :name {service})")
    ask = Ask(service, f"{service}@caxton", "ann@caxton", act, content, 1_000, **fields)
    return decide(
        ask, registered=registered, services=[PlatformService("rest", "http", ("http://x",))]
    )


def call(*parts: str) -> str:
    """Return the content of a request."""
    return f"((action ! ({' '.join(parts)})))"


def outcome(decision: Decision) -> tuple[str, str]:
    """Return the act of an answer and its reason."""
    assert isinstance(decision, Answer), decision
    return str(decision.act), decision.content.rsplit(" (", 1)[1].rstrip(")")


NOT_UNDERSTOOD: list[tuple[dict[str, Any], str]] = [
    ({"act": P.CFP}, "unsupported-act cfp"),
    ({"act": P.QUERY_REF}, "unsupported-act query-ref"),
    ({"act": P.SUBSCRIBE, "service": "ams"}, "unsupported-act subscribe"),
    ({"act": P.SUBSCRIBE}, "unsupported-value protocol"),
    ({"act": P.SUBSCRIBE, "protocol": "fipa-request"}, "unsupported-value protocol"),
    ({"protocol": "fipa-propose"}, "unsupported-value protocol"),
    ({"answerable": False}, "unsupported-value reply-to"),
    ({"protocol": "fipa-propose", "answerable": False}, "unsupported-value protocol"),
    ({"language": "prolog", "answerable": False}, "unsupported-value reply-to"),
    ({"language": "prolog"}, "unsupported-value language"),
    ({"ontology": "weather"}, "unsupported-value ontology"),
    ({"act": P.CFP, "language": "prolog", "content": 1}, "unsupported-act cfp"),
    ({"language": "prolog", "ontology": "weather", "content": 1}, "unsupported-value language"),
    ({"content": 1}, "unrecognised-value content"),
    ({"content": None}, "unrecognised-value content"),
    ({"content": ""}, "unrecognised-value content"),
    ({"content": "(("}, "unrecognised-value content"),
    ({"content": "()"}, "unrecognised-value content"),
    ({"content": "((action !))"}, "unrecognised-value content"),
    ({"content": "((action ! search))"}, "unrecognised-value content"),
    ({"content": "((action ! ()))"}, "unrecognised-value content"),
    ({"content": "((action df (search)))"}, "unrecognised-value content"),
    ({"content": f"((action {OTHER} (search)))"}, "unrecognised-value content"),
    ({"content": f"{call('search')[:-1]} {call('search')[1:]}"}, "unrecognised-value content"),
    (
        {"content": call("search"), "act": P.SUBSCRIBE, "protocol": "fipa-subscribe"},
        "unrecognised-value content",
    ),
]


@pytest.mark.parametrize(("fields", "reason"), NOT_UNDERSTOOD)
def test_a_wrong_message_is_not_understood(fields: dict[str, Any], reason: str) -> None:
    """The message is at fault: its act, language, ontology, protocol, or a content that is no action."""
    given = {"content": call("search", "(df-agent-description)"), **fields}
    assert outcome(decided(given.pop("content"), **given)) == ("not-understood", reason)


DF = "df-agent-description"
SD = "service-description"
REFUSED: list[tuple[Literal["ams", "df"], str, str]] = [
    ("df", call("fly"), "unsupported-function fly"),
    ("df", call("get-description"), "unsupported-function get-description"),
    ("ams", call("quit", "a", "b"), "unsupported-function quit"),
    ("ams", call("get-description", "x"), "unexpected-argument-count"),
    *[("df", call(f), f"missing-argument {DF}") for f in ("register", "deregister", "modify", "search")],
    *[("ams", call(f), "missing-argument ams-agent-description") for f in ("register", "deregister", "modify", "search")],
    *[("df", call(f, DF_ME, "(x)"), "unexpected-argument-count") for f in ("register", "deregister", "modify")],
    ("df", call("search", DF_ME, "(search-constraints)", "x"), "unexpected-argument-count"),
    ("df", call("register", AMS_ME), "unexpected-argument ams-agent-description"),
    ("df", call("register", "me"), "unexpected-argument me"),
    ("df", call("search", DF_ME, "(limits)"), "unexpected-argument limits"),
    ("ams", call("register", DF_ME), f"unexpected-argument {DF}"),
    *[("df", call(f, f"({DF})"), f"missing-parameter {DF} name") for f in ("register", "deregister", "modify")],
    *[("ams", call(f, f"(ams-agent-description :name {ME})"), "missing-parameter ams-agent-description state")
      for f in ("register", "modify")],
    ("ams", call("deregister", "(ams-agent-description)"), "missing-parameter ams-agent-description name"),
    ("df", call("register", f"({DF} :name (agent-identifier))"), "missing-parameter agent-identifier name"),
    ("df", call("register", f"({DF} :name {ME} :services (set ({SD} :type t)))"), f"missing-parameter {SD} name"),
    ("df", call("register", f"({DF} :name {ME} :services (set ({SD} :name s)))"), f"missing-parameter {SD} type"),
    ("df", call("register", f"({DF} :name {ME} :services (set ({SD} :name s :type)))"), f"missing-parameter {SD} type"),
    ("df", call("search", f"({DF} :services (set ({SD} :properties (set (property)))))"), "missing-parameter property name"),
    ("df", call("search", f"({DF} :colour red)"), f"unexpected-parameter {DF} colour"),
    ("df", call("search", f"({DF} :name {ME} :name {ME})"), f"unexpected-parameter {DF} name"),
    ("ams", call("search", "(ams-agent-description :services (set))"), "unexpected-parameter ams-agent-description services"),
    ("df", call("search", f'({DF} :"a 1)'), f'unexpected-parameter {DF} "\\"a"'),
    ("df", call("search", f"({DF} :name ann)"), "unrecognised-parameter-value agent-identifier ann"),
    ("df", call("search", f"({DF} :protocols x)"), "unrecognised-parameter-value protocols x"),
    ("df", call("search", f"({DF} :lease-time soon)"), "unrecognised-parameter-value lease-time soon"),
    ("df", call("register", f"({DF} :name {ME} :lease-time 19700101T000000500Z)"),
     "unrecognised-parameter-value lease-time 19700101T000000500Z"),
    ("df", call("search", f"({DF} x y)"), f"unrecognised-parameter-value {DF} x"),
    ("df", call("search", f"({DF} :protocols (set {'p ' * 33}))"), "unrecognised-parameter-value protocols more-than-32"),
    ("df", call("search", f"({DF})", "(search-constraints :max-results many)"), "unrecognised-parameter-value max-results many"),
    ("df", call("search", f"({DF})", "(search-constraints :max-length 1)"), "unexpected-parameter search-constraints max-length"),
    ("ams", call("modify", f"(ams-agent-description :name {ME} :state asleep)"), "unrecognised-parameter-value state asleep"),
    *[("df", call(f, f"({DF} :name {OTHER})"), "unauthorised") for f in ("register", "deregister", "modify")],
    *[("ams", call(f, f"(ams-agent-description :name {OTHER} :state active)"), "unauthorised")
      for f in ("register", "deregister", "modify")],
    ("ams", call("deregister", AMS_ME), "unauthorised"),
    ("ams", call("modify", AMS_ME.replace("active", "suspended")), "unauthorised"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "content", "reason"), REFUSED)
def test_what_is_understood_and_not_tried_is_refused(
    service: Literal["ams", "df"], content: str, reason: str
) -> None:
    """Function, arguments, parameters, authorisation: the first that is wrong is the reason, behind the action."""
    decision = decided(content, service=service, registered=True)
    assert outcome(decision) == ("refuse", reason)
    assert isinstance(decision, Answer)
    assert decision.change is None
    assert decision.content.startswith(f"((action (agent-identifier :name {service}) (")


@pytest.mark.parametrize(
    ("service", "content", "registered", "reason"),
    [
        ("df", call("register", DF_ME), True, "already-registered"),
        ("df", call("modify", DF_ME), False, "not-registered"),
        ("df", call("deregister", DF_ME), False, "not-registered"),
        ("ams", call("register", AMS_ME), False, "already-registered"),
    ],
)
def test_what_the_registry_does_not_allow_fails(
    service: Literal["ams", "df"], content: str, registered: bool, reason: str
) -> None:
    """It was tried, and did not work."""
    assert outcome(decided(content, service=service, registered=registered)) == ("failure", reason)


@pytest.mark.parametrize(
    ("function", "registered", "change"),
    [
        ("register", False, Registered(DfAgent("ann@caxton", (Service("s", "t"),)))),
        ("modify", True, Registered(DfAgent("ann@caxton", (Service("s", "t"),)))),
        ("deregister", True, Deregistered("ann@caxton")),
    ],
)
def test_what_is_done_is_said_and_changed(function: str, registered: bool, change: Any) -> None:
    """The answer quotes the action as it was given."""
    content = call(function, DF_ME)
    echoed = f"((done {content[1:-1].replace('!', '(agent-identifier :name df)')}))"
    assert decided(content, registered=registered) == Answer(P.INFORM, echoed, change)


def test_a_lease_is_granted_up_to_a_limit() -> None:
    """The answer says until when."""
    leased = f"(df-agent-description :name {ME} :lease-time +99990000T000000000)"
    decision = decided(call("register", leased))
    assert isinstance(decision, Answer)
    assert decision.change == Registered(DfAgent("ann@caxton", lease=1_000 + LONGEST_LEASE))
    assert ":name ann@caxton) :lease-time 19700131T000001000Z" in decision.content


def test_an_agent_says_whose_it_is() -> None:
    """It is all the AMS lets it change of its own entry."""
    decision = decided(call("modify", AMS_ME[:-1] + ' :ownership "the shop")'), service="ams")
    assert isinstance(decision, Answer)
    assert decision.change == Owned("ann@caxton", "the shop")
    assert decision.act is P.INFORM


def test_the_ams_describes_the_platform() -> None:
    """Name and services, with types and addresses."""
    decision = decided(call("get-description"), service="ams")
    assert isinstance(decision, Answer)
    assert decision.content == (
        "((result (action (agent-identifier :name ams) (get-description)) (ap-description :name caxton :ap-services "
        "(set (ap-service :name rest :type http :addresses (sequence http://x))))))"
    )


@pytest.mark.parametrize(
    ("constraints", "most", "search_id"),
    [
        ((), 1, ""),
        (("(search-constraints)",), 1, ""),
        (("(search-constraints :max-results 5 :max-depth 2 :search-id x)",), 5, "x"),
        (("(search-constraints :max-results -1)",), -1, ""),
    ],
)
def test_a_search_has_a_template_and_constraints(
    constraints: tuple[str, ...], most: int, search_id: str
) -> None:
    """Without any the DF finds one entry; names and types may be left out in a template."""
    properties = '(set (property :name p :value (a "b")) (property :name q))'
    template = f"(df-agent-description :services (set (service-description :type t :properties {properties})))"
    decision = decided(call("search", template, *constraints))
    assert isinstance(decision, Search)
    service = Service(type="t", properties=(Property("p", "(a b)"), Property("q")))
    assert (decision.template, decision.most, decision.search_id) == (
        DfAgent(services=(service,)), most, search_id,
    )  # fmt: skip


def test_the_ams_finds_all() -> None:
    """Its search has a template only."""
    decision = decided(call("search", "(ams-agent-description :state Active)"), service="ams")
    assert isinstance(decision, Search)
    assert (decision.template, decision.most) == (AmsAgent(state="active"), -1)


@pytest.mark.parametrize("language", [None, "fipa-sl0", "FIPA-SL", "fipa-sl2"])
def test_a_subscription_is_a_search_that_goes_on(language: str | None) -> None:
    """JADE's form of it: the object that a search results in."""
    content = f"((iota ?x (result {call('search', DF_ME)[1:-1]} ?x)))"
    decision = decided(content, act=P.SUBSCRIBE, protocol="fipa-subscribe", language=language)
    assert isinstance(decision, Subscribe)
    assert (decision.template.name, decision.most) == ("ann@caxton", -1)
    wrong = content.replace("search", "register")
    refused = decided(wrong, act=P.SUBSCRIBE, protocol="fipa-subscribe")
    assert outcome(refused) == ("refuse", "unsupported-function register")
    for broken in (
        content.replace("?x)))", "?y)))"),
        content.replace("?x", "x"),
        content.replace("iota", "all"),
    ):
        assert (
            outcome(decided(broken, act=P.SUBSCRIBE, protocol="fipa-subscribe"))[0]
            == "not-understood"
        )


def test_names_are_compared_in_any_case() -> None:
    """A relative name is of this platform, and functions and parameters are words in any case."""
    content = call("Register", DF_ME.replace("Ann", "ANN@Caxton").replace(":name", ":Name"))
    assert isinstance(decided(content, actor="(agent-identifier :name DF@CAXTON)"), Answer)
    assert outcome(decided(content, registered=True)) == ("failure", "already-registered")
