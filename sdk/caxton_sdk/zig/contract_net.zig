//! fipa-contract-net, both sides: who does it best?
//!
//! Initiator: `call`, then `heard` on every message. The best offer so far is kept; one that is beaten is rejected at once.
//! At `.choice` `award` it, or `reject` it; then `.done`, `.failed` or `.expired` is the end.
//! Participant: to a cfp answer with `propose` or `refuse`. `told` says what became of the offer; after `.accepted` do the
//! work and answer inform or failure, or make a promise and answer later.

const host = @import("host.zig");
const initiators = @import("initiators.zig");
const json = @import("json.zig");
const messages = @import("messages.zig");
const records = @import("records.zig");
const Message = messages.Message;
const Opened = messages.Opened;

const kind = "contract-net";
const offer_kind = "offer";

pub const Event = enum {
    /// Not about a call or an offer of ours, or nothing new.
    nothing,
    /// Initiator: an answer; others may still come.
    collecting,
    /// Initiator: all have answered or their time is over; `content` is the best offer.
    choice,
    /// Initiator: the same, and nobody made an offer; the end.
    nobody,
    /// Initiator: the winner's result.
    done,
    /// Initiator: the winner could not do it, or is gone.
    failed,
    /// Initiator: no result in time.
    expired,
    /// Participant: do it; `content` is what was offered.
    accepted,
    /// Participant: the offer was not taken.
    rejected,
    /// Participant: nobody took the offer while it held.
    passed,
    /// Participant: the call is taken back; answer with inform.
    cancelled,
};

pub const News = struct {
    event: Event = .nothing,
    conversation: []const u8 = "",
    note: []const u8 = "",
    content: []const u8 = "",
    from: []const u8 = "",
};

/// How good is an offer? The lowest score wins; null when the offer is no good at all.
pub const Judge = fn (offer: []const u8, note: []const u8) ?i64;

const Call = struct {
    conversation: []const u8,
    answered: []const u8 = "[]",
    from: []const u8 = "",
    token: []const u8 = "",
    offer: []const u8 = "",
    note: []const u8 = "null",
    left: i64,
    score: i64 = 0,

    fn load(conversation: []const u8, record: []const u8) Call {
        return .{
            .conversation = conversation,
            .answered = json.member(record, "answered"),
            .from = json.member(record, "from"),
            .token = json.member(record, "token"),
            .offer = json.member(record, "offer"),
            .note = json.member(record, "note"),
            .left = json.number(record, "left") orelse 0,
            .score = json.number(record, "score") orelse 0,
        };
    }

    fn keep(net: *const Call, state: []const u8, wait: i64) bool {
        const static = struct {
            var room: [records.most]u8 = undefined;
        };
        var out = host.Out{ .room = &static.room };
        out.field("{\"state\":\"", state);
        out.put("\",\"left\":");
        out.integer(net.left);
        out.put(",\"score\":");
        out.integer(net.score);
        out.field(",\"answered\":", net.answered);
        out.field(",\"from\":", net.from);
        out.field(",\"token\":", net.token);
        out.field(",\"offer\":", net.offer);
        out.field(",\"note\":", net.note);
        out.put("}");
        return !out.full and records.put(kind, net.conversation, out.written(), wait);
    }

    fn decide(net: *const Call, act: []const u8, reply_with: []const u8, content: []const u8, wait: i64) i32 {
        return messages.send(.{
            .act = act,
            .receiver = net.from,
            .conversation = net.conversation,
            .reply_with = reply_with,
            .in_reply_to = net.token,
            .content = content,
            .reply_in_ms = wait,
        });
    }

    fn hasAnswered(net: *const Call, who: []const u8) bool {
        var each = json.Elements{ .array = net.answered };
        while (each.next()) |name| if (json.same(name, who)) return true;
        return false;
    }

    /// Note an answer to the call; the loser of two offers is told at once. A loser that is gone need not be told.
    fn answer(net: *Call, m: *const Message, judge: Judge) void {
        const static = struct {
            var room: [records.most]u8 = undefined;
        };
        if (net.hasAnswered(m.sender)) {
            // The leg closed under an offer: it is void.
            if (json.same(net.from, m.sender)) {
                net.from = "";
                net.token = "";
                net.offer = "";
            }
            return;
        }
        var out = host.Out{ .room = &static.room };
        out.put(net.answered[0 .. net.answered.len - 1]);
        if (net.answered.len > 2) out.put(",");
        out.put(m.sender);
        out.put("]");
        if (out.full) @trap();
        net.answered = out.written();
        if (net.left > 0) net.left -= 1;
        if (!m.is("propose")) return;
        var mine = net.*;
        mine.from = m.sender;
        mine.token = m.token;
        mine.offer = m.content;
        const score = judge(m.content, net.note);
        mine.score = score orelse 0;
        const better = score != null and (net.from.len == 0 or mine.score < net.score);
        const loser = if (better) net.* else mine;
        const reason = if (score != null) json.text("another offer is better") else json.text("no good");
        if (loser.from.len > 0) _ = loser.decide("reject-proposal", "", reason, 0);
        if (better) net.* = mine;
    }
};

