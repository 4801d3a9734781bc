// Threads that go through a model's calls side by side, each with its part of the rows, and wait for each
// other where calls are shared. The caller is the first of them; in a page it spins, as it may not sleep.

import { builtin, isNode, isWorker } from "./shared.mjs";

/**
 * All that a thread does. It refers to nothing outside: its text is a program as well, for threads in
 * Node, and in pages for which nobody has built or served thread.mjs.
 */
export function threadParts() {
  const GENERATION = 0, ARRIVED = 1, PHASE = 2, FAILED = 3, VARIANT = 4, LENGTH = 5; // FAILED: a call's number from 1 up
  const SPINS = 20000;

  // As in extent.mjs.
  const valueAt = (extent, length) => typeof extent === "number" ? extent : extent.reduce((product, [divisor, ...terms]) =>
    product * Math.ceil(terms.reduce((sum, each, power) => sum + each * length ** power, 0) / divisor), 1);

  function meet(control, threads, maySleep) {
    const phase = Atomics.load(control, PHASE);
    if (Atomics.add(control, ARRIVED, 1) === threads - 1) {
      Atomics.store(control, ARRIVED, 0);
      Atomics.add(control, PHASE, 1);
      Atomics.notify(control, PHASE);
      return;
    }
    for (let i = 0; Atomics.load(control, PHASE) === phase; i++) {
      if (maySleep && i > SPINS) Atomics.wait(control, PHASE, phase, 1000);
    }
  }

  // What one thread does of each call: its rows, as even a part as can be, or, as the first thread, all
  // of them. Between two calls the threads meet where either is shared.
  class Thread {
    constructor(exports, { pointer, variants, arenas, threads }, number) {
      this.stack = pointer ? exports[pointer] : null;
      this.stackTop = this.stack ? this.stack.value : 0;
      Object.assign(this, { exports, variants, arenas, threads, number });
      this.known = []; // by the variant's number: a length, and the parts at this
      variants.forEach((calls, i) => this.partsOf(i, 0));
    }

    // The parts of a variant's calls at a length, where one is open.
    partsOf(variant, length) {
      const calls = this.variants[variant], known = this.known[variant];
      if (known && known.length === length) return known.parts;
      const { threads, number, arenas } = this;
      const share = (rows, part) => Math.ceil((rows * part) / threads);
      const isShared = (call) => call !== undefined && length >= call.sharedFrom;
      const parts = calls.map((call, i) => {
        const { kernel, addresses, takesLength } = call, run = this.exports[kernel], rows = valueAt(call.rows, length);
        const values = addresses.map((each) => (each.scratch === undefined ? each : arenas[number] + each.scratch));
        if (takesLength) values.push(length);
        const [begin, end] = isShared(call) ? [share(rows, number), share(rows, number + 1)] : [0, number === 0 ? rows : 0];
        if (run.length !== values.length + 2) throw new Error(`the kernel ${kernel} takes other arguments`);
        return {
          kernel, run: begin < end ? () => run(...values, begin, end) : () => {},
          meetsAfter: isShared(call) || isShared(calls[i + 1]),
        };
      });
      this.known[variant] = { length, parts };
      return parts;
    }

    // Run the part of a call; returns the Error if it trapped.
    attempt({ kernel, run }) {
      try {
        run();
        return null;
      } catch (error) {
        if (this.stack) this.stack.value = this.stackTop; // it was left where the kernel stopped
        return new Error(`the kernel ${kernel} failed: ${error.message}`, { cause: error });
      }
    }
  }

  // Let the others go through a variant's calls, at a length.
  function wake(control, number, length) {
    Atomics.store(control, VARIANT, number);
    Atomics.store(control, LENGTH, length);
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION);
  }

  // The number of the call that failed in another thread, from 1 up; 0 if none did.
  const takeFailed = (control) => Atomics.exchange(control, FAILED, 0);

  // Be a thread beside the first: it reports that it is ready, or why it isn't, and never returns.
  function beThread(task, report) {
    const { module, memory, stack, number, control, threads, pointer } = task;
    WebAssembly.instantiate(module, { env: { memory } }).then(({ exports }) => {
      if (pointer) exports[pointer].value = stack;
      const thread = new Thread(exports, task, number);
      report("ready");
      return thread;
    }).then(
      (thread) => {
        for (let generation = 0; ; generation = (generation + 1) | 0) {
          while (Atomics.load(control, GENERATION) === generation) Atomics.wait(control, GENERATION, generation);
          thread.partsOf(Atomics.load(control, VARIANT), Atomics.load(control, LENGTH)).forEach((part, i) => {
            if (thread.attempt(part)) Atomics.compareExchange(control, FAILED, 0, i + 1);
            if (part.meetsAfter) meet(control, threads, true);
          });
        }
      },
      (error) => report(error.message),
    );
  }

  return { Thread, beThread, meet, takeFailed, wake };
}

