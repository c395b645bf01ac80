//! fipa-request, both sides: one agent asks another to do something.
//!
//! Initiator: `ask`, then `heard` on every message until it says how it ended. `cancel` takes it back.
//! Participant: to a request answer with `refuse`, with inform or failure when the work is done at once, or with `agree` and
//! later `keep` or `fail` of promises.

const initiators = @import("initiators.zig");
const json = @import("json.zig");
const messages = @import("messages.zig");
const promises = @import("promises.zig");
const Message = messages.Message;

/// Ask; an answer, be it only an agree, is due in `wait` ms. `note` comes back with the news.
pub fn ask(receiver: []const u8, content: []const u8, note: []const u8, wait: i64) messages.Opened {
    return initiators.open(.{
        .kind = "request",
        .protocol = "fipa-request",
        .act = "request",
        .receiver = receiver,
        .content = content,
        .note = note,
        .wait = wait,
    });
}

pub fn heard(m: *const Message) initiators.News {
    return initiators.heard("request", m, true);
}

pub fn cancel(conversation: []const u8, wait: i64) i32 {
    return initiators.cancel("request", conversation, wait);
}

/// Refuse; who asked without a protocol has no refusal, and is told of a failure.
pub fn refuse(m: *const Message, reason: []const u8) i32 {
    return m.answer(if (m.protocol.len > 0) "refuse" else "failure", reason);
}

/// Take the work on: the answer is owed until it is kept or failed.
pub fn agree(m: *const Message) i32 {
    if (!promises.make(m)) return refuse(m, "{\"reason\":\"no room for another promise\"}");
    return if (m.protocol.len > 0) m.answer("agree", "") else 0;
}
