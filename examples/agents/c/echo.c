/* echo: answers a request with what it was asked. */
#include "messages.h"

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    acl_message m = acl_read(inbox, length);
    return acl_is(&m, CX_TEXT("request")) ? acl_inform(&m, m.content) : 0;
}
