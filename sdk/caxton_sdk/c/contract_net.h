/* fipa-contract-net, both sides: who does it best?
 *
 * Initiator: contract_net_call, then contract_net_heard on every message. The best offer so far is kept; one that is
 * beaten is rejected at once. At NET_CHOICE award it, or reject it; then NET_DONE, NET_FAILED or NET_EXPIRED is the end.
 * Participant: to a cfp answer with contract_net_propose or contract_net_refuse. contract_net_told says what became of
 * the offer; after NET_ACCEPTED do the work and acl_inform or acl_failure, or promise_make and answer later.
 */
#ifndef CAXTON_CONTRACT_NET_H
#define CAXTON_CONTRACT_NET_H
#include "initiators.h"
#include "promises.h"

#define NET CX_TEXT("contract-net")
#define NET_OFFER CX_TEXT("offer")
#define NET_AWARD CX_STRING("award")

typedef enum {
    NET_NOTHING,    /* not about a call or an offer of ours, or nothing new */
    NET_COLLECTING, /* initiator: an answer; others may still come */
    NET_CHOICE,     /* initiator: all have answered or their time is over; `content` is the best offer */
    NET_NOBODY,     /* initiator: the same, and nobody made an offer; the end */
    NET_DONE,       /* initiator: the winner's result */
    NET_FAILED,     /* initiator: the winner could not do it, or is gone */
    NET_EXPIRED,    /* initiator: no result in time */
    NET_ACCEPTED,   /* participant: do it; `content` is what was offered */
    NET_REJECTED,   /* participant: the offer was not taken */
    NET_PASSED,     /* participant: nobody took the offer while it held */
    NET_CANCELLED,  /* participant: the call is taken back; answer with acl_inform */
} net_event;

typedef struct {
    net_event event;
    cx_span conversation, note, content, from;
} net_news;

/* How good is an offer? The lowest score wins; 0 when the offer is no good at all. */
typedef int (*net_judge)(cx_span offer, cx_span note, i64 *score);

typedef struct {
    cx_span conversation, state, answered, from, token, offer, note;
    i64 left, score;
} net_call;

static inline net_call net_load(cx_span conversation, cx_span record) {
    int ok = 1;
    return (net_call){
        conversation, json_member(record, CX_TEXT("state")), json_member(record, CX_TEXT("answered")),
        json_member(record, CX_TEXT("from")), json_member(record, CX_TEXT("token")), json_member(record, CX_TEXT("offer")),
        json_member(record, CX_TEXT("note")), json_number(record, CX_TEXT("left"), &ok), json_number(record, CX_TEXT("score"), &ok),
    };
}

static inline i32 net_keep(net_call net, cx_span state, i64 wait_ms) {
    static u8 room[RECORD_MOST];
    cx_out out = {room, 0, sizeof room, 0};
    acl_field(&out, CX_TEXT("{\"state\":\""), state);
    cx_put(&out, CX_TEXT("\",\"left\":"));
    cx_integer(&out, net.left);
    cx_put(&out, CX_TEXT(",\"score\":"));
    cx_integer(&out, net.score);
    acl_field(&out, CX_TEXT(",\"answered\":"), net.answered.length ? net.answered : CX_TEXT("[]"));
    acl_field(&out, CX_TEXT(",\"from\":"), net.from);
    acl_field(&out, CX_TEXT(",\"token\":"), net.token);
    acl_field(&out, CX_TEXT(",\"offer\":"), net.offer);
    acl_field(&out, CX_TEXT(",\"note\":"), net.note.length ? net.note : CX_TEXT("null"));
    cx_put(&out, CX_TEXT("}"));
    return out.full ? ACL_NOT_KEPT : record_put(NET, net.conversation, (cx_span){room, out.length}, wait_ms);
}

/* Call `count` agents, a JSON list of names, for offers that are due in `wait_ms`. */
static inline acl_opened contract_net_call(cx_span receivers, u32 count, cx_span content, cx_span note, i64 wait_ms) {
    net_call net = {.conversation = acl_new_id(), .note = note, .left = count};
    i32 code = net_keep(net, CX_TEXT("collecting"), wait_ms + 1);
    if (code) return (acl_opened){code, CX_NONE};
    code = acl_send((acl_saying){
        .act = CX_TEXT("cfp"), .protocol = CX_TEXT("fipa-contract-net"), .receiver = receivers,
        .conversation = net.conversation, .reply_with = ACL_OPENING, .content = content, .reply_in_ms = wait_ms,
    });
    if (code) record_delete(NET, net.conversation);
    return (acl_opened){code, net.conversation};
}

static inline i32 net_decide(cx_span act, net_call net, cx_span token, cx_span content, i64 wait_ms) {
    return acl_send((acl_saying){
        .act = act, .receiver = net.from, .conversation = net.conversation, .reply_with = token,
        .in_reply_to = net.token, .content = content, .reply_in_ms = wait_ms,
    });
}

/* Give the work to the best offer; the result is due in `wait_ms`. When it can't be sent, that is the end of the call. */
static inline i32 contract_net_award(cx_span conversation, cx_span content, i64 wait_ms) {
    cx_span record = record_get(NET, conversation);
    net_call net = net_load(conversation, record);
    if (!json_is(net.state, CX_TEXT("choice"))) return -5;
    i32 code = net_decide(CX_TEXT("accept-proposal"), net, NET_AWARD, content, wait_ms);
    if (!code) return net_keep(net, CX_TEXT("awarded"), wait_ms + 1);
    record_delete(NET, conversation);
    return code;
}

