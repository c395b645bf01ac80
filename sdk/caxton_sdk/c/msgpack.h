/* Just enough MessagePack for ACL messages: find a member, read a number, write strings. The host has checked the bytes. */
#ifndef CAXTON_MSGPACK_H
#define CAXTON_MSGPACK_H
#include "caxton.h"

static inline u32 mp_big(const u8 *p, u32 bytes) {
    u32 value = 0;
    while (bytes--) value = value << 8 | *p++;
    return value;
}

/* The head of a value: how many bytes it and its payload take, and how many values follow as its parts. */
static inline u32 mp_head(const u8 *p, u32 *parts) {
    u8 t = *p;
    *parts = 0;
    if (t < 0x80 || t >= 0xe0) return 1;
    if (t < 0x90) return *parts = (t & 15) * 2, 1;
    if (t < 0xa0) return *parts = t & 15, 1;
    if (t < 0xc0) return 1 + (t & 31);
    switch (t) {
    case 0xc4: case 0xd9: return 2 + p[1];
    case 0xc5: case 0xda: return 3 + mp_big(p + 1, 2);
    case 0xc6: case 0xdb: return 5 + mp_big(p + 1, 4);
    case 0xc7: return 3 + p[1];
    case 0xc8: return 4 + mp_big(p + 1, 2);
    case 0xc9: return 6 + mp_big(p + 1, 4);
    case 0xcc: case 0xd0: return 2;
    case 0xcd: case 0xd1: case 0xd4: return 3;
    case 0xd5: return 4;
    case 0xca: case 0xce: case 0xd2: return 5;
    case 0xd6: return 6;
    case 0xcb: case 0xcf: case 0xd3: return 9;
    case 0xd7: return 10;
    case 0xd8: return 18;
    case 0xdc: return *parts = mp_big(p + 1, 2), 3;
    case 0xdd: return *parts = mp_big(p + 1, 4), 5;
    case 0xde: return *parts = mp_big(p + 1, 2) * 2, 3;
    case 0xdf: return *parts = mp_big(p + 1, 4) * 2, 5;
    default: return 1;
    }
}

/* The byte after the value at p; parts are counted, so nesting costs no stack. */
static inline const u8 *mp_after(const u8 *p, const u8 *end) {
    u32 parts, open = 1;
    while (open && p < end) {
        p += mp_head(p, &parts);
        open += parts - 1;
    }
    return p;
}

/* The payload of a string; nothing when it is none. */
static inline cx_span mp_text(cx_span value) {
    if (!value.length) return CX_NONE;
    u8 t = value.at[0];
    u32 skip = (t & 0xe0) == 0xa0 ? 1 : t == 0xd9 ? 2 : t == 0xda ? 3 : t == 0xdb ? 5 : 0;
    return skip ? (cx_span){value.at + skip, value.length - skip} : CX_NONE;
}

/* The raw value of a map's member; nothing when absent. */
static inline cx_span mp_member(cx_span map, cx_span name) {
    const u8 *p = map.at, *end = p + map.length;
    u32 parts;
    if (!map.length) return CX_NONE;
    p += mp_head(p, &parts);
    for (; parts && p < end; parts -= 2) {
        const u8 *value = mp_after(p, end), *after = mp_after(value, end);
        if (cx_same(mp_text((cx_span){p, (u32)(value - p)}), name)) return (cx_span){value, (u32)(after - value)};
        p = after;
    }
    return CX_NONE;
}

static inline int mp_is(cx_span value, cx_span text) { return cx_same(mp_text(value), text); }

/* An unsigned integer below 2^32, 0 when it is none. */
static inline u32 mp_number(cx_span value) {
    if (!value.length) return 0;
    u8 t = value.at[0];
    if (t < 0x80) return t;
    return t == 0xcc ? value.at[1] : t == 0xcd ? mp_big(value.at + 1, 2) : t == 0xce ? mp_big(value.at + 1, 4) : 0;
}

static inline void mp_byte(cx_out *out, u32 byte) {
    u8 one = (u8)byte;
    cx_bytes(out, &one, 1);
}

/* A string of less than 256 bytes. */
static inline void mp_put_text(cx_out *out, cx_span text) {
    if (text.length < 32) {
        mp_byte(out, 0xa0 | text.length);
    } else {
        mp_byte(out, 0xd9);
        mp_byte(out, text.length);
    }
    cx_put(out, text);
}

static inline void mp_put_number(cx_out *out, u32 value) {
    if (value >= 128) {
        u8 wide[5] = {0xce, (u8)(value >> 24), (u8)(value >> 16), (u8)(value >> 8), (u8)value};
        cx_bytes(out, wide, 5);
    } else {
        mp_byte(out, value);
    }
}

static inline void mp_put_map(cx_out *out, u32 members) { mp_byte(out, 0x80 | members); }

static inline void mp_put_pair(cx_out *out, cx_span name, cx_span text) {
    mp_put_text(out, name);
    mp_put_text(out, text);
}

#endif
