/* W2: takes messages, and tells their sender of every tenth. codec msgpack. */
#include "msgpack.h"

enum { WINDOW = 10 };

static u8 room[64];
static u32 taken;

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    (void)length;
    if (++taken % WINDOW) return 0;
    cx_out out = {room, 0, sizeof room, 0};
    mp_put_map(&out, 2);
    mp_put_pair(&out, CX_TEXT("performative"), CX_TEXT("inform"));
    mp_put_text(&out, CX_TEXT("content"));
    mp_put_number(&out, WINDOW);
    return cx_respond(inbox, &out);
}
