// An agent as the component that the node runs: the world `caxton:agent@1.0.0` on one side, Agent on the other.
//
// Only this module knows the imports of the component. An error of the agent is logged whole and answered in one line.
import * as node from "caxton:agent/node@1.0.0";
import { Agent } from "./agents.js";
import { step } from "./hosts.js";
import { encode, Message } from "./messages.js";
import { describe, shown } from "./surroundings.js";

const ACTS = new Set([
  "accept-proposal", "agree", "cancel", "cfp", "confirm", "disconfirm", "failure", "inform", "inform-if", "inform-ref",
  "not-understood", "propagate", "propose", "proxy", "query-if", "query-ref", "refuse", "reject-proposal", "request",
  "request-when", "request-whenever", "subscribe",
]);

function read(message) {
  const extras = Object.fromEntries(message.extras.map(([name, value]) => [name, JSON.parse(value)]));
  const content = message.content === undefined ? undefined : JSON.parse(message.content);
  return new Message({ ...message, content, extras });
}

function write(message) {
  if (!(message instanceof Message)) throw new TypeError("a handler returns a Message, or nothing");
  if (!ACTS.has(message.performative)) throw new TypeError(`${JSON.stringify(message.performative)} is no performative`);
  const content = message.content === undefined ? undefined : encode(message.content);
  const extras = Object.entries(message.extras).map(([name, value]) => [name, encode(value)]);
  return { ...message, content, extras, sender: undefined, timestamp: undefined, traceparent: undefined };
}

const real = {
  send(message) {
    try {
      node.send(write(message));
    } catch (error) {
      // What the node answers comes as an error with a payload; anything else is the agent's own mistake.
      if (typeof error?.payload !== "string") throw error;
      return error.payload;
    }
    return undefined;
  },
  log(level, text) {
    // The log knows no line breaks.
    for (const line of String(text).split("\n")) node.log(level, line);
  },
  now: () => Number(node.nowMs()),
  random: node.random,
  stateGet: node.stateGet,
  statePut: node.statePut,
  stateDelete: node.stateDelete,
  setTimer: (delay, payload) => node.setTimer(BigInt(delay), payload),
  cancelTimer: node.cancelTimer,
};

/** The agent that a module exports. */
export function find(project) {
  const found = project.default ?? project.agent;
  if (!(found instanceof Agent)) throw new TypeError("the module exports no agent: it needs `export default agent`");
  return found;
}

/** The functions that the node calls. */
export function world(agent) {
  const run = (call) =>
    step(real, () => {
      try {
        return call();
      } catch (error) {
        real.log("error", describe(error));
        // The component hands a text on; an Error would end the instance.
        throw error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${shown(error)}`;
      }
    });
  return {
    init: (config) => run(() => agent.start(JSON.parse(config))),
    handle: (message) =>
      run(() => {
        const answer = agent.handle(read(message));
        return answer === undefined || answer === null ? undefined : write(answer);
      }),
    drain() {
      try {
        run(() => agent.drain());
      } catch {
        // It is logged, and the world knows no error here.
      }
    },
    exportState: () => run(() => agent.exportState()) ?? undefined,
    importState: (state) => run(() => agent.importState(state)),
  };
}
