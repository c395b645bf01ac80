// Agents for Caxton in JavaScript: an Agent with handlers, and what they may do. index.d.ts explains each.
export { Agent } from "./agents.js";
export { award, call, rejectAll } from "./contract_nets.js";
export { NotSent, OutsideStep, StateFull, TooManyTimers } from "./hosts.js";
export { ask, cancel, subscribe } from "./initiators.js";
export { Message } from "./messages.js";
export { propose } from "./offers.js";
export { breakPromise, keepPromise, promise } from "./promises.js";
export { state } from "./states.js";
export { log, newId, now, randomBytes, send, tell } from "./steps.js";
export { acceptSubscriber, informSubscribers } from "./subscribers.js";
export { cancelTimer, setTimer } from "./timers.js";
