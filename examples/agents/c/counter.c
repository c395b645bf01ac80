/* counter: adds what requests say; the sum outlives every restart. */
#include "request.h"

#define COUNT CX_TEXT("count")

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    static u8 room[64];
    int ok = 1;
    acl_message m = acl_read(inbox, length);
    if (!acl_is(&m, CX_TEXT("request"))) return 0;
    i64 count = cx_kept_number(COUNT) + json_number(m.content, CX_TEXT("add"), &ok);
    if (!ok) return request_refuse(&m, CX_STRING("add what?"));
    if (cx_keep_number(COUNT, count)) return request_refuse(&m, CX_STRING("no room"));
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, CX_TEXT("{\"count\":"));
    cx_integer(&out, count);
    cx_put(&out, CX_TEXT("}"));
    return acl_inform(&m, (cx_span){room, out.length});
}
