"""Agents for Caxton in Python: an Agent with handlers, and what they may do.

Rules:
- a module that defines `agent = Agent()` is an agent; everything it needs is imported at its top.
"""

from caxton_agent.agents import Agent
from caxton_agent.contract_nets import award, call, reject_all
from caxton_agent.conversations import Event, News, Offer
from caxton_agent.hosts import NotSent, OutsideStep, StateFull, TooManyTimers
from caxton_agent.initiators import ask, cancel, subscribe
from caxton_agent.messages import Message, Performative
from caxton_agent.offers import propose
from caxton_agent.promises import break_promise, keep_promise, promise
from caxton_agent.states import state
from caxton_agent.steps import log, new_id, new_random, now, now_ms, random_bytes, send, tell
from caxton_agent.subscribers import accept_subscriber, inform_subscribers
from caxton_agent.timers import cancel_timer, set_timer

__all__ = [
    "Agent",
    "Event",
    "Message",
    "News",
    "NotSent",
    "Offer",
    "OutsideStep",
    "Performative",
    "StateFull",
    "TooManyTimers",
    "accept_subscriber",
    "ask",
    "award",
    "break_promise",
    "call",
    "cancel",
    "cancel_timer",
    "inform_subscribers",
    "keep_promise",
    "log",
    "new_id",
    "new_random",
    "now",
    "now_ms",
    "promise",
    "propose",
    "random_bytes",
    "reject_all",
    "send",
    "set_timer",
    "state",
    "subscribe",
    "tell",
]
