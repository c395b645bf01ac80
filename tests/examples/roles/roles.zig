//! An agent that plays every role when it is told to, and logs what it hears; it does exactly what `roles.c` does.

const caxton = @import("caxton");
const json = caxton.json;
const net = caxton.contract_net;
const promises = caxton.promises;
const request = caxton.request;
const subscribe = caxton.subscribe;
const text = caxton.text;

comptime {
    caxton.agent(.{ .start = start, .handle = handle });
}

/// Log `what event note content`.
fn say(what: []const u8, event: []const u8, note: []const u8, content: []const u8) void {
    const static = struct {
        var room: [2048]u8 = undefined;
    };
    var out = caxton.Out{ .room = &static.room };
    out.put(what);
    out.put(" ");
    out.put(event);
    out.field(" ", note);
    out.field(" ", content);
    caxton.log(.info, out.written());
}

fn sayCode(what: []const u8, code: i64) void {
    var room: [24]u8 = undefined;
    var out = caxton.Out{ .room = &room };
    out.integer(code);
    say(what, out.written(), "", "");
}

/// The name of an event; words are joined by hyphens in the log.
fn named(event: anytype) []const u8 {
    return switch (event) {
        inline else => |each| comptime hyphened(@tagName(each)),
    };
}

fn hyphened(comptime name: []const u8) []const u8 {
    var words: [name.len]u8 = undefined;
    for (name, 0..) |letter, i| words[i] = if (letter == '_') '-' else letter;
    const done = words;
    return &done;
}

fn recalled(key: []const u8) []const u8 {
    const static = struct {
        var room: [300]u8 = undefined;
    };
    return caxton.kept(key, &static.room) orelse "";
}

fn judge(offer: []const u8, _: []const u8) ?i64 {
    return json.number(offer, "cost");
}

fn count(array: []const u8) u32 {
    var each = json.Elements{ .array = array };
    var n: u32 = 0;
    while (each.next()) |_| n += 1;
    return n;
}

fn obey(order: []const u8) void {
    const what = json.member(order, "do");
    const to = json.member(order, "to");
    const content = json.member(order, "content");
    const note = json.member(order, "note");
    const wait = json.number(order, "wait") orelse 0;
    const last = recalled("opened");
    var opened: @TypeOf(request.ask("", "", "", 0)) = .{ .code = 0, .conversation = "" };
    if (json.is(what, "ask")) {
        opened = request.ask(to, content, note, wait);
    } else if (json.is(what, "call")) {
        opened = net.call(to, count(to), content, note, wait);
    } else if (json.is(what, "subscribe")) {
        opened = subscribe.to(to, content, note, wait);
    } else if (json.is(what, "cancel")) {
        const asked = json.is(json.member(order, "of"), "request");
        opened.code = if (asked) request.cancel(last, wait) else subscribe.cancel(last, wait);
    } else if (json.is(what, "award")) {
        opened.code = net.award(last, content, wait);
    } else if (json.is(what, "reject")) {
        opened.code = net.reject(last, content);
    } else if (json.is(what, "keep")) {
        opened.code = promises.keep(recalled("promised"), content);
    } else if (json.is(what, "break")) {
        opened.code = promises.fail(recalled("promised"), content);
    } else if (json.is(what, "notify")) {
        opened.code = @intCast(subscribe.inform(content));
    }
    if (opened.conversation.len > 0) _ = caxton.keep("opened", opened.conversation);
    sayCode(what[1 .. what.len - 1], opened.code);
}

fn handle(m: caxton.Message) i32 {
    if (json.member(m.content, "do").len > 0 and m.protocol.len == 0) {
        obey(m.content);
        return 0;
    }
    switch (promises.heard(&m)) {
        .none => {},
        .cancelled => {
            say("promise", "cancelled", "", "");
            return m.inform(text("stopped"));
        },
        .expired => {
            say("promise", "expired", "", "");
            return 0;
        },
    }
    if (subscribe.left(&m)) {
        say("subscriber", "left", "", "");
        return m.inform(text("stopped"));
    }
    const asked = request.heard(&m);
    if (asked.event != .nothing) {
        say("request", named(asked.event), asked.note, asked.content);
        return 0;
    }
    const subscribed = subscribe.heard(&m);
    if (subscribed.event != .nothing) {
        say("subscription", named(subscribed.event), subscribed.note, subscribed.content);
        return 0;
    }
    const called = net.heard(&m, judge);
    if (called.event != .nothing) {
        say("net", named(called.event), called.note, called.content);
        return 0;
    }
    const offered = net.told(&m);
    if (offered.event != .nothing) {
        say("offer", named(offered.event), "", offered.content);
        if (offered.event == .cancelled) return m.inform(text("stopped"));
        return if (offered.event == .accepted) work(&m, offered.content) else 0;
    }
    if (m.is("request")) return serve(&m);
    if (m.is("cfp")) return bid(&m);
    if (!m.is("subscribe")) return 0;
    return if (json.is(m.content, "refuse")) m.answer("refuse", text("busy")) else subscribe.accept(&m);
}

fn work(m: *const caxton.Message, content: []const u8) i32 {
    if (json.is(m.content, "failure")) return m.failure(text("broken"));
    if (!json.is(m.content, "later")) return m.inform(content);
    _ = caxton.keep("promised", m.conversation);
    return if (promises.make(m)) 0 else m.failure(text("no room"));
}

fn serve(m: *const caxton.Message) i32 {
    if (json.is(m.content, "refuse")) return request.refuse(m, text("busy"));
    if (json.is(m.content, "failure")) return m.failure(text("broken"));
    if (json.is(m.content, "trap")) @trap();
    if (json.is(m.content, "silence")) return 0;
    if (!json.is(m.content, "agree")) return m.inform(m.content);
    _ = caxton.keep("promised", m.conversation);
    return request.agree(m);
}

/// Each agent finds its own offer in the call: [name, offer].
fn bid(m: *const caxton.Message) i32 {
    if (json.is(m.content, "refuse")) return net.refuse(m, text("busy"));
    var pairs = json.Elements{ .array = m.content };
    while (pairs.next()) |pair| {
        var inside = json.Elements{ .array = pair };
        const name = inside.next() orelse "";
        const mine = inside.next() orelse "";
        if (!json.same(recalled("name"), name)) continue;
        if (json.is(mine, "silence")) return 0;
        if (json.is(mine, "refuse")) return net.refuse(m, text("busy"));
        return net.propose(m, mine, 60000);
    }
    return net.refuse(m, text("not mine"));
}

/// config {"name"}: whom the offers of a call are for.
fn start(config: []const u8) i32 {
    _ = caxton.keep("name", json.member(config, "name"));
    return 0;
}
