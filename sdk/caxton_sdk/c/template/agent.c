/* Greets whoever asks, and counts its visitors; the count outlives every restart. */
#include "request.h"

#define VISITORS CX_TEXT("visitors")

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    static u8 room[4096];
    acl_message m = acl_read(inbox, length);
    if (!acl_is(&m, CX_TEXT("request"))) return 0;

    /* What is kept is part of the step, as the answer is: both happen, or neither. */
    i64 visitor = cx_kept_number(VISITORS) + 1;
    if (cx_keep_number(VISITORS, visitor)) return request_refuse(&m, CX_STRING("the book is full"));

    cx_out out = {room, 0, sizeof room, 0};
    acl_field(&out, CX_TEXT("{\"hello\":"), m.content.length ? m.content : CX_TEXT("null"));
    cx_put(&out, CX_TEXT(",\"visitor\":"));
    cx_integer(&out, visitor);
    cx_put(&out, CX_TEXT("}"));
    if (out.full) return request_refuse(&m, CX_STRING("that is a long name"));
    return acl_inform(&m, (cx_span){room, out.length});
}