/* Take no offer at all. */
static inline i32 contract_net_reject(cx_span conversation, cx_span reason) {
    cx_span record = record_get(NET, conversation);
    net_call net = net_load(conversation, record);
    if (!json_is(net.state, CX_TEXT("choice"))) return -5;
    record_delete(NET, conversation);
    return net_decide(CX_TEXT("reject-proposal"), net, CX_NONE, reason, 0);
}

static inline int net_has_answered(net_call net, cx_span who) {
    const u8 *at = 0;
    for (cx_span each; (each = json_element(net.answered, &at)).length;)
        if (cx_same(each, who)) return 1;
    return 0;
}

/* Note an answer to the call; the loser of two offers is told at once. A loser that is gone need not be told. */
static inline void net_answer(net_call *net, const acl_message *m, net_judge judge) {
    static u8 room[RECORD_MOST];
    cx_out out = {room, 0, sizeof room, 0};
    if (net_has_answered(*net, m->sender)) {
        /* The leg closed under an offer: it is void. */
        if (cx_same(net->from, m->sender)) net->from = net->token = net->offer = CX_NONE;
        return;
    }
    if (net->answered.length > 2) {
        cx_bytes(&out, net->answered.at, net->answered.length - 1);
        cx_put(&out, CX_TEXT(","));
    } else {
        cx_put(&out, CX_TEXT("["));
    }
    cx_put(&out, m->sender);
    cx_put(&out, CX_TEXT("]"));
    if (out.full) __builtin_trap();
    net->answered = (cx_span){room, out.length};
    if (net->left > 0) net->left--;
    if (!acl_is(m, CX_TEXT("propose"))) return;
    net_call mine = *net;
    mine.from = m->sender, mine.token = m->token, mine.offer = m->content;
    int good = judge(m->content, net->note, &mine.score), better = good && (!net->from.length || mine.score < net->score);
    net_call loser = better ? *net : mine;
    if (loser.from.length)
        net_decide(CX_TEXT("reject-proposal"), loser, CX_NONE, good ? CX_STRING("another offer is better") : CX_STRING("no good"), 0);
    if (better) *net = mine;
}

/* What a message means for our calls. */
static inline net_news contract_net_heard(const acl_message *m, net_judge judge) {
    cx_span due = record_due(NET, m), record = record_get(NET, due.length ? due : m->conversation);
    net_news news = {NET_NOTHING, due.length ? due : m->conversation, CX_NONE, m->content, m->sender};
    if (!record.length) return news;
    net_call net = net_load(news.conversation, record);
    int collecting = json_is(net.state, CX_TEXT("collecting")), ams = acl_from_ams(m);
    news.note = net.note;
    if (due.length && !collecting) {
        news.event = NET_EXPIRED;
    } else if (collecting && (due.length || json_is(m->in_reply_to, CX_TEXT("opening")))) {
        if (due.length) net.left = 0;
        else if (ams && !acl_is(m, CX_TEXT("failure"))) return news;
        /* The platform does not say in whose name it speaks: each of its failures is another receiver it did not reach. */
        else if (ams) net.left -= net.left > 0;
        else net_answer(&net, m, judge);
        news.event = net.left ? NET_COLLECTING : net.from.length ? NET_CHOICE : NET_NOBODY;
    } else if (json_is(net.state, CX_TEXT("awarded")) && json_is(m->in_reply_to, CX_TEXT("award"))) {
        if (acl_is(m, CX_TEXT("inform"))) news.event = NET_DONE;
        else if (acl_is(m, CX_TEXT("failure")) || (acl_is(m, CX_TEXT("not-understood")) && !ams)) news.event = NET_FAILED;
    }
    if (news.event == NET_COLLECTING) {
        if (net_keep(net, CX_TEXT("collecting"), RECORD_SAME_TIMER)) __builtin_trap();
    } else if (news.event == NET_CHOICE) {
        /* The choice may be put off, but not for ever. */
        if (net_keep(net, CX_TEXT("choice"), ACL_TTL_MS)) __builtin_trap();
        news.content = net.offer, news.from = net.from;
    } else if (news.event != NET_NOTHING) {
        record_delete(NET, news.conversation);
    }
    return news;
}

/* Offer to do what a cfp asks for; the offer holds for `hold_ms` and is kept until then. */
static inline i32 contract_net_propose(const acl_message *m, cx_span offer, i64 hold_ms) {
    if (record_put(NET_OFFER, m->conversation, offer, hold_ms + 1))
        return acl_answer(m, CX_TEXT("refuse"), CX_TEXT("{\"reason\":\"no room for another offer\"}"));
    return acl_respond(m, (acl_saying){
        .act = CX_TEXT("propose"), .reply_with = CX_STRING("offer"), .content = offer, .reply_in_ms = hold_ms,
    });
}

static inline i32 contract_net_refuse(const acl_message *m, cx_span reason) { return acl_answer(m, CX_TEXT("refuse"), reason); }

/* What a message means for our offers. */
static inline net_news contract_net_told(const acl_message *m) {
    cx_span due = record_due(NET_OFFER, m), conversation = due.length ? due : m->conversation;
    cx_span offer = record_get(NET_OFFER, conversation);
    net_news news = {NET_NOTHING, conversation, CX_NONE, offer, m->sender};
    if (!offer.length) return news;
    if (due.length) news.event = NET_PASSED;
    else if (acl_is(m, CX_TEXT("accept-proposal"))) news.event = NET_ACCEPTED;
    else if (acl_is(m, CX_TEXT("reject-proposal"))) news.event = NET_REJECTED;
    else if (acl_is(m, CX_TEXT("cancel"))) news.event = NET_CANCELLED;
    if (news.event != NET_NOTHING) record_delete(NET_OFFER, conversation);
    return news;
}

#endif
