"""Mailboxes: their bounds and their order."""

from __future__ import annotations

import pytest
from caxton_core.messages import FipaMessage, Performative, encode
from caxton_server.runtime.mailboxes import BYTES_PER_MESSAGE, Delivery, Mailbox


def delivery(serial: int, *, platform: bool = False, size: int = 10) -> Delivery:
    """Make a delivery of so many bytes."""
    message = FipaMessage(Performative.INFORM, "a@caxton", "b@caxton", serial)
    return Delivery(serial, message, b"x" * size, platform, 0)


def serials(mailbox: Mailbox) -> list[int]:
    """Name what is in a mailbox, in order."""
    return [each.serial for each in mailbox.queue]


def test_deliveries_leave_in_the_order_they_came() -> None:
    """First in, first out; the counts follow."""
    mailbox = Mailbox(3, message_size=100)
    for serial in (1, 2, 3):
        mailbox.push(delivery(serial, platform=serial == 2))
    assert (len(mailbox), mailbox.count, mailbox.platform_count, mailbox.bytes) == (3, 2, 1, 20)
    assert [mailbox.pop().serial for _ in range(3)] == [1, 2, 3]
    assert (len(mailbox), mailbox.bytes, mailbox.platform_bytes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("held", "size", "room"),
    [
        (0, 1, True),
        (1, 1, True),
        (2, 1, False),
        (1, 2 * BYTES_PER_MESSAGE - 10, True),
        (1, 2 * BYTES_PER_MESSAGE - 9, False),
    ],
)
def test_room_is_bounded_in_messages_and_bytes(held: int, size: int, room: bool) -> None:
    """A mailbox of two messages takes two, and so many bytes."""
    mailbox = Mailbox(2, message_size=100)
    for serial in range(held):
        mailbox.push(delivery(serial))
    assert mailbox.has_room(size) is room


def test_the_platform_has_an_allowance_of_its_own() -> None:
    """A mailbox full of agents' messages takes as many of the platform."""
    mailbox = Mailbox(1, message_size=100)
    mailbox.push(delivery(1))
    assert not mailbox.has_room(1)
    assert mailbox.has_platform_room(1)
    mailbox.push(delivery(2, platform=True))
    assert not mailbox.has_platform_room(1)


def test_one_message_of_the_largest_size_always_fits() -> None:
    """However few messages it holds, a mailbox holds the largest one."""
    assert Mailbox(1, message_size=1 << 20).has_room(1 << 20)


def test_what_is_kept_goes_on_counting_until_it_is_given_back() -> None:
    """A delivery that waits for its next attempt takes its place in the mailbox."""
    mailbox = Mailbox(2, message_size=100)
    for serial in (1, 2):
        mailbox.push(delivery(serial))
    kept = [mailbox.pop(), mailbox.pop()]
    for each in kept:
        mailbox.keep(each)
    assert not mailbox.has_room(1)
    assert len(mailbox) == 2
    mailbox.give_back(kept)
    assert serials(mailbox) == [1, 2]
    assert (mailbox.count, mailbox.bytes) == (2, 20)


def test_an_interrupted_delivery_goes_back_to_the_head() -> None:
    """What was being handled is handled next."""
    mailbox = Mailbox(5, message_size=100)
    for serial in (1, 2):
        mailbox.push(delivery(serial))
    mailbox.push_front(mailbox.pop())
    assert serials(mailbox) == [1, 2]
    assert mailbox.count == 2


def test_clearing_takes_everything() -> None:
    """Nothing is left, and nothing counts."""
    mailbox = Mailbox(5, message_size=100)
    mailbox.push(delivery(1))
    mailbox.push(delivery(2, platform=True))
    assert [each.serial for each in mailbox.clear()] == [1, 2]
    assert (len(mailbox), mailbox.bytes, mailbox.platform_bytes) == (0, 0, 0)


def test_a_new_codec_changes_every_wire() -> None:
    """What is queued and what is held is encoded anew, and counts with its new size."""
    mailbox = Mailbox(5, message_size=100)
    queued, held = delivery(2), [delivery(1)]
    mailbox.push(queued)
    mailbox.keep(held[0])
    mailbox.recode("msgpack", [held])
    wires = [encode(each.message, "msgpack") for each in (held[0], queued)]
    assert [held[0].wire, mailbox.queue[0].wire] == wires
    assert (mailbox.count, mailbox.bytes) == (2, sum(map(len, wires)))
