// The guest side of Caxton's ABI, version 1, for AssemblyScript: texts in, texts out.

// @ts-ignore: decorator
@external("caxton", "send")
declare function hostSend(pointer: usize, length: usize): i32;
// @ts-ignore: decorator
@external("caxton", "state_get")
declare function hostStateGet(key: usize, keyLength: usize, value: usize, capacity: usize): i32;
// @ts-ignore: decorator
@external("caxton", "state_put")
declare function hostStatePut(key: usize, keyLength: usize, value: usize, length: usize): i32;
// @ts-ignore: decorator
@external("caxton", "state_delete")
declare function hostStateDelete(key: usize, keyLength: usize): i32;
// @ts-ignore: decorator
@external("caxton", "random")
declare function hostRandom(to: usize, length: usize): void;
// @ts-ignore: decorator
@external("caxton", "set_timer")
declare function hostSetTimer(delay: i64, content: usize, length: usize): i32;
// @ts-ignore: decorator
@external("caxton", "now_ms")
export declare function now(): i64;
// @ts-ignore: decorator
@external("caxton", "cancel_timer")
export declare function cancelTimer(timer: i32): i32;
// @ts-ignore: decorator
@external("caxton", "log")
declare function hostLog(level: i32, text: usize, length: usize): void;

/** The host's inbox: outside the collected heap, so it stays where it is. */
export function caxton_alloc(length: u32): usize {
  return heap.alloc(max<u32>(length, 8));
}

export function text(pointer: usize, length: u32): string {
  return String.UTF8.decodeUnsafe(pointer, length);
}

export function send(message: string): i32 {
  const bytes = String.UTF8.encode(message);
  return hostSend(changetype<usize>(bytes), bytes.byteLength);
}

/** Write a line into the agent's log; levels are 0 trace, 1 debug, 2 info, 3 warning, 4 error. */
export function log(message: string, level: i32 = 2): void {
  const bytes = String.UTF8.encode(message);
  hostLog(level, changetype<usize>(bytes), bytes.byteLength);
}

export function recall(key: string, otherwise: string): string {
  const k = String.UTF8.encode(key);
  let room = new ArrayBuffer(1024);
  let length = hostStateGet(changetype<usize>(k), k.byteLength, changetype<usize>(room), room.byteLength);
  if (length < 0) return otherwise;
  if (length > room.byteLength) {
    room = new ArrayBuffer(length);
    length = hostStateGet(changetype<usize>(k), k.byteLength, changetype<usize>(room), room.byteLength);
  }
  return text(changetype<usize>(room), length);
}

export function remember(key: string, value: string): bool {
  const k = String.UTF8.encode(key);
  const v = String.UTF8.encode(value);
  return hostStatePut(changetype<usize>(k), k.byteLength, changetype<usize>(v), v.byteLength) == 0;
}

export function forget(key: string): void {
  const k = String.UTF8.encode(key);
  hostStateDelete(changetype<usize>(k), k.byteLength);
}

/** The number of a new timer, or -1; what it brings is text. */
export function setTimer(delay: i64, content: string): i32 {
  const bytes = String.UTF8.encode(content);
  return hostSetTimer(delay, changetype<usize>(bytes), bytes.byteLength);
}

/** Random hexadecimal digits. */
export function randomHex(digits: i32): string {
  const bytes = new Uint8Array((digits + 1) / 2);
  hostRandom(bytes.dataStart, bytes.length);
  let hex = "";
  for (let i = 0; i < digits; i++) hex += "0123456789abcdef".charAt(i & 1 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4);
  return hex;
}

// The host copies a response at once, but the buffer must outlive the function that wrote it.
let response: ArrayBuffer = new ArrayBuffer(0);

/** The answer to the message at `inbox`: its place over the message's first 8 bytes, then 1. */
export function respond(inbox: usize, message: string): i32 {
  response = String.UTF8.encode(message);
  store<u32>(inbox, <u32>changetype<usize>(response));
  store<u32>(inbox + 4, <u32>response.byteLength);
  return 1;
}
