// ACL messages: what came in, and what is said. Values are raw JSON, strings with their quotes.
import { randomHex, respond, send } from "./host";
import { is, member } from "./json";

/** Beside what `send` returns: the durable state had no room. */
export const NOT_KEPT: i32 = -10;
const LONGEST_TOKEN = 256;

export class Message {
  act: string;
  sender: string;
  receiver: string;
  content: string;
  ontology: string;
  protocol: string;
  conversation: string;
  inReplyTo: string;
  /** Whom an answer goes to: the message's reply_to, else its sender. */
  replyTo: string;
  /** What an answer quotes: the message's reply_with, else its id. */
  token: string;

  constructor(
    public inbox: usize,
    whole: string,
  ) {
    this.act = member(whole, "performative");
    this.sender = member(whole, "sender");
    this.receiver = member(whole, "receiver");
    this.content = member(whole, "content");
    this.ontology = member(whole, "ontology");
    this.protocol = member(whole, "protocol");
    this.conversation = member(whole, "conversation_id");
    this.inReplyTo = member(whole, "in_reply_to");
    this.replyTo = member(whole, "reply_to");
    this.token = member(whole, "reply_with");
    if (this.replyTo.length == 0) this.replyTo = this.sender;
    // The id may always be quoted instead; it is short, whatever somebody chose as a token.
    if (this.token.length == 0 || this.token.length > LONGEST_TOKEN) this.token = member(whole, "id");
  }

  is(act: string): bool {
    return is(this.act, act);
  }

  /** Is this the platform speaking: a failure, a not-understood, a timer? Its name is `ams`, at our own platform. */
  get fromAms(): bool {
    const at = this.receiver.indexOf("@");
    return at > 0 && this.sender == '"ams' + this.receiver.substring(at);
  }

  /** Is this a timer of ours? Its content is the text it was set with, as a JSON string. */
  get isTimer(): bool {
    return is(this.ontology, "caxton-timer") && this.fromAms;
  }

  /** Answer this message; what this returns, `handle_message` must return. */
  answer(act: string, content: string = "", more: string = ""): i32 {
    return respond(this.inbox, `{"performative":"${act}"${field("content", content)}${more}}`);
  }
}

/** A member of an object that is being written, after others; nothing when it has no value. */
export function field(name: string, value: string): string {
  return value.length ? `,"${name}":${value}` : "";
}

/** The field that says when an answer is due. */
export function replyIn(wait: i64): string {
  return wait > 0 ? `,"reply_by":"+${wait}ms"` : "";
}

/** Send a message; `fields` are the others, each as `field` writes it. Returns what `send` does: 0, or why it was not sent. */
export function tell(act: string, fields: string): i32 {
  return send(`{"performative":"${act}"${fields}}`);
}

/** What came of opening a conversation: 0 and its id, or why it could not be opened; then nothing is kept of it. */
export class Opened {
  constructor(
    public code: i32,
    public conversation: string,
  ) {}
}

/** A conversation id that nobody else has. */
export function newId(): string {
  return '"' + randomHex(32) + '"';
}
