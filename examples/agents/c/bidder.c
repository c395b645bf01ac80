/* bidder: offers to do what a call asks for at the cost in its configuration, and does it when it is chosen. */
#include "contract_net.h"

enum { HOLD_MS = 60000 };
static i64 cost;
static u8 room[64];

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    int ok = 1;
    cost = json_number((cx_span){config, length}, CX_TEXT("cost"), &ok);
    return ok ? 0 : 1;
}

/* An object that begins like this, and ends with the cost. */
static cx_span priced(cx_span begin) {
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, begin);
    cx_integer(&out, cost);
    cx_put(&out, CX_TEXT("}"));
    return (cx_span){room, out.length};
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    int limited = 1;
    acl_message m = acl_read(inbox, length);
    net_event event = contract_net_told(&m).event;
    if (event == NET_ACCEPTED) return acl_inform(&m, priced(CX_TEXT("{\"done\":true,\"cost\":")));
    if (event == NET_CANCELLED) return acl_inform(&m, CX_NONE);
    if (!acl_is(&m, CX_TEXT("cfp"))) return 0;
    i64 limit = json_number(m.content, CX_TEXT("limit"), &limited);
    if (limited && cost > limit) return contract_net_refuse(&m, CX_STRING("too cheap"));
    return contract_net_propose(&m, priced(CX_TEXT("{\"cost\":")), HOLD_MS);
}
