/* fipa-request, both sides: one agent asks another to do something.
 *
 * Initiator: request_ask, then request_heard on every message until it says how it ended. request_cancel takes it back.
 * Participant: to a request answer with request_refuse, with acl_inform or acl_failure when the work is done at once, or
 * with request_agree and later promise_keep or promise_break.
 */
#ifndef CAXTON_REQUEST_H
#define CAXTON_REQUEST_H
#include "initiators.h"
#include "promises.h"

#define REQUEST CX_TEXT("request")

/* Ask; an answer, be it only an agree, is due in `wait_ms`. `note` comes back with the news. */
static inline acl_opened request_ask(cx_span receiver, cx_span content, cx_span note, i64 wait_ms) {
    return initiator_open(REQUEST, CX_TEXT("fipa-request"), REQUEST, receiver, content, note, wait_ms);
}

static inline acl_news request_heard(const acl_message *m) { return initiator_heard(REQUEST, m, 1); }

static inline i32 request_cancel(cx_span conversation, i64 wait_ms) {
    return initiator_cancel(REQUEST, conversation, wait_ms);
}

/* Refuse; who asked without a protocol has no refusal, and is told of a failure. */
static inline i32 request_refuse(const acl_message *m, cx_span reason) {
    return acl_answer(m, m->protocol.length ? CX_TEXT("refuse") : CX_TEXT("failure"), reason);
}

/* Take the work on: the answer is owed until promise_keep or promise_break. */
static inline i32 request_agree(const acl_message *m) {
    if (promise_make(m)) return request_refuse(m, CX_TEXT("{\"reason\":\"no room for another promise\"}"));
    return m->protocol.length ? acl_answer(m, CX_TEXT("agree"), CX_NONE) : 0;
}

#endif
