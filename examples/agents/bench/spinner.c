/* The bad neighbour: the first message makes it loop for ever. */
#include "caxton.h"

static volatile u32 turns;

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    (void)inbox, (void)length;
    for (;;) turns++;
}