const { Thread, meet, takeFailed, wake } = threadParts();
export { Thread };

export class Team {
  static async open(thread, task, stacks) {
    const team = new Team();
    team.thread = thread;
    team.threads = task.threads;
    team.control = new Int32Array(new SharedArrayBuffer(24));
    team.workers = [];
    const start = async (stack, i) => {
      const theirs = { ...task, stack, number: i + 1, control: team.control };
      await (isNode ? startInNode(theirs, team.workers) : startInPage(theirs, team.workers));
    };
    const failed = (await Promise.allSettled(stacks.map(start))).find(({ status }) => status === "rejected");
    if (!failed) return team;
    team.close();
    throw new Error(`threads can't be started: ${failed.reason.message}`);
  }

  run(number, length, timed) {
    const { control, threads } = this, parts = this.thread.partsOf(number, length);
    let failure = null;
    if (parts.some(({ meetsAfter }) => meetsAfter)) wake(control, number, length); // else they'd be left behind
    for (const part of parts) {
      timed(() => {
        failure ??= this.thread.attempt(part); // and go on, as the others do
        if (part.meetsAfter) meet(control, threads, isNode || isWorker);
      });
    }
    const failed = takeFailed(control);
    if (failure) throw failure;
    if (failed) throw new Error(`the kernel ${parts[failed - 1].kernel} failed in a thread`);
  }

  close() {
    for (const worker of this.workers) worker.terminate();
  }
}

const programText = (start) => `const { beThread } = (${threadParts})();\n${start}`;

async function startInNode(task, workers) {
  const program = programText('const { parentPort, workerData } = require("node:worker_threads");\n' +
    "beThread(workerData, (message) => parentPort.postMessage(message));");
  const worker = new (builtin("worker_threads").Worker)(program, { eval: true, workerData: task, execArgv: [] });
  workers.push(worker);
  await new Promise((resolve, reject) => {
    worker.once("message", (state) => (state === "ready" ? resolve() : reject(new Error(state))));
    worker.once("error", reject);
  });
  worker.unref(); // or a program that never disposes would not end
}

// A worker of thread.mjs, which bundlers find by this very form; where that file is missing, or on
// another origin, one of the same program's text.
async function startInPage(task, workers) {
  try {
    await ready(new Worker(new URL("./thread.mjs", import.meta.url), { type: "module" }), task, workers);
  } catch {
    const program = programText("onmessage = ({ data }) => beThread(data, (message) => postMessage(message));");
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    try {
      await ready(new Worker(address), task, workers);
    } finally {
      URL.revokeObjectURL(address);
    }
  }
}

async function ready(worker, task, workers) {
  workers.push(worker);
  worker.postMessage(task);
  await new Promise((resolve, reject) => {
    const listen = (event, listener) => worker.addEventListener(event, listener, { once: true });
    listen("message", ({ data }) => (data === "ready" ? resolve() : reject(new Error(data))));
    listen("error", ({ message }) => reject(new Error(message ?? NO_PROGRAM)));
  });
}

const NO_PROGRAM =
  "neither thread.mjs beside the runtime's files nor a worker of its text can be loaded; does a " +
  "Content-Security-Policy lack worker-src 'self' or blob:?";
