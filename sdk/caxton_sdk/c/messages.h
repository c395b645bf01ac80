/* ACL messages: what came in, and what is said. Every span is raw JSON, strings with their quotes. */
#ifndef CAXTON_MESSAGES_H
#define CAXTON_MESSAGES_H
#include "json.h"

enum { ACL_ROOM = 16384, ACL_TOKEN_MOST = 256, ACL_ID = 34 };
enum { ACL_TOO_LARGE = -6, ACL_NOT_KEPT = -10 }; /* beside what `send` returns: the durable state had no room */

typedef struct {
    void *inbox;
    cx_span act, sender, receiver, content, ontology, protocol, conversation, in_reply_to;
    cx_span reply_to; /* whom an answer goes to: the message's reply_to, else its sender */
    cx_span token;    /* what an answer quotes: the message's reply_with, else its id */
} acl_message;

static inline acl_message acl_read(void *inbox, u32 length) {
    cx_span whole = {inbox, length};
    acl_message m = {
        .inbox = inbox,
        .act = json_member(whole, CX_TEXT("performative")),
        .sender = json_member(whole, CX_TEXT("sender")),
        .receiver = json_member(whole, CX_TEXT("receiver")),
        .content = json_member(whole, CX_TEXT("content")),
        .ontology = json_member(whole, CX_TEXT("ontology")),
        .protocol = json_member(whole, CX_TEXT("protocol")),
        .conversation = json_member(whole, CX_TEXT("conversation_id")),
        .in_reply_to = json_member(whole, CX_TEXT("in_reply_to")),
        .reply_to = json_member(whole, CX_TEXT("reply_to")),
        .token = json_member(whole, CX_TEXT("reply_with")),
    };
    if (!m.reply_to.length) m.reply_to = m.sender;
    /* The id may always be quoted instead; it is short, whatever somebody chose as a token. */
    if (!m.token.length || m.token.length > ACL_TOKEN_MOST) m.token = json_member(whole, CX_TEXT("id"));
    return m;
}

static inline int acl_is(const acl_message *m, cx_span act) { return json_is(m->act, act); }

/* Is this the platform speaking: a failure, a not-understood, a timer? Its name is `ams`, at our own platform. */
static inline int acl_from_ams(const acl_message *m) {
    static const u8 ams[5] = {'"', 'a', 'm', 's', '@'};
    cx_span me = m->receiver, who = m->sender;
    while (me.length && *me.at != '@') me.at++, me.length--;
    if (!me.length || who.length < 5 || !cx_same((cx_span){who.at, 5}, (cx_span){ams, 5})) return 0;
    return me.length == who.length - 4 && cx_same(me, (cx_span){who.at + 4, who.length - 4});
}

/* Is this a timer of ours? Its content is the text it was set with, as a JSON string. */
static inline int acl_is_timer(const acl_message *m) { return json_is(m->ontology, CX_TEXT("caxton-timer")) && acl_from_ams(m); }

/* A message to be sent; what is left out is left out. `act` and `protocol` stand without quotes. */
typedef struct {
    cx_span act, protocol, receiver, conversation, reply_with, in_reply_to, content;
    i64 reply_in_ms; /* reply_by, counted from now */
} acl_saying;

static inline void acl_field(cx_out *out, cx_span name, cx_span value) {
    if (!value.length) return;
    cx_put(out, name);
    cx_put(out, value);
}

static inline void acl_write(cx_out *out, acl_saying say) {
    acl_field(out, CX_TEXT("{\"performative\":\""), say.act);
    acl_field(out, CX_TEXT("\",\"protocol\":\""), say.protocol);
    cx_put(out, CX_TEXT("\""));
    acl_field(out, CX_TEXT(",\"receiver\":"), say.receiver);
    acl_field(out, CX_TEXT(",\"conversation_id\":"), say.conversation);
    acl_field(out, CX_TEXT(",\"reply_with\":"), say.reply_with);
    acl_field(out, CX_TEXT(",\"in_reply_to\":"), say.in_reply_to);
    acl_field(out, CX_TEXT(",\"content\":"), say.content);
    if (say.reply_in_ms > 0) {
        cx_put(out, CX_TEXT(",\"reply_by\":\"+"));
        cx_integer(out, say.reply_in_ms);
        cx_put(out, CX_TEXT("ms\""));
    }
    cx_put(out, CX_TEXT("}"));
}

/* Send it now; returns what `send` does: 0, or the reason why it was not sent. */
static inline i32 acl_send(acl_saying say) {
    static u8 room[ACL_ROOM];
    cx_out out = {room, 0, sizeof room, 0};
    acl_write(&out, say);
    return out.full ? ACL_TOO_LARGE : cx_send(out.at, out.length);
}

/* Answer the message being handled; what this returns, `handle_message` must return. */
static inline i32 acl_respond(const acl_message *m, acl_saying say) {
    static u8 room[ACL_ROOM];
    cx_out out = {room, 0, sizeof room, 0};
    acl_write(&out, say);
    return cx_respond(m->inbox, &out);
}

static inline i32 acl_answer(const acl_message *m, cx_span act, cx_span content) {
    return acl_respond(m, (acl_saying){.act = act, .content = content});
}

static inline i32 acl_inform(const acl_message *m, cx_span content) { return acl_answer(m, CX_TEXT("inform"), content); }
static inline i32 acl_failure(const acl_message *m, cx_span content) { return acl_answer(m, CX_TEXT("failure"), content); }

/* What came of opening a conversation: 0 and its id, or why it could not be opened; then nothing is kept of it. */
typedef struct {
    i32 code;
    cx_span conversation;
} acl_opened;

/* A conversation id that nobody else has: 32 random hexadecimal digits; readable until the next one is made. */
static inline cx_span acl_new_id(void) {
    static u8 room[ACL_ID];
    u8 drawn[16];
    cx_random(drawn, sizeof drawn);
    room[0] = room[33] = '"';
    for (u32 i = 0; i < 32; i++) room[i + 1] = (u8)"0123456789abcdef"[i & 1 ? drawn[i / 2] & 15 : drawn[i / 2] >> 4];
    return (cx_span){room, ACL_ID};
}

#endif
