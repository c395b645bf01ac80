//! echo: answers a request with what it was asked.

const caxton = @import("caxton");

comptime {
    caxton.agent(.{ .handle = handle });
}

fn handle(m: caxton.Message) i32 {
    return if (m.is("request")) m.inform(m.content) else 0;
}
