//! The side that opens a conversation with one other agent: it opens, hears what comes of it, and may cancel.
//!
//! The record of a conversation says how far it is and carries a note, any JSON the agent wants to be told again.

const host = @import("host.zig");
const json = @import("json.zig");
const messages = @import("messages.zig");
const records = @import("records.zig");
const Message = messages.Message;
const Opened = messages.Opened;

pub const Event = enum {
    /// Not about a conversation of ours, or nothing new.
    nothing,
    agreed,
    /// The result of a request; a notification of a subscription.
    informed,
    refused,
    /// It tried and could not, or the platform could not reach it.
    failed,
    not_understood,
    /// No answer in time, or the conversation's time is over.
    expired,
    cancelled,
    /// It goes on as if nothing had been.
    cancel_refused,
};

pub const News = struct {
    event: Event = .nothing,
    conversation: []const u8 = "",
    note: []const u8 = "",
    content: []const u8 = "",
};

pub const opening = json.text("opening");

fn keep(kind: []const u8, conversation: []const u8, state: []const u8, note: []const u8, wait: i64) bool {
    const static = struct {
        var room: [records.most]u8 = undefined;
    };
    var out = host.Out{ .room = &static.room };
    out.field("{\"state\":\"", state);
    out.field("\",\"note\":", if (note.len > 0) note else "null");
    out.put("}");
    return !out.full and records.put(kind, conversation, out.written(), wait);
}

/// What is opened with whom; the first answer is due in `wait` ms.
pub const Opening = struct {
    kind: []const u8,
    protocol: []const u8,
    act: []const u8,
    receiver: []const u8,
    content: []const u8,
    note: []const u8,
    wait: i64,
};

pub fn open(o: Opening) Opened {
    const conversation = messages.newId();
    // An answer that comes exactly in time is in time: the timer rings after it.
    if (!keep(o.kind, conversation, "asked", o.note, o.wait + 1)) return .{ .code = messages.not_kept, .conversation = "" };
    const code = messages.send(.{
        .act = o.act,
        .protocol = o.protocol,
        .receiver = o.receiver,
        .conversation = conversation,
        .reply_with = opening,
        .content = o.content,
        .reply_in_ms = o.wait,
    });
    if (code != 0) records.drop(o.kind, conversation);
    return .{ .code = code, .conversation = conversation };
}

/// Take back what was asked; after `wait` ms without an answer it counts as cancelled.
pub fn cancel(kind: []const u8, conversation: []const u8, wait: i64) i32 {
    const record = records.get(kind, conversation);
    if (record.len == 0) return -5;
    const code = messages.send(.{
        .act = "cancel",
        .conversation = conversation,
        .reply_with = json.text("cancel"),
        .reply_in_ms = wait,
    });
    if (code != 0) return code;
    const note = json.member(record, "note");
    return if (keep(kind, conversation, "cancelling", note, wait + 1)) 0 else messages.not_kept;
}

/// What a message means for the conversations of one kind; `whole` when an inform is the end of it.
pub fn heard(kind: []const u8, m: *const Message, whole: bool) News {
    const due = records.ended(kind, m);
    const conversation = if (due.len > 0) due else m.conversation;
    const record = records.get(kind, conversation);
    if (record.len == 0) return .{};
    const state = json.member(record, "state");
    const ams = m.isFromAms();
    var news = News{ .conversation = conversation, .note = json.member(record, "note"), .content = m.content };
    var ends = true;
    if (due.len > 0) {
        news.event = if (json.is(state, "cancelling")) .cancelled else .expired;
    } else if (json.is(m.in_reply_to, "cancel") and !ams) {
        ends = m.is("inform");
        news.event = if (ends) .cancelled else .cancel_refused;
    } else if (m.is("agree")) {
        news.event = .agreed;
        ends = false;
    } else if (m.is("inform")) {
        news.event = .informed;
        ends = whole;
    } else if (m.is("refuse")) {
        news.event = .refused;
    } else if (m.is("failure")) {
        news.event = .failed;
    } else if (m.is("not-understood") and !ams) {
        news.event = .not_understood;
    } else {
        return news;
    }
    if (ends) {
        records.drop(kind, conversation);
    } else if (news.event == .cancel_refused or json.is(state, "asked")) {
        // It was answered in time; from here on only the conversation's own time limits it.
        if (!keep(kind, conversation, "open", news.note, records.ttl_ms)) @trap();
    }
    return news;
}
