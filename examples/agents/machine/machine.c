/* A machine of a job shop: bids its earliest completion in contract nets, and books what it wins.
 *
 * config  {"machine": 2}
 * cfp     {"job", "operation", "machine", "duration", "ready"}: propose {"start", "end"}; another machine's: refuse
 * accept-proposal {the same, and the "start" and "end" it offered}: books, inform {"job", "operation", "machine", "start", "end"}
 *
 * The only thing it must remember is when it is free again: state key "free", 8 bytes. Bids bind nobody: an award
 * whose offer no longer holds is answered with a failure.
 */
#include "json.h"

static i64 machine = -1, free_from;
static u8 room[512];

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    int ok = 1;
    machine = json_number((cx_span){config, length}, CX_TEXT("machine"), &ok);
    cx_state_get("free", 4, &free_from, sizeof free_from);
    return ok ? 0 : 1;
}

static void pair(cx_out *out, cx_span name, i64 value) {
    cx_put(out, name);
    cx_integer(out, value);
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    cx_span message = {inbox, length};
    cx_span act = json_member(message, CX_TEXT("performative"));
    int call = json_is(act, CX_TEXT("cfp")), award = json_is(act, CX_TEXT("accept-proposal")), ok = 1;
    if (!call && !award) return 0;
    cx_span content = json_member(message, CX_TEXT("content"));
    i64 wanted = json_number(content, CX_TEXT("machine"), &ok);
    i64 duration = json_number(content, CX_TEXT("duration"), &ok);
    i64 ready = json_number(content, CX_TEXT("ready"), &ok);
    i64 job = json_number(content, CX_TEXT("job"), &ok);
    i64 operation = json_number(content, CX_TEXT("operation"), &ok);
    cx_out out = {room, 0, sizeof room, 0};
    if (!ok || duration < 0) {
        cx_put(&out, CX_TEXT("{\"performative\":\"not-understood\",\"content\":\"not an operation\"}"));
        return cx_respond(inbox, &out);
    }
    i64 start = ready > free_from ? ready : free_from, end = start + duration;
    if (call && wanted != machine) {
        cx_put(&out, CX_TEXT("{\"performative\":\"refuse\",\"content\":{\"reason\":\"another machine's work\"}}"));
    } else if (call) {
        pair(&out, CX_TEXT("{\"performative\":\"propose\",\"content\":{\"start\":"), start);
        pair(&out, CX_TEXT(",\"end\":"), end);
        cx_put(&out, CX_TEXT("}}"));
    } else if (wanted != machine || start != json_number(content, CX_TEXT("start"), &ok) || !ok) {
        cx_put(&out, CX_TEXT("{\"performative\":\"failure\",\"content\":{\"reason\":\"the offer no longer holds\"}}"));
    } else {
        if (cx_state_put("free", 4, &end, sizeof end)) return 2;
        free_from = end;
        pair(&out, CX_TEXT("{\"performative\":\"inform\",\"content\":{\"job\":"), job);
        pair(&out, CX_TEXT(",\"operation\":"), operation);
        pair(&out, CX_TEXT(",\"machine\":"), machine);
        pair(&out, CX_TEXT(",\"start\":"), start);
        pair(&out, CX_TEXT(",\"end\":"), end);
        cx_put(&out, CX_TEXT("}}"));
    }
    return cx_respond(inbox, &out);
}
