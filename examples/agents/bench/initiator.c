/* W4: one contract net after the other among `bidder-0`, `bidder-1` and so on. config {"bidders": 10}, codec msgpack.
 * request: begins. The lowest cost gets the award, one message rejects all others, the winner's inform begins the next.
 */
#include "json.h"
#include "msgpack.h"

enum { MOST = 32 };

typedef struct {
    u8 sender[128], token[128];
    u32 sender_length, token_length, cost;
} offer;

static offer offers[MOST];
static u32 bidders, known, conversation;
static u8 name[16], room[2048];
static cx_span conversation_id;

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    int ok = 1;
    i64 wanted = json_number((cx_span){config, length}, CX_TEXT("bidders"), &ok);
    bidders = (u32)wanted;
    return ok && wanted > 0 && wanted <= MOST ? 0 : 1;
}

static i32 call_for_proposals(void) {
    cx_out id = {name, 0, sizeof name, 0}, out = {room, 0, sizeof room, 0};
    cx_put(&id, CX_TEXT("net-"));
    cx_integer(&id, ++conversation);
    conversation_id = (cx_span){name, id.length};
    known = 0;
    mp_put_map(&out, 5);
    mp_put_pair(&out, CX_TEXT("performative"), CX_TEXT("cfp"));
    mp_put_pair(&out, CX_TEXT("protocol"), CX_TEXT("fipa-contract-net"));
    mp_put_pair(&out, CX_TEXT("conversation_id"), conversation_id);
    mp_put_pair(&out, CX_TEXT("content"), CX_TEXT("what does it cost?"));
    mp_put_text(&out, CX_TEXT("receiver"));
    mp_byte(&out, 0xdc);
    mp_byte(&out, 0);
    mp_byte(&out, bidders);
    for (u32 i = 0; i < bidders; i++) {
        u8 text[16];
        cx_out receiver = {text, 0, sizeof text, 0};
        cx_put(&receiver, CX_TEXT("bidder-"));
        cx_integer(&receiver, i);
        mp_put_text(&out, (cx_span){text, receiver.length});
    }
    return out.full ? 3 : cx_send(out.at, out.length);
}

static i32 accept(const offer *winner) {
    cx_out out = {room, 0, sizeof room, 0};
    mp_put_map(&out, 4);
    mp_put_pair(&out, CX_TEXT("performative"), CX_TEXT("accept-proposal"));
    mp_put_pair(&out, CX_TEXT("receiver"), (cx_span){winner->sender, winner->sender_length});
    mp_put_pair(&out, CX_TEXT("conversation_id"), conversation_id);
    mp_put_pair(&out, CX_TEXT("in_reply_to"), (cx_span){winner->token, winner->token_length});
    return out.full ? 3 : cx_send(out.at, out.length);
}

/* One message with all losers as receivers; their proposals carried no reply-with that it would have to quote. */
static i32 reject_all_but(u32 best) {
    cx_out out = {room, 0, sizeof room, 0};
    mp_put_map(&out, 3);
    mp_put_pair(&out, CX_TEXT("performative"), CX_TEXT("reject-proposal"));
    mp_put_pair(&out, CX_TEXT("conversation_id"), conversation_id);
    mp_put_text(&out, CX_TEXT("receiver"));
    mp_byte(&out, 0xdc);
    mp_byte(&out, 0);
    mp_byte(&out, known - 1);
    for (u32 i = 0; i < known; i++)
        if (i != best) mp_put_text(&out, (cx_span){offers[i].sender, offers[i].sender_length});
    return out.full ? 3 : cx_send(out.at, out.length);
}

static i32 note_offer(cx_span message) {
    cx_span sender = mp_text(mp_member(message, CX_TEXT("sender")));
    cx_span token = mp_text(mp_member(message, CX_TEXT("reply_with")));
    if (!token.length) token = mp_text(mp_member(message, CX_TEXT("id")));
    if (known >= bidders || sender.length > 128 || token.length > 128) return 4;
    offer *new = &offers[known++];
    memcpy(new->sender, sender.at, new->sender_length = sender.length);
    memcpy(new->token, token.at, new->token_length = token.length);
    new->cost = mp_number(mp_member(message, CX_TEXT("content")));
    if (known < bidders) return 0;
    u32 best = 0;
    for (u32 i = 1; i < bidders; i++)
        if (offers[i].cost < offers[best].cost) best = i;
    if (accept(&offers[best])) return 5;
    if (known > 1 && reject_all_but(best)) return 5;
    return 0;
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    cx_span message = {inbox, length};
    cx_span act = mp_member(message, CX_TEXT("performative"));
    if (mp_is(act, CX_TEXT("propose"))) return note_offer(message);
    if (mp_is(act, CX_TEXT("inform")) || mp_is(act, CX_TEXT("request"))) return call_for_proposals();
    return 6;
}
