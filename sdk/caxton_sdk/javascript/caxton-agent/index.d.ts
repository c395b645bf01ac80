/** Agents for Caxton in JavaScript: an Agent with handlers, and what they may do. Times are in milliseconds. */

export type Performative =
  | "accept-proposal" | "agree" | "cancel" | "cfp" | "confirm" | "disconfirm" | "failure" | "inform" | "inform-if"
  | "inform-ref" | "not-understood" | "propagate" | "propose" | "proxy" | "query-if" | "query-ref" | "refuse"
  | "reject-proposal" | "request" | "request-when" | "request-whenever" | "subscribe";

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface MessageFields {
  performative: Performative;
  receivers?: string | readonly string[];
  content?: unknown;
  replyTo?: string | readonly string[];
  language?: string;
  encoding?: string;
  ontology?: string;
  protocol?: string;
  conversationId?: string;
  replyWith?: string;
  inReplyTo?: string;
  /** RFC 3339, or from now on, such as `+5s`. */
  replyBy?: string;
  id?: string;
  /** The fields whose names begin with `x_`. */
  extras?: Record<string, unknown>;
}

/** What an answer may have besides what it takes from the message it answers. */
export type ReplyFields = Partial<Omit<MessageFields, "performative" | "content">>;

/** One message; it is never changed. */
export class Message {
  constructor(fields: MessageFields);
  readonly performative: Performative;
  readonly receivers: readonly string[];
  /** undefined where there is none. */
  readonly content: any;
  readonly sender?: string;
  readonly replyTo: readonly string[];
  readonly language?: string;
  readonly encoding?: string;
  readonly ontology?: string;
  readonly protocol?: string;
  readonly conversationId?: string;
  readonly replyWith?: string;
  readonly inReplyTo?: string;
  readonly replyBy?: string;
  readonly id?: string;
  readonly timestamp?: string;
  readonly traceparent?: string;
  readonly extras: Readonly<Record<string, any>>;
  /** Does the platform itself speak: a failure, a not-understood, a timer? */
  readonly fromPlatform: boolean;
  /** An answer, to be returned by a handler or to be sent. */
  reply(performative: Performative, content?: unknown, more?: ReplyFields): Message;
  inform(content?: unknown): Message;
  agree(content?: unknown): Message;
  /** Who asked without a protocol is told of a failure. */
  refuse(reason?: unknown): Message;
  failure(reason?: unknown): Message;
  notUnderstood(reason?: unknown): Message;
}

export type Kind = "request" | "subscription" | "contract-net" | "promise" | "offer";

export type Event =
  // To a request or a subscription of ours.
  | "agreed" | "informed" | "refused" | "not-understood" | "cancel-refused"
  // To a call of ours: all have answered, or their time is over; the result.
  | "choice" | "nobody" | "done"
  // To an offer of ours: it was taken, or not, or nobody answered while it held.
  | "accepted" | "rejected" | "passed"
  | "failed" | "expired" | "cancelled";

/** What somebody proposed. */
export interface Offer {
  readonly sender: string;
  readonly content: any;
  readonly token: string;
}

/** What happened to a conversation of ours. */
export interface News {
  readonly kind: Kind;
  readonly event: Event;
  readonly conversation: string;
  /** What was given when it began. */
  readonly note: any;
  /** What was said; of an offer of ours, what we offered. */
  readonly content: any;
  /** The message that brought it; undefined when time brought it. */
  readonly message?: Message;
  /** At a choice. */
  readonly offers: readonly Offer[];
}

export type Answer = Message | undefined | null | void;
export interface Route {
  protocol?: string;
  ontology?: string;
}

