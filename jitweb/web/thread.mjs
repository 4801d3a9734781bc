// The program of a thread in a page: a worker that is given its part of a model's calls.

import { threadParts } from "./team.mjs";

const { beThread } = threadParts();
addEventListener("message", ({ data }) => beThread(data, (message) => postMessage(message)), { once: true });
