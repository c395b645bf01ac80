//! feed: tells its subscribers what it is told to; follows the feed in its configuration, if there is one.

const caxton = @import("caxton");
const subscribe = caxton.subscribe;

comptime {
    caxton.agent(.{ .start = start, .handle = handle });
}

const answer_ms = 5000;
const retry_ms = 1000;
var followed: [128]u8 = undefined;
var last: [8192]u8 = undefined;
var room: [9000]u8 = undefined;

fn retryLater() void {
    if (caxton.setTimer(retry_ms, "follow") == null) @trap();
}

/// Subscribe to the feed we follow; it may not be there yet.
fn follow() void {
    const feed = caxton.kept("followed", &followed) orelse return;
    if (subscribe.to(feed, "", "", answer_ms).code != 0) retryLater();
}

fn start(config: []const u8) i32 {
    const feed = caxton.json.member(config, "follow");
    // The subscription outlives this instance, so only the first one makes it.
    if (feed.len == 0 or caxton.kept("followed", &followed) != null) return 0;
    if (feed.len > followed.len or !caxton.keep("followed", feed)) return 1;
    follow();
    return 0;
}

fn show(m: *const caxton.Message) i32 {
    var out = caxton.Out{ .room = &room };
    out.field("{\"last\":", caxton.kept("last", &last) orelse "null");
    out.put("}");
    return m.inform(out.written());
}

fn handle(m: caxton.Message) i32 {
    const news = subscribe.heard(&m);
    switch (news.event) {
        .nothing => {},
        .agreed => return 0,
        .informed => {
            if (!caxton.keep("last", news.content)) @trap();
            return 0;
        },
        else => {
            // Whatever ends the subscription, we subscribe anew.
            retryLater();
            return 0;
        },
    }
    if (m.isTimer()) {
        if (caxton.json.is(m.content, "follow")) follow();
        return 0;
    }
    if (m.is("subscribe")) return subscribe.accept(&m);
    if (subscribe.left(&m)) return m.inform("");
    if (!m.is("request")) return 0;
    if (caxton.json.is(m.content, "last")) return show(&m);
    const value = caxton.json.member(m.content, "tell");
    if (value.len == 0) return caxton.request.refuse(&m, caxton.text("tell what?"));
    _ = subscribe.inform(value);
    return m.inform(caxton.text("told"));
}
