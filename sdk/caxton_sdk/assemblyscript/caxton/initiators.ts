// The side that opens a conversation with one other agent: it opens, hears what comes of it, and may cancel.
//
// The record of a conversation says how far it is and carries a note, any JSON the agent wants to be told again.
import { is, member } from "./json";
import { field, Message, newId, Opened, replyIn, tell } from "./messages";
import * as records from "./records";

export enum Event {
  /** Not about a conversation of ours, or nothing new. */
  Nothing,
  Agreed,
  /** The result of a request; a notification of a subscription. */
  Informed,
  Refused,
  /** It tried and could not, or the platform could not reach it. */
  Failed,
  NotUnderstood,
  /** No answer in time, or the conversation's time is over. */
  Expired,
  Cancelled,
  /** It goes on as if nothing had been. */
  CancelRefused,
}

export class News {
  constructor(
    public event: Event = Event.Nothing,
    public conversation: string = "",
    public note: string = "",
    public content: string = "",
  ) {}
}

function kept(state: string, note: string): string {
  return `{"state":"${state}","note":${note.length ? note : "null"}}`;
}

/** Open a conversation; the first answer is due in `wait` ms. */
export function open(
  kind: string,
  protocol: string,
  act: string,
  receiver: string,
  content: string,
  note: string,
  wait: i64,
): Opened {
  const conversation = newId();
  // An answer that comes exactly in time is in time: the timer rings after it.
  let code = records.put(kind, conversation, kept("asked", note), wait + 1);
  if (code != 0) return new Opened(code, "");
  const head = `,"protocol":"${protocol}","receiver":${receiver},"conversation_id":${conversation}`;
  code = tell(act, `${head},"reply_with":"opening"${field("content", content)}${replyIn(wait)}`);
  if (code != 0) records.drop(kind, conversation);
  return new Opened(code, conversation);
}

/** Take back what was asked; after `wait` ms without an answer it counts as cancelled. */
export function cancel(kind: string, conversation: string, wait: i64): i32 {
  const record = records.get(kind, conversation);
  if (record.length == 0) return -5;
  const code = tell("cancel", `,"conversation_id":${conversation},"reply_with":"cancel"${replyIn(wait)}`);
  return code != 0 ? code : records.put(kind, conversation, kept("cancelling", member(record, "note")), wait + 1);
}

/** What a message means for the conversations of one kind; `whole` when an inform is the end of it. */
export function heard(kind: string, m: Message, whole: bool): News {
  const due = records.ended(kind, m);
  const conversation = due.length ? due : m.conversation;
  const record = records.get(kind, conversation);
  if (record.length == 0) return new News();
  const state = member(record, "state");
  const ams = m.fromAms;
  const news = new News(Event.Nothing, conversation, member(record, "note"), m.content);
  let ends = true;
  if (due.length) {
    news.event = is(state, "cancelling") ? Event.Cancelled : Event.Expired;
  } else if (is(m.inReplyTo, "cancel") && !ams) {
    ends = m.is("inform");
    news.event = ends ? Event.Cancelled : Event.CancelRefused;
  } else if (m.is("agree")) {
    news.event = Event.Agreed;
    ends = false;
  } else if (m.is("inform")) {
    news.event = Event.Informed;
    ends = whole;
  } else if (m.is("refuse")) {
    news.event = Event.Refused;
  } else if (m.is("failure")) {
    news.event = Event.Failed;
  } else if (m.is("not-understood") && !ams) {
    news.event = Event.NotUnderstood;
  } else {
    return news;
  }
  if (ends) {
    records.drop(kind, conversation);
  } else if (news.event == Event.CancelRefused || is(state, "asked")) {
    // It was answered in time; from here on only the conversation's own time limits it.
    records.mustPut(kind, conversation, kept("open", news.note), records.TTL_MS);
  }
  return news;
}
