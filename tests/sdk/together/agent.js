// The samples in JavaScript as one agent: it is the one that `sample` in its configuration names.
import { Agent } from "caxton-agent";
import bidder from "./bidder.js";
import counter from "./counter.js";
import echo from "./echo.js";
import feed from "./feed.js";
import roles from "./roles.js";

const SAMPLES = { bidder, counter, echo, feed, roles };

class Together extends Agent {
  start(config) {
    this.chosen = SAMPLES[config.sample];
    this.chosen.start(config);
  }

  handle(message) {
    return this.chosen.handle(message);
  }
}

export default new Together();
