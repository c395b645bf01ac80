from dataclasses import dataclass
from enum import Enum

class Performative(Enum):
    ACCEPT_PROPOSAL = 0
    AGREE = 1
    CANCEL = 2
    CFP = 3
    CONFIRM = 4
    DISCONFIRM = 5
    FAILURE = 6
    INFORM = 7
    INFORM_IF = 8
    INFORM_REF = 9
    NOT_UNDERSTOOD = 10
    PROPAGATE = 11
    PROPOSE = 12
    PROXY = 13
    QUERY_IF = 14
    QUERY_REF = 15
    REFUSE = 16
    REJECT_PROPOSAL = 17
    REQUEST = 18
    REQUEST_WHEN = 19
    REQUEST_WHENEVER = 20
    SUBSCRIBE = 21

@dataclass
class Message:
    performative: Performative
    sender: str | None
    receivers: list[str]
    reply_to: list[str]
    content: str | None
    language: str | None
    encoding: str | None
    ontology: str | None
    protocol: str | None
    conversation_id: str | None
    reply_with: str | None
    in_reply_to: str | None
    reply_by: str | None
    id: str | None
    timestamp: str | None
    traceparent: str | None
    extras: list[tuple[str, str]]
