/* A display: subscribes to an agent, and keeps what it was told last.
 *
 * config  {"watch": "thermometer"}
 *
 * request "start"      subscribes, and agrees; refuse when nobody is there
 * request "stop"       cancels the subscription, and informs
 * request "show"       inform {"seen", "last", "state"}: how often it was told, what last, and how the subscription stands
 */
#include "request.h"
#include "subscribe.h"

enum { ANSWER_MS = 5000 };
static u8 watched[128], room[2048];
static cx_span watch;

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    cx_span name = json_member((cx_span){config, length}, CX_TEXT("watch"));
    if (!name.length || name.length > sizeof watched) return 1;
    memcpy(watched, name.at, name.length);
    watch = (cx_span){watched, name.length};
    return 0;
}

/* A kept value; nothing when there is none. */
static cx_span kept(const char *key, u32 key_length, u8 *into, u32 capacity) {
    i32 length = cx_state_get(key, key_length, into, capacity);
    return length < 0 || (u32)length > capacity ? CX_NONE : (cx_span){into, (u32)length};
}

static void keep(const char *key, u32 key_length, cx_span value) {
    if (cx_state_put(key, key_length, value.at, value.length)) __builtin_trap();
}

static i32 show(const acl_message *m) {
    u8 last[1024], state[32];
    i64 seen = 0;
    cx_state_get("seen", 4, &seen, sizeof seen);
    cx_span told = kept("last", 4, last, sizeof last), stands = kept("state", 5, state, sizeof state);
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, CX_TEXT("{\"seen\":"));
    cx_integer(&out, seen);
    acl_field(&out, CX_TEXT(",\"last\":"), told.length ? told : CX_TEXT("null"));
    acl_field(&out, CX_TEXT(",\"state\":"), stands.length ? stands : CX_STRING("idle"));
    cx_put(&out, CX_TEXT("}"));
    return out.full ? acl_failure(m, CX_STRING("too much to show")) : acl_inform(m, (cx_span){room, out.length});
}

static i32 start(const acl_message *m) {
    acl_opened opened = subscribe_to(watch, CX_STRING("temperature"), CX_NONE, ANSWER_MS);
    if (opened.code) return request_refuse(m, CX_STRING("nobody to subscribe to"));
    keep("conversation", 12, opened.conversation);
    keep("state", 5, CX_STRING("asked"));
    return acl_inform(m, CX_STRING("started"));
}

static i32 stop(const acl_message *m) {
    u8 conversation[ACL_ID];
    if (subscribe_cancel(kept("conversation", 12, conversation, sizeof conversation), ANSWER_MS))
        return request_refuse(m, CX_STRING("there is no subscription"));
    return acl_inform(m, CX_STRING("stopping"));
}

/* What came of the subscription. */
static void note(acl_news news) {
    i64 seen = 0;
    switch (news.event) {
    case ACL_INFORMED:
        cx_state_get("seen", 4, &seen, sizeof seen);
        seen++;
        keep("seen", 4, (cx_span){(const u8 *)&seen, sizeof seen});
        keep("last", 4, news.content);
        /* fall through */
    case ACL_AGREED: case ACL_CANCEL_REFUSED: keep("state", 5, CX_STRING("subscribed")); return;
    case ACL_CANCELLED: keep("state", 5, CX_STRING("cancelled")); return;
    default: keep("state", 5, CX_STRING("over")); return;
    }
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    acl_message m = acl_read(inbox, length);
    acl_news news = subscribe_heard(&m);
    if (news.event != ACL_NOTHING) note(news);
    if (news.event != ACL_NOTHING || !acl_is(&m, CX_TEXT("request"))) return 0;
    if (json_is(m.content, CX_TEXT("start"))) return start(&m);
    if (json_is(m.content, CX_TEXT("stop"))) return stop(&m);
    return show(&m);
}
