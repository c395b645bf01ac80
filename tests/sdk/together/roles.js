// roles: opens and answers conversations as it is ordered to, and tells the API what it hears of them.
import {
  Agent, ask, award, breakPromise, call, cancel, cancelTimer, keepPromise, NotSent, promise, propose, rejectAll, setTimer,
  state, subscribe, tell,
} from "caxton-agent";

const agent = new Agent();

function obey(message) {
  const order = message.content;
  const { content, note = null } = order;
  const more = { note, wait: (order.wait ?? 60) * 1000 };
  if ("ask" in order) state.set("opened", ask(order.ask, content, more));
  else if ("subscribe" in order) state.set("opened", subscribe(order.subscribe, content, more));
  else if ("call" in order) state.set("opened", call(order.call, content, more));
  else if ("cancel" in order) return message.inform(cancel(state.get("opened"), more));
  else if ("award" in order) {
    const chosen = state.get("offers").find((offer) => offer.sender.startsWith(order.award));
    award(state.get("opened"), chosen, content, more);
  } else if ("reject" in order) rejectAll(state.get("opened"), order.reject);
  else if ("keep" in order) return message.inform(keepPromise(state.get("promised"), order.keep));
  else if ("break" in order) return message.inform(breakPromise(state.get("promised"), order.break));
  else if ("time" in order) return message.inform({ timer: setTimer(order.time * 1000, "alarm", { at: order.time }) });
  else if ("untime" in order) return message.inform(cancelTimer(order.untime));
  else if ("surroundings" in order) {
    console.log("printed", { a: 1 });
    console.warn("logged");
    return message.inform([new Date().getUTCFullYear(), Math.random() < 1]);
  } else if ("raise" in order) {
    state.set("lost", true);
    throw new RangeError(order.raise);
  } else if ("return" in order) return order.return;
  return message.inform("opened");
}

agent.on("request", (message) => {
  try {
    return obey(message);
  } catch (error) {
    if (error instanceof NotSent) return message.failure(error.refusal);
    throw error;
  }
}, { ontology: "order" });

agent.on(["request", "query-ref"], (message) => {
  state.set("promised", message.conversationId);
  return promise(message);
});

agent.on("cfp", (message) => propose(message, message.content, { hold: 30_000 }));

function report(news) {
  if (news.event === "choice") state.set("offers", news.offers);
  const told = [news.kind, news.event, news.note, news.content ?? null, news.offers.length];
  tell("api", "inform", told, { ontology: "news" });
}

for (const kind of ["request", "subscription", "contract-net", "promise"]) agent.onNews(kind, report);

agent.onNews("offer", (news) => {
  report(news);
  if (news.event !== "accepted") return undefined;
  if (news.message.content !== "later") return news.message.inform("done");
  state.set("promised", news.conversation);
  return promise(news.message);
});

agent.onTimer("alarm", (content) => tell("api", "inform", content, { ontology: "alarm" }));

export default agent;
