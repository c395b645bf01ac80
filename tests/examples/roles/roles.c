/* An agent that plays every role when it is told to, and logs what it hears; `roles.ts` does exactly the same.
 *
 * From the API: inform {"do": "ask" | "call" | "subscribe", "to", "content", "wait"}, and about the conversation opened
 * last {"do": "cancel" | "award" | "reject", "of", "wait"}; about what was promised last {"do": "keep" | "break", "content"};
 * {"do": "notify", "content"}. What a request, a cfp or a subscribe gets for an answer is its content.
 */
#include "contract_net.h"
#include "request.h"
#include "subscribe.h"

static const cx_span acl_events[] = {
    CX_TEXT("nothing"), CX_TEXT("agreed"), CX_TEXT("informed"), CX_TEXT("refused"), CX_TEXT("failed"),
    CX_TEXT("not-understood"), CX_TEXT("expired"), CX_TEXT("cancelled"), CX_TEXT("cancel-refused"),
};
static const cx_span net_events[] = {
    CX_TEXT("nothing"), CX_TEXT("collecting"), CX_TEXT("choice"), CX_TEXT("nobody"), CX_TEXT("done"), CX_TEXT("failed"),
    CX_TEXT("expired"), CX_TEXT("accepted"), CX_TEXT("rejected"), CX_TEXT("passed"), CX_TEXT("cancelled"),
};

/* Log `what event note content`. */
static void say(cx_span what, cx_span event, cx_span note, cx_span content) {
    static u8 room[2048];
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, what);
    cx_put(&out, CX_TEXT(" "));
    cx_put(&out, event);
    acl_field(&out, CX_TEXT(" "), note);
    acl_field(&out, CX_TEXT(" "), content);
    cx_log(2, room, out.length);
}

static void say_code(cx_span what, i64 code) {
    u8 room[24];
    cx_out out = {room, 0, sizeof room, 0};
    cx_integer(&out, code);
    say(what, (cx_span){room, out.length}, CX_NONE, CX_NONE);
}

static void remember(cx_span key, cx_span conversation) {
    cx_state_put(key.at, key.length, conversation.at, conversation.length);
}

static cx_span recalled(cx_span key) {
    static u8 room[300];
    i32 length = cx_state_get(key.at, key.length, room, sizeof room);
    return length > 0 ? (cx_span){room, (u32)length} : CX_NONE;
}

static int judge(cx_span offer, cx_span note, i64 *score) {
    int ok = 1;
    (void)note;
    *score = json_number(offer, CX_TEXT("cost"), &ok);
    return ok;
}

static u32 count(cx_span array) {
    const u8 *at = 0;
    u32 n = 0;
    while (json_element(array, &at).length) n++;
    return n;
}

