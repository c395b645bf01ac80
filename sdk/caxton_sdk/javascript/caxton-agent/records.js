// What must be known of a conversation after a restart, and until when: a record in the durable state.
//
// A conversation has one record at a time, of one kind. A record and its timer are written in the step in which it is
// spoken about, so they never disagree with what was sent.
import { state } from "./states.js";
import { now } from "./steps.js";
import { cancelTimer, setTimer } from "./timers.js";

/** The node's `runtime.conversation_ttl`: no conversation lasts longer. */
export const LONGEST = 86400000;
export const TIMER = "caxton/conversation";

const key = (conversation) => `${TIMER}/${conversation}`;

/** The record of a conversation, {kind, data, timer, due}, or undefined. */
export function find(conversation) {
  return conversation === undefined ? undefined : state.get(key(conversation));
}

/** Write a record that is due in `wait` ms, or, with undefined, when it was before. */
export function keep(conversation, kind, data, wait) {
  const old = find(conversation);
  let { timer, due } = old ?? { timer: 0, due: 0 };
  if (wait !== undefined) {
    // What comes exactly in time is in time: the timer rings after it.
    const later = Math.round(wait) + 1;
    due = now() + later;
    timer = setTimer(later, TIMER, [conversation, due]);
  }
  try {
    state.set(key(conversation), { kind, data, timer, due });
  } catch (error) {
    if (wait !== undefined) cancelTimer(timer);
    throw error;
  }
  if (old !== undefined && old.timer !== timer) cancelTimer(old.timer);
}

/** Forget a record, and its timer. */
export function drop(conversation) {
  const old = find(conversation);
  if (old === undefined) return;
  cancelTimer(old.timer);
  state.delete(key(conversation));
}

/** The conversation whose time is over, when this timer still counts. */
export function ended(rung) {
  const [conversation, due] = rung.content;
  // A record that was written anew since has another time; this is the old timer, too late to be cancelled.
  return find(conversation)?.due === due ? conversation : undefined;
}
