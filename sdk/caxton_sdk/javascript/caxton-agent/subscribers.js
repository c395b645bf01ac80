// Subscribers of ours: whom we keep informed. They are kept in the durable state, as many as one step may inform.
//
// A subscriber that can't be reached misses a notification; after ten in a row, or when its conversation is over, it is
// forgotten.
import { NotSent, StateFull } from "./hosts.js";
import * as records from "./records.js";
import { state } from "./states.js";
import { now, tell } from "./steps.js";

const KEY = "caxton/subscribers";
/** The default of the manifest's `fan_out`. */
const MOST = 100;
const PATIENCE = 10;

function subscribers() {
  const kept = Object.entries(state.get(KEY) ?? {});
  return new Map(kept.filter(([, one]) => one.until > now()));
}

function keep(known) {
  state.set(KEY, Object.fromEntries(known));
}

/** Notify it from the next message on: in this step the agree comes last. */
export function acceptSubscriber(message) {
  const known = subscribers();
  if (message.conversationId === undefined || known.size >= MOST) return message.refuse("no room for another subscriber");
  const answer = message.agree();
  const until = now() + records.LONGEST;
  known.set(message.conversationId, { to: answer.receivers[0], token: answer.inReplyTo, until, missed: 0 });
  try {
    keep(known);
  } catch (error) {
    if (error instanceof StateFull) return message.refuse("no room for another subscriber");
    throw error;
  }
  return answer;
}

export function informSubscribers(content) {
  const known = subscribers();
  let missing = 0;
  for (const [conversationId, one] of [...known]) {
    try {
      tell(one.to, "inform", content, { conversationId, inReplyTo: one.token });
      one.missed = 0;
    } catch (error) {
      if (!(error instanceof NotSent)) throw error;
      missing += 1;
      one.missed += 1;
      if (error.refusal === "not-admitted" || one.missed >= PATIENCE) known.delete(conversationId);
    }
  }
  if (known.size || state.has(KEY)) keep(known);
  return missing;
}

/** Forget the subscriber whose cancel this is; false when it is none. */
export function left(message) {
  if (message.performative !== "cancel") return false;
  const known = subscribers();
  if (!known.delete(message.conversationId)) return false;
  keep(known);
  return true;
}
