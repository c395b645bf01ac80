// Timers: something to be told later, over restarts too. A timer has a name and may carry a value.
import { host, TooManyTimers } from "./hosts.js";
import { encode } from "./messages.js";

export const ONTOLOGY = "caxton-timer";

/** The number of a new timer. */
export function setTimer(milliseconds, name, content = null) {
  const payload = new TextEncoder().encode(encode([name, content]));
  const timer = host().setTimer(Math.max(0, Math.round(milliseconds)), payload);
  if (timer === undefined) throw new TooManyTimers(`no room for the timer ${JSON.stringify(name)}`);
  return timer;
}

/** False when it is unknown. */
export function cancelTimer(timer) {
  return host().cancelTimer(timer);
}

/** The timer that a message brings, {name, content}, if it is one set by this library. */
export function rung(message) {
  if (message.ontology !== ONTOLOGY || !message.fromPlatform) return undefined;
  try {
    const [name, content] = JSON.parse(message.content);
    return typeof name === "string" ? { name, content } : undefined;
  } catch {
    return undefined;
  }
}
