// What an agent has agreed to do and has not done yet: whom it owes an answer, kept through restarts.
//
// `make` when the work is taken on; `keep` or `fail` when it is done; `heard` first in `handle_message`, for the cancels
// and for promises whose conversation has run out of time.
import { member } from "./json";
import { field, Message, NOT_KEPT, tell } from "./messages";
import * as records from "./records";

const PROMISE = "promise";
const LONGEST = 1024;

export enum Ending {
  None,
  /** Wants an answer: inform, that nothing more will be done. */
  Cancelled,
  Expired,
}

/** Remember whom to answer; 0, or NOT_KEPT. A conversation has one promise at a time. */
export function make(m: Message): i32 {
  const record = `{"to":${m.replyTo},"token":${m.token}}`;
  if (record.length > LONGEST || records.get(PROMISE, m.conversation).length > 0) return NOT_KEPT;
  return records.put(PROMISE, m.conversation, record, records.TTL_MS);
}

/** Give the answer that is owed; -5 when none is owed any more. */
function answer(conversation: string, act: string, content: string): i32 {
  const record = records.get(PROMISE, conversation);
  if (record.length == 0) return -5;
  const to = `,"receiver":${member(record, "to")},"conversation_id":${conversation}`;
  const code = tell(act, `${to},"in_reply_to":${member(record, "token")}${field("content", content)}`);
  // A full mailbox (-3) or a limit on what one step may send (-7) passes: the promise stands, and may be tried again.
  if (code != -3 && code != -7) records.drop(PROMISE, conversation);
  return code;
}

export function keep(conversation: string, content: string): i32 {
  return answer(conversation, "inform", content);
}

export function fail(conversation: string, reason: string): i32 {
  return answer(conversation, "failure", reason);
}

/** Was a promise taken back? */
export function heard(m: Message): Ending {
  const due = records.ended(PROMISE, m);
  if (due.length) {
    records.drop(PROMISE, due);
    return Ending.Expired;
  }
  if (!m.is("cancel") || records.get(PROMISE, m.conversation).length == 0) return Ending.None;
  records.drop(PROMISE, m.conversation);
  return Ending.Cancelled;
}
