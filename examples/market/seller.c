/* A seller: answers calls for proposals with its price, and auctions a lot when it is asked to.
 *
 * config  {"price": 40}: what it asks for, and the least it lets a lot go for
 *
 * cfp of a contract net                   propose {"price"}; accepted: inform {"price"}
 * request {"lot", "start", "step"}        agree; an English auction among all who offer the service `bidding`; then
 *                                         inform {"buyer", "price"}, or failure with the reason
 *
 * An auction is a record in the durable state, whose timer is the end of the round: it goes on after a restart.
 */
#include "contract_net.h"
#include "request.h"

#define AUCTION CX_TEXT("auction")
#define BIDDERS CX_STRING("service:bidding*")
enum { ROUND_MS = 500, HOLD_MS = 60000 };

static i64 price;
static u8 written[RECORD_MOST];

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    int ok = 1;
    price = json_number((cx_span){config, length}, CX_TEXT("price"), &ok);
    return ok ? 0 : 1;
}

/* What is known of an auction; `leader`, `token` and `paid` are those of the bid accepted last. */
typedef struct {
    cx_span conversation, customer, lot, bids, leader, token;
    i64 asked, step, paid;
} auction;

static auction auction_read(cx_span conversation, cx_span record) {
    int ok = 1;
    return (auction){
        conversation, json_member(record, CX_TEXT("customer")), json_member(record, CX_TEXT("lot")),
        json_member(record, CX_TEXT("bids")), json_member(record, CX_TEXT("leader")), json_member(record, CX_TEXT("token")),
        json_number(record, CX_TEXT("asked"), &ok), json_number(record, CX_TEXT("step"), &ok),
        json_number(record, CX_TEXT("paid"), &ok),
    };
}

static i32 auction_keep(auction a, i64 wait_ms) {
    cx_out out = {written, 0, sizeof written, 0};
    acl_field(&out, CX_TEXT("{\"customer\":"), a.customer);
    acl_field(&out, CX_TEXT(",\"lot\":"), a.lot);
    acl_field(&out, CX_TEXT(",\"bids\":"), a.bids.length ? a.bids : CX_TEXT("[]"));
    acl_field(&out, CX_TEXT(",\"leader\":"), a.leader);
    acl_field(&out, CX_TEXT(",\"token\":"), a.token);
    cx_put(&out, CX_TEXT(",\"asked\":"));
    cx_integer(&out, a.asked);
    cx_put(&out, CX_TEXT(",\"step\":"));
    cx_integer(&out, a.step);
    cx_put(&out, CX_TEXT(",\"paid\":"));
    cx_integer(&out, a.paid);
    cx_put(&out, CX_TEXT("}"));
    return out.full ? ACL_NOT_KEPT : record_put(AUCTION, a.conversation, (cx_span){written, out.length}, wait_ms);
}

/* The lot and a price; who got it, if anybody has. */
static cx_span terms(auction a, i64 amount, cx_span buyer) {
    static u8 room[1024];
    cx_out out = {room, 0, sizeof room, 0};
    acl_field(&out, CX_TEXT("{\"lot\":"), a.lot.length ? a.lot : CX_TEXT("null"));
    acl_field(&out, CX_TEXT(",\"buyer\":"), buyer);
    cx_put(&out, CX_TEXT(",\"price\":"));
    cx_integer(&out, amount);
    cx_put(&out, CX_TEXT("}"));
    return out.full ? CX_TEXT("null") : (cx_span){room, out.length};
}

/* Call a price: the first to all who bid here, later ones to those of the auction. */
static i32 call_price(auction a, int first) {
    return acl_send((acl_saying){
        .act = CX_TEXT("cfp"), .protocol = CX_TEXT("fipa-auction-english"), .receiver = first ? BIDDERS : CX_NONE,
        .conversation = a.conversation, .content = terms(a, a.asked, CX_NONE), .reply_in_ms = ROUND_MS,
    });
}

static i32 decide(auction a, cx_span act, cx_span bidder, cx_span token) {
    return acl_send((acl_saying){.act = act, .receiver = bidder, .conversation = a.conversation, .in_reply_to = token});
}

