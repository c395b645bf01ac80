/* What an agent has agreed to do and has not done yet: whom it owes an answer, kept through restarts.
 *
 * promise_make when the work is taken on; promise_keep or promise_break when it is done; promise_heard first in
 * `handle_message`, for the cancels and for promises whose conversation has run out of time.
 */
#ifndef CAXTON_PROMISES_H
#define CAXTON_PROMISES_H
#include "records.h"

#define PROMISE CX_TEXT("promise")

/* Remember whom to answer; 0, or ACL_NOT_KEPT. A conversation has one promise at a time. */
static inline i32 promise_make(const acl_message *m) {
    u8 room[1024];
    cx_out out = {room, 0, sizeof room, 0};
    if (record_get(PROMISE, m->conversation).length) return ACL_NOT_KEPT;
    acl_field(&out, CX_TEXT("{\"to\":"), m->reply_to);
    acl_field(&out, CX_TEXT(",\"token\":"), m->token);
    cx_put(&out, CX_TEXT("}"));
    return out.full ? ACL_NOT_KEPT : record_put(PROMISE, m->conversation, (cx_span){room, out.length}, ACL_TTL_MS);
}

/* Give the answer that is owed, inform or failure; -5 when none is owed any more. */
static inline i32 promise_answer(cx_span conversation, cx_span act, cx_span content) {
    cx_span record = record_get(PROMISE, conversation);
    if (!record.length) return -5;
    i32 code = acl_send((acl_saying){
        .act = act, .receiver = json_member(record, CX_TEXT("to")), .conversation = conversation,
        .in_reply_to = json_member(record, CX_TEXT("token")), .content = content,
    });
    /* A full mailbox (-3) or a limit on what one step may send (-7) passes: the promise stands, and may be tried again. */
    if (code != -3 && code != -7) record_delete(PROMISE, conversation);
    return code;
}

static inline i32 promise_keep(cx_span conversation, cx_span content) {
    return promise_answer(conversation, CX_TEXT("inform"), content);
}

static inline i32 promise_break(cx_span conversation, cx_span reason) {
    return promise_answer(conversation, CX_TEXT("failure"), reason);
}

typedef enum { PROMISE_NOTHING, PROMISE_CANCELLED, PROMISE_EXPIRED } promise_event;

/* Was a promise taken back? PROMISE_CANCELLED wants an answer: acl_inform, that nothing more will be done. */
static inline promise_event promise_heard(const acl_message *m) {
    cx_span due = record_due(PROMISE, m);
    if (due.length) {
        record_delete(PROMISE, due);
        return PROMISE_EXPIRED;
    }
    if (!acl_is(m, CX_TEXT("cancel")) || !record_get(PROMISE, m->conversation).length) return PROMISE_NOTHING;
    record_delete(PROMISE, m->conversation);
    return PROMISE_CANCELLED;
}

#endif
