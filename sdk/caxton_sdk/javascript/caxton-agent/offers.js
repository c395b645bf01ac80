// Offers of ours in somebody's contract net: what we proposed, and what became of it.
import { StateFull, TooManyTimers } from "./hosts.js";
import { delay } from "./messages.js";
import * as records from "./records.js";

const EVENTS = { "accept-proposal": "accepted", "reject-proposal": "rejected", cancel: "cancelled" };

export function propose(message, content, { note = null, hold = 60000 } = {}) {
  const conversation = message.conversationId;
  if (conversation === undefined) return message.refuse("an offer needs a conversation");
  try {
    records.keep(conversation, "offer", { content, note }, hold);
  } catch (error) {
    if (error instanceof StateFull || error instanceof TooManyTimers) return message.refuse("no room for another offer");
    throw error;
  }
  return message.reply("propose", content, { replyWith: "offer", replyBy: delay(hold) });
}

/** What a message, or with undefined the end of the time, means for an offer of ours. */
export function heard(conversation, data, message) {
  const event = message === undefined ? "passed" : EVENTS[message.performative];
  if (event === undefined) return undefined;
  records.drop(conversation);
  return { kind: "offer", event, conversation, note: data.note, content: data.content, message, offers: [] };
}
