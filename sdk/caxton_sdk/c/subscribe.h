/* fipa-subscribe, both sides: one agent keeps others informed.
 *
 * Subscriber: subscribe_to, then subscribe_heard on every message; ACL_INFORMED is a notification. subscribe_cancel ends it.
 * A subscription lasts no longer than a conversation may (ACL_TTL_MS): at ACL_EXPIRED subscribe anew.
 * Publisher: to a subscribe answer with subscribe_accept or acl_answer "refuse"; subscribe_notify informs everybody;
 * subscribe_left says that a message was a cancel, and acl_inform answers it.
 */
#ifndef CAXTON_SUBSCRIBE_H
#define CAXTON_SUBSCRIBE_H
#include "initiators.h"

#define SUBSCRIPTION CX_TEXT("subscription")

#ifndef SUBSCRIBERS_MOST
#define SUBSCRIBERS_MOST 100 /* as many as one step may inform: the manifest's `fan_out` */
#endif
enum { SUBSCRIBER_PATIENCE = 10, SUBSCRIBER_MOST = 1024 };

/* Subscribe; an answer is due in `wait_ms`. `note` comes back with the news. */
static inline acl_opened subscribe_to(cx_span publisher, cx_span content, cx_span note, i64 wait_ms) {
    return initiator_open(SUBSCRIPTION, CX_TEXT("fipa-subscribe"), CX_TEXT("subscribe"), publisher, content, note, wait_ms);
}

static inline acl_news subscribe_heard(const acl_message *m) { return initiator_heard(SUBSCRIPTION, m, 0); }

static inline i32 subscribe_cancel(cx_span conversation, i64 wait_ms) {
    return initiator_cancel(SUBSCRIPTION, conversation, wait_ms);
}

/* A subscriber has a slot of its own in the durable state, `subscriber/<number>`: whom to inform of which conversation. */
typedef struct {
    u8 name[24];
    cx_out key;
    cx_span value, conversation;
} subscriber;

/* Read a slot into `room`; 0 when it is empty, or its conversation must be over by now. */
static inline int subscriber_load(subscriber *s, u32 slot, u8 room[SUBSCRIBER_MOST]) {
    int ok = 1;
    s->key = (cx_out){s->name, 0, sizeof s->name, 0};
    cx_put(&s->key, CX_TEXT("subscriber/"));
    cx_integer(&s->key, slot);
    i32 length = cx_state_get(s->name, s->key.length, room, SUBSCRIBER_MOST);
    if (length <= 0 || length > SUBSCRIBER_MOST) return 0;
    s->value = (cx_span){room, (u32)length};
    s->conversation = json_member(s->value, CX_TEXT("conversation"));
    return json_number(s->value, CX_TEXT("until"), &ok) > cx_now_ms();
}

static inline i32 subscriber_keep(subscriber *s, cx_span conversation, cx_span to, cx_span token, i64 until, i64 missed) {
    u8 room[SUBSCRIBER_MOST];
    cx_out out = {room, 0, sizeof room, 0};
    acl_field(&out, CX_TEXT("{\"conversation\":"), conversation);
    acl_field(&out, CX_TEXT(",\"to\":"), to);
    acl_field(&out, CX_TEXT(",\"token\":"), token);
    cx_put(&out, CX_TEXT(",\"until\":"));
    cx_integer(&out, until);
    cx_put(&out, CX_TEXT(",\"missed\":"));
    cx_integer(&out, missed);
    cx_put(&out, CX_TEXT("}"));
    return out.full || cx_state_put(s->name, s->key.length, room, out.length) ? ACL_NOT_KEPT : 0;
}

/* Take a subscriber on. Notify it from the next message on: in this step the agree comes last. */
static inline i32 subscribe_accept(const acl_message *m) {
    u8 room[SUBSCRIBER_MOST];
    subscriber s;
    for (u32 slot = 0; slot < SUBSCRIBERS_MOST; slot++) {
        if (subscriber_load(&s, slot, room)) continue;
        if (subscriber_keep(&s, m->conversation, m->reply_to, m->token, cx_now_ms() + ACL_TTL_MS, 0)) break;
        return acl_answer(m, CX_TEXT("agree"), CX_NONE);
    }
    return acl_answer(m, CX_TEXT("refuse"), CX_TEXT("{\"reason\":\"no room for another subscriber\"}"));
}

/* Was this the cancel of a subscription? Then it is forgotten, and wants acl_inform as its answer. */
static inline int subscribe_left(const acl_message *m) {
    u8 room[SUBSCRIBER_MOST];
    subscriber s;
    if (!acl_is(m, CX_TEXT("cancel"))) return 0;
    for (u32 slot = 0; slot < SUBSCRIBERS_MOST; slot++) {
        if (!subscriber_load(&s, slot, room) || !cx_same(s.conversation, m->conversation)) continue;
        cx_state_delete(s.name, s.key.length);
        return 1;
    }
    return 0;
}

/* Inform every subscriber; returns how many could not be reached this time.
 *
 * A subscriber whose conversation is over is forgotten; one that is stopped or whose mailbox is full misses this one, and
 * is forgotten when it has missed ten in a row.
 */
static inline u32 subscribe_notify(cx_span content) {
    u8 room[SUBSCRIBER_MOST];
    subscriber s;
    u32 missing = 0;
    for (u32 slot = 0; slot < SUBSCRIBERS_MOST; slot++) {
        if (!subscriber_load(&s, slot, room)) continue;
        int ok = 1;
        i64 missed = json_number(s.value, CX_TEXT("missed"), &ok), until = json_number(s.value, CX_TEXT("until"), &ok), now;
        cx_span to = json_member(s.value, CX_TEXT("to")), token = json_member(s.value, CX_TEXT("token"));
        i32 code = acl_send((acl_saying){
            .act = CX_TEXT("inform"), .receiver = to, .conversation = s.conversation, .in_reply_to = token, .content = content,
        });
        missing += code != 0;
        now = code ? missed + 1 : 0;
        if (code == -5 || now >= SUBSCRIBER_PATIENCE) cx_state_delete(s.name, s.key.length);
        else if (now != missed && subscriber_keep(&s, s.conversation, to, token, until, now)) __builtin_trap();
    }
    return missing;
}

#endif
