//! What an agent has agreed to do and has not done yet: whom it owes an answer, kept through restarts.
//!
//! `make` when the work is taken on; `keep` or `fail` when it is done; `heard` first in `handle`, for the cancels and for
//! promises whose conversation has run out of time.

const host = @import("host.zig");
const json = @import("json.zig");
const messages = @import("messages.zig");
const records = @import("records.zig");
const Message = messages.Message;

const kind = "promise";

pub const Ending = enum {
    none,
    /// Wants an answer: inform, that nothing more will be done.
    cancelled,
    expired,
};

/// Remember whom to answer; false when there is no room. A conversation has one promise at a time.
pub fn make(m: *const Message) bool {
    var room: [1024]u8 = undefined;
    var out = host.Out{ .room = &room };
    if (records.get(kind, m.conversation).len > 0) return false;
    out.field("{\"to\":", m.reply_to);
    out.field(",\"token\":", m.token);
    out.put("}");
    return !out.full and records.put(kind, m.conversation, out.written(), records.ttl_ms);
}

/// Give the answer that is owed; -5 when none is owed any more.
fn answer(conversation: []const u8, act: []const u8, content: []const u8) i32 {
    const record = records.get(kind, conversation);
    if (record.len == 0) return -5;
    const code = messages.send(.{
        .act = act,
        .receiver = json.member(record, "to"),
        .conversation = conversation,
        .in_reply_to = json.member(record, "token"),
        .content = content,
    });
    // A full mailbox (-3) or a limit on what one step may send (-7) passes: the promise stands, and may be tried again.
    if (code != -3 and code != -7) records.drop(kind, conversation);
    return code;
}

pub fn keep(conversation: []const u8, content: []const u8) i32 {
    return answer(conversation, "inform", content);
}

pub fn fail(conversation: []const u8, reason: []const u8) i32 {
    return answer(conversation, "failure", reason);
}

/// Was a promise taken back?
pub fn heard(m: *const Message) Ending {
    const due = records.ended(kind, m);
    if (due.len > 0) {
        records.drop(kind, due);
        return .expired;
    }
    if (!m.is("cancel") or records.get(kind, m.conversation).len == 0) return .none;
    records.drop(kind, m.conversation);
    return .cancelled;
}
