/* Just enough JSON for ACL messages: find a member, read an integer. The host has checked the text: it is valid JSON. */
#ifndef CAXTON_JSON_H
#define CAXTON_JSON_H
#include "caxton.h"

static inline const u8 *json_blank(const u8 *p, const u8 *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

/* The byte after the value that begins at p. Brackets are counted, so nesting costs no stack. */
static inline const u8 *json_after(const u8 *p, const u8 *end) {
    u32 depth = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++)
                if (*p == '\\') p++;
            if (!depth) return p < end ? p + 1 : end;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (!depth) return p;
            if (!--depth) return p + 1;
        } else if (!depth && (*p == ',' || *p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
            return p;
        }
    }
    return end;
}

/* The raw value of a member of an object, strings with their quotes; nothing when absent. */
static inline cx_span json_member(cx_span object, cx_span name) {
    const u8 *p = object.at, *end = p + object.length;
    p = json_blank(p, end);
    if (p >= end || *p++ != '{') return CX_NONE;
    for (;;) {
        p = json_blank(p, end);
        if (p >= end || *p != '"') return CX_NONE;
        const u8 *key = p + 1, *after = json_after(p, end);
        cx_span found = {key, (u32)(after - key - 1)};
        p = json_blank(after, end);
        if (p >= end || *p++ != ':') return CX_NONE;
        p = json_blank(p, end);
        after = json_after(p, end);
        if (cx_same(found, name)) return (cx_span){p, (u32)(after - p)};
        p = json_blank(after, end);
        if (p >= end || *p++ != ',') return CX_NONE;
    }
}

/* The first element of an array when `*at` is 0, else the one after it; nothing at the end. */
static inline cx_span json_element(cx_span array, const u8 **at) {
    const u8 *p = *at, *end = array.at + array.length;
    if (!p) {
        p = json_blank(array.at, end);
        if (p >= end || *p++ != '[') return CX_NONE;
    } else {
        p = json_blank(p, end);
        if (p >= end || *p++ != ',') return CX_NONE;
    }
    p = json_blank(p, end);
    if (p >= end || *p == ']') return CX_NONE;
    *at = json_after(p, end);
    return (cx_span){p, (u32)(*at - p)};
}

/* Is the value this string? */
static inline int json_is(cx_span value, cx_span text) {
    return value.length == text.length + 2 && value.at[0] == '"' &&
           cx_same((cx_span){value.at + 1, text.length}, text);
}

/* An integer of at most 18 digits; `*ok` is cleared when it is none. */
static inline i64 json_integer(cx_span value, int *ok) {
    const u8 *p = value.at, *end = p + value.length;
    int negative = p < end && *p == '-';
    i64 result = 0;
    p += negative;
    if (p >= end || end - p > 18) *ok = 0;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9') {
            *ok = 0;
            return 0;
        }
        result = result * 10 + (*p - '0');
    }
    return negative ? -result : result;
}

static inline i64 json_number(cx_span object, cx_span name, int *ok) { return json_integer(json_member(object, name), ok); }

#endif
