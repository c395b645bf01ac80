// Requests and subscriptions of ours: one conversation that we opened, with one partner.
//
// Opening throws NotSent when the node does not take the message; then nothing is kept. What is waited for has an end:
// the news is "expired" when it is over.
import { NotSent } from "./hosts.js";
import * as records from "./records.js";
import { newId, tell } from "./steps.js";

const ENDS = { refuse: "refused", failure: "failed", "not-understood": "not-understood" };

export function ask(receiver, content, { note = null, wait = 60000 } = {}) {
  return open("request", "fipa-request", "request", receiver, content, note, wait);
}

export function subscribe(publisher, content, { note = null, wait = 60000 } = {}) {
  return open("subscription", "fipa-subscribe", "subscribe", publisher, content, note, wait);
}

function open(kind, protocol, act, partner, content, note, wait) {
  const conversationId = newId();
  records.keep(conversationId, kind, { state: "asked", note, partner }, wait);
  try {
    tell(partner, act, content, { replyIn: wait, protocol, conversationId, replyWith: "opening" });
  } catch (error) {
    if (error instanceof NotSent) records.drop(conversationId);
    throw error;
  }
  return conversationId;
}

export function cancel(conversationId, { wait = 60000 } = {}) {
  const record = records.find(conversationId);
  if (record?.kind !== "request" && record?.kind !== "subscription") return false;
  tell(record.data.partner, "cancel", undefined, { conversationId, replyWith: "cancel", replyIn: wait });
  records.keep(conversationId, record.kind, { ...record.data, state: "cancelling" }, wait);
  return true;
}

/** What a message, or with undefined the end of the time, means for a conversation of ours. */
export function heard(kind, conversation, data, message) {
  const [event, ends] = meaning(kind, data.state, message);
  if (event === undefined) return undefined;
  if (ends) {
    records.drop(conversation);
  } else if (event === "cancel-refused" || data.state === "asked") {
    // It was answered in time; from here on only the conversation's own time limits it.
    records.keep(conversation, kind, { ...data, state: "open" }, records.LONGEST);
  }
  return { kind, event, conversation, note: data.note, content: message?.content, message, offers: [] };
}

/** What happened, and whether that is the end. */
function meaning(kind, state, message) {
  if (message === undefined) return [state === "cancelling" ? "cancelled" : "expired", true];
  const act = message.performative;
  if (message.inReplyTo === "cancel" && !message.fromPlatform) {
    return act === "inform" ? ["cancelled", true] : ["cancel-refused", false];
  }
  if (act === "agree") return ["agreed", false];
  if (act === "inform") return ["informed", kind === "request"];
  if (act === "not-understood" && message.fromPlatform) return [undefined, false];
  return [ENDS[act], true];
}
