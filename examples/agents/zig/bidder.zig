//! bidder: offers to do what a call asks for at the cost in its configuration, and does it when it is chosen.

const caxton = @import("caxton");
const net = caxton.contract_net;

comptime {
    caxton.agent(.{ .start = start, .handle = handle });
}

const hold_ms = 60_000;
var cost: i64 = 0;
var room: [64]u8 = undefined;

fn start(config: []const u8) i32 {
    cost = caxton.json.number(config, "cost") orelse return 1;
    return 0;
}

/// An object that begins like this, and ends with the cost.
fn priced(begin: []const u8) []const u8 {
    var out = caxton.Out{ .room = &room };
    out.put(begin);
    out.integer(cost);
    out.put("}");
    return out.written();
}

fn handle(m: caxton.Message) i32 {
    switch (net.told(&m).event) {
        .accepted => return m.inform(priced("{\"done\":true,\"cost\":")),
        .cancelled => return m.inform(""),
        else => {},
    }
    if (!m.is("cfp")) return 0;
    const limit = caxton.json.number(m.content, "limit") orelse cost;
    if (cost > limit) return net.refuse(&m, caxton.text("too cheap"));
    return net.propose(&m, priced("{\"cost\":"), hold_ms);
}