static void obey(cx_span order) {
    int ok = 1;
    cx_span what = json_member(order, CX_TEXT("do")), of = json_member(order, CX_TEXT("of"));
    cx_span to = json_member(order, CX_TEXT("to")), content = json_member(order, CX_TEXT("content"));
    cx_span note = json_member(order, CX_TEXT("note")), last = recalled(CX_TEXT("opened"));
    i64 wait = json_number(order, CX_TEXT("wait"), &ok);
    acl_opened opened = {0, CX_NONE};
    if (json_is(what, CX_TEXT("ask"))) opened = request_ask(to, content, note, wait);
    else if (json_is(what, CX_TEXT("call"))) opened = contract_net_call(to, count(to), content, note, wait);
    else if (json_is(what, CX_TEXT("subscribe"))) opened = subscribe_to(to, content, note, wait);
    else if (json_is(what, CX_TEXT("cancel")) && json_is(of, CX_TEXT("request"))) opened.code = request_cancel(last, wait);
    else if (json_is(what, CX_TEXT("cancel"))) opened.code = subscribe_cancel(last, wait);
    else if (json_is(what, CX_TEXT("award"))) opened.code = contract_net_award(last, content, wait);
    else if (json_is(what, CX_TEXT("reject"))) opened.code = contract_net_reject(last, content);
    else if (json_is(what, CX_TEXT("keep"))) opened.code = promise_keep(recalled(CX_TEXT("promised")), content);
    else if (json_is(what, CX_TEXT("break"))) opened.code = promise_break(recalled(CX_TEXT("promised")), content);
    else if (json_is(what, CX_TEXT("notify"))) opened.code = (i32)subscribe_notify(content);
    if (opened.conversation.length) remember(CX_TEXT("opened"), opened.conversation);
    say_code((cx_span){what.at + 1, what.length - 2}, opened.code);
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    acl_message m = acl_read(inbox, length);
    if (json_member(m.content, CX_TEXT("do")).length && !m.protocol.length) {
        obey(m.content);
        return 0;
    }
    promise_event promise = promise_heard(&m);
    if (promise) {
        say(CX_TEXT("promise"), promise == PROMISE_CANCELLED ? CX_TEXT("cancelled") : CX_TEXT("expired"), CX_NONE, CX_NONE);
        return promise == PROMISE_CANCELLED ? acl_inform(&m, CX_STRING("stopped")) : 0;
    }
    if (subscribe_left(&m)) {
        say(CX_TEXT("subscriber"), CX_TEXT("left"), CX_NONE, CX_NONE);
        return acl_inform(&m, CX_STRING("stopped"));
    }
    acl_news news = request_heard(&m);
    if (news.event) {
        say(CX_TEXT("request"), acl_events[news.event], news.note, news.content);
        return 0;
    }
    news = subscribe_heard(&m);
    if (news.event) {
        say(CX_TEXT("subscription"), acl_events[news.event], news.note, news.content);
        return 0;
    }
    net_news net = contract_net_heard(&m, judge);
    if (net.event) {
        say(CX_TEXT("net"), net_events[net.event], net.note, net.content);
        return 0;
    }
    net = contract_net_told(&m);
    if (net.event) {
        say(CX_TEXT("offer"), net_events[net.event], CX_NONE, net.content);
        if (net.event == NET_CANCELLED) return acl_inform(&m, CX_STRING("stopped"));
        if (net.event != NET_ACCEPTED) return 0;
        if (json_is(m.content, CX_TEXT("failure"))) return acl_failure(&m, CX_STRING("broken"));
        if (!json_is(m.content, CX_TEXT("later"))) return acl_inform(&m, net.content);
        remember(CX_TEXT("promised"), m.conversation);
        return promise_make(&m) ? acl_failure(&m, CX_STRING("no room")) : 0;
    }
    if (acl_is(&m, CX_TEXT("request"))) {
        if (json_is(m.content, CX_TEXT("refuse"))) return request_refuse(&m, CX_STRING("busy"));
        if (json_is(m.content, CX_TEXT("failure"))) return acl_failure(&m, CX_STRING("broken"));
        if (json_is(m.content, CX_TEXT("trap"))) __builtin_trap();
        if (json_is(m.content, CX_TEXT("silence"))) return 0;
        if (!json_is(m.content, CX_TEXT("agree"))) return acl_inform(&m, m.content);
        remember(CX_TEXT("promised"), m.conversation);
        return request_agree(&m);
    }
    if (acl_is(&m, CX_TEXT("cfp"))) {
        if (json_is(m.content, CX_TEXT("refuse"))) return contract_net_refuse(&m, CX_STRING("busy"));
        /* Each agent finds its own offer in the call: [name, offer]. */
        const u8 *at = 0;
        for (cx_span pair; (pair = json_element(m.content, &at)).length;) {
            const u8 *inside = 0;
            cx_span name = json_element(pair, &inside), offer = json_element(pair, &inside);
            if (!cx_same(recalled(CX_TEXT("name")), name)) continue;
            if (json_is(offer, CX_TEXT("silence"))) return 0;
            if (json_is(offer, CX_TEXT("refuse"))) return contract_net_refuse(&m, CX_STRING("busy"));
            return contract_net_propose(&m, offer, 60000);
        }
        return contract_net_refuse(&m, CX_STRING("not mine"));
    }
    if (acl_is(&m, CX_TEXT("subscribe")))
        return json_is(m.content, CX_TEXT("refuse")) ? acl_answer(&m, CX_TEXT("refuse"), CX_STRING("busy")) : subscribe_accept(&m);
    return 0;
}

/* config {"name"}: whom the offers of a call are for. */
EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    remember(CX_TEXT("name"), json_member((cx_span){config, length}, CX_TEXT("name")));
    return 0;
}
