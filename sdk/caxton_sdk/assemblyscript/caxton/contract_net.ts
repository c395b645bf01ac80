// fipa-contract-net, both sides: who does it best?
//
// Initiator: `call`, then `heard` on every message. The best offer so far is kept; one that is beaten is rejected at once.
// At Event.Choice `award` it, or `reject` it; then Event.Done, Failed or Expired is the end.
// Participant: to a cfp answer with `propose` or `refuse`. `told` says what became of the offer; after Event.Accepted do
// the work and answer inform or failure, or make a promise and answer later.
import { elements, integer, is, member } from "./json";
import { field, Message, newId, Opened, replyIn, tell } from "./messages";
import * as records from "./records";

const NET = "contract-net";
const OFFER = "offer";

export enum Event {
  /** Not about a call or an offer of ours, or nothing new. */
  Nothing,
  /** Initiator: an answer; others may still come. */
  Collecting,
  /** Initiator: all have answered or their time is over; `content` is the best offer. */
  Choice,
  /** Initiator: the same, and nobody made an offer; the end. */
  Nobody,
  /** Initiator: the winner's result. */
  Done,
  /** Initiator: the winner could not do it, or is gone. */
  Failed,
  /** Initiator: no result in time. */
  Expired,
  /** Participant: do it; `content` is what was offered. */
  Accepted,
  /** Participant: the offer was not taken. */
  Rejected,
  /** Participant: nobody took the offer while it held. */
  Passed,
  /** Participant: the call is taken back; answer with inform. */
  Cancelled,
}

export class News {
  constructor(
    public event: Event,
    public conversation: string,
    public note: string,
    public content: string,
    public from: string,
  ) {}
}

/** How good is an offer? The lowest score wins; i64.MAX_VALUE says that it is no good at all. */
export type Judge = (offer: string, note: string) => i64;

class Call {
  state: string = "";
  left: i64 = 0;
  score: i64 = 0;
  answered: string[] = [];
  from: string = "";
  token: string = "";
  offer: string = "";
  note: string = "null";

  constructor(
    public conversation: string,
    record: string,
  ) {
    if (record.length) {
      this.state = member(record, "state");
      this.left = integer(record, "left");
      this.score = integer(record, "score");
      this.answered = elements(member(record, "answered"));
      this.from = member(record, "from");
      this.token = member(record, "token");
      this.offer = member(record, "offer");
      this.note = member(record, "note");
    }
  }

  keep(state: string, wait: i64): i32 {
    const best = field("from", this.from) + field("token", this.token) + field("offer", this.offer);
    const head = `{"state":"${state}","left":${this.left},"score":${this.score}`;
    const record = `${head},"answered":[${this.answered.join(",")}]${best},"note":${this.note}}`;
    return records.put(NET, this.conversation, record, wait);
  }

  decide(act: string, to: string, token: string, more: string): i32 {
    return tell(act, `,"receiver":${to},"conversation_id":${this.conversation},"in_reply_to":${token}${more}`);
  }

  /** Note an answer to the call; the loser of two offers is told at once. A loser that is gone need not be told. */
  answer(m: Message, judge: Judge): void {
    if (this.answered.includes(m.sender)) {
      // The leg closed under an offer: it is void.
      if (this.from == m.sender) this.from = this.token = this.offer = "";
      return;
    }
    this.answered.push(m.sender);
    if (this.left > 0) this.left--;
    if (!m.is("propose")) return;
    const score = judge(m.content, this.note);
    if (score == i64.MAX_VALUE) {
      this.decide("reject-proposal", m.sender, m.token, `,"content":"no good"`);
      return;
    }
    const better = this.from.length == 0 || score < this.score;
    const loser = better ? this.from : m.sender;
    const reason = `,"content":"another offer is better"`;
    if (loser.length) this.decide("reject-proposal", loser, better ? this.token : m.token, reason);
    if (!better) return;
    this.from = m.sender;
    this.token = m.token;
    this.offer = m.content;
    this.score = score;
  }
}