static i32 open_auction(const acl_message *m) {
    int ok = 1;
    auction a = {.conversation = acl_new_id(), .customer = m->conversation, .lot = json_member(m->content, CX_TEXT("lot"))};
    a.asked = json_number(m->content, CX_TEXT("start"), &ok);
    a.step = json_number(m->content, CX_TEXT("step"), &ok);
    if (!ok || a.step < 1) return request_refuse(m, CX_STRING("a lot, a start and a step are needed"));
    if (call_price(a, 1)) return request_refuse(m, CX_STRING("there are no bidders"));
    if (auction_keep(a, ROUND_MS + 1)) __builtin_trap();
    return request_agree(m);
}

/* A bid: noted until the round is over. */
static void note_bid(auction a, const acl_message *m) {
    static u8 room[RECORD_MOST];
    cx_out out = {room, 0, sizeof room, 0};
    cx_bytes(&out, a.bids.at, a.bids.length - 1);
    cx_put(&out, a.bids.length > 2 ? CX_TEXT(",[") : CX_TEXT("["));
    cx_put(&out, m->sender);
    acl_field(&out, CX_TEXT(","), m->token);
    cx_put(&out, CX_TEXT("]]"));
    a.bids = (cx_span){room, out.length};
    if (out.full || auction_keep(a, RECORD_SAME_TIMER)) __builtin_trap();
}

/* Nobody pays more: sell to the leader, if that is enough. */
static void end_auction(auction a) {
    acl_send((acl_saying){.act = CX_TEXT("inform"), .conversation = a.conversation, .content = CX_STRING("going, going, gone")});
    if (a.leader.length && a.paid >= price) {
        acl_send((acl_saying){
            .act = CX_TEXT("request"), .receiver = a.leader, .conversation = a.conversation, .content = terms(a, a.paid, CX_NONE),
        });
        promise_keep(a.customer, terms(a, a.paid, a.leader));
    } else {
        if (a.leader.length) decide(a, CX_TEXT("reject-proposal"), a.leader, a.token);
        promise_break(a.customer, a.leader.length ? CX_STRING("the reserve is not met") : CX_STRING("nobody bids"));
    }
    record_delete(AUCTION, a.conversation);
}

/* The round is over: the first bid leads, the others are told, and the next price is called. */
static void end_round(auction a) {
    const u8 *at = 0;
    int led = 0;
    for (cx_span bid; (bid = json_element(a.bids, &at)).length;) {
        const u8 *inside = 0;
        cx_span bidder = json_element(bid, &inside), token = json_element(bid, &inside);
        i32 code = decide(a, led ? CX_TEXT("reject-proposal") : CX_TEXT("accept-proposal"), bidder, token);
        if (led || code) continue;
        led = 1, a.leader = bidder, a.token = token, a.paid = a.asked;
    }
    if (!led) {
        end_auction(a);
        return;
    }
    a.asked += a.step, a.bids = CX_NONE;
    if (call_price(a, 0)) end_auction(a);
    else if (auction_keep(a, ROUND_MS + 1)) __builtin_trap();
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    static u8 offer[64];
    acl_message m = acl_read(inbox, length);
    cx_span due = record_due(AUCTION, &m), record = record_get(AUCTION, due.length ? due : m.conversation);
    if (record.length && due.length) end_round(auction_read(due, record));
    else if (record.length && acl_is(&m, CX_TEXT("propose"))) note_bid(auction_read(m.conversation, record), &m);
    if (record.length) return 0;
    if (promise_heard(&m) == PROMISE_CANCELLED) return acl_inform(&m, CX_STRING("the auction goes on without you"));
    net_news news = contract_net_told(&m);
    if (news.event == NET_ACCEPTED) return acl_inform(&m, news.content);
    if (news.event == NET_CANCELLED) return acl_inform(&m, CX_NONE);
    if (acl_is(&m, CX_TEXT("request"))) return open_auction(&m);
    if (!acl_is(&m, CX_TEXT("cfp"))) return 0;
    cx_out out = {offer, 0, sizeof offer, 0};
    cx_put(&out, CX_TEXT("{\"price\":"));
    cx_integer(&out, price);
    cx_put(&out, CX_TEXT("}"));
    return contract_net_propose(&m, (cx_span){offer, out.length}, HOLD_MS);
}
