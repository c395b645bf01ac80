/* The dispatcher of a job shop: hands out turns in order of schedule time.
 *
 * config   {"work": [total duration of each job], "operations": [number of each job's operations]}
 * request "schedule": begins, once; answered with the status
 * query-ref: answered with the status, inform {"placed", "total", "makespan", "state": "waiting|running|done|failed"}
 *
 * A turn is a request to `job-<n>`; the job places its next operation and informs {"job", "end", "remaining", "left"}.
 * Next is the job whose last operation ends first; of those the one with the most work remaining; of those the lowest
 * number. No gap before an operation already placed is ever wide enough for a later call, so nothing need be inserted.
 * All of it is in the durable state, key "shop".
 */
#include "json.h"

enum { WAITING, RUNNING, DONE, FAILED };

typedef struct {
    i64 end, remaining, left;
} job_state;

typedef struct {
    i64 state, placed, total, makespan, jobs;
    job_state job[];
} shop_state;

static shop_state *shop;
static u32 shop_size;
static u8 room[512];

static u32 count(cx_span array) {
    const u8 *at = 0;
    u32 n = 0;
    while (json_element(array, &at).at) n++;
    return n;
}

EXPORT("caxton_init") i32 caxton_init(const u8 *config, u32 length) {
    cx_span all = {config, length};
    cx_span work = json_member(all, CX_TEXT("work")), operations = json_member(all, CX_TEXT("operations"));
    const u8 *w = 0, *o = 0;
    int ok = 1;
    u32 jobs = count(work);
    if (!jobs || jobs != count(operations)) return 1;
    shop_size = sizeof(shop_state) + jobs * sizeof(job_state);
    shop = cx_take(shop_size);
    if (!shop) return 2;
    if (cx_state_get("shop", 4, shop, shop_size) == (i32)shop_size) return 0;
    memset(shop, 0, shop_size);
    shop->jobs = jobs;
    for (u32 i = 0; i < jobs; i++) {
        shop->job[i].remaining = json_integer(json_element(work, &w), &ok);
        shop->job[i].left = json_integer(json_element(operations, &o), &ok);
        shop->total += shop->job[i].left;
    }
    return ok ? 0 : 1;
}

/* The job whose turn it is, or -1 when every operation is placed. */
static i64 next(void) {
    i64 best = -1;
    for (i64 i = 0; i < shop->jobs; i++) {
        const job_state *a = &shop->job[i], *b = &shop->job[best < 0 ? 0 : best];
        if (!a->left) continue;
        if (best < 0 || a->end < b->end || (a->end == b->end && a->remaining > b->remaining)) best = i;
    }
    return best;
}

static void hand_turn(void) {
    i64 job = next();
    if (job < 0) {
        shop->state = DONE;
        return;
    }
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, CX_TEXT("{\"performative\":\"request\",\"receiver\":\"job-"));
    cx_integer(&out, job);
    cx_put(&out, CX_TEXT("\",\"content\":\"place your next operation\"}"));
    if (cx_send(out.at, out.length)) shop->state = FAILED;
}

static i32 answer_status(void *inbox) {
    static const cx_span names[] = {CX_TEXT("waiting"), CX_TEXT("running"), CX_TEXT("done"), CX_TEXT("failed")};
    cx_out out = {room, 0, sizeof room, 0};
    cx_put(&out, CX_TEXT("{\"performative\":\"inform\",\"content\":{\"placed\":"));
    cx_integer(&out, shop->placed);
    cx_put(&out, CX_TEXT(",\"total\":"));
    cx_integer(&out, shop->total);
    cx_put(&out, CX_TEXT(",\"makespan\":"));
    cx_integer(&out, shop->makespan);
    cx_put(&out, CX_TEXT(",\"state\":\""));
    cx_put(&out, names[shop->state]);
    cx_put(&out, CX_TEXT("\"}}"));
    return cx_respond(inbox, &out);
}

static void note_placement(cx_span content) {
    int ok = 1;
    i64 number = json_number(content, CX_TEXT("job"), &ok), end = json_number(content, CX_TEXT("end"), &ok);
    i64 remaining = json_number(content, CX_TEXT("remaining"), &ok), left = json_number(content, CX_TEXT("left"), &ok);
    if (!ok || number < 0 || number >= shop->jobs) {
        shop->state = FAILED;
        return;
    }
    shop->job[number] = (job_state){end, remaining, left};
    shop->placed++;
    if (end > shop->makespan) shop->makespan = end;
    hand_turn();
}

EXPORT("handle_message") i32 handle_message(u8 *inbox, u32 length) {
    cx_span message = {inbox, length};
    cx_span act = json_member(message, CX_TEXT("performative"));
    if (json_is(act, CX_TEXT("query-ref"))) return answer_status(inbox);
    int asked = json_is(act, CX_TEXT("request"));
    if (asked && shop->state == WAITING) {
        shop->state = RUNNING;
        hand_turn();
    } else if (json_is(act, CX_TEXT("inform")) && shop->state == RUNNING) {
        note_placement(json_member(message, CX_TEXT("content")));
    } else if (json_is(act, CX_TEXT("failure")) || json_is(act, CX_TEXT("not-understood"))) {
        shop->state = FAILED;
    }
    if (cx_state_put("shop", 4, shop, shop_size)) return 2;
    return asked ? answer_status(inbox) : 0;
}
