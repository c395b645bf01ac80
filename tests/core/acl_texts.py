"""Literal texts of ACL's string form: good ones with what they mean, bad ones with where and why they end.

The comment at each group names the rule of FIPA SC00070, or the decision of docs/messages.md, that it holds.
"""

from __future__ import annotations

from typing import Any

from caxton_core.acl_values import AgentIdentifier, DateTime, Number, String, Word

A = AgentIdentifier("a@x")


def nested(levels: int) -> bytes:
    """Return lists, so many levels deep."""
    return b"(" * levels + b")" * levels


def resolved(levels: int) -> bytes:
    """Return agent identifiers in agent identifiers, so many levels deep."""
    head = b"(agent-identifier :name a :resolvers (sequence "
    return head * (levels - 1) + b"(agent-identifier :name a)" + b"))" * (levels - 1)


# Text, and the fields that differ from those of `(inform)`.
GOOD: list[tuple[bytes, dict[str, Any]]] = [
    # A message is ( act parameter* ); white space is optional next to parentheses.
    (b"(inform)", {}),
    (b" \t\r\n( inform\r\n) \t\r\n", {}),
    (b"(inform :receiver(set(agent-identifier :name a@x)):language sl)", {"receiver": (A,), "language": Word("sl")}),
    # Any order.
    (b"(inform :ontology o :content \"c\" :language l)", {"ontology": Word("o"), "content": "c", "language": Word("l")}),
    # Keywords are case-insensitive.
    (b"(INFORM :Content \"c\" :RECEIVER (SET (Agent-Identifier :NAME a@x)))", {"content": "c", "receiver": (A,)}),
    (b"(inform :sender (agent-identifier :name a@x :addresses (SEQUENCE http://h:1/acc)))",
     {"sender": AgentIdentifier("a@x", ("http://h:1/acc",))}),
    # receiver, reply-to: sets, of none, one or several.
    (b"(inform :receiver (set))", {"receiver": ()}),
    (b"(inform :reply-to (set (agent-identifier :name a@x) (agent-identifier :name b)))",
     {"reply_to": (A, AgentIdentifier("b"))}),
    # An agent identifier's slots stand in any order; its name is a word or a quoted string.
    (b'(inform :sender (agent-identifier :X-age 5 :resolvers (sequence (agent-identifier :name a@x)) :name "b c"))',
     {"sender": AgentIdentifier("b c", (), (A,), (("X-age", Number("5")),))}),
    (b"(inform :sender (agent-identifier :name +5))", {"sender": AgentIdentifier("+5")}),
    # content: a string, quoted or length-encoded; a bare word is tolerated.
    (b'(inform :content "")', {"content": ""}),
    (b"(inform :content word)", {"content": "word"}),
    (b"(inform :content +5)", {"content": "+5"}),
    (b'(inform :content #5"a)\" ()', {"content": 'a)" ('}),
    (b'(inform :content #0")', {"content": ""}),
    (b'(inform :content #0000000000000000000000003"abc)', {"content": "abc"}),
    # A length counts bytes, not characters; what is no UTF-8 stays bytes.
    (b'(inform :content #3"\xe2\x82\xac)', {"content": "€"}),
    (b'(inform :content #3"\xff\x00")', {"content": b'\xff\x00"'}),
    # A quoted string's only escape is \"; newlines, backslashes and control characters are literal.
    (b'(inform :content "say \\"hi\\"")', {"content": 'say "hi"'}),
    (b'(inform :content "a\\\\b\\n\n\x00(")', {"content": "a\\\\b\\n\n\x00("}),
    (b'(inform :content "\\\\"")', {"content": '\\"'}),
    ('(inform :content "é€😀")'.encode(), {"content": "é€😀"}),
    # protocol: a word; a number or a time is one where its first character allows.
    (b"(inform :protocol fipa-request)", {"protocol": "fipa-request"}),
    (b"(inform :protocol .5)", {"protocol": ".5"}),
    (b"(inform :protocol +00000000T000000000)", {"protocol": "+00000000T000000000"}),
    # Words: anything but control characters, space and parentheses; # and digits are free behind the first.
    (b"(inform :language net#4?)", {"language": Word("net#4?")}),
    (b"(inform :language :content)", {"language": Word(":content")}),
    ("(inform :language é\x7f)".encode(), {"language": Word("é\x7f")}),
    (b"(inform :language +abc)", {"language": Word("+abc")}),
    (b"(inform :language .)", {"language": Word(".")}),
    (b"(inform :language +20300101T000000000ZZ)", {"language": Word("+20300101T000000000ZZ")}),
    # A quote inside a word: it would be written in quotes, and is read as what that is.
    (b'(inform :language a"b)', {"language": String('a"b')}),
    # Expressions: word, string, number, time, list.
    (b'(inform :X-a (w "s" #1"\xff 5 20300101T000000000Z ()))',
     {"parameters": (("X-a", (Word("w"), String("s"), String(b"\xff"), Number("5"),
                              DateTime(2030, 1, 1, 0, 0, 0, 0, zone="Z"), ())),)}),
    # Numbers.
    *((b"(inform :reply-with %s)" % text, {"reply_with": Number(text.decode())})
      for text in (b"5", b"+5", b"-5", b"007", b"3.", b".5", b"-.5", b"1e3", b"1.5E-7", b"9" * 5000)),
    # Times in an expression are times.
    (b"(inform :conversation-id 20300101T000000000)", {"conversation_id": DateTime(2030, 1, 1, 0, 0, 0, 0)}),
    # Absolute times are of the calendar; the zone is any letter or none.
    (b"(inform :reply-by 20240229T235959999Z)", {"reply_by": DateTime(2024, 2, 29, 23, 59, 59, 999, zone="Z")}),
    (b"(inform :reply-by 00010101T000000000a)", {"reply_by": DateTime(1, 1, 1, 0, 0, 0, 0, zone="a")}),
    # Relative times have no calendar.
    (b"(inform :reply-by +00000000T001000000)", {"reply_by": DateTime(0, 0, 0, 0, 10, 0, 0, "+")}),
    (b"(inform :reply-by -99999999T999999999Z)", {"reply_by": DateTime(9999, 99, 99, 99, 99, 99, 999, "-", "Z")}),
    # User-defined parameters begin with X- or x-, whatever follows.
    (b"(inform :x-b 1 :X-a 2)", {"parameters": (("x-b", Number("1")), ("X-a", Number("2")))}),
    # 64 levels, of lists and of agent identifiers, each counted for itself.
    (b"(inform :sender %s)" % resolved(64).replace(b":name a)", b":name a :X-a %s)" % nested(64)), {"_deep": True}),
    (b"(inform :language %s)" % nested(64), {"_deep": True}),
]  # fmt: skip

