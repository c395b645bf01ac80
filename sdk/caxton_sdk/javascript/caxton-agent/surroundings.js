// What a JavaScript program expects around itself and a component does not have, replaced by what the node offers.
//
// Imported before the agent's own modules. While no step runs, at build time, clocks and the console are the usual ones.
// What can't be had, a timeout or the network, throws: without this it would end the instance.
import { host, inside } from "./hosts.js";

const LEVELS = { log: "info", info: "info", debug: "debug", trace: "trace", warn: "warn", error: "error" };
/** What the library itself calls on the way to a handler. */
const OWN = /^(world\/|step@|run@|handle@)/;
const RealDate = Date;
const realNow = Date.now;
let generator;

/** A value as `console.log` shows it. */
export function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return describe(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** Where an error came from, in the bundle that the build keeps, the latest call first. */
export function describe(error) {
  if (!(error instanceof Error)) return `thrown: ${shown(error)}`;
  const calls = String(error.stack ?? "").split("\n").filter((call) => call && !OWN.test(call) && !call.includes("initializer.js"));
  const cause = error.cause === undefined ? [] : [`caused by ${describe(error.cause)}`];
  return [`${error.name}: ${error.message}`, ...calls.slice(0, 20).map((call) => `    ${call}`), ...cause].join("\n");
}

class StepDate extends RealDate {
  constructor(...parts) {
    super(...(parts.length || !inside() ? parts : [StepDate.now()]));
  }

  static now() {
    return inside() ? host().now() : realNow();
  }
}

/** A generator of 32 bits (sfc32), seeded by the node: one call of the node for each number would be many. */
function seeded() {
  let [a, b, c, d] = new Uint32Array(host().random(16).buffer.slice(0, 16));
  return () => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t;
    return t >>> 0;
  };
}

function random() {
  // At build time there are none: the compiler would end.
  host();
  generator ??= seeded();
  return ((generator() >>> 5) * 67108864 + (generator() >>> 6)) / 9007199254740992;
}

function fill(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  if (bytes.length > 65536) throw new RangeError("at most 65536 random bytes at once");
  bytes.set(host().random(bytes.length));
  return array;
}

function uuid() {
  const bytes = fill(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function refuse(name, instead) {
  replace(globalThis, name, () => {
    throw new Error(`an agent has no ${name}${instead}`);
  });
}

function replace(on, name, value) {
  Object.defineProperty(on, name, { value, writable: true, configurable: true });
}

replace(globalThis, "Date", StepDate);
replace(Math, "random", random);
replace(globalThis, "crypto", Object.freeze({ getRandomValues: fill, randomUUID: uuid }));
replace(globalThis, "performance", Object.freeze({ now: () => StepDate.now() }));
for (const [name, level] of Object.entries(LEVELS)) {
  const real = console[name];
  console[name] = (...values) => (inside() ? host().log(level, values.map(shown).join(" ")) : real?.(...values));
}
for (const name of ["setTimeout", "setInterval"]) refuse(name, ": use setTimer");
for (const name of ["fetch", "XMLHttpRequest", "WebSocket"]) refuse(name, ": what leaves it is messages");
