// counter: adds what requests say; the sum outlives every restart.
import { recall, remember, text } from "caxton/host";
import { isInteger, member } from "caxton/json";
import { Message } from "caxton/messages";
import * as request from "caxton/request";
export { caxton_alloc } from "caxton/host";

export function handle_message(pointer: usize, length: u32): i32 {
  const m = new Message(pointer, text(pointer, length));
  if (!m.is("request")) return 0;
  const more = member(m.content, "add");
  if (!isInteger(more)) return request.refuse(m, '"add what?"');
  const count = I64.parseInt(recall("count", "0")) + I64.parseInt(more);
  if (!remember("count", count.toString())) return request.refuse(m, '"no room"');
  return m.answer("inform", `{"count":${count}}`);
}