/// Call `count` agents, a JSON list of names, for offers that are due in `wait` ms.
pub fn call(receivers: []const u8, count: u32, content: []const u8, note: []const u8, wait: i64) Opened {
    const net = Call{
        .conversation = messages.newId(),
        .note = if (note.len > 0) note else "null",
        .left = count,
    };
    if (!net.keep("collecting", wait + 1)) return .{ .code = messages.not_kept, .conversation = "" };
    const code = messages.send(.{
        .act = "cfp",
        .protocol = "fipa-contract-net",
        .receiver = receivers,
        .conversation = net.conversation,
        .reply_with = initiators.opening,
        .content = content,
        .reply_in_ms = wait,
    });
    if (code != 0) records.drop(kind, net.conversation);
    return .{ .code = code, .conversation = net.conversation };
}

fn chosen(conversation: []const u8) ?Call {
    const record = records.get(kind, conversation);
    return if (json.is(json.member(record, "state"), "choice")) Call.load(conversation, record) else null;
}

/// Give the work to the best offer; the result is due in `wait` ms. When it can't be sent, that is the end of the call.
pub fn award(conversation: []const u8, content: []const u8, wait: i64) i32 {
    const net = chosen(conversation) orelse return -5;
    const code = net.decide("accept-proposal", json.text("award"), content, wait);
    if (code == 0) return if (net.keep("awarded", wait + 1)) 0 else messages.not_kept;
    records.drop(kind, conversation);
    return code;
}

/// Take no offer at all.
pub fn reject(conversation: []const u8, reason: []const u8) i32 {
    const net = chosen(conversation) orelse return -5;
    records.drop(kind, conversation);
    return net.decide("reject-proposal", "", reason, 0);
}

/// What a message means for our calls.
pub fn heard(m: *const Message, judge: Judge) News {
    const due = records.ended(kind, m);
    const conversation = if (due.len > 0) due else m.conversation;
    const record = records.get(kind, conversation);
    var news = News{ .conversation = conversation, .content = m.content, .from = m.sender };
    if (record.len == 0) return news;
    var net = Call.load(conversation, record);
    const state = json.member(record, "state");
    const collecting = json.is(state, "collecting");
    const ams = m.isFromAms();
    news.note = net.note;
    if (due.len > 0 and !collecting) {
        news.event = .expired;
    } else if (collecting and (due.len > 0 or json.is(m.in_reply_to, "opening"))) {
        if (due.len > 0) {
            net.left = 0;
        } else if (ams) {
            if (!m.is("failure")) return news;
            // The platform does not say in whose name it speaks: each of its failures is another receiver it did not reach.
            if (net.left > 0) net.left -= 1;
        } else {
            net.answer(m, judge);
        }
        news.event = if (net.left > 0) .collecting else if (net.from.len > 0) .choice else .nobody;
    } else if (json.is(state, "awarded") and json.is(m.in_reply_to, "award")) {
        if (m.is("inform")) news.event = .done;
        if (m.is("failure") or (m.is("not-understood") and !ams)) news.event = .failed;
    }
    switch (news.event) {
        .nothing => {},
        .collecting => if (!net.keep("collecting", records.same_timer)) @trap(),
        .choice => {
            // The choice may be put off, but not for ever.
            if (!net.keep("choice", records.ttl_ms)) @trap();
            news.content = net.offer;
            news.from = net.from;
        },
        else => records.drop(kind, conversation),
    }
    return news;
}

/// Offer to do what a cfp asks for; the offer holds for `hold` ms and is kept until then.
pub fn propose(m: *const Message, offer: []const u8, hold: i64) i32 {
    if (!records.put(offer_kind, m.conversation, offer, hold + 1))
        return refuse(m, "{\"reason\":\"no room for another offer\"}");
    return m.respond(.{ .act = "propose", .reply_with = json.text("offer"), .content = offer, .reply_in_ms = hold });
}

pub fn refuse(m: *const Message, reason: []const u8) i32 {
    return m.answer("refuse", reason);
}

/// What a message means for our offers.
pub fn told(m: *const Message) News {
    const due = records.ended(offer_kind, m);
    const conversation = if (due.len > 0) due else m.conversation;
    const offer = records.get(offer_kind, conversation);
    var news = News{ .conversation = conversation, .content = offer, .from = m.sender };
    if (offer.len == 0) return news;
    if (due.len > 0) {
        news.event = .passed;
    } else if (m.is("accept-proposal")) {
        news.event = .accepted;
    } else if (m.is("reject-proposal")) {
        news.event = .rejected;
    } else if (m.is("cancel")) {
        news.event = .cancelled;
    }
    if (news.event != .nothing) records.drop(offer_kind, conversation);
    return news;
}
