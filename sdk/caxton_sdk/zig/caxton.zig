//! What an agent in Zig is written with: `const caxton = @import("caxton");`. For wasm32-freestanding, MVP.
//!
//! Values are raw JSON, strings with their quotes: `text("x")` is the string x. A slice points into the message or into a
//! buffer of this module, and is readable while the message is handled. Nothing here allocates but the inbox.

const host = @import("host.zig");
const messages = @import("messages.zig");

pub const json = @import("json.zig");
pub const records = @import("records.zig");
pub const initiators = @import("initiators.zig");
pub const promises = @import("promises.zig");
pub const request = @import("request.zig");
pub const contract_net = @import("contract_net.zig");
pub const subscribe = @import("subscribe.zig");

pub const Out = host.Out;
pub const Message = messages.Message;
pub const Saying = messages.Saying;
pub const Opened = messages.Opened;
pub const not_kept = messages.not_kept;
pub const too_large = messages.too_large;

pub const send = messages.send;
pub const newId = messages.newId;
pub const text = json.text;
pub const log = host.log;
pub const Level = host.Level;
pub const now = host.now;
pub const random = host.random;
pub const keep = host.keep;
pub const kept = host.kept;
pub const keepNumber = host.keepNumber;
pub const keptNumber = host.keptNumber;
pub const forget = host.forget;
pub const setTimer = host.setTimer;
pub const cancelTimer = host.cancelTimer;

/// The inbox as far as it has been handed out.
var inbox_at: usize = 0;
var inbox_room: usize = 0;

fn alloc(length: u32) callconv(.c) usize {
    if (length > inbox_room) {
        const page = 65536;
        const pages = (@as(usize, length) + page - 1) / page;
        const before = @wasmMemoryGrow(0, pages);
        if (before < 0) return 0;
        inbox_at = @as(usize, @intCast(before)) * page;
        inbox_room = pages * page;
    }
    return inbox_at;
}

/// What an agent is made of, in a `comptime` block. Each function returns 0, or an error code of its own; `handle` may also
/// return what `m.answer` returned. `start` is given the manifest's `config`, as JSON, whenever an instance starts.
pub const Agent = struct {
    handle: fn (m: Message) i32,
    start: ?fn (config: []const u8) i32 = null,
    drain: ?fn () i32 = null,
};

pub fn agent(comptime made: Agent) void {
    const exported = struct {
        fn handle(inbox: [*]u8, length: u32) callconv(.c) i32 {
            return made.handle(Message.read(inbox, length));
        }
        fn start(config: [*]const u8, length: u32) callconv(.c) i32 {
            return made.start.?(config[0..length]);
        }
        fn drain() callconv(.c) i32 {
            return made.drain.?();
        }
    };
    @export(&alloc, .{ .name = "caxton_alloc" });
    @export(&exported.handle, .{ .name = "handle_message" });
    if (made.start != null) @export(&exported.start, .{ .name = "caxton_init" });
    if (made.drain != null) @export(&exported.drain, .{ .name = "caxton_drain" });
}
