// A model in a worker, so that its runs hold up nothing here; worker.mjs is the other end.

import { checkOptions, untilAborted } from "./abort.mjs";
import { memory } from "./choose.mjs";
import { placeOf } from "./files.mjs";
import { DISPOSED, builtin, isNode } from "./shared.mjs";
import { described } from "./values.mjs";

export async function openRemote(url, options) {
  const { signal, onProgress, ...given } = options, place = placeOf(url);
  const link = new Link(await startWorker(), onProgress);
  try {
    const { result, facts } = await link.ask("load", { url: place, options: given, remembered: memory.all() }, signal);
    for (const [key, found] of result) memory.set(key, found);
    return new RemoteModel(link, facts);
  } catch (error) {
    link.close(error.message);
    throw error;
  }
}

class RemoteModel {
  #link;

  constructor(link, facts) {
    this.#link = link;
    Object.assign(this, facts);
  }

  async run(inputs, options) {
    const results = await this.#ask("run", inputs, options);
    return Object.fromEntries(results.map(([name, values, dtype, dims]) => [name, described(values, dtype, dims)]));
  }

  async profile(inputs, options) {
    return this.#ask("profile", inputs, options);
  }

  async #ask(act, inputs, options = {}) {
    checkOptions(options, ["signal"], "a run");
    const { result, facts } = await this.#link.ask(act, inputs, options.signal);
    Object.assign(this, facts);
    return result;
  }

  dispose() {
    this.#link.close(DISPOSED);
  }
}

// A worker, and the answers that it owes.
class Link {
  #worker;
  #owed = new Map();
  #count = 0;
  #closed = null; // why

  constructor(worker, onProgress) {
    this.#worker = worker;
    listen(worker, "message", (answer) => (answer.progress ? onProgress(answer.progress) : this.#settle(answer)));
    listen(worker, "error", (message) => this.close(`the model's worker failed: ${message}`));
  }

  ask(act, given, signal) {
    if (this.#closed) throw new Error(this.#closed);
    const id = ++this.#count;
    this.#worker.postMessage({ id, act, given });
    this.#worker.ref?.(); // in Node a program waits for its answers
    const answered = new Promise((resolve, reject) => this.#owed.set(id, { resolve, reject }));
    signal?.addEventListener("abort", () => this.#owed.has(id) && this.#worker.postMessage({ id, abort: true }), { once: true });
    return untilAborted(signal, answered);
  }

  #settle({ id, error, result, facts }) {
    const { resolve, reject } = this.#owed.get(id);
    this.#owed.delete(id);
    if (this.#owed.size === 0) this.#worker.unref?.(); // and ends though a model was never disposed of
    if (error === undefined) resolve({ result, facts });
    else reject(new Error(error));
  }

  close(reason) {
    this.#closed ??= reason;
    this.#worker.terminate();
    for (const { reject } of this.#owed.values()) reject(new Error(this.#closed));
    this.#owed.clear();
  }
}

// A worker of worker.mjs, which bundlers find by this very form. From another origin a page may import it,
// and make no worker of it.
async function startWorker() {
  try {
    if (isNode) return await started(new (builtin("worker_threads").Worker)(new URL("worker.mjs", OWN), { execArgv: [] }));
    return await started(new Worker(new URL("./worker.mjs", import.meta.url), { type: "module" }));
  } catch (error) {
    if (isNode) throw new Error(`${CANT_START}: ${error.message}`);
  }
  const program = `import ${JSON.stringify(new URL("worker.mjs", OWN ?? location.href))};`;
  const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
  try {
    return await started(new Worker(address, { type: "module" }));
  } catch {
    throw new Error(CANT_START);
  } finally {
    URL.revokeObjectURL(address);
  }
}

const OWN = import.meta.url;
const CANT_START =
  "the model's worker can't be started: worker.mjs must be beside the runtime's files (esbuild and Rollup take it " +
  "as one more entry), and a Content-Security-Policy must have worker-src 'self'";

async function started(worker) {
  await new Promise((resolve, reject) => {
    listen(worker, "message", resolve);
    listen(worker, "error", (message) => reject(new Error(message)));
  });
  return worker;
}

function listen(worker, event, react) {
  if (isNode) worker.on(event, (value) => react(value.message ?? value));
  else worker.addEventListener(event, ({ data, message }) => react(event === "message" ? data : message));
}
