/* What an agent must know of a conversation after a restart, and until when: a record in the durable state.
 *
 * Its key is `<kind>/<conversation id>`; its value is JSON behind the number of its timer and the time that rings.
 * The record and its timer are written in the step in which it is spoken about, so they never disagree with what was sent.
 */
#ifndef CAXTON_RECORDS_H
#define CAXTON_RECORDS_H
#include "messages.h"

enum { RECORD_MOST = 16384, RECORD_KEY_MOST = 640, RECORD_ROOMS = 4 };

#ifndef ACL_TTL_MS
#define ACL_TTL_MS 86400000LL /* the node's `runtime.conversation_ttl`: no conversation lasts longer */
#endif

typedef struct {
    i64 due;
    i32 timer;
} record_head;

typedef struct {
    u8 text[RECORD_KEY_MOST];
    cx_out out;
} record_key;

/* What was read stays readable while three more records are read. */
static u8 record_rooms[RECORD_ROOMS][RECORD_MOST];
static u32 record_turn;

static inline void record_name(record_key *key, cx_span kind, cx_span conversation) {
    key->out = (cx_out){key->text, 0, RECORD_KEY_MOST, 0};
    cx_put(&key->out, kind);
    cx_put(&key->out, CX_TEXT("/"));
    cx_put(&key->out, conversation);
}

static inline i32 record_load(cx_span kind, cx_span conversation, u8 *room, u32 capacity) {
    record_key key;
    record_name(&key, kind, conversation);
    return key.out.full ? -1 : cx_state_get(key.text, key.out.length, room, capacity);
}

/* The record, or nothing. */
static inline cx_span record_get(cx_span kind, cx_span conversation) {
    u8 *room = record_rooms[record_turn++ % RECORD_ROOMS];
    i32 length = conversation.length ? record_load(kind, conversation, room, RECORD_MOST) : -1;
    if (length < (i32)sizeof(record_head) || length > RECORD_MOST) return CX_NONE;
    return (cx_span){room + sizeof(record_head), (u32)length - sizeof(record_head)};
}

static inline record_head record_head_of(cx_span record) {
    record_head head;
    memcpy(&head, record.at - sizeof head, sizeof head);
    return head;
}

/* Forget a record, and its timer. */
static inline void record_delete(cx_span kind, cx_span conversation) {
    record_key key;
    cx_span old = record_get(kind, conversation);
    if (!old.length) return;
    if (record_head_of(old).timer) cx_cancel_timer(record_head_of(old).timer);
    record_name(&key, kind, conversation);
    cx_state_delete(key.text, key.out.length);
}

enum { RECORD_SAME_TIMER = -1 };

/* Write a record that is due in `wait_ms`, or when it was before; 0, or ACL_NOT_KEPT and nothing is changed. */
static inline i32 record_put(cx_span kind, cx_span conversation, cx_span value, i64 wait_ms) {
    static u8 room[RECORD_MOST];
    record_key key;
    record_head head = {0, 0}, before = {0, 0};
    cx_span old = record_get(kind, conversation);
    record_name(&key, kind, conversation);
    if (key.out.full || value.length > RECORD_MOST - sizeof head) return ACL_NOT_KEPT;
    if (old.length) before = record_head_of(old);
    if (wait_ms == RECORD_SAME_TIMER) {
        head = before;
    } else {
        u8 text[RECORD_KEY_MOST + 24];
        cx_out payload = {text, 0, sizeof text, 0};
        head.due = cx_now_ms() + wait_ms;
        cx_integer(&payload, head.due);
        cx_put(&payload, CX_TEXT(" "));
        cx_bytes(&payload, key.text, key.out.length);
        head.timer = cx_set_timer(wait_ms, payload.at, payload.length);
        if (head.timer < 0) return ACL_NOT_KEPT;
    }
    memcpy(room, &head, sizeof head);
    memcpy(room + sizeof head, value.at, value.length);
    if (cx_state_put(key.text, key.out.length, room, sizeof head + value.length)) {
        if (head.timer != before.timer) cx_cancel_timer(head.timer);
        return ACL_NOT_KEPT;
    }
    if (before.timer && before.timer != head.timer) cx_cancel_timer(before.timer);
    return 0;
}

/* Write a record that must be written: where it can't be, the whole step is undone. */
static inline void record_must_put(cx_span kind, cx_span conversation, cx_span value, i64 wait_ms) {
    if (record_put(kind, conversation, value, wait_ms)) __builtin_trap();
}

/* When this message is the timer of a record of this kind, and it still counts: the record's conversation, else nothing. */
static inline cx_span record_due(cx_span kind, const acl_message *m) {
    static u8 rung[RECORD_KEY_MOST + 24];
    u32 length = 0, i = 1;
    i64 due = 0;
    if (!json_is(m->ontology, CX_TEXT("caxton-timer")) || !acl_from_ams(m)) return CX_NONE;
    /* The timer's text came back as a JSON string: only quotes and backslashes are escaped in it. */
    for (; i + 1 < m->content.length && length < sizeof rung; i++) {
        if (m->content.at[i] == '\\') i++;
        rung[length++] = m->content.at[i];
    }
    for (i = 0; i < length && rung[i] >= '0' && rung[i] <= '9'; i++) due = due * 10 + (rung[i] - '0');
    i++;
    if (length < i + kind.length + 1 || !cx_same((cx_span){rung + i, kind.length}, kind)) return CX_NONE;
    i += kind.length;
    if (rung[i++] != '/') return CX_NONE;
    cx_span conversation = {rung + i, length - i}, record = record_get(kind, conversation);
    /* A record that was written anew since has another time; this is the old timer, too late to be cancelled. */
    return record.length && record_head_of(record).due == due ? conversation : CX_NONE;
}

#endif
