// Contract nets that we call: who does it best?
//
// The news is "choice" when all have answered or their time is over, "nobody" when none of them made an offer; after the
// award it is "done", "failed" or "expired", and that is the end.
import { NotSent } from "./hosts.js";
import * as records from "./records.js";
import { newId, tell } from "./steps.js";

const KIND = "contract-net";

export function call(receivers, content, { note = null, wait = 10000 } = {}) {
  const conversationId = newId();
  const data = { state: "collecting", left: receivers.length, answered: [], offers: [], note };
  records.keep(conversationId, KIND, data, wait);
  const more = { replyIn: wait, protocol: "fipa-contract-net", conversationId, replyWith: "opening" };
  try {
    tell(receivers, "cfp", content, more);
  } catch (error) {
    if (error instanceof NotSent) records.drop(conversationId);
    throw error;
  }
  return conversationId;
}

export function award(conversation, offer, content, { wait = 60000 } = {}) {
  const data = choice(conversation);
  decide(conversation, offer, "accept-proposal", content, { replyWith: "award", replyIn: wait });
  for (const other of data.offers) {
    if (other.sender !== offer.sender) reject(conversation, other, "another offer is better");
  }
  records.keep(conversation, KIND, { ...data, state: "awarded", offers: [] }, wait);
}

export function rejectAll(conversation, reason) {
  for (const offer of choice(conversation).offers) reject(conversation, offer, reason);
  records.drop(conversation);
}

function choice(conversation) {
  const record = records.find(conversation);
  if (record?.kind !== KIND || record.data.state !== "choice") {
    throw new RangeError(`there is nothing to choose in the conversation ${conversation}`);
  }
  return record.data;
}

function decide(conversationId, offer, act, content, more) {
  tell(offer.sender, act, content, { conversationId, inReplyTo: offer.token, ...more });
}

function reject(conversation, offer, reason) {
  try {
    decide(conversation, offer, "reject-proposal", reason);
  } catch (error) {
    // A loser that is gone need not be told.
    if (!(error instanceof NotSent)) throw error;
  }
}

/** What a message, or with undefined the end of the time, means for a call of ours. */
export function heard(conversation, data, message) {
  if (data.state === "collecting") return collect(conversation, data, message);
  let event;
  if (message === undefined) {
    event = "expired";
  } else if (data.state === "awarded" && message.inReplyTo === "award") {
    if (message.performative === "inform") event = "done";
    else if (message.performative === "failure" || !message.fromPlatform) event = "failed";
  }
  if (event === undefined) return undefined;
  records.drop(conversation);
  return { kind: KIND, event, conversation, note: data.note, content: message?.content, message, offers: [] };
}

/** Note an answer to the call, or with undefined that its time is over. */
function collect(conversation, data, message) {
  let { left, answered, offers } = data;
  if (message === undefined) {
    left = 0;
  } else if (message.inReplyTo !== "opening") {
    return undefined;
  } else if (message.fromPlatform) {
    // The platform does not say in whose name it speaks: each of its failures is a receiver it did not reach.
    if (message.performative === "failure") left -= 1;
  } else if (answered.includes(message.sender)) {
    // The leg closed under an offer: it is void.
    offers = offers.filter((offer) => offer.sender !== message.sender);
  } else {
    left -= 1;
    answered = [...answered, message.sender];
    if (message.performative === "propose") {
      const token = message.replyWith ?? message.id;
      offers = [...offers, { sender: message.sender, content: message.content, token }];
    }
  }
  const told = { ...data, left, answered, offers };
  if (left > 0) {
    records.keep(conversation, KIND, told, undefined);
    return undefined;
  }
  const news = { kind: KIND, conversation, note: data.note, content: undefined, message, offers };
  if (offers.length === 0) {
    records.drop(conversation);
    return { ...news, event: "nobody" };
  }
  records.keep(conversation, KIND, { ...told, state: "choice" }, records.LONGEST);
  return { ...news, event: "choice" };
}
