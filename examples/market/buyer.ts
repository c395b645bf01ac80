// A buyer: bids in English auctions up to its limit, and buys from the cheapest of several sellers when it is asked to.
//
// config  {"limit": 60}: the most it pays
//
// cfp {"price"} of an auction        propose {"price"} when that is at most the limit, else silence
// request of an auction              it has bought the lot: logged, and kept as `bought`
// request {"buy", "of": ["ann"]}     agree; a contract net among those; then inform {"price"}, or failure with the reason
import { log, recall, remember, text } from "caxton/host";
import * as net from "caxton/contract_net";
import { elements, integer, is, member } from "caxton/json";
import { Message } from "caxton/messages";
import * as promises from "caxton/promises";
import * as request from "caxton/request";
export { caxton_alloc } from "caxton/host";

const ENGLISH = "fipa-auction-english";
const ANSWERS_MS = 1000;
const RESULT_MS = 5000;
let limit: i64 = 0;

export function caxton_init(pointer: usize, length: u32): i32 {
  limit = integer(text(pointer, length), "limit");
  return 0;
}

function judge(offer: string, _note: string): i64 {
  const price = member(offer, "price");
  return price.length ? I64.parseInt(price) : i64.MAX_VALUE;
}

function chosen(news: net.News): void {
  if (integer(news.content, "price") <= limit && net.award(news.conversation, news.content, RESULT_MS) == 0) return;
  net.reject(news.conversation, '"too dear"');
  promises.fail(news.note, '"too dear"');
}

function auctioned(m: Message): i32 {
  if (m.is("cfp") && integer(m.content, "price") <= limit) return m.answer("propose", m.content);
  if (m.is("accept-proposal")) log("leading");
  if (m.is("request")) {
    remember("bought", m.content);
    log("bought " + m.content);
  }
  return 0;
}

function handle(m: Message): i32 {
  if (is(m.protocol, ENGLISH)) return auctioned(m);
  if (promises.heard(m) == promises.Ending.Cancelled) return m.answer("inform", '"not bought"');
  const news = net.heard(m, judge);
  if (news.event == net.Event.Choice) chosen(news);
  else if (news.event == net.Event.Done) promises.keep(news.note, news.content);
  else if (news.event > net.Event.Choice) promises.fail(news.note, '"not to be had"');
  if (news.event != net.Event.Nothing || !m.is("request")) return 0;
  if (is(m.content, "bought")) return m.answer("inform", recall("bought", "null"));
  const opened = net.call(elements(member(m.content, "of")), m.content, m.conversation, ANSWERS_MS);
  return opened.code == 0 ? request.agree(m) : request.refuse(m, '"there are no sellers"');
}

export function handle_message(pointer: usize, length: u32): i32 {
  return handle(new Message(pointer, text(pointer, length)));
}
