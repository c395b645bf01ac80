// feed: tells its subscribers what it is told to; follows the feed in its configuration, if there is one.
import { recall, remember, setTimer, text } from "caxton/host";
import { Event } from "caxton/initiators";
import { is, member } from "caxton/json";
import { Message } from "caxton/messages";
import * as request from "caxton/request";
import * as subscribe from "caxton/subscribe";
export { caxton_alloc } from "caxton/host";

const ANSWER_MS: i64 = 5000;
const RETRY_MS: i64 = 1000;

function retryLater(): void {
  if (setTimer(RETRY_MS, "follow") < 0) unreachable();
}

/** Subscribe to the feed we follow; it may not be there yet. */
function follow(): void {
  if (subscribe.to(recall("followed", ""), "", "", ANSWER_MS).code != 0) retryLater();
}

export function caxton_init(pointer: usize, length: u32): i32 {
  const feed = member(text(pointer, length), "follow");
  // The subscription outlives this instance, so only the first one makes it.
  if (feed.length == 0 || recall("followed", "").length > 0) return 0;
  if (!remember("followed", feed)) return 1;
  follow();
  return 0;
}

function handle(m: Message): i32 {
  const news = subscribe.heard(m);
  if (news.event == Event.Informed) {
    if (!remember("last", news.content)) unreachable();
  } else if (news.event != Event.Nothing && news.event != Event.Agreed) {
    // Whatever ends the subscription, we subscribe anew.
    retryLater();
  }
  if (news.event != Event.Nothing) return 0;
  if (m.isTimer) {
    if (is(m.content, "follow")) follow();
    return 0;
  }
  if (m.is("subscribe")) return subscribe.accept(m);
  if (subscribe.left(m)) return m.answer("inform");
  if (!m.is("request")) return 0;
  if (is(m.content, "last")) return m.answer("inform", `{"last":${recall("last", "null")}}`);
  const value = member(m.content, "tell");
  if (value.length == 0) return request.refuse(m, '"tell what?"');
  subscribe.inform(value);
  return m.answer("inform", '"told"');
}

export function handle_message(pointer: usize, length: u32): i32 {
  return handle(new Message(pointer, text(pointer, length)));
}
