/* W1 and W3: passes the body of every inform on to the next agent. config {"next": name}, codec msgpack. */
#include "json.h"
#include "msgpack.h"

static u8 room[1024];
static u32 head;

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    cx_span next = json_member((cx_span){config, length}, CX_TEXT("next"));
    cx_out out = {room, 0, sizeof room, 0};
    if (next.length < 3) return 1;
    mp_put_map(&out, 3);
    mp_put_pair(&out, CX_TEXT("performative"), CX_TEXT("inform"));
    mp_put_pair(&out, CX_TEXT("receiver"), (cx_span){next.at + 1, next.length - 2});
    mp_put_text(&out, CX_TEXT("content"));
    head = out.length;
    return out.full;
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    cx_span message = {inbox, length};
    if (!mp_is(mp_member(message, CX_TEXT("performative")), CX_TEXT("inform"))) return 0;
    cx_out out = {room, head, sizeof room, 0};
    cx_put(&out, mp_member(message, CX_TEXT("content")));
    return cx_respond(inbox, &out);
}
