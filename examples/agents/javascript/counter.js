// counter: adds what requests say; the sum outlives every restart.
import { Agent, state, StateFull } from "caxton-agent";

const agent = new Agent();

agent.on("request", (message) => {
  const more = message.content?.add;
  if (!Number.isInteger(more)) return message.refuse("add what?");
  const count = (state.get("count") ?? 0) + more;
  try {
    state.set("count", count);
  } catch (error) {
    if (error instanceof StateFull) return message.refuse("no room");
    throw error;
  }
  return message.inform({ count });
});

export default agent;
