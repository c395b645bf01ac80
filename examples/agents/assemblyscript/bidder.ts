// bidder: offers to do what a call asks for at the cost in its configuration, and does it when it is chosen.
import * as net from "caxton/contract_net";
import { text } from "caxton/host";
import { isInteger, member } from "caxton/json";
import { Message } from "caxton/messages";
export { caxton_alloc } from "caxton/host";

const HOLD_MS: i64 = 60000;
let cost: i64 = 0;

export function caxton_init(pointer: usize, length: u32): i32 {
  const given = member(text(pointer, length), "cost");
  cost = I64.parseInt(given);
  return isInteger(given) ? 0 : 1;
}

export function handle_message(pointer: usize, length: u32): i32 {
  const m = new Message(pointer, text(pointer, length));
  const event = net.told(m).event;
  if (event == net.Event.Accepted) return m.answer("inform", `{"done":true,"cost":${cost}}`);
  if (event == net.Event.Cancelled) return m.answer("inform");
  if (!m.is("cfp")) return 0;
  const limit = member(m.content, "limit");
  if (isInteger(limit) && cost > I64.parseInt(limit)) return net.refuse(m, '"too cheap"');
  return net.propose(m, `{"cost":${cost}}`, HOLD_MS);
}