# Text, offset of the error in bytes, and its reason.
BAD: list[tuple[bytes, int, str]] = [
    # Not a message at all, or more than one.
    (b"", 0, "unexpected-end"),
    (b"inform", 0, "no-message"),
    (b"(", 1, "unexpected-end"),
    (b"()", 1, "unknown-act"),
    (b"(shout)", 1, "unknown-act"),
    (b"(query)", 1, "unknown-act"),
    (b"(AcceptProposal)", 1, "unknown-act"),
    (b"(inform", 7, "unexpected-end"),
    (b"(inform) (inform)", 9, "trailing-text"),
    (b"(inform)\x00", 8, "control-character"),
    # Other control characters end a token and are no white space.
    (b"(inform\x0c)", 7, "control-character"),
    (b"(inform :language a\x01b)", 19, "control-character"),
    # Parameters: known or X-, each once.
    (b"(inform :colour red)", 8, "unknown-parameter"),
    (b"(inform :X- 1)", 8, "unknown-parameter"),
    (b"(inform content c)", 8, "unknown-parameter"),
    (b"(inform :content a :CONTENT b)", 19, "repeated-parameter"),
    (b"(inform :X-a 1 :x-A 2)", 15, "repeated-parameter"),
    (b"(inform :content)", 16, "not-a-string"),
    # Words: the first character is no #, digit, - or @; a leading quote is a string.
    (b"(inform :protocol 7up)", 18, "not-a-word"),
    (b"(inform :protocol -low)", 18, "not-a-word"),
    (b"(inform :protocol @home)", 18, "not-a-word"),
    (b"(inform :protocol #1)", 18, "not-a-word"),
    (b'(inform :protocol "fipa-request")', 18, "not-a-word"),
    (b"(inform :protocol (a))", 18, "not-a-word"),
    (b"(inform :language 7up)", 18, "not-an-expression"),
    (b"(inform :language -low)", 18, "not-an-expression"),
    (b"(inform :content 5)", 17, "not-a-string"),
    (b"(inform :content (a))", 17, "not-a-string"),
    # A number ends at a delimiter.
    (b"(inform :reply-with 5a)", 20, "not-an-expression"),
    (b"(inform :reply-with 1e)", 20, "not-an-expression"),
    # receiver and reply-to are sets: no bare agent identifier, no sequence.
    (b"(inform :receiver (agent-identifier :name a))", 19, "not-a-set"),
    (b"(inform :receiver (sequence (agent-identifier :name a)))", 19, "not-a-set"),
    (b"(inform :receiver a)", 18, "not-a-set"),
    (b"(inform :receiver (set a))", 23, "not-an-agent"),
    # An agent identifier has a name, a word or a quoted string; addresses are words, both lists are sequences.
    (b"(inform :sender (agent-identifier))", 16, "missing-name"),
    (b"(inform :sender (agent-identifier :addresses (sequence u)))", 16, "missing-name"),
    (b'(inform :sender (agent-identifier :name #1"a))', 40, "not-a-word"),
    (b"(inform :sender (agent-identifier :name 17))", 40, "not-a-word"),
    (b"(inform :sender (agent-identifier :name a :name b))", 42, "repeated-parameter"),
    (b"(inform :sender (agent-identifier :name a :age 5))", 42, "unknown-parameter"),
    (b"(inform :sender (agent-identifier :name a :addresses (set u)))", 54, "not-a-sequence"),
    (b'(inform :sender (agent-identifier :name a :addresses (sequence "u")))', 63, "not-a-word"),
    (b"(inform :sender (agent-identifier :name a :resolvers (set)))", 54, "not-a-sequence"),
    (b"(inform :sender (name a))", 17, "not-an-agent"),
    # Strings: closed, and followed by a delimiter.
    (b'(inform :content "a)', 17, "unterminated-string"),
    (b'(inform :content "a\\")', 17, "unterminated-string"),
    (b'(inform :content "a"b)', 20, "missing-delimiter"),
    (b'(inform :content #1"ab)', 21, "missing-delimiter"),
    # Length-encoded strings: digits, no sign, and as many bytes.
    (b'(inform :content #"a)', 17, "bad-length"),
    (b'(inform :content #+1"a)', 17, "bad-length"),
    (b'(inform :content #-1"a)', 17, "bad-length"),
    (b"(inform :content #3)", 17, "bad-length"),
    (b'(inform :content #9"a)', 17, "too-few-bytes"),
    (b'(inform :content #999999999999999999999999"a)', 17, "too-few-bytes"),
    # Text is UTF-8.
    (b'(inform :content "\xff")', 18, "not-utf8"),
    (b"(inform :language a\xff)", 19, "not-utf8"),
    (b"(inform :X-\xff 1)", 11, "not-utf8"),
    # Times: the digits of FIPA, unquoted, milliseconds and all, of the calendar.
    (b"(inform :reply-by 2030-01-01T00:00:00Z)", 18, "not-a-time"),
    (b"(inform :reply-by 20300101T000000Z)", 18, "not-a-time"),
    (b'(inform :reply-by "20300101T000000000Z")', 18, "not-a-time"),
    (b"(inform :reply-by 5)", 18, "not-a-time"),
    (b"(inform :reply-by 20300101T000000000ZZ)", 18, "not-a-time"),
    (b"(inform :reply-by 20300101t000000000Z)", 18, "not-a-time"),
    (b"(inform :reply-by 00000101T000000000Z)", 18, "time-out-of-range"),
    (b"(inform :reply-by 20301301T000000000Z)", 18, "time-out-of-range"),
    (b"(inform :reply-by 20300230T000000000Z)", 18, "time-out-of-range"),
    (b"(inform :reply-by 20230229T000000000Z)", 18, "time-out-of-range"),
    (b"(inform :reply-by 20300101T240000000Z)", 18, "time-out-of-range"),
    (b"(inform :reply-by 20300101T006000000Z)", 18, "time-out-of-range"),
    (b"(inform :reply-by 20300101T000060000Z)", 18, "time-out-of-range"),
    (b"(inform :language 20300230T000000000Z)", 18, "time-out-of-range"),
    # 65 levels.
    (b"(inform :language %s)" % nested(65), 18 + 64, "too-deep"),
    (b"(inform :sender %s)" % resolved(65), 16 + 64 * 47, "too-deep"),
    (b"(inform :X-a (", 14, "unexpected-end"),
]
