// An agent that plays every role when it is told to, and logs what it hears; `roles.c` does exactly the same, and says how.
import { log, recall, remember, text } from "caxton/host";
import * as net from "caxton/contract_net";
import { News } from "caxton/initiators";
import { elements, integer, is, member } from "caxton/json";
import { Message, Opened } from "caxton/messages";
import * as promises from "caxton/promises";
import * as request from "caxton/request";
import * as subscribe from "caxton/subscribe";
export { caxton_alloc } from "caxton/host";

const EVENTS = "nothing agreed informed refused failed not-understood expired cancelled cancel-refused".split(" ");
const NET_EVENTS = "nothing collecting choice nobody done failed expired accepted rejected passed cancelled".split(" ");

function say(what: string, event: string, note: string = "", content: string = ""): void {
  log([what, event, note, content].join(" ").trimEnd().replace("  ", " "));
}

function judge(offer: string, _note: string): i64 {
  const cost = member(offer, "cost");
  return cost.length ? I64.parseInt(cost) : i64.MAX_VALUE;
}

function obey(order: string): void {
  const what = member(order, "do");
  const to = member(order, "to");
  const content = member(order, "content");
  const note = member(order, "note");
  const wait = integer(order, "wait");
  const last = recall("opened", "");
  let code = 0;
  let opened: Opened | null = null;
  if (is(what, "ask")) opened = request.ask(to, content, note, wait);
  else if (is(what, "call")) opened = net.call(elements(to), content, note, wait);
  else if (is(what, "subscribe")) opened = subscribe.to(to, content, note, wait);
  else if (is(what, "cancel") && is(member(order, "of"), "request")) code = request.cancel(last, wait);
  else if (is(what, "cancel")) code = subscribe.cancel(last, wait);
  else if (is(what, "award")) code = net.award(last, content, wait);
  else if (is(what, "reject")) code = net.reject(last, content);
  else if (is(what, "keep")) code = promises.keep(recall("promised", ""), content);
  else if (is(what, "break")) code = promises.fail(recall("promised", ""), content);
  else if (is(what, "notify")) code = subscribe.inform(content);
  if (opened) {
    code = opened.code;
    if (opened.conversation.length) remember("opened", opened.conversation);
  }
  say(what.substring(1, what.length - 1), code.toString());
}

function heard(what: string, news: News): bool {
  if (news.event == 0) return false;
  say(what, EVENTS[news.event], news.note, news.content);
  return true;
}

function taken(m: Message, offer: string): i32 {
  if (is(m.content, "failure")) return m.answer("failure", '"broken"');
  if (!is(m.content, "later")) return m.answer("inform", offer);
  remember("promised", m.conversation);
  return promises.make(m) == 0 ? 0 : m.answer("failure", '"no room"');
}

function asked(m: Message): i32 {
  if (is(m.content, "refuse")) return request.refuse(m, '"busy"');
  if (is(m.content, "failure")) return m.answer("failure", '"broken"');
  if (is(m.content, "trap")) unreachable();
  if (is(m.content, "silence")) return 0;
  if (!is(m.content, "agree")) return m.answer("inform", m.content);
  remember("promised", m.conversation);
  return request.agree(m);
}

function called(m: Message): i32 {
  if (is(m.content, "refuse")) return net.refuse(m, '"busy"');
  const pairs = elements(m.content);
  for (let i = 0; i < pairs.length; i++) {
    const pair = elements(pairs[i]);
    if (pair[0] != recall("name", "")) continue;
    if (is(pair[1], "silence")) return 0;
    if (is(pair[1], "refuse")) return net.refuse(m, '"busy"');
    return net.propose(m, pair[1], 60000);
  }
  return net.refuse(m, '"not mine"');
}

function handle(m: Message): i32 {
  if (m.content.startsWith("{") && member(m.content, "do").length && m.protocol.length == 0) {
    obey(m.content);
    return 0;
  }
  const ending = promises.heard(m);
  if (ending != promises.Ending.None) {
    const cancelled = ending == promises.Ending.Cancelled;
    say("promise", cancelled ? "cancelled" : "expired");
    return cancelled ? m.answer("inform", '"stopped"') : 0;
  }
  if (subscribe.left(m)) {
    say("subscriber", "left");
    return m.answer("inform", '"stopped"');
  }
  if (heard("request", request.heard(m)) || heard("subscription", subscribe.heard(m))) return 0;
  let news = net.heard(m, judge);
  if (news.event != net.Event.Nothing) {
    say("net", NET_EVENTS[news.event], news.note, news.content);
    return 0;
  }
  news = net.told(m);
  if (news.event != net.Event.Nothing) {
    say("offer", NET_EVENTS[news.event], "", news.content);
    if (news.event == net.Event.Cancelled) return m.answer("inform", '"stopped"');
    return news.event == net.Event.Accepted ? taken(m, news.content) : 0;
  }
  if (m.is("request")) return asked(m);
  if (m.is("cfp")) return called(m);
  if (m.is("subscribe")) return is(m.content, "refuse") ? m.answer("refuse", '"busy"') : subscribe.accept(m);
  return 0;
}

let handled: i32 = 0;

export function handle_message(pointer: usize, length: u32): i32 {
  const result = handle(new Message(pointer, text(pointer, length)));
  if (++handled % 16 == 0) __collect();
  return result;
}

export function caxton_init(pointer: usize, length: u32): i32 {
  return remember("name", member(text(pointer, length), "name")) ? 0 : 1;
}
