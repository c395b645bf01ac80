/* The guest side of Caxton's ABI, version 1, for freestanding C (wasm32, MVP): imports, the inbox, bytes. */
#ifndef CAXTON_H
#define CAXTON_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

#define EXPORT(name) __attribute__((export_name(name))) __attribute__((used))
#define IMPORT(name) __attribute__((import_module("caxton"), import_name(name)))

IMPORT("send") i32 cx_send(const void *data, u32 length);
IMPORT("log") void cx_log(i32 level, const void *text, u32 length);
IMPORT("state_get") i32 cx_state_get(const void *key, u32 key_length, void *value, u32 capacity);
IMPORT("state_put") i32 cx_state_put(const void *key, u32 key_length, const void *value, u32 length);
IMPORT("state_delete") i32 cx_state_delete(const void *key, u32 key_length);
IMPORT("now_ms") i64 cx_now_ms(void);
IMPORT("random") void cx_random(void *to, u32 length);
IMPORT("set_timer") i32 cx_set_timer(i64 delay_ms, const void *content, u32 length);
IMPORT("cancel_timer") i32 cx_cancel_timer(i32 timer);

/* The compiler may call these whatever the flags say; MVP has no bulk memory. */
typedef u64 __attribute__((aligned(1), may_alias)) cx_word;

void *memcpy(void *restrict to, const void *restrict from, unsigned long length) {
    u8 *t = to;
    const u8 *f = from;
    for (; length >= 8; length -= 8, t += 8, f += 8) *(cx_word *)t = *(const cx_word *)f;
    for (; length; length--) *t++ = *f++;
    return to;
}

void *memset(void *to, int byte, unsigned long length) {
    for (u8 *t = to; length; length--) *t++ = (u8)byte;
    return to;
}

/* A run of bytes inside a message: nothing is copied, nothing ends with a zero. */
typedef struct {
    const u8 *at;
    u32 length;
} cx_span;

#define CX_NONE ((cx_span){0, 0})
#define CX_TEXT(literal) ((cx_span){(const u8 *)(literal), sizeof(literal) - 1})
#define CX_STRING(literal) CX_TEXT("\"" literal "\"") /* the same as a JSON string */

static inline int cx_same(cx_span a, cx_span b) {
    if (a.length != b.length) return 0;
    for (u32 i = 0; i < a.length; i++)
        if (a.at[i] != b.at[i]) return 0;
    return 1;
}

/* Memory is handed out upwards from the end of the data and never given back. */
extern u8 __heap_base;
static u32 cx_heap;

static void *cx_take(u32 length) {
    if (!cx_heap) cx_heap = ((u32)&__heap_base + 15) & ~15u;
    u32 at = cx_heap, pages = __builtin_wasm_memory_size(0);
    u64 end = (u64)at + length;
    if (end > (u64)pages << 16) {
        u64 more = (end - ((u64)pages << 16) + 0xffff) >> 16;
        if (more > 0xffff || __builtin_wasm_memory_grow(0, (u32)more) == (u32)-1) return 0;
    }
    cx_heap = ((u32)end + 15) & ~15u;
    return (void *)at;
}

/* The host's inbox: one buffer, replaced only by a larger one. */
EXPORT("caxton_alloc") void *caxton_alloc(u32 length) { return cx_take(length < 4096 ? 4096 : length); }

/* What is being written: fixed room, and a flag when it ran out. */
typedef struct {
    u8 *at;
    u32 length, room;
    int full;
} cx_out;

static inline void cx_bytes(cx_out *out, const void *from, u32 length) {
    if (length > out->room - out->length) {
        out->full = 1;
        return;
    }
    memcpy(out->at + out->length, from, length);
    out->length += length;
}

static inline void cx_put(cx_out *out, cx_span span) { cx_bytes(out, span.at, span.length); }

static inline void cx_integer(cx_out *out, i64 value) {
    u8 digits[20];
    u32 n = 20;
    u64 rest = value < 0 ? 0 - (u64)value : (u64)value;
    do digits[--n] = (u8)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0) digits[--n] = '-';
    cx_bytes(out, digits + n, 20 - n);
}

/* Durable state. What is kept has a copy in `room`; nothing when it is absent, or larger than that. */
static inline cx_span cx_kept(cx_span key, u8 *room, u32 capacity) {
    i32 length = cx_state_get(key.at, key.length, room, capacity);
    return length < 0 || (u32)length > capacity ? CX_NONE : (cx_span){room, (u32)length};
}

/* 0, or -1 over the quota. */
static inline i32 cx_keep(cx_span key, cx_span value) { return cx_state_put(key.at, key.length, value.at, value.length); }

static inline void cx_forget(cx_span key) { cx_state_delete(key.at, key.length); }

/* A whole number, kept as its digits; 0 when there is none. */
static inline i64 cx_kept_number(cx_span key) {
    u8 room[20];
    cx_span digits = cx_kept(key, room, sizeof room);
    int negative = digits.length && *digits.at == '-';
    u64 value = 0;
    for (u32 i = (u32)negative; i < digits.length; i++) value = value * 10 + (digits.at[i] - '0');
    return negative ? (i64)(0 - value) : (i64)value;
}

static inline i32 cx_keep_number(cx_span key, i64 value) {
    u8 room[20];
    cx_out out = {room, 0, sizeof room, 0};
    cx_integer(&out, value);
    return cx_keep(key, (cx_span){room, out.length});
}

/* A line in the agent's log. */
enum { CX_TRACE, CX_DEBUG, CX_INFO, CX_WARNING, CX_ERROR };
static inline void cx_say(i32 level, cx_span text) { cx_log(level, text.at, text.length); }

/* A message to ourselves in `delay_ms`, whose content is this text; its number, or -1. acl_is_timer tells it. */
static inline i32 cx_timer(i64 delay_ms, cx_span content) { return cx_set_timer(delay_ms, content.at, content.length); }

/* The answer to the message at `inbox`: its place over the message's first 8 bytes, then 1. */
static inline i32 cx_respond(void *inbox, const cx_out *out) {
    if (out->full) return 90;
    ((u32 *)inbox)[0] = (u32)out->at;
    ((u32 *)inbox)[1] = out->length;
    return 1;
}

#endif
