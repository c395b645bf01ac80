// fipa-request, both sides: one agent asks another to do something.
//
// Initiator: `ask`, then `heard` on every message until it says how it ended. `cancel` takes it back.
// Participant: to a request answer with `refuse`, with inform or failure when the work is done at once, or with `agree`
// and later `keep` or `fail` of promises.
import * as initiators from "./initiators";
import { News } from "./initiators";
import { Message, Opened } from "./messages";
import * as promises from "./promises";

const REQUEST = "request";

/** Ask; an answer, be it only an agree, is due in `wait` ms. `note` comes back with the news. */
export function ask(receiver: string, content: string, note: string, wait: i64): Opened {
  return initiators.open(REQUEST, "fipa-request", "request", receiver, content, note, wait);
}

export function heard(m: Message): News {
  return initiators.heard(REQUEST, m, true);
}

export function cancel(conversation: string, wait: i64): i32 {
  return initiators.cancel(REQUEST, conversation, wait);
}

/** Refuse; who asked without a protocol has no refusal, and is told of a failure. */
export function refuse(m: Message, reason: string): i32 {
  return m.answer(m.protocol.length ? "refuse" : "failure", reason);
}

/** Take the work on: the answer is owed until it is kept or failed. */
export function agree(m: Message): i32 {
  if (promises.make(m) != 0) return refuse(m, `{"reason":"no room for another promise"}`);
  return m.protocol.length ? m.answer("agree") : 0;
}
