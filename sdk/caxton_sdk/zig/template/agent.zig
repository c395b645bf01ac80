//! Greets whoever asks, and counts its visitors; the count outlives every restart.

const caxton = @import("caxton");

comptime {
    caxton.agent(.{ .handle = handle });
}

var room: [4096]u8 = undefined;

fn handle(m: caxton.Message) i32 {
    if (!m.is("request")) return 0;

    // What is kept is part of the step, as the answer is: both happen, or neither.
    const visitor = caxton.keptNumber("visitors") + 1;
    if (!caxton.keepNumber("visitors", visitor)) return caxton.request.refuse(&m, caxton.text("the book is full"));

    var out = caxton.Out{ .room = &room };
    out.field("{\"hello\":", if (m.content.len > 0) m.content else "null");
    out.put(",\"visitor\":");
    out.integer(visitor);
    out.put("}");
    if (out.full) return caxton.request.refuse(&m, caxton.text("that is a long name"));
    return m.inform(out.written());
}
