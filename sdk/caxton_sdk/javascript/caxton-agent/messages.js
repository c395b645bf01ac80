// ACL messages as an agent reads and writes them: contents are values of JavaScript, undefined where there is none.

const OPTIONAL = [
  "sender", "language", "encoding", "ontology", "protocol", "conversationId", "replyWith", "inReplyTo", "replyBy", "id",
  "timestamp", "traceparent",
];
const KNOWN = new Set(["performative", "receivers", "replyTo", "content", "extras", ...OPTIONAL]);

export class Message {
  constructor(fields) {
    for (const name of Object.keys(fields)) {
      if (!KNOWN.has(name)) throw new TypeError(`a message has no field ${JSON.stringify(name)}`);
    }
    this.performative = fields.performative;
    this.receivers = names(fields.receivers ?? []);
    this.replyTo = names(fields.replyTo ?? []);
    this.content = fields.content;
    this.extras = { ...fields.extras };
    for (const name of OPTIONAL) this[name] = fields[name] ?? undefined;
    Object.freeze(this);
  }

  /** Does the platform itself speak: a failure, a not-understood, a timer? */
  get fromPlatform() {
    const home = (this.receivers[0] ?? "").split("@")[1];
    return this.sender === `ams@${home}`;
  }

  reply(performative, content, more = {}) {
    return new Message({
      performative,
      receivers: this.replyTo.length ? this.replyTo : [this.sender],
      content,
      ontology: this.ontology,
      protocol: this.protocol,
      conversationId: this.conversationId,
      inReplyTo: this.replyWith ?? this.id,
      ...more,
    });
  }

  inform(content) {
    return this.reply("inform", content);
  }

  agree(content) {
    return this.reply("agree", content);
  }

  /** Who asked without a protocol is told of a failure. */
  refuse(reason) {
    return this.reply(this.protocol ? "refuse" : "failure", reason);
  }

  failure(reason) {
    return this.reply("failure", reason);
  }

  notUnderstood(reason) {
    return this.reply("not-understood", reason);
  }
}

/** One name or several. */
export function names(receivers) {
  return typeof receivers === "string" ? [receivers] : [...receivers];
}

/** A value as JSON; one that has no form there throws. */
export function encode(value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError("a value has no form in JSON");
  return text;
}

/** When an answer is due, this long from now. */
export function delay(milliseconds) {
  return `+${Math.round(milliseconds)}ms`;
}