/** Call agents, a list of names, for offers that are due in `wait` ms. */
export function call(receivers: string[], content: string, note: string, wait: i64): Opened {
  const net = new Call(newId(), "");
  net.left = receivers.length;
  if (note.length) net.note = note;
  let code = net.keep("collecting", wait + 1);
  if (code != 0) return new Opened(code, "");
  const head = `,"protocol":"fipa-contract-net","receiver":[${receivers.join(",")}]`;
  const id = `,"conversation_id":${net.conversation},"reply_with":"opening"`;
  code = tell("cfp", head + id + field("content", content) + replyIn(wait));
  if (code != 0) records.drop(NET, net.conversation);
  return new Opened(code, net.conversation);
}

/** Give the work to the best offer; the result is due in `wait` ms. When it can't be sent, that is the end of the call. */
export function award(conversation: string, content: string, wait: i64): i32 {
  const net = new Call(conversation, records.get(NET, conversation));
  if (!is(net.state, "choice")) return -5;
  const more = `,"reply_with":"award"${field("content", content)}${replyIn(wait)}`;
  const code = net.decide("accept-proposal", net.from, net.token, more);
  if (code == 0) return net.keep("awarded", wait + 1);
  records.drop(NET, conversation);
  return code;
}

/** Take no offer at all. */
export function reject(conversation: string, reason: string): i32 {
  const net = new Call(conversation, records.get(NET, conversation));
  if (!is(net.state, "choice")) return -5;
  records.drop(NET, conversation);
  return net.decide("reject-proposal", net.from, net.token, field("content", reason));
}

/** What a message means for our calls. */
export function heard(m: Message, judge: Judge): News {
  const due = records.ended(NET, m);
  const conversation = due.length ? due : m.conversation;
  const record = records.get(NET, conversation);
  const news = new News(Event.Nothing, conversation, "", m.content, m.sender);
  if (record.length == 0) return news;
  const net = new Call(conversation, record);
  const collecting = is(net.state, "collecting");
  news.note = net.note;
  if (due.length && !collecting) {
    news.event = Event.Expired;
  } else if (collecting && (due.length || is(m.inReplyTo, "opening"))) {
    if (due.length) {
      net.left = 0;
    } else if (m.fromAms) {
      if (!m.is("failure")) return news;
      // The platform does not say in whose name it speaks: each of its failures is another receiver it did not reach.
      if (net.left > 0) net.left--;
    } else {
      net.answer(m, judge);
    }
    news.event = net.left > 0 ? Event.Collecting : net.from.length ? Event.Choice : Event.Nobody;
  } else if (is(net.state, "awarded") && is(m.inReplyTo, "award")) {
    if (m.is("inform")) news.event = Event.Done;
    else if (m.is("failure") || (m.is("not-understood") && !m.fromAms)) news.event = Event.Failed;
  }
  if (news.event == Event.Collecting) {
    if (net.keep("collecting", records.SAME_TIMER) != 0) unreachable();
  } else if (news.event == Event.Choice) {
    // The choice may be put off, but not for ever.
    if (net.keep("choice", records.TTL_MS) != 0) unreachable();
    news.content = net.offer;
    news.from = net.from;
  } else if (news.event != Event.Nothing) {
    records.drop(NET, conversation);
  }
  return news;
}

/** Offer to do what a cfp asks for; the offer holds for `hold` ms and is kept until then. */
export function propose(m: Message, offer: string, hold: i64): i32 {
  if (records.put(OFFER, m.conversation, offer, hold + 1) != 0) return refuse(m, `{"reason":"no room for another offer"}`);
  return m.answer("propose", offer, `,"reply_with":"offer"${replyIn(hold)}`);
}

export function refuse(m: Message, reason: string): i32 {
  return m.answer("refuse", reason);
}

/** What a message means for our offers. */
export function told(m: Message): News {
  const due = records.ended(OFFER, m);
  const conversation = due.length ? due : m.conversation;
  const offer = records.get(OFFER, conversation);
  const news = new News(Event.Nothing, conversation, "", offer, m.sender);
  if (offer.length == 0) return news;
  if (due.length) news.event = Event.Passed;
  else if (m.is("accept-proposal")) news.event = Event.Accepted;
  else if (m.is("reject-proposal")) news.event = Event.Rejected;
  else if (m.is("cancel")) news.event = Event.Cancelled;
  if (news.event != Event.Nothing) records.drop(OFFER, conversation);
  return news;
}
