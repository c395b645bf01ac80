// What an agent must know of a conversation after a restart, and until when: a record in the durable state.
//
// Its key is `<kind>/<conversation id>`; its value is `<timer> <due> <JSON>`: the number of its timer, when that rings, and
// what is known. The record and its timer are written in the step in which it is spoken about, so they never disagree with
// what was sent.
import { cancelTimer, forget, now, recall, remember, setTimer } from "./host";
import { is, unquoted } from "./json";
import { Message, NOT_KEPT } from "./messages";

/** The node's `runtime.conversation_ttl`: no conversation lasts longer. */
export const TTL_MS: i64 = 86400000;
export const SAME_TIMER: i64 = -1;
const LONGEST_KEY = 640;

class Stored {
  timer: i32 = 0;
  due: i64 = 0;
  value: string = "";

  constructor(text: string) {
    const first = text.indexOf(" ");
    const second = text.indexOf(" ", first + 1);
    if (first > 0 && second > 0) {
      this.timer = I32.parseInt(text.substring(0, first));
      this.due = I64.parseInt(text.substring(first + 1, second));
      this.value = text.substring(second + 1);
    }
  }
}

function stored(kind: string, conversation: string): Stored {
  const known = conversation.length > 0 && conversation.length <= LONGEST_KEY;
  return new Stored(known ? recall(kind + "/" + conversation, "") : "");
}

/** The record, or "". */
export function get(kind: string, conversation: string): string {
  return stored(kind, conversation).value;
}

/** Forget a record, and its timer. */
export function drop(kind: string, conversation: string): void {
  const old = stored(kind, conversation);
  if (old.value.length == 0) return;
  if (old.timer > 0) cancelTimer(old.timer);
  forget(kind + "/" + conversation);
}

/** Write a record that is due in `wait` ms, or when it was before; 0, or NOT_KEPT and nothing is changed. */
export function put(kind: string, conversation: string, value: string, wait: i64): i32 {
  if (conversation.length > LONGEST_KEY) return NOT_KEPT;
  const old = stored(kind, conversation);
  let timer = old.timer;
  let due = old.due;
  if (wait != SAME_TIMER) {
    due = now() + wait;
    timer = setTimer(wait, `${due} ${kind}/${conversation}`);
    if (timer < 0) return NOT_KEPT;
  }
  if (!remember(kind + "/" + conversation, `${timer} ${due} ${value}`)) {
    if (timer != old.timer) cancelTimer(timer);
    return NOT_KEPT;
  }
  if (old.timer > 0 && old.timer != timer) cancelTimer(old.timer);
  return 0;
}

/** Write a record that must be written: where it can't be, the whole step is undone. */
export function mustPut(kind: string, conversation: string, value: string, wait: i64): void {
  if (put(kind, conversation, value, wait) != 0) unreachable();
}

/** When this message is the timer of a record of this kind, and it still counts: the record's conversation, else "". */
export function ended(kind: string, m: Message): string {
  if (!is(m.ontology, "caxton-timer") || !m.fromAms) return "";
  const rung = unquoted(m.content);
  const space = rung.indexOf(" ");
  const slash = rung.indexOf("/");
  if (space < 0 || slash < space || rung.substring(space + 1, slash) != kind) return "";
  const conversation = rung.substring(slash + 1);
  // A record that was written anew since has another time; this is the old timer, too late to be cancelled.
  const known = stored(kind, conversation);
  return known.value.length > 0 && known.due == I64.parseInt(rung.substring(0, space)) ? conversation : "";
}
