// Greets whoever asks, and counts its visitors; the count outlives every restart.
import { recall, remember, text } from "caxton/host";
import { Message } from "caxton/messages";
import * as request from "caxton/request";
export { caxton_alloc } from "caxton/host";

export function handle_message(pointer: usize, length: u32): i32 {
  const m = new Message(pointer, text(pointer, length));
  if (!m.is("request")) return 0;

  // What is kept is part of the step, as the answer is: both happen, or neither.
  const visitor = I64.parseInt(recall("visitors", "0")) + 1;
  if (!remember("visitors", visitor.toString())) return request.refuse(m, '"the book is full"');

  const name = m.content.length ? m.content : "null";
  return m.answer("inform", `{"hello":${name},"visitor":${visitor}}`);
}
