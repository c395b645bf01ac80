// echo: answers a request with what it was asked.
import { text } from "caxton/host";
import { Message } from "caxton/messages";
export { caxton_alloc } from "caxton/host";

export function handle_message(pointer: usize, length: u32): i32 {
  const m = new Message(pointer, text(pointer, length));
  return m.is("request") ? m.answer("inform", m.content) : 0;
}
