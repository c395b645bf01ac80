// An agent: functions that are called with the messages, the timers and the news they are for.
import * as contractNets from "./contract_nets.js";
import * as initiators from "./initiators.js";
import * as offers from "./offers.js";
import * as promises from "./promises.js";
import * as records from "./records.js";
import { log } from "./steps.js";
import * as subscribers from "./subscribers.js";
import { ONTOLOGY, rung } from "./timers.js";

const HEARD = {
  request: (...told) => initiators.heard("request", ...told),
  subscription: (...told) => initiators.heard("subscription", ...told),
  "contract-net": contractNets.heard,
  promise: promises.heard,
  offer: offers.heard,
};

export class Agent {
  config = {};
  #routes = [];
  #ringers = new Map();
  #news = new Map();
  #starters = [];
  #drainers = [];
  #exporter;
  #importer;

  on(acts, handler, { protocol, ontology } = {}) {
    const wanted = acts === "*" ? undefined : new Set([acts].flat());
    const exactness = (protocol ? 4 : 0) + (ontology ? 2 : 0) + (wanted ? 1 : 0);
    this.#routes.push({ wanted, protocol, ontology, exactness, handler });
    // Stable, so that of two equals the first is asked.
    this.#routes.sort((a, b) => b.exactness - a.exactness);
    return this;
  }

  onTimer(name, handler) {
    this.#ringers.set(name, handler);
    return this;
  }

  onNews(kind, handler) {
    if (!(kind in HEARD)) throw new TypeError(`there is no news of the kind ${JSON.stringify(kind)}`);
    this.#news.set(kind, handler);
    return this;
  }

  onStart(handler) {
    this.#starters.push(handler);
    return this;
  }

  onDrain(handler) {
    this.#drainers.push(handler);
    return this;
  }

  exportsState(handler) {
    this.#exporter = handler;
    return this;
  }

  importsState(handler) {
    this.#importer = handler;
    return this;
  }

  start(config) {
    this.config = config;
    for (const handler of this.#starters) settled(handler(config));
  }

  handle(message) {
    const told = rung(message);
    if (told !== undefined) return this.#ring(told);
    const news = message.ontology === ONTOLOGY ? undefined : meaning(message.conversationId, message);
    if (news !== undefined) return this.#tell(news);
    if (subscribers.left(message)) return message.inform();
    for (const { wanted, protocol, ontology, handler } of this.#routes) {
      const fits = (!wanted || wanted.has(message.performative)) && (!protocol || protocol === message.protocol);
      if (fits && (!ontology || ontology === message.ontology)) return settled(handler(message));
    }
    log(`nobody handles the ${message.performative} from ${message.sender}`, "debug");
    return undefined;
  }

  drain() {
    for (const handler of this.#drainers) settled(handler());
  }

  exportState() {
    return this.#exporter && settled(this.#exporter());
  }

  importState(state) {
    if (this.#importer) settled(this.#importer(state));
  }

  #ring({ name, content }) {
    if (name === records.TIMER) {
      const conversation = records.ended({ content });
      const news = conversation && meaning(conversation, undefined);
      if (news) this.#tell(news);
    } else if (this.#ringers.has(name)) {
      settled(this.#ringers.get(name)(content));
    } else {
      log(`nobody handles the timer ${JSON.stringify(name)}`, "debug");
    }
    return undefined;
  }

  #tell(news) {
    const handler = this.#news.get(news.kind);
    const answer = handler && settled(handler(news));
    // Who cancels waits to hear that nothing more will be done.
    if (!answer && news.message?.performative === "cancel") return news.message.inform();
    if (!handler) {
      log(`nobody handles the news ${news.event} of the ${news.kind}`, "debug");
      if (news.event === "accepted") return news.message.failure("nobody does the work");
    }
    return answer;
  }
}

/** What a message, or with undefined the end of the time, means for a conversation with a record. */
function meaning(conversation, message) {
  const record = records.find(conversation);
  return record && HEARD[record.kind](conversation, record.data, message);
}

/** A step ends when the handler returns: there is nothing it could wait for. */
function settled(value) {
  if (typeof value?.then === "function") throw new TypeError("a handler may not be async: a step ends when it returns");
  return value;
}
