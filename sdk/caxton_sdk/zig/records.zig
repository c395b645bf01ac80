//! What an agent must know of a conversation after a restart, and until when: a record in the durable state.
//!
//! Its key is `<kind>/<conversation id>`; its value is JSON behind the number of its timer and the time that rings.
//! The record and its timer are written in the step in which it is spoken about, so they never disagree with what was sent.

const host = @import("host.zig");
const json = @import("json.zig");
const messages = @import("messages.zig");
const Message = messages.Message;

pub const most = 16384;
const key_most = 640;

/// The node's `runtime.conversation_ttl`: no conversation lasts longer.
pub const ttl_ms: i64 = 86_400_000;
pub const same_timer: i64 = -1;

const Head = extern struct { due: i64 align(1), timer: i32 align(1) };
const head_size = 12;

pub const Record = struct {
    due: i64,
    timer: i32,
    value: []const u8,
};

/// What was read stays readable while three more records are read.
var rooms: [4][most]u8 = undefined;
var turn: usize = 0;

const Key = struct {
    room: [key_most]u8 = undefined,
    length: usize = 0,

    fn of(key: *Key, kind: []const u8, conversation: []const u8) ?[]const u8 {
        var out = host.Out{ .room = &key.room };
        out.put(kind);
        out.put("/");
        out.put(conversation);
        return if (out.full) null else out.written();
    }
};

/// The record, or null.
pub fn find(kind: []const u8, conversation: []const u8) ?Record {
    if (conversation.len == 0) return null;
    var key = Key{};
    const name = key.of(kind, conversation) orelse return null;
    const room = &rooms[turn % rooms.len];
    turn += 1;
    const bytes = host.kept(name, room) orelse return null;
    if (bytes.len < head_size) return null;
    const head: *const Head = @ptrCast(bytes.ptr);
    return .{ .due = head.due, .timer = head.timer, .value = bytes[head_size..] };
}

/// What the record says; nothing when there is none.
pub fn get(kind: []const u8, conversation: []const u8) []const u8 {
    return if (find(kind, conversation)) |record| record.value else "";
}

/// Forget a record, and its timer.
pub fn drop(kind: []const u8, conversation: []const u8) void {
    const old = find(kind, conversation) orelse return;
    if (old.timer > 0) host.cancelTimer(old.timer);
    var key = Key{};
    host.forget(key.of(kind, conversation) orelse return);
}

/// Write a record that is due in `wait` ms, or when it was before; false, and nothing is changed, when it can't be kept.
pub fn put(kind: []const u8, conversation: []const u8, value: []const u8, wait: i64) bool {
    const static = struct {
        var room: [most]u8 = undefined;
    };
    var key = Key{};
    const name = key.of(kind, conversation) orelse return false;
    const old = find(kind, conversation) orelse Record{ .due = 0, .timer = 0, .value = "" };
    var head = Head{ .due = old.due, .timer = old.timer };
    if (wait != same_timer) {
        var payload_room: [key_most + 24]u8 = undefined;
        var payload = host.Out{ .room = &payload_room };
        head.due = host.now() + wait;
        payload.integer(head.due);
        payload.put(" ");
        payload.put(name);
        head.timer = host.setTimer(wait, payload.written()) orelse return false;
    }
    var out = host.Out{ .room = &static.room };
    out.put(@as([*]const u8, @ptrCast(&head))[0..head_size]);
    out.put(value);
    if (out.full or !host.keep(name, out.written())) {
        if (head.timer != old.timer) host.cancelTimer(head.timer);
        return false;
    }
    if (old.timer > 0 and old.timer != head.timer) host.cancelTimer(old.timer);
    return true;
}

/// Write a record that must be written: where it can't be, the whole step is undone.
pub fn mustPut(kind: []const u8, conversation: []const u8, value: []const u8, wait: i64) void {
    if (!put(kind, conversation, value, wait)) @trap();
}

/// When this message is the timer of a record of this kind, and it still counts: the record's conversation, else nothing.
pub fn ended(kind: []const u8, m: *const Message) []const u8 {
    const static = struct {
        var rung: [key_most + 24]u8 = undefined;
    };
    if (!m.isTimer() or m.content.len < 2) return "";
    var length: usize = 0;
    // The timer's text came back as a JSON string: only quotes and backslashes are escaped in it.
    const inside = m.content[1 .. m.content.len - 1];
    var at: usize = 0;
    while (at < inside.len and length < static.rung.len) : (at += 1) {
        if (inside[at] == '\\' and at + 1 < inside.len) at += 1;
        static.rung[length] = inside[at];
        length += 1;
    }
    const rung = static.rung[0..length];
    var space: usize = 0;
    while (space < rung.len and rung[space] != ' ') space += 1;
    const due = json.integer(rung[0..space]) orelse return "";
    const name = if (space < rung.len) rung[space + 1 ..] else return "";
    if (name.len <= kind.len or name[kind.len] != '/' or !json.same(name[0..kind.len], kind)) return "";
    const conversation = name[kind.len + 1 ..];
    const record = find(kind, conversation) orelse return "";
    // A record that was written anew since has another time; this is the old timer, too late to be cancelled.
    return if (record.due == due) conversation else "";
}
