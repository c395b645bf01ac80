// fipa-subscribe, both sides: one agent keeps others informed.
//
// Subscriber: `to`, then `heard` on every message; Event.Informed is a notification. `cancel` ends it. A subscription lasts
// no longer than a conversation may (TTL_MS): at Event.Expired subscribe anew.
// Publisher: to a subscribe answer with `accept` or refuse; `inform` tells everybody; `left` says that a message was a
// cancel, and inform answers it.
import { forget, now, recall, remember } from "./host";
import * as initiators from "./initiators";
import { News } from "./initiators";
import { integer, member } from "./json";
import { field, Message, Opened, tell } from "./messages";
import { TTL_MS } from "./records";

const SUBSCRIPTION = "subscription";
/** As many as one step may inform: the manifest's `fan_out`. */
const MOST = 100;
const PATIENCE = 10;
const LONGEST = 1024;

/** Subscribe; an answer is due in `wait` ms. `note` comes back with the news. */
export function to(publisher: string, content: string, note: string, wait: i64): Opened {
  return initiators.open(SUBSCRIPTION, "fipa-subscribe", "subscribe", publisher, content, note, wait);
}

export function heard(m: Message): News {
  return initiators.heard(SUBSCRIPTION, m, false);
}

export function cancel(conversation: string, wait: i64): i32 {
  return initiators.cancel(SUBSCRIPTION, conversation, wait);
}

/** A subscriber has a slot of its own in the durable state, `subscriber/<number>`: whom to inform of which conversation. */
function slot(number: i32): string {
  return "subscriber/" + number.toString();
}

/** What is in a slot; "" when it is empty, or its conversation must be over by now. */
function subscriber(number: i32): string {
  const known = recall(slot(number), "");
  return known.length && integer(known, "until") > now() ? known : "";
}

function keep(number: i32, fields: string, missed: i64): bool {
  return remember(slot(number), `${fields},"missed":${missed}}`);
}

/** Take a subscriber on. Notify it from the next message on: in this step the agree comes last. */
export function accept(m: Message): i32 {
  const fields = `{"conversation":${m.conversation},"to":${m.replyTo},"token":${m.token},"until":${now() + TTL_MS}`;
  for (let i = 0; i < MOST && fields.length < LONGEST; i++) {
    if (subscriber(i).length) continue;
    if (!keep(i, fields, 0)) break;
    return m.answer("agree");
  }
  return m.answer("refuse", `{"reason":"no room for another subscriber"}`);
}

/** Was this the cancel of a subscription? Then it is forgotten, and wants inform as its answer. */
export function left(m: Message): bool {
  for (let i = 0; i < MOST && m.is("cancel"); i++) {
    if (member(subscriber(i), "conversation") != m.conversation) continue;
    forget(slot(i));
    return true;
  }
  return false;
}

/**
 * Inform every subscriber; returns how many could not be reached this time.
 *
 * A subscriber whose conversation is over is forgotten; one that is stopped or whose mailbox is full misses this one, and
 * is forgotten when it has missed ten in a row.
 */
export function inform(content: string): i32 {
  let missing = 0;
  for (let i = 0; i < MOST; i++) {
    const known = subscriber(i);
    if (known.length == 0) continue;
    const receiver = member(known, "to");
    const head = `,"receiver":${receiver},"conversation_id":${member(known, "conversation")}`;
    const code = tell("inform", `${head},"in_reply_to":${member(known, "token")}${field("content", content)}`);
    const before = integer(known, "missed");
    const missed = code != 0 ? before + 1 : 0;
    if (code != 0) missing++;
    if (code == -5 || missed >= PATIENCE) forget(slot(i));
    else if (missed != before && !keep(i, known.substring(0, known.lastIndexOf(',"missed":')), missed)) unreachable();
  }
  return missing;
}
