/* feed: tells its subscribers what it is told to; follows the feed in its configuration, if there is one. */
#include "request.h"
#include "subscribe.h"

enum { ANSWER_MS = 5000, RETRY_MS = 1000 };
#define LAST CX_TEXT("last")
#define FOLLOWED CX_TEXT("followed")
#define RETRY CX_TEXT("follow")

static u8 followed[128], last[8192], room[9000];

/* Subscribe to the feed we follow; it may not be there yet. */
static void follow(void) {
    cx_span feed = cx_kept(FOLLOWED, followed, sizeof followed);
    if (subscribe_to(feed, CX_NONE, CX_NONE, ANSWER_MS).code && cx_timer(RETRY_MS, RETRY) < 0) __builtin_trap();
}

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    cx_span feed = json_member((cx_span){config, length}, CX_TEXT("follow"));
    /* The subscription outlives this instance, so only the first one makes it. */
    if (!feed.length || cx_kept(FOLLOWED, followed, sizeof followed).length) return 0;
    if (feed.length > sizeof followed || cx_keep(FOLLOWED, feed)) return 1;
    follow();
    return 0;
}

static i32 show(const acl_message *m) {
    cx_out out = {room, 0, sizeof room, 0};
    cx_span heard = cx_kept(LAST, last, sizeof last);
    acl_field(&out, CX_TEXT("{\"last\":"), heard.length ? heard : CX_TEXT("null"));
    cx_put(&out, CX_TEXT("}"));
    return acl_inform(m, (cx_span){room, out.length});
}

/* What came of the subscription: whatever ends it, we subscribe anew. */
static void note(acl_news news) {
    if (news.event == ACL_INFORMED) {
        if (cx_keep(LAST, news.content)) __builtin_trap();
    } else if (news.event != ACL_AGREED && cx_timer(RETRY_MS, RETRY) < 0) {
        __builtin_trap();
    }
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    acl_message m = acl_read(inbox, length);
    acl_news news = subscribe_heard(&m);
    if (news.event) {
        note(news);
        return 0;
    }
    if (acl_is_timer(&m)) {
        if (json_is(m.content, RETRY)) follow();
        return 0;
    }
    if (acl_is(&m, CX_TEXT("subscribe"))) return subscribe_accept(&m);
    if (subscribe_left(&m)) return acl_inform(&m, CX_NONE);
    if (!acl_is(&m, CX_TEXT("request"))) return 0;
    if (json_is(m.content, CX_TEXT("last"))) return show(&m);
    cx_span value = json_member(m.content, CX_TEXT("tell"));
    if (!value.length) return request_refuse(&m, CX_STRING("tell what?"));
    subscribe_notify(value);
    return acl_inform(&m, CX_STRING("told"));
}
