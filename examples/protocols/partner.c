/* A participant in every protocol, for the commands of docs/protocols.md.
 *
 * config  {"limit": 40}: the most it pays, and what it asks for
 *
 * request, query-if, query-ref     inform {"limit"}
 * request-when, proxy              agree; soon after inform {"done": true}
 * subscribe, request-whenever      agree; inform {"tick": n} twice a second, until it is cancelled
 * propose {"price"}                accept-proposal when that is at most the limit; else reject-proposal, or in a negotiation
 *                                  propose {"price": the limit}
 * cfp {"price"}, in an auction     propose {"price"} when that is at most the limit, else silence
 * cfp                              propose {"price": the limit}
 * accept-proposal                  inform {"done": true}; in an auction nothing
 *
 * What it will say later is kept in its durable state: under the key that the timer carries stand the fields of the answer,
 * so it outlives a restart.
 */
#include "json.h"

static i64 limit;
static u8 room[4096], kept[2048];

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    int ok = 1;
    limit = json_number((cx_span){config, length}, CX_TEXT("limit"), &ok);
    return ok ? 0 : 1;
}

static i32 say(u8 *inbox, cx_span act, cx_span name, i64 number) {
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, CX_TEXT("{\"performative\":\""));
    cx_put(&out, act);
    cx_put(&out, CX_TEXT("\",\"content\":{\""));
    cx_put(&out, name);
    cx_put(&out, CX_TEXT("\":"));
    cx_integer(&out, number);
    cx_put(&out, CX_TEXT("}}"));
    return cx_respond(inbox, &out);
}

/* A field of a message, raw, under a name of the answer; the first field has no comma before it. */
static void field(cx_out *out, cx_span name, cx_span value) {
    if (!value.length) return;
    cx_put(out, CX_TEXT(",\""));
    cx_put(out, name);
    cx_put(out, CX_TEXT("\":"));
    cx_put(out, value);
}

/* Agree now and set a timer for the rest: `kind` is 'o' for one answer, 'm' for many. */
static i32 later(u8 *inbox, cx_span message, u8 kind) {
    i64 number = 0;
    cx_state_get("next", 4, &number, sizeof number);
    number++;
    if (cx_state_put("next", 4, &number, sizeof number)) return 2;
    u8 text[32];
    cx_out key = {text, 0, sizeof text, 0}, rest = {kept, 0, sizeof kept, 0};
    cx_bytes(&key, &kind, 1);
    cx_integer(&key, number);
    cx_span token = json_member(message, CX_TEXT("reply_with"));
    if (!token.length) token = json_member(message, CX_TEXT("id"));
    field(&rest, CX_TEXT("receiver"), json_member(message, CX_TEXT("sender")));
    field(&rest, CX_TEXT("conversation_id"), json_member(message, CX_TEXT("conversation_id")));
    field(&rest, CX_TEXT("protocol"), json_member(message, CX_TEXT("protocol")));
    field(&rest, CX_TEXT("in_reply_to"), token);
    if (rest.full || cx_state_put(text, key.length, kept, rest.length)) return 3;
    if (cx_set_timer(500, text, key.length) < 0) return 4;
    return say(inbox, CX_TEXT("agree"), CX_TEXT("limit"), limit);
}

/* A timer: say what is due, and go on for as long as somebody listens. */
static i32 due(cx_span key) {
    if (key.length < 3) return 0;
    key = (cx_span){key.at + 1, key.length - 2};
    i32 length = cx_state_get(key.at, key.length, kept, sizeof kept);
    if (length < 0 || length > (i32)sizeof kept) return 0;
    int many = key.at[0] == 'm';
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, CX_TEXT("{\"performative\":\"inform\",\"content\":"));
    cx_put(&out, many ? CX_TEXT("{\"tick\":true}") : CX_TEXT("{\"done\":true}"));
    cx_bytes(&out, kept, (u32)length);
    cx_put(&out, CX_TEXT("}"));
    if (out.full) return 5;
    if (!cx_send(room, out.length) && many) return cx_set_timer(500, key.at, key.length) < 0 ? 6 : 0;
    cx_state_delete(key.at, key.length);
    return 0;
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    cx_span message = {inbox, length};
    cx_span act = json_member(message, CX_TEXT("performative"));
    cx_span protocol = json_member(message, CX_TEXT("protocol"));
    cx_span content = json_member(message, CX_TEXT("content"));
    int english = json_is(protocol, CX_TEXT("fipa-auction-english"));
    int auction = english || json_is(protocol, CX_TEXT("fipa-auction-dutch"));
    int priced = 1;
    i64 price = json_number(content, CX_TEXT("price"), &priced);
    if (json_is(json_member(message, CX_TEXT("ontology")), CX_TEXT("caxton-timer"))) return due(content);
    if (json_is(act, CX_TEXT("cancel"))) return say(inbox, CX_TEXT("inform"), CX_TEXT("limit"), limit);
    if (json_is(act, CX_TEXT("request")) && !english) return say(inbox, CX_TEXT("inform"), CX_TEXT("limit"), limit);
    if (json_is(act, CX_TEXT("query-if")) || json_is(act, CX_TEXT("query-ref")))
        return say(inbox, CX_TEXT("inform"), CX_TEXT("limit"), limit);
    if (json_is(act, CX_TEXT("request-when")) || json_is(act, CX_TEXT("proxy"))) return later(inbox, message, 'o');
    if (json_is(act, CX_TEXT("request-whenever")) || json_is(act, CX_TEXT("subscribe")))
        return later(inbox, message, 'm');
    if (json_is(act, CX_TEXT("propose"))) {
        if (priced && price <= limit) return say(inbox, CX_TEXT("accept-proposal"), CX_TEXT("price"), price);
        int bargains = json_is(protocol, CX_TEXT("caxton-negotiation"));
        return say(inbox, bargains ? CX_TEXT("propose") : CX_TEXT("reject-proposal"), CX_TEXT("price"), limit);
    }
    if (json_is(act, CX_TEXT("cfp")) && auction)
        return priced && price <= limit ? say(inbox, CX_TEXT("propose"), CX_TEXT("price"), price) : 0;
    if (json_is(act, CX_TEXT("cfp"))) return say(inbox, CX_TEXT("propose"), CX_TEXT("price"), limit);
    if (json_is(act, CX_TEXT("accept-proposal")) && !auction)
        return say(inbox, CX_TEXT("inform"), CX_TEXT("price"), limit);
    return 0;
}
