// feed: tells its subscribers what it is told to; follows the feed in its configuration, if there is one.
import { acceptSubscriber, Agent, informSubscribers, NotSent, setTimer, state, subscribe } from "caxton-agent";

const ANSWER = 5000;
const RETRY = 1000;
const agent = new Agent();

// The subscription outlives this instance, so only the first one makes it.
agent.onStart((config) => {
  if (config.follow === undefined || state.has("followed")) return;
  state.set("followed", config.follow);
  follow();
});

// The feed we follow may not be there yet.
function follow() {
  try {
    subscribe(state.get("followed"), undefined, { wait: ANSWER });
  } catch (error) {
    if (!(error instanceof NotSent)) throw error;
    setTimer(RETRY, "follow");
  }
}

agent.onTimer("follow", follow);

// Whatever ends the subscription, we subscribe anew.
agent.onNews("subscription", (news) => {
  if (news.event === "informed") state.set("last", news.content ?? null);
  else if (news.event !== "agreed") setTimer(RETRY, "follow");
});

agent.on("subscribe", acceptSubscriber);

agent.on("request", (message) => {
  if (message.content === "last") return message.inform({ last: state.get("last") ?? null });
  const value = message.content?.tell;
  if (value === undefined) return message.refuse("tell what?");
  informSubscribers(value);
  return message.inform("told");
});

export default agent;