/** What a module offers the node: `export default` one. A handler that throws fails the delivery and undoes the step. */
export class Agent {
  /** The manifest's `config`. */
  config: any;
  /** Handle messages with these acts ("*" for all), of this protocol and this ontology; the most exact handler is called. */
  on(acts: Performative | "*" | readonly Performative[], handler: (message: Message) => Answer, route?: Route): this;
  /** Handle the timers of a name. */
  onTimer(name: string, handler: (content: any) => void): this;
  /** Handle what happens to the conversations of a kind. */
  onNews(kind: Kind, handler: (news: News) => Answer): this;
  /** Whenever an instance starts. */
  onStart(handler: (config: any) => void): this;
  /** Last before an orderly stop. */
  onDrain(handler: () => void): this;
  /** Give the state that the next version takes over. */
  exportsState(handler: () => Uint8Array | undefined): this;
  /** Take over the state of the version before. */
  importsState(handler: (state: Uint8Array) => void): this;
}

export type Refusal =
  | "invalid" | "no-such-receiver" | "mailbox-full" | "not-allowed" | "not-admitted" | "too-large" | "over-limit";

/** The node did not take a message. */
export class NotSent extends Error {
  readonly refusal: Refusal;
  readonly sent: Message;
}
/** The agent's durable state has no room for this. */
export class StateFull extends Error {}
/** 1,000 timers are pending, or this one carries more than 4 KiB. */
export class TooManyTimers extends Error {}
/** Something was asked of the node while no message is handled. */
export class OutsideStep extends Error {}

/** Queue a message; throws NotSent. */
export function send(message: Message): void;
/** Send a message to one agent or several; throws NotSent. */
export function tell(
  receivers: string | readonly string[], performative: Performative, content?: unknown,
  more?: ReplyFields & { replyIn?: number },
): void;
/** When this step began, in milliseconds since the epoch. */
export function now(): number;
/** Random bytes of this step's stream, at most 65,536. */
export function randomBytes(size: number): Uint8Array;
/** An identifier that nobody else has. */
export function newId(): string;
/** Write a line into the agent's log; so does `console`. */
export function log(text: string, level?: "trace" | "debug" | "info" | "warn" | "error"): void;

/** The durable state: values of JSON, or bytes, by key. Keys that begin with `caxton/` are the library's own. */
export const state: {
  get(key: string): any;
  set(key: string, value: unknown): void;
  has(key: string): boolean;
  delete(key: string): boolean;
  getBytes(key: string): Uint8Array | undefined;
  setBytes(key: string, value: Uint8Array): void;
};

/** Ask to be told later, and return the timer's number; throws TooManyTimers. */
export function setTimer(milliseconds: number, name: string, content?: unknown): number;
/** Take a timer back; false when it is unknown. */
export function cancelTimer(timer: number): boolean;

interface Opening {
  /** Comes back with the news. */
  note?: unknown;
  /** When an answer is due. */
  wait?: number;
}
/** Request something, and return the conversation; an answer, be it only an agree, is due in `wait`. */
export function ask(receiver: string, content: unknown, more?: Opening): string;
/** Subscribe, and return the conversation. When it is expired subscribe anew. */
export function subscribe(publisher: string, content: unknown, more?: Opening): string;
/** Take back what was asked; false when it is over. */
export function cancel(conversation: string, more?: { wait?: number }): boolean;

/** Take work on, to be answered later; return this, the agree, from the handler. */
export function promise(message: Message, more?: { note?: unknown }): Message | undefined;
/** Give the result that is owed; false when none is owed any more. */
export function keepPromise(conversation: string, content?: unknown): boolean;
/** Say that it could not be done. */
export function breakPromise(conversation: string, reason?: unknown): boolean;

/** Call agents for offers, and return the conversation. */
export function call(receivers: readonly string[], content: unknown, more?: Opening): string;
/** Give the work to an offer, and reject the others. When the winner is gone NotSent is thrown: choose another. */
export function award(conversation: string, offer: Offer, content?: unknown, more?: { wait?: number }): void;
/** Take no offer at all. */
export function rejectAll(conversation: string, reason?: unknown): void;
/** Offer to do what a cfp asks for; return this from the handler. */
export function propose(message: Message, content: unknown, more?: { note?: unknown; hold?: number }): Message;

/** Take a subscriber on; return this, the agree or a refuse, from the handler. */
export function acceptSubscriber(message: Message): Message;
/** Inform everybody, and return how many could not be reached this time. */
export function informSubscribers(content: unknown): number;
