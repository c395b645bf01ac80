// echo: answers a request with what it was asked.
import { Agent } from "caxton-agent";

const agent = new Agent();

agent.on("request", (message) => message.inform(message.content));

export default agent;
