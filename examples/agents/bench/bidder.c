/* W4: proposes its cost for whatever is called for, and does what it is awarded. config {"cost": 7}, codec msgpack. */
#include "json.h"
#include "msgpack.h"

static u8 proposal[64], result[64];
static cx_out offer = {proposal, 0, sizeof proposal, 0}, done = {result, 0, sizeof result, 0};

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    int ok = 1;
    i64 cost = json_number((cx_span){config, length}, CX_TEXT("cost"), &ok);
    mp_put_map(&offer, 2);
    mp_put_pair(&offer, CX_TEXT("performative"), CX_TEXT("propose"));
    mp_put_text(&offer, CX_TEXT("content"));
    mp_put_number(&offer, (u32)cost);
    mp_put_map(&done, 2);
    mp_put_pair(&done, CX_TEXT("performative"), CX_TEXT("inform"));
    mp_put_pair(&done, CX_TEXT("content"), CX_TEXT("done"));
    return ok ? 0 : 1;
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    cx_span act = mp_member((cx_span){inbox, length}, CX_TEXT("performative"));
    if (mp_is(act, CX_TEXT("cfp"))) return cx_respond(inbox, &offer);
    if (mp_is(act, CX_TEXT("accept-proposal"))) return cx_respond(inbox, &done);
    return 0;
}
