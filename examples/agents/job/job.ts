// A job of a job shop: when it has the turn, it places its next operation by a contract net among the machines.
//
// config   {"job": 3, "machines": 6, "route": [[machine, duration], ...]}
// request: its turn. It calls all machines for proposals; each fitting machine offers {start, end}.
//   The earliest end wins; every other offer is rejected as soon as it is beaten. The winner informs of the booking,
//   and the job informs the dispatcher: {"job", "end", "remaining", "left"}.
// query-ref: answered with inform {"job", "schedule": [[machine, start, end], ...]}
//
// Durable state: "schedule" (what is booked) and "call" (the contract net under way). Nothing else survives a message,
// so a node that is killed at any moment goes on where it was.
import { log, recall, remember, respond, send, text } from "caxton/host";
import { elements, integer, member } from "caxton/json";
export { caxton_alloc } from "caxton/host";

const DISPATCHER = "dispatcher";
const MAX_CALLS = 5;

let job: i64 = -1;
let machines: i32 = 0;
let route: string[] = [];

export function caxton_init(pointer: usize, length: u32): i32 {
  const config = text(pointer, length);
  job = integer(config, "job");
  machines = <i32>integer(config, "machines");
  route = elements(member(config, "route"));
  return machines > 0 && route.length > 0 ? 0 : 1;
}

/** The contract net under way: how many machines still owe an answer, and the best offer so far. */
class Call {
  id: string = "";
  number: i64 = 0;
  waiting: i64 = 0;
  machine: string = "";
  token: string = "";
  start: i64 = 0;
  end: i64 = 0;

  static load(): Call {
    const call = new Call();
    const saved = recall("call", "");
    if (saved.length == 0) return call;
    call.id = member(saved, "id");
    call.number = integer(saved, "number");
    call.waiting = integer(saved, "waiting");
    call.machine = member(saved, "machine");
    call.token = member(saved, "token");
    call.start = integer(saved, "start");
    call.end = integer(saved, "end");
    return call;
  }

  save(): void {
    const best = `"machine":${quoted(this.machine)},"token":${quoted(this.token)},"start":${this.start},"end":${this.end}`;
    remember("call", `{"id":${quoted(this.id)},"number":${this.number},"waiting":${this.waiting},${best}}`);
  }
}

/** A raw JSON string, or an empty one. */
function quoted(raw: string): string {
  return raw.length ? raw : '""';
}

function machineOf(operation: i32): i64 {
  return I64.parseInt(elements(route[operation])[0]);
}

function durationOf(operation: i32): i64 {
  return I64.parseInt(elements(route[operation])[1]);
}

function remaining(from: i32): i64 {
  let sum: i64 = 0;
  for (let i = from; i < route.length; i++) sum += durationOf(i);
  return sum;
}

function schedule(): string[] {
  return elements(recall("schedule", "[]"));
}

function readyAt(booked: string[]): i64 {
  return booked.length ? I64.parseInt(elements(booked[booked.length - 1])[2]) : 0;
}

function tell(receiver: string, act: string, content: string): i32 {
  return send(`{"performative":"${act}","receiver":${receiver},"content":${content}}`);
}

function giveUp(reason: string): i32 {
  log(reason);
  tell(`"${DISPATCHER}"`, "failure", `{"job":${job},"reason":"${reason}"}`);
  return 0;
}

/** What is to be done, and since when it could be. */
function task(operation: i32, ready: i64): string {
  const what = `"job":${job},"operation":${operation},"machine":${machineOf(operation)}`;
  return `${what},"duration":${durationOf(operation)},"ready":${ready}`;
}

function callForProposals(number: i64): i32 {
  const booked = schedule();
  const operation = booked.length;
  if (operation >= route.length) return giveUp("nothing is left to place");
  if (number >= MAX_CALLS) return giveUp("no machine kept its offer");
  const call = new Call();
  call.id = `"job-${job}-operation-${operation}${number ? "-call-" + (number + 1).toString() : ""}"`;
  call.number = number;
  call.waiting = machines;
  const names: string[] = [];
  for (let i = 0; i < machines; i++) names.push(`"machine-${i}"`);
  const head = `"performative":"cfp","protocol":"fipa-contract-net","conversation_id":${call.id}`;
  const sent = send(`{${head},"receiver":[${names.join(",")}],"content":{${task(operation, readyAt(booked))}}}`);
  if (sent != 0) return giveUp(`the call was refused with ${sent}`);
  call.save();
  return 0;
}

/** Accept or reject the best offer so far. */
function decide(act: string, call: Call, content: string): i32 {
  const to = `"receiver":${call.machine},"conversation_id":${call.id},"in_reply_to":${call.token}`;
  return send(`{"performative":"${act}",${to},"content":${content}}`);
}

function noteAnswer(call: Call, act: string, message: string): i32 {
  const content = member(message, "content");
  call.waiting--;
  if (act == '"propose"') {
    const offer = new Call();
    offer.id = call.id;
    offer.machine = member(message, "sender");
    offer.token = member(message, "reply_with");
    if (offer.token.length == 0) offer.token = member(message, "id");
    offer.start = integer(content, "start");
    offer.end = integer(content, "end");
    const better = call.machine.length <= 2 || offer.end < call.end;
    const loser = better ? call : offer;
    if (loser.machine.length > 2) decide("reject-proposal", loser, `{"reason":"another machine is earlier"}`);
    if (better) {
      call.machine = offer.machine;
      call.token = offer.token;
      call.start = offer.start;
      call.end = offer.end;
    }
  }
  call.save();
  if (call.waiting > 0) return 0;
  if (call.machine.length <= 2) return giveUp("no machine can do it");
  const booked = schedule();
  const offered = `"start":${call.start},"end":${call.end}`;
  const sent = decide("accept-proposal", call, `{${task(booked.length, readyAt(booked))},${offered}}`);
  return sent == 0 ? 0 : giveUp(`the award was refused with ${sent}`);
}

function noteBooking(content: string): i32 {
  const booked = schedule();
  const end = member(content, "end");
  booked.push(`[${member(content, "machine")},${member(content, "start")},${end}]`);
  if (!remember("schedule", `[${booked.join(",")}]`)) return giveUp("the schedule cannot be kept");
  remember("call", "");
  const left = route.length - booked.length;
  const rest = `"remaining":${remaining(booked.length)},"left":${left}`;
  tell(`"${DISPATCHER}"`, "inform", `{"job":${job},"end":${end},${rest}}`);
  return 0;
}

function handle(inbox: usize, message: string): i32 {
  const act = member(message, "performative");
  if (act == '"query-ref"') {
    const booked = recall("schedule", "[]");
    return respond(inbox, `{"performative":"inform","content":{"job":${job},"schedule":${booked}}}`);
  }
  const call = Call.load();
  if (act == '"request"') return call.id.length <= 2 ? callForProposals(0) : 0;
  if (call.id.length <= 2 || member(message, "conversation_id") != call.id) return 0;
  if (call.waiting > 0) return noteAnswer(call, act, message);
  if (act == '"inform"') return noteBooking(member(message, "content"));
  return callForProposals(call.number + 1);
}

let handled: i32 = 0;

export function handle_message(pointer: usize, length: u32): i32 {
  const result = handle(pointer, text(pointer, length));
  // Here nothing lives on the stack, so this is the place to collect; a few messages' garbage is cheap to keep.
  if (++handled % 16 == 0) __collect();
  return result;
}
