//! The guest side of Caxton's ABI, version 1: what the host offers, and a buffer to write into.

const imported = struct {
    extern "caxton" fn send(at: [*]const u8, length: u32) i32;
    extern "caxton" fn log(level: i32, at: [*]const u8, length: u32) void;
    extern "caxton" fn now_ms() i64;
    extern "caxton" fn random(at: [*]u8, length: u32) void;
    extern "caxton" fn state_get(key: [*]const u8, key_length: u32, value: [*]u8, capacity: u32) i32;
    extern "caxton" fn state_put(key: [*]const u8, key_length: u32, value: [*]const u8, length: u32) i32;
    extern "caxton" fn state_delete(key: [*]const u8, key_length: u32) i32;
    extern "caxton" fn set_timer(delay: i64, content: [*]const u8, length: u32) i32;
    extern "caxton" fn cancel_timer(timer: i32) i32;
};

fn size(slice: []const u8) u32 {
    return @intCast(slice.len);
}

/// Queue a message, written as JSON: 0, or the reason why it was not sent.
pub fn send(message: []const u8) i32 {
    return imported.send(message.ptr, size(message));
}

pub const Level = enum(i32) { trace, debug, info, warning, @"error" };

/// Write a line into the agent's log.
pub fn log(level: Level, line: []const u8) void {
    imported.log(@backingInt(level), line.ptr, size(line));
}

/// The time at which this step began, in milliseconds since the epoch.
pub fn now() i64 {
    return imported.now_ms();
}

pub fn random(into: []u8) void {
    imported.random(into.ptr, size(into));
}

/// Keep a value in the durable state; false over the quota.
pub fn keep(key: []const u8, value: []const u8) bool {
    return imported.state_put(key.ptr, size(key), value.ptr, size(value)) == 0;
}

/// A kept value, copied into `room`; null when it is absent, or larger than that.
pub fn kept(key: []const u8, room: []u8) ?[]u8 {
    const length = imported.state_get(key.ptr, size(key), room.ptr, size(room));
    if (length < 0 or length > room.len) return null;
    return room[0..@intCast(length)];
}

pub fn forget(key: []const u8) void {
    _ = imported.state_delete(key.ptr, size(key));
}

/// Keep a whole number, as its digits.
pub fn keepNumber(key: []const u8, value: i64) bool {
    var room: [20]u8 = undefined;
    var out = Out{ .room = &room };
    out.integer(value);
    return keep(key, out.written());
}

/// A kept number; 0 when there is none.
pub fn keptNumber(key: []const u8) i64 {
    var room: [20]u8 = undefined;
    const digits = kept(key, &room) orelse return 0;
    const negative = digits.len > 0 and digits[0] == '-';
    var value: i64 = 0;
    for (digits[@intFromBool(negative)..]) |digit| value = value *% 10 -% (@as(i64, digit) - '0');
    return if (negative) value else 0 -% value;
}

/// Ask for a message to ourselves in `delay` ms, whose content is this text: its number, or null. `Message.isTimer` tells it.
pub fn setTimer(delay: i64, content: []const u8) ?i32 {
    const timer = imported.set_timer(delay, content.ptr, size(content));
    return if (timer < 0) null else timer;
}

pub fn cancelTimer(timer: i32) void {
    _ = imported.cancel_timer(timer);
}

/// What is being written: fixed room, and a flag when it ran out.
pub const Out = struct {
    room: []u8,
    length: usize = 0,
    full: bool = false,

    pub fn written(out: *const Out) []const u8 {
        return out.room[0..out.length];
    }

    pub fn put(out: *Out, bytes: []const u8) void {
        if (bytes.len > out.room.len - out.length) {
            out.full = true;
            return;
        }
        @memcpy(out.room[out.length..][0..bytes.len], bytes);
        out.length += bytes.len;
    }

    pub fn integer(out: *Out, value: i64) void {
        var digits: [20]u8 = undefined;
        var n: usize = digits.len;
        var rest: u64 = @abs(value);
        while (true) {
            n -= 1;
            digits[n] = '0' + @as(u8, @intCast(rest % 10));
            rest /= 10;
            if (rest == 0) break;
        }
        if (value < 0) {
            n -= 1;
            digits[n] = '-';
        }
        out.put(digits[n..]);
    }

    /// A member of an object; nothing when it has no value.
    pub fn field(out: *Out, name: []const u8, value: []const u8) void {
        if (value.len == 0) return;
        out.put(name);
        out.put(value);
    }
};
