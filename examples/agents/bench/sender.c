/* W2: keeps 100 messages under way. config {"to": name}, codec msgpack.
 * request: begins, its content is the body; inform n: so many have arrived, so many more are sent.
 */
#include "json.h"
#include "msgpack.h"

static u8 room[1024];
static cx_out out = {room, 0, sizeof room, 0};

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    cx_span to = json_member((cx_span){config, length}, CX_TEXT("to"));
    if (to.length < 3) return 1;
    mp_put_map(&out, 3);
    mp_put_pair(&out, CX_TEXT("performative"), CX_TEXT("inform"));
    mp_put_pair(&out, CX_TEXT("receiver"), (cx_span){to.at + 1, to.length - 2});
    mp_put_text(&out, CX_TEXT("content"));
    return out.full;
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    cx_span message = {inbox, length};
    cx_span act = mp_member(message, CX_TEXT("performative"));
    cx_span content = mp_member(message, CX_TEXT("content"));
    u32 more = 0;
    if (mp_is(act, CX_TEXT("request"))) {
        cx_put(&out, content);
        more = 100;
    } else if (mp_is(act, CX_TEXT("inform"))) {
        more = mp_number(content);
    }
    for (; more; more--)
        if (cx_send(out.at, out.length)) return 2;
    return 0;
}
