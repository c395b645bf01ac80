// The node as the library sees it, and which one there is.
//
// There is a host only while a call of the node runs: what a module does when it is imported happens at build time.

/** The node did not take a message; `refusal` says why. */
export class NotSent extends Error {
  constructor(refusal, message) {
    super(`${message.performative} to ${message.receivers.join(", ")}: ${refusal}`);
    this.name = "NotSent";
    this.refusal = refusal;
    this.sent = message;
  }
}

export class StateFull extends Error {
  name = "StateFull";
}

export class TooManyTimers extends Error {
  name = "TooManyTimers";
}

export class OutsideStep extends Error {
  name = "OutsideStep";
}

let current = null;

/** The node that runs the present step. */
export function host() {
  if (current === null) {
    throw new OutsideStep("the node can be asked only while a message is handled, not when a module is imported");
  }
  return current;
}

export function inside() {
  return current !== null;
}

/** Let a step run on this node. */
export function step(on, run) {
  const before = current;
  current = on;
  try {
    return run();
  } finally {
    current = before;
  }
}
