//! ACL messages: what came in, and what is said. Every slice is raw JSON, strings with their quotes.

const host = @import("host.zig");
const json = @import("json.zig");

const room_size = 16384;
const token_most = 256;

/// Beside what `send` returns: the message has no room; the durable state had none.
pub const too_large: i32 = -6;
pub const not_kept: i32 = -10;

pub const Message = struct {
    inbox: [*]u8,
    act: []const u8,
    sender: []const u8,
    receiver: []const u8,
    content: []const u8,
    ontology: []const u8,
    protocol: []const u8,
    conversation: []const u8,
    in_reply_to: []const u8,
    /// Whom an answer goes to: the message's reply_to, else its sender.
    reply_to: []const u8,
    /// What an answer quotes: the message's reply_with, else its id.
    token: []const u8,

    pub fn read(inbox: [*]u8, length: u32) Message {
        const whole: []const u8 = inbox[0..length];
        const reply_to = json.member(whole, "reply_to");
        const token = json.member(whole, "reply_with");
        const sender = json.member(whole, "sender");
        return .{
            .inbox = inbox,
            .act = json.member(whole, "performative"),
            .sender = sender,
            .receiver = json.member(whole, "receiver"),
            .content = json.member(whole, "content"),
            .ontology = json.member(whole, "ontology"),
            .protocol = json.member(whole, "protocol"),
            .conversation = json.member(whole, "conversation_id"),
            .in_reply_to = json.member(whole, "in_reply_to"),
            .reply_to = if (reply_to.len > 0) reply_to else sender,
            // The id may always be quoted instead; it is short, whatever somebody chose as a token.
            .token = if (token.len > 0 and token.len <= token_most) token else json.member(whole, "id"),
        };
    }

    pub fn is(m: *const Message, act: []const u8) bool {
        return json.is(m.act, act);
    }

    /// Is this the platform speaking: a failure, a not-understood, a timer? Its name is `ams`, at our own platform.
    pub fn isFromAms(m: *const Message) bool {
        for (m.receiver, 0..) |byte, at| {
            if (byte != '@') continue;
            const home = m.receiver[at..];
            return m.sender.len == home.len + 4 and json.same(m.sender[0..4], "\"ams") and json.same(m.sender[4..], home);
        }
        return false;
    }

    /// Is this a timer of ours? Its content is the text it was set with, as a JSON string.
    pub fn isTimer(m: *const Message) bool {
        return json.is(m.ontology, "caxton-timer") and m.isFromAms();
    }

    /// Answer this message; what this returns, `handle` must return.
    pub fn respond(m: *const Message, saying: Saying) i32 {
        var out = host.Out{ .room = &response };
        saying.write(&out);
        if (out.full) return 90;
        const place: *align(1) [2]u32 = @ptrCast(m.inbox);
        place.* = .{ @intCast(@intFromPtr(out.room.ptr)), @intCast(out.length) };
        return 1;
    }

    pub fn answer(m: *const Message, act: []const u8, content: []const u8) i32 {
        return m.respond(.{ .act = act, .content = content });
    }

    pub fn inform(m: *const Message, content: []const u8) i32 {
        return m.answer("inform", content);
    }

    pub fn failure(m: *const Message, content: []const u8) i32 {
        return m.answer("failure", content);
    }
};

// The host copies a response at once, but it must outlive the function that wrote it.
var response: [room_size]u8 = undefined;

/// A message to be sent; what is left out is left out. `act` and `protocol` stand without quotes.
pub const Saying = struct {
    act: []const u8,
    protocol: []const u8 = "",
    receiver: []const u8 = "",
    conversation: []const u8 = "",
    reply_with: []const u8 = "",
    in_reply_to: []const u8 = "",
    content: []const u8 = "",
    /// reply_by, counted from now.
    reply_in_ms: i64 = 0,

    fn write(say: *const Saying, out: *host.Out) void {
        out.field("{\"performative\":\"", say.act);
        out.field("\",\"protocol\":\"", say.protocol);
        out.put("\"");
        out.field(",\"receiver\":", say.receiver);
        out.field(",\"conversation_id\":", say.conversation);
        out.field(",\"reply_with\":", say.reply_with);
        out.field(",\"in_reply_to\":", say.in_reply_to);
        out.field(",\"content\":", say.content);
        if (say.reply_in_ms > 0) {
            out.put(",\"reply_by\":\"+");
            out.integer(say.reply_in_ms);
            out.put("ms\"");
        }
        out.put("}");
    }
};

/// Send it now; returns what the host does: 0, or the reason why it was not sent.
pub fn send(saying: Saying) i32 {
    const static = struct {
        var room: [room_size]u8 = undefined;
    };
    var out = host.Out{ .room = &static.room };
    saying.write(&out);
    return if (out.full) too_large else host.send(out.written());
}

/// What came of opening a conversation: 0 and its id, or why it could not be opened; then nothing is kept of it.
pub const Opened = struct { code: i32, conversation: []const u8 };

/// A conversation id that nobody else has: 32 random hexadecimal digits; readable until the next one is made.
pub fn newId() []const u8 {
    const static = struct {
        var room: [34]u8 = undefined;
    };
    var drawn: [16]u8 = undefined;
    host.random(&drawn);
    static.room[0] = '"';
    static.room[33] = '"';
    for (drawn, 0..) |byte, i| {
        static.room[2 * i + 1] = "0123456789abcdef"[byte >> 4];
        static.room[2 * i + 2] = "0123456789abcdef"[byte & 15];
    }
    return &static.room;
}
