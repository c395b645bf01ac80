/* The side that opens a conversation with one other agent: it opens, hears what comes of it, and may cancel.
 *
 * The record of a conversation says how far it is and carries a note, any JSON the agent wants to be told again.
 */
#ifndef CAXTON_INITIATORS_H
#define CAXTON_INITIATORS_H
#include "records.h"

typedef enum {
    ACL_NOTHING, /* not about a conversation of ours, or nothing new */
    ACL_AGREED,
    ACL_INFORMED, /* the result of a request; a notification of a subscription */
    ACL_REFUSED,
    ACL_FAILED, /* it tried and could not, or the platform could not reach it */
    ACL_NOT_UNDERSTOOD,
    ACL_EXPIRED, /* no answer in time, or the conversation's time is over */
    ACL_CANCELLED,
    ACL_CANCEL_REFUSED, /* it goes on as if nothing had been */
} acl_event;

typedef struct {
    acl_event event;
    cx_span conversation, note, content;
} acl_news;

#define ACL_OPENING CX_STRING("opening")
#define ACL_CANCEL CX_STRING("cancel")

static inline i32 initiator_keep(cx_span kind, cx_span conversation, cx_span state, cx_span note, i64 wait_ms) {
    static u8 room[RECORD_MOST];
    cx_out out = {room, 0, sizeof room, 0};
    acl_field(&out, CX_TEXT("{\"state\":\""), state);
    acl_field(&out, CX_TEXT("\",\"note\":"), note.length ? note : CX_TEXT("null"));
    cx_put(&out, CX_TEXT("}"));
    return out.full ? ACL_NOT_KEPT : record_put(kind, conversation, (cx_span){room, out.length}, wait_ms);
}

/* Open a conversation; the first answer is due in `wait_ms`. */
static inline acl_opened initiator_open(
    cx_span kind, cx_span protocol, cx_span act, cx_span receiver, cx_span content, cx_span note, i64 wait_ms
) {
    cx_span conversation = acl_new_id();
    /* An answer that comes exactly in time is in time: the timer rings after it. */
    i32 code = initiator_keep(kind, conversation, CX_TEXT("asked"), note, wait_ms + 1);
    if (code) return (acl_opened){code, CX_NONE};
    code = acl_send((acl_saying){
        .act = act, .protocol = protocol, .receiver = receiver, .conversation = conversation,
        .reply_with = ACL_OPENING, .content = content, .reply_in_ms = wait_ms,
    });
    if (code) record_delete(kind, conversation);
    return (acl_opened){code, conversation};
}

/* Take back what was asked; after `wait_ms` without an answer it counts as cancelled. */
static inline i32 initiator_cancel(cx_span kind, cx_span conversation, i64 wait_ms) {
    cx_span record = record_get(kind, conversation);
    if (!record.length) return -5;
    i32 code = acl_send((acl_saying){
        .act = CX_TEXT("cancel"), .conversation = conversation, .reply_with = ACL_CANCEL, .reply_in_ms = wait_ms,
    });
    if (code) return code;
    return initiator_keep(kind, conversation, CX_TEXT("cancelling"), json_member(record, CX_TEXT("note")), wait_ms + 1);
}

/* What a message means for the conversations of one kind; `whole` when an inform is the end of it. */
static inline acl_news initiator_heard(cx_span kind, const acl_message *m, int whole) {
    cx_span due = record_due(kind, m), record = record_get(kind, due.length ? due : m->conversation);
    if (!record.length) return (acl_news){ACL_NOTHING, CX_NONE, CX_NONE, CX_NONE};
    cx_span state = json_member(record, CX_TEXT("state"));
    int cancelling = json_is(state, CX_TEXT("cancelling")), ams = acl_from_ams(m), ends = 1;
    acl_news news = {ACL_NOTHING, due.length ? due : m->conversation, json_member(record, CX_TEXT("note")), m->content};
    if (due.length) {
        news.event = cancelling ? ACL_CANCELLED : ACL_EXPIRED;
    } else if (json_is(m->in_reply_to, CX_TEXT("cancel")) && !ams) {
        news.event = acl_is(m, CX_TEXT("inform")) ? ACL_CANCELLED : ACL_CANCEL_REFUSED;
        ends = news.event == ACL_CANCELLED;
    } else if (acl_is(m, CX_TEXT("agree"))) {
        news.event = ACL_AGREED;
        ends = 0;
    } else if (acl_is(m, CX_TEXT("inform"))) {
        news.event = ACL_INFORMED;
        ends = whole;
    } else if (acl_is(m, CX_TEXT("refuse"))) {
        news.event = ACL_REFUSED;
    } else if (acl_is(m, CX_TEXT("failure"))) {
        news.event = ACL_FAILED;
    } else if (acl_is(m, CX_TEXT("not-understood")) && !ams) {
        news.event = ACL_NOT_UNDERSTOOD;
    } else {
        return news;
    }
    if (ends) {
        record_delete(kind, news.conversation);
    } else if (news.event == ACL_CANCEL_REFUSED || json_is(state, CX_TEXT("asked"))) {
        /* It was answered in time; from here on only the conversation's own time limits it. */
        if (initiator_keep(kind, news.conversation, CX_TEXT("open"), news.note, ACL_TTL_MS)) __builtin_trap();
    }
    return news;
}

#endif
