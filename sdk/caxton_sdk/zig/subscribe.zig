//! fipa-subscribe, both sides: one agent keeps others informed.
//!
//! Subscriber: `to`, then `heard` on every message; `.informed` is a notification. `cancel` ends it. A subscription lasts no
//! longer than a conversation may (`records.ttl_ms`): at `.expired` subscribe anew.
//! Publisher: to a subscribe answer with `accept` or refuse; `inform` tells everybody; `left` says that a message was a
//! cancel, and inform answers it.

const host = @import("host.zig");
const initiators = @import("initiators.zig");
const json = @import("json.zig");
const messages = @import("messages.zig");
const records = @import("records.zig");
const Message = messages.Message;

/// As many as one step may inform: the manifest's `fan_out`.
pub const most = 100;
const patience = 10;
const longest = 1024;

/// Subscribe; an answer is due in `wait` ms. `note` comes back with the news.
pub fn to(publisher: []const u8, content: []const u8, note: []const u8, wait: i64) messages.Opened {
    return initiators.open(.{
        .kind = "subscription",
        .protocol = "fipa-subscribe",
        .act = "subscribe",
        .receiver = publisher,
        .content = content,
        .note = note,
        .wait = wait,
    });
}

pub fn heard(m: *const Message) initiators.News {
    return initiators.heard("subscription", m, false);
}

pub fn cancel(conversation: []const u8, wait: i64) i32 {
    return initiators.cancel("subscription", conversation, wait);
}

/// A subscriber has a slot of its own in the durable state, `subscriber/<number>`: whom to inform of which conversation.
const Slot = struct {
    name: [24]u8 = undefined,
    room: [longest]u8 = undefined,
    value: []const u8 = "",

    fn key(slot: *Slot, number: u32) []const u8 {
        var out = host.Out{ .room = &slot.name };
        out.put("subscriber/");
        out.integer(number);
        return out.written();
    }

    /// Read it; false when it is empty, or its conversation must be over by now.
    fn load(slot: *Slot, number: u32) bool {
        slot.value = host.kept(slot.key(number), &slot.room) orelse return false;
        return (json.number(slot.value, "until") orelse 0) > host.now();
    }

    fn of(slot: *const Slot, name: []const u8) []const u8 {
        return json.member(slot.value, name);
    }
};

const Subscriber = struct {
    conversation: []const u8,
    to: []const u8,
    token: []const u8,
    until: i64,
    missed: i64 = 0,

    fn keep(s: *const Subscriber, key: []const u8) bool {
        var room: [longest]u8 = undefined;
        var out = host.Out{ .room = &room };
        out.field("{\"conversation\":", s.conversation);
        out.field(",\"to\":", s.to);
        out.field(",\"token\":", s.token);
        out.put(",\"until\":");
        out.integer(s.until);
        out.put(",\"missed\":");
        out.integer(s.missed);
        out.put("}");
        return !out.full and host.keep(key, out.written());
    }
};

/// Take a subscriber on. Notify it from the next message on: in this step the agree comes last.
pub fn accept(m: *const Message) i32 {
    var slot = Slot{};
    const subscriber = Subscriber{
        .conversation = m.conversation,
        .to = m.reply_to,
        .token = m.token,
        .until = host.now() + records.ttl_ms,
    };
    for (0..most) |number| {
        if (slot.load(@intCast(number))) continue;
        if (!subscriber.keep(slot.key(@intCast(number)))) break;
        return m.answer("agree", "");
    }
    return m.answer("refuse", "{\"reason\":\"no room for another subscriber\"}");
}

/// Was this the cancel of a subscription? Then it is forgotten, and wants inform as its answer.
pub fn left(m: *const Message) bool {
    var slot = Slot{};
    if (!m.is("cancel")) return false;
    for (0..most) |number| {
        if (!slot.load(@intCast(number)) or !json.same(slot.of("conversation"), m.conversation)) continue;
        host.forget(slot.key(@intCast(number)));
        return true;
    }
    return false;
}

/// Inform every subscriber; returns how many could not be reached this time.
///
/// A subscriber whose conversation is over is forgotten; one that is stopped or whose mailbox is full misses this one, and
/// is forgotten when it has missed ten in a row.
pub fn inform(content: []const u8) u32 {
    var slot = Slot{};
    var missing: u32 = 0;
    for (0..most) |number| {
        if (!slot.load(@intCast(number))) continue;
        const before = json.number(slot.value, "missed") orelse 0;
        var subscriber = Subscriber{
            .conversation = slot.of("conversation"),
            .to = slot.of("to"),
            .token = slot.of("token"),
            .until = json.number(slot.value, "until") orelse 0,
        };
        const code = messages.send(.{
            .act = "inform",
            .receiver = subscriber.to,
            .conversation = subscriber.conversation,
            .in_reply_to = subscriber.token,
            .content = content,
        });
        if (code != 0) {
            missing += 1;
            subscriber.missed = before + 1;
        }
        const key = slot.key(@intCast(number));
        if (code == -5 or subscriber.missed >= patience) {
            host.forget(key);
        } else if (subscriber.missed != before and !subscriber.keep(key)) {
            @trap();
        }
    }
    return missing;
}
