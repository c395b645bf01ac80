// The durable state of an agent: values by key, kept over restarts, written with the step or not at all.
//
// A value is JSON unless it is read and written as bytes. Keys that begin with `caxton/` are the library's own.
import { host, StateFull } from "./hosts.js";
import { encode } from "./messages.js";

const bytes = (text) => new TextEncoder().encode(text);
const text = (bytes) => new TextDecoder().decode(bytes);

export const state = Object.freeze({
  /** The value, or undefined. */
  get(key) {
    const value = state.getBytes(key);
    return value === undefined ? undefined : JSON.parse(text(value));
  },
  /** StateFull over the quota. */
  set(key, value) {
    state.setBytes(key, bytes(encode(value)));
  },
  has(key) {
    return state.getBytes(key) !== undefined;
  },
  /** False when there was none. */
  delete(key) {
    return host().stateDelete(bytes(key));
  },
  getBytes(key) {
    return host().stateGet(bytes(key)) ?? undefined;
  },
  setBytes(key, value) {
    if (!host().statePut(bytes(key), value)) {
      throw new StateFull(`no room for ${value.length} bytes under ${JSON.stringify(key)}`);
    }
  },
});
