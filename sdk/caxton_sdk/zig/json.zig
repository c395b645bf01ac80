//! Just enough JSON for ACL messages: find a member, read an integer. The host has checked the text: it is valid JSON.

pub fn same(a: []const u8, b: []const u8) bool {
    if (a.len != b.len) return false;
    for (a, b) |x, y| if (x != y) return false;
    return true;
}

/// A literal as a JSON string.
pub fn text(comptime literal: []const u8) []const u8 {
    return "\"" ++ literal ++ "\"";
}

fn isBlank(byte: u8) bool {
    return byte == ' ' or byte == '\n' or byte == '\r' or byte == '\t';
}

fn skip(json: []const u8, from: usize) usize {
    var at = from;
    while (at < json.len and isBlank(json[at])) at += 1;
    return at;
}

/// The index after the value that begins at `from`. Brackets are counted, so nesting costs no stack.
fn after(json: []const u8, from: usize) usize {
    var depth: usize = 0;
    var at = from;
    while (at < json.len) : (at += 1) {
        switch (json[at]) {
            '"' => {
                at += 1;
                while (at < json.len and json[at] != '"') : (at += 1) {
                    if (json[at] == '\\') at += 1;
                }
                if (depth == 0) return @min(at + 1, json.len);
            },
            '{', '[' => depth += 1,
            '}', ']' => {
                if (depth == 0) return at;
                depth -= 1;
                if (depth == 0) return at + 1;
            },
            ',', ' ', '\n', '\r', '\t' => if (depth == 0) return at,
            else => {},
        }
    }
    return json.len;
}

/// The raw value of a member of an object, strings with their quotes; nothing when absent.
pub fn member(object: []const u8, name: []const u8) []const u8 {
    var at = skip(object, 0);
    if (at >= object.len or object[at] != '{') return "";
    while (true) {
        const key = skip(object, at + 1);
        if (key >= object.len or object[key] != '"') return "";
        const colon = skip(object, after(object, key));
        if (colon >= object.len) return "";
        const value = skip(object, colon + 1);
        const end = after(object, value);
        if (is(object[key..after(object, key)], name)) return object[value..end];
        at = skip(object, end);
        if (at >= object.len or object[at] != ',') return "";
    }
}

/// Goes through the elements of an array, each raw.
pub const Elements = struct {
    array: []const u8,
    at: usize = 0,

    pub fn next(elements: *Elements) ?[]const u8 {
        const from = skip(elements.array, skip(elements.array, elements.at) + 1);
        if (from >= elements.array.len or elements.array[from] == ']') return null;
        elements.at = after(elements.array, from);
        return elements.array[from..elements.at];
    }
};

/// Is the value this string?
pub fn is(value: []const u8, word: []const u8) bool {
    return value.len == word.len + 2 and value[0] == '"' and same(value[1 .. value.len - 1], word);
}

/// An integer of at most 18 digits; null when it is none.
pub fn integer(value: []const u8) ?i64 {
    const negative = value.len > 0 and value[0] == '-';
    const digits = value[@intFromBool(negative)..];
    if (digits.len == 0 or digits.len > 18) return null;
    var result: i64 = 0;
    for (digits) |digit| {
        if (digit < '0' or digit > '9') return null;
        result = result * 10 + (digit - '0');
    }
    return if (negative) -result else result;
}

pub fn number(object: []const u8, name: []const u8) ?i64 {
    return integer(member(object, name));
}
