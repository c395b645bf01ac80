// bidder: offers to do what a call asks for at the cost in its configuration, and does it when it is chosen.
import { Agent, propose } from "caxton-agent";

const agent = new Agent();

agent.onStart((config) => {
  if (!Number.isInteger(config.cost)) throw new TypeError("the configuration names no `cost`");
});

agent.on("cfp", (message) => {
  const { cost } = agent.config;
  if (cost > message.content?.limit) return message.refuse("too cheap");
  return propose(message, { cost }, { hold: 60_000 });
});

agent.onNews("offer", (news) => {
  if (news.event === "accepted") return news.message.inform({ done: true, cost: agent.config.cost });
});

export default agent;
