// A thermometer: tells its subscribers the temperature, again and again.
//
// config  {"every_ms": 500}
//
// subscribe            agree; then inform {"reading", "celsius"} at every reading, until it is cancelled
// cancel               inform
//
// What it has counted, whom it informs and its timer are durable: after a restart it goes on where it was.
import { log, recall, remember, setTimer, text } from "caxton/host";
import { integer, is } from "caxton/json";
import { Message } from "caxton/messages";
import * as subscribe from "caxton/subscribe";
export { caxton_alloc } from "caxton/host";

let every: i64 = 500;

export function caxton_init(pointer: usize, length: u32): i32 {
  every = integer(text(pointer, length), "every_ms");
  // The timer outlives this instance, so only the first one sets it.
  if (recall("reading", "").length) return 0;
  remember("reading", "0");
  return setTimer(every, "read") < 0 ? 1 : 0;
}

function read(): void {
  const reading = I64.parseInt(recall("reading", "0")) + 1;
  remember("reading", reading.toString());
  if (setTimer(every, "read") < 0) unreachable();
  const celsius = 20 + (reading % 7) - 3;
  const missing = subscribe.inform(`{"reading":${reading},"celsius":${celsius}}`);
  if (missing) log(missing.toString() + " subscribers could not be reached");
}

function handle(m: Message): i32 {
  if (is(m.ontology, "caxton-timer") && m.fromAms) read();
  else if (m.is("subscribe")) return subscribe.accept(m);
  else if (subscribe.left(m)) return m.answer("inform", '"good bye"');
  return 0;
}

export function handle_message(pointer: usize, length: u32): i32 {
  return handle(new Message(pointer, text(pointer, length)));
}
