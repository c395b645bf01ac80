// What an agent has agreed to do and has not done yet: whom it owes an answer, kept over restarts.
import { NotSent, StateFull, TooManyTimers } from "./hosts.js";
import * as records from "./records.js";
import { tell } from "./steps.js";

export function promise(message, { note = null } = {}) {
  const conversation = message.conversationId;
  if (conversation === undefined || records.find(conversation) !== undefined) {
    return message.refuse("no promise can be kept in this conversation");
  }
  const answer = message.inform();
  const data = { to: answer.receivers[0], token: answer.inReplyTo, protocol: message.protocol, note };
  try {
    records.keep(conversation, "promise", data, records.LONGEST);
  } catch (error) {
    if (error instanceof StateFull || error instanceof TooManyTimers) return message.refuse("no room for another promise");
    throw error;
  }
  // Who accepts a proposal, or asks without a protocol, expects no agree.
  return message.protocol && message.performative !== "accept-proposal" ? message.agree() : undefined;
}

export function keepPromise(conversation, content) {
  return answer(conversation, "inform", content);
}

export function breakPromise(conversation, reason) {
  return answer(conversation, "failure", reason);
}

function answer(conversationId, act, content) {
  const record = records.find(conversationId);
  if (record?.kind !== "promise") return false;
  const { to, token, protocol } = record.data;
  try {
    tell(to, act, content, { conversationId, inReplyTo: token, protocol });
  } catch (error) {
    // A full mailbox, or a limit on what one step may send, passes: the promise stands, and may be tried again.
    if (!(error instanceof NotSent) || ["mailbox-full", "over-limit"].includes(error.refusal)) throw error;
    records.drop(conversationId);
    return false;
  }
  records.drop(conversationId);
  return true;
}

/** What a message, or with undefined the end of the time, means for a promise of ours. */
export function heard(conversation, data, message) {
  if (message !== undefined && message.performative !== "cancel") return undefined;
  records.drop(conversation);
  const event = message === undefined ? "expired" : "cancelled";
  return { kind: "promise", event, conversation, note: data.note, content: undefined, message, offers: [] };
}
