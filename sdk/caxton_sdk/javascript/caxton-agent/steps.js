// What an agent may do in a step. All of it happens when the handler returns, or, when it throws, not at all.
import { host, NotSent } from "./hosts.js";
import { delay, Message } from "./messages.js";

export function send(message) {
  const refusal = host().send(message);
  if (refusal !== undefined) throw new NotSent(refusal, message);
}

export function tell(receivers, performative, content, { replyIn, ...more } = {}) {
  const replyBy = replyIn === undefined ? undefined : delay(replyIn);
  send(new Message({ performative, receivers, content, replyBy, ...more }));
}

/** When this step began, in milliseconds since the epoch. */
export function now() {
  return host().now();
}

export function randomBytes(size) {
  return host().random(size);
}

/** An identifier that nobody else has. */
export function newId() {
  return [...host().random(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function log(text, level = "info") {
  host().log(level, text);
}
