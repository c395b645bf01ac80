// Greets whoever asks, and counts its visitors; the count outlives every restart.
import { Agent, state } from "caxton-agent";

const agent = new Agent();

agent.on("request", (message) => {
  // What is kept is part of the step, as the answer is: both happen, or neither.
  const visitor = (state.get("visitors") ?? 0) + 1;
  state.set("visitors", visitor);
  return message.inform({ hello: message.content, visitor });
});

export default agent;
