/* W5 and deploy: takes every message and does nothing. */
#include "caxton.h"

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    (void)inbox, (void)length;
    return 0;
}
