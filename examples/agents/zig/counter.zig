//! counter: adds what requests say; the sum outlives every restart.

const caxton = @import("caxton");

comptime {
    caxton.agent(.{ .handle = handle });
}

var room: [64]u8 = undefined;

fn handle(m: caxton.Message) i32 {
    if (!m.is("request")) return 0;
    const more = caxton.json.number(m.content, "add") orelse return caxton.request.refuse(&m, caxton.text("add what?"));
    const count = caxton.keptNumber("count") + more;
    if (!caxton.keepNumber("count", count)) return caxton.request.refuse(&m, caxton.text("no room"));
    var out = caxton.Out{ .room = &room };
    out.put("{\"count\":");
    out.integer(count);
    out.put("}");
    return m.inform(out.written());
}
