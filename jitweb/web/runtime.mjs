// The runtime of a jitweb bundle: loads its plan and weights, and runs the model on WebAssembly or
// WebGPU. No dependencies; in browsers and in Node. runtime.d.ts has the types.
//
//   const model = await load("./out/");
//   const { logits } = await model.run({ input_ids });

import { MOST_BYTES, TYPES, bytesIn, checkModule, parsePlan, parseSafetensors } from "./plan.mjs";

const PAGE = 65536;
const ALIGNMENT = 64;
const STACK_BYTES = 65536; // of a thread
const PROFILES = 5, PROFILED_MS = 50;
const DISPOSED = "the model was disposed of; load it again";
const SHARED_WITH_MAXIMUM = 0x03;
const isNode = typeof process !== "undefined" && !!process.versions?.node;
const isWorker = typeof WorkerGlobalScope !== "undefined" && globalThis instanceof WorkerGlobalScope;
const builtin = (name) => process.getBuiltinModule(`node:${name}`);
const roundUp = (value, multiple) => Math.ceil(value / multiple) * multiple;
const product = (shape) => shape.reduce((a, b) => a * b, 1);

/** Load a bundle from the address of its folder. */
export async function load(url, options = {}) {
  const { target, threads = 1, verify = true, onProgress = () => {}, device = null } = options;
  if (isThread) throw new Error("a thread of the runtime loads no models: runtime.mjs must stay a file of its own");
  if (!Number.isInteger(threads) || threads < 1) throw new Error("threads must be a whole number from 1 up");
  const started = performance.now();
  const files = new Files(url, verify, onProgress);
  const plan = await files.readPlan();
  if (target && !Object.hasOwn(plan.targets, target)) {
    throw new Error(`the bundle has no ${target}; it has ${Object.keys(plan.targets).join(", ")}`);
  }
  const names = target ? [target] : await usable(plan, device);
  // On their way while kernels are compiled.
  const weights = files.read("weights.safetensors").then(parseSafetensors);
  const fetched = weights.then(() => performance.now(), () => null);
  const open = async (name) => {
    const opened = performance.now();
    const backend = await BACKENDS[name](plan, weights, files, { threads, device });
    const model = new Model(plan, name, backend, files.notes);
    model.timings.fetch_ms = (await fetched) - started;
    model.timings.compile_ms = performance.now() - Math.max(opened, await fetched);
    return model;
  };
  return names.length === 1 ? open(names[0]) : faster(plan, names, open, `jitweb:${threads}:${files.planDigest}`);
}

// The bundle's targets that this place can run.
async function usable(plan, device) {
  const names = Object.keys(plan.targets);
  if (names.length === 1 || device) return names;
  const adapter = await globalThis.navigator?.gpu?.requestAdapter?.().catch(() => null);
  return names.filter((name) => name !== "webgpu" || adapter);
}

// Each target is timed on this device; the faster one is kept, and remembered.
async function faster(plan, names, open, key) {
  const remembered = memory.get(key);
  if (names.includes(remembered)) {
    try {
      return await open(remembered);
    } catch {
      // The device has changed since: look again.
    }
  }
  const inputs = Object.fromEntries(
    plan.inputs.map(({ name, dtype, shape }) => [name, new TYPES[dtype](product(shape))]),
  );
  let best = null;
  const failures = [];
  for (const name of names) {
    let model;
    try {
      model = await open(name);
      const took = await steady(model, inputs);
      if (best && best.took <= took) model.dispose();
      else {
        best?.model.dispose();
        best = { model, took };
      }
    } catch (error) {
      model?.dispose();
      failures.push(`${name} can't be used: ${error.message}`);
    }
  }
  if (!best) throw new Error(failures.join("; "));
  best.model.notes.push(...failures);
  memory.set(key, best.model.target);
  return best.model;
}

// The time of a run once it is warm: the best of three, of fewer where they take long.
async function steady(model, inputs) {
  let best = Infinity;
  await model.run(inputs);
  for (let i = 0, start = performance.now(); i < 3 && (i === 0 || performance.now() - start < 300); i++) {
    const begin = performance.now();
    await model.run(inputs);
    best = Math.min(best, performance.now() - begin);
  }
  return best;
}

// Which target was the faster one: kept by browsers over visits, elsewhere until the program ends.
const memory = {
  known: new Map(),
  get(key) {
    try {
      return this.known.get(key) ?? (isNode ? null : globalThis.localStorage?.getItem(key));
    } catch {
      return null; // a page may be denied it
    }
  },
  set(key, value) {
    this.known.set(key, value);
    try {
      if (!isNode) globalThis.localStorage?.setItem(key, value);
    } catch {
      // Chosen anew next time.
    }
  },
};

// ------------------------------------------------------------------------------------- files

class Files {
  constructor(url, verify, onProgress) {
    const base = isNode ? undefined : globalThis.location?.href;
    const text = String(url);
    this.base = isNode && !/^[a-z]+:\/\//.test(text) ? null : new URL(text.endsWith("/") ? text : `${text}/`, base);
    this.path = text;
    this.verify = verify;
    this.onProgress = onProgress;
    this.known = null;
    this.planDigest = null;
    this.notes = [];
  }

  async readPlan() {
    const bytes = await this.#bytes("plan.json", MOST_PLAN_BYTES);
    const plan = parsePlan(bytes, this.path);
    this.known = plan.files;
    this.planDigest = (await digest(bytes)) ?? "unknown";
    return plan;
  }

  async read(name) {
    if (!Object.hasOwn(this.known, name)) throw new Error(`${name} is not of this bundle`);
    const bytes = await this.#bytes(name, this.verify ? this.known[name].bytes : MOST_BYTES);
    if (this.verify) await this.#check(name, bytes);
    return bytes;
  }

  // A file's bytes, of which there must not be more than `most`.
  async #bytes(name, most) {
    if (isNode && (!this.base || this.base.protocol === "file:")) {
      const place = this.base ? new URL(name, this.base) : builtin("path").join(this.path, name);
      const { readFile, stat } = builtin("fs/promises");
      const fail = (error) => {
        throw new Error(`${name} can't be read: ${error.message}`);
      };
      const found = await stat(place).catch(fail);
      if (!found.isFile()) throw new Error(`${name} can't be read: it is not a file`);
      if (found.size > most) throw tooLarge(name);
      const bytes = new Uint8Array(await readFile(place).catch(fail));
      this.onProgress({ file: name, loaded: bytes.byteLength, total: bytes.byteLength });
      return bytes;
    }
    const response = await fetch(new URL(name, this.base)).catch((error) => {
      throw new Error(`${name} can't be fetched: ${error.message}`);
    });
    if (!response.ok) throw new Error(`${name} can't be fetched: ${response.status} ${response.statusText}`);
    return this.#streamed(name, response, most);
  }

  async #streamed(name, response, most) {
    const length = Number(response.headers.get("content-length")) || 0; // of what is sent, maybe compressed
    const total = this.known?.[name]?.bytes ?? length;
    let bytes = new Uint8Array(Math.min(total, Math.max(length, FIRST_BYTES))), received = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return bytes.subarray(0, received);
      if (received + value.byteLength > most) {
        reader.cancel().catch(() => {});
        throw tooLarge(name);
      }
      if (received + value.byteLength > bytes.byteLength) {
        const larger = new Uint8Array(2 * (received + value.byteLength)); // it was sent compressed
        larger.set(bytes.subarray(0, received));
        bytes = larger;
      }
      bytes.set(value, received);
      received += value.byteLength;
      this.onProgress({ file: name, loaded: received, total: Math.max(total, received) });
    }
  }

  async #check(name, bytes) {
    const { bytes: size, sha256 } = this.known[name];
    const found = bytes.byteLength === size ? ((await digest(bytes)) ?? "unknown") : null;
    if (found === "unknown") {
      const note = "only the sizes of files were checked: the page is no secure context (https or localhost)";
      if (!this.notes.includes(note)) this.notes.push(note);
    } else if (found !== sha256) {
      throw new Error(`${name} was changed: it is not as the bundle was written`);
    }
  }
}

const MOST_PLAN_BYTES = 2 ** 26; // plan.json, of which nothing is known before
const FIRST_BYTES = 2 ** 26; // room that is made for a file before any of it has come

const tooLarge = (name) => new Error(`${name} was changed: it is larger than the bundle says`);

// SHA-256 in hexadecimal; null where it can't be computed.
async function digest(bytes) {
  if (!globalThis.crypto?.subtle) return null; // only in secure contexts
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The names of the weights that calls read, and the bytes of one.
const weightNames = (calls) => new Set(calls.flatMap(({ args }) => args.flatMap(({ weight }) => weight ?? [])));

function bytesOf(weights, name) {
  const bytes = weights.get(name);
  if (!bytes) throw new Error(`the weight ${name} is missing from weights.safetensors`);
  return bytes;
}

// ------------------------------------------------------------------------------------- model

class Model {
  #plan;
  #backend;
  #queue = Promise.resolve();

  constructor(plan, target, backend, notes) {
    this.#plan = plan;
    this.#backend = backend;
    this.target = target;
    this.name = plan.model;
    this.inputs = plan.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    this.outputs = plan.outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    this.device = backend.device;
    this.threads = backend.threads;
    this.notes = [...backend.notes, ...notes];
    this.timings = { fetch_ms: null, compile_ms: null, first_run_ms: null };
  }

  /** Run the model; runs that overlap take turns. */
  run(inputs) {
    return this.#inTurn(inputs, async (stored) => {
      const start = performance.now();
      const results = await this.#backend.run(stored);
      this.timings.first_run_ms ??= performance.now() - start;
      return Object.fromEntries(
        this.#plan.outputs.map((output, i) => [output.name, fromStored(output, results[i])]),
      );
    });
  }

  /** Run the model some times and time each call of a kernel. */
  profile(inputs) {
    return this.#inTurn(inputs, async (stored) => {
      const times = await timesOf(this.#backend, stored);
      return this.#plan.targets[this.target].calls.map(({ task, kernel }, i) => ({
        task, kernel, kind: this.#plan.tasks[task].kind, name: this.#plan.tasks[task].name,
        ms: times[i],
      }));
    });
  }

  async #inTurn(inputs, work) {
    const stored = this.#stored(inputs); // copied now: the caller may change them after this
    const turn = this.#queue.then(() => {
      if (!this.#backend) throw new Error(DISPOSED);
      return work(stored);
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  #stored(inputs) {
    const known = new Map(this.#plan.inputs.map((input) => [input.name, input]));
    for (const name of Object.keys(inputs ?? {})) {
      if (!known.has(name)) {
        throw new Error(`the model has no input ${name}; it has ${[...known.keys()].join(", ")}`);
      }
    }
    return this.#plan.inputs.map((input) => toStored(input, inputs?.[input.name]));
  }

  /** Give back memory, workers and GPU buffers. */
  dispose() {
    this.#backend?.dispose();
    this.#backend = null;
  }
}

// The time of each call: the median of means over runs that take a while together. A clock's step, of
// 0.1 ms in some browsers, is far longer than a small kernel takes, but not than many together.
async function timesOf(backend, stored) {
  const means = [], begin = performance.now();
  do {
    const sums = [], start = performance.now();
    let runs = 0;
    do {
      const times = await backend.profile(stored);
      times.forEach((ms, i) => (sums[i] = (sums[i] ?? 0) + ms));
      runs++;
      if (times.includes(null)) return times;
    } while (performance.now() - start < PROFILED_MS);
    means.push(sums.map((sum) => sum / runs));
    await new Promise((resolve) => setTimeout(resolve)); // let a page paint
  } while (means.length < PROFILES && performance.now() - begin < 2 * PROFILES * PROFILED_MS);
  return means[0].map((_, i) => means.map((each) => each[i]).sort((a, b) => a - b)[(means.length - 1) >> 1]);
}

const describe = ({ dtype, shape }) => `${dtype} [${shape.join(", ")}], ${product(shape)} elements`;
const FLOATS = /^Float\d+Array$/, INTEGERS = /^(Big)?(Int|Uint)\d+(Clamped)?Array$/;

// A copy of a user's values as the kernels read them.
function toStored(input, values) {
  const { name, dtype, stored, shape } = input;
  if (values === undefined || values === null) throw new Error(`the input ${name} is missing: ${describe(input)}`);
  const isFloat = FLOATS.test(TYPES[stored].name), isArray = Array.isArray(values);
  // By its tag, as a typed array may come from another frame, whose classes are not these.
  if (!isArray && !(isFloat ? FLOATS : INTEGERS).test(values[Symbol.toStringTag])) {
    throw new Error(`the input ${name} must be ${describe(input)}`);
  }
  if (values.length !== product(shape)) {
    throw new Error(`the input ${name} has ${values.length} elements, and must be ${describe(input)}`);
  }
  if (isFloat && !isArray) return new TYPES[stored](values);
  const result = new TYPES[stored](values.length), bits = 8 * result.BYTES_PER_ELEMENT;
  for (let i = 0; i < result.length; i++) {
    const value = values[i], type = typeof value;
    const number = dtype === "bool" ? Number(Boolean(value)) : Number(value);
    const fits = type === "number" || (type === "bigint" && !isFloat) || (type === "boolean" && dtype === "bool");
    result[i] = number;
    if (!fits || (!isFloat && result[i] !== number)) {
      throw new Error(`the input ${name} holds ${value}, which is no ${isFloat ? "number" : `${bits}-bit integer`}`);
    }
  }
  return result;
}

function fromStored(output, stored) {
  const Type = TYPES[output.dtype];
  if (stored instanceof Type) return stored;
  return output.dtype === "int64" ? Type.from(stored, BigInt) : Type.from(stored);
}

// ------------------------------------------------------------------------------- WebAssembly

// A module with one relaxed SIMD instruction (f32x4.relaxed_madd): valid where they are there.
const RELAXED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32,
  0, 32, 1, 32, 0, 253, 133, 2, 11,
);

async function openWasm(plan, weights, files, { threads }) {
  const part = plan.targets.wasm;
  const variant = WebAssembly.validate(RELAXED) ? "relaxed" : "simd128";
  const content = await files.read(part.modules[variant]);
  const device = `${isNode ? `Node ${process.version}` : browserName()}, ${variant}`;
  const open = async (count, notes) => {
    const parts = await makeWasm(plan, weights, content, part.memory_flag[variant], count);
    return new WasmBackend(plan, parts, { device, threads: count, notes });
  };
  if (threads === 1) return open(1, []);
  if (!isNode && !globalThis.crossOriginIsolated) {
    return open(1, ["one thread: the page is not cross-origin isolated (COOP and COEP headers)"]);
  }
  try {
    return await open(threads, []);
  } catch (error) {
    return open(1, [`one thread: ${error.message}`]); // which fails again if that was not the reason
  }
}

function browserName() {
  const brands = globalThis.navigator?.userAgentData?.brands ?? [];
  const find = (test) => brands.find(({ brand }) => test(brand));
  const known = find((brand) => !/not|chromium/i.test(brand)) ?? find((brand) => /chromium/i.test(brand));
  return known ? `${known.brand} ${known.version}` : "this browser";
}

// The module at work in a memory that holds the weights, and threads beside this one.
async function makeWasm(plan, weights, content, flag, threads) {
  const part = plan.targets.wasm, shared = threads > 1;
  if (shared) {
    content = content.slice();
    content[flag] = SHARED_WITH_MAXIMUM;
  }
  const module = await WebAssembly.compile(content).catch((error) => {
    throw new Error(`the kernels can't be compiled (they need WebAssembly SIMD): ${error.message}`);
  });
  checkModule(module, part);
  const tensors = await weights;
  const layout = layOut(plan, part, tensors, threads);
  const pages = Math.ceil(layout.end / PAGE);
  if (pages > part.max_pages) throw new Error(`the model needs ${pages} pages of memory; WebAssembly has ${part.max_pages}`);
  const memory = makeMemory(pages, shared);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } }).catch((error) => {
    throw new Error(`the kernels can't be used: ${error.message}`);
  });
  const bytes = new Uint8Array(memory.buffer);
  for (const [name, at] of layout.weights) bytes.set(tensors.get(name), at);
  const calls = part.calls.map(({ task, kernel, args, rows }) => ({
    kernel,
    addresses: args.map(({ slot, weight }) => (weight === undefined ? layout.slots[slot] : layout.weights.get(weight))),
    rows,
    isShared: shared && rows > 1 && workOf(plan.tasks[task]) > LEAST_SHARED_US,
  }));
  const thread = new Thread(exports, part.stack_pointer, calls, 0, threads);
  const task = { module, memory, calls, threads, pointer: part.stack_pointer };
  const team = shared ? await Team.open(thread, task, layout.stacks) : null;
  return { memory, thread, team, slots: layout.slots };
}

function makeMemory(pages, shared) {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (error) {
    throw new Error(`${Math.ceil((pages * PAGE) / 1e6)} MB of memory can't be had: ${error.message}`);
  }
}

// Where weights and slots lie, above what the module and the threads' stacks use.
function layOut(plan, part, weights, threads) {
  let end = roundUp(part.static_end, ALIGNMENT);
  const stacks = [];
  for (let i = 1; i < threads; i++) stacks.push((end += STACK_BYTES)); // a stack grows downwards
  const take = (bytes) => {
    const at = end;
    end = roundUp(end + bytes, ALIGNMENT);
    return at;
  };
  const names = [...weightNames(part.calls)];
  const places = new Map(names.map((name) => [name, take(bytesOf(weights, name).byteLength)]));
  return { weights: places, slots: plan.slots.map(take), stacks, end };
}

// Threads that wait for each other lose some microseconds, and more where cores are few: a call that
// takes no longer is the first thread's alone.
const LEAST_SHARED_US = 20;

// About how many microseconds a call of a task takes on one thread.
const workOf = ({ flops, bytes }) => flops / 20e3 + bytes / 10e3;

// What one thread does of each call: its rows, as even a part as can be, or, as the first thread, all
// of them. Between two calls the threads meet where either is shared.
class Thread {
  constructor(exports, pointer, calls, number, threads) {
    this.stack = pointer ? exports[pointer] : null;
    this.stackTop = this.stack?.value;
    const share = (rows, part) => Math.ceil((rows * part) / threads);
    this.parts = calls.map(({ kernel, addresses, rows, isShared }, i) => {
      const first = number === 0 ? rows : 0, run = exports[kernel];
      const [begin, end] = isShared ? [share(rows, number), share(rows, number + 1)] : [0, first];
      if (run.length !== addresses.length + 2) throw new Error(`the kernel ${kernel} takes other arguments`);
      return {
        kernel, run: begin < end ? () => run(...addresses, begin, end) : () => {},
        meetsAfter: isShared || !!calls[i + 1]?.isShared,
      };
    });
  }

  // Run the part of a call; gives the Error if it trapped.
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

class WasmBackend {
  constructor(plan, { memory, thread, team, slots }, facts) {
    Object.assign(this, facts);
    this.plan = plan;
    this.memory = memory;
    this.thread = thread;
    this.team = team;
    this.slots = slots;
  }

  #compute(inputs, timed) {
    if (this.isClosed) throw new Error(DISPOSED); // its threads are gone: nobody would come to meet us
    this.plan.inputs.forEach(({ slot }, i) => {
      new inputs[i].constructor(this.memory.buffer, this.slots[slot], inputs[i].length).set(inputs[i]);
    });
    if (this.team) return this.team.run(timed);
    for (const part of this.thread.parts) {
      const error = timed(() => this.thread.attempt(part));
      if (error) throw error;
    }
  }

  async run(inputs) {
    this.#compute(inputs, (work) => work());
    return this.plan.outputs.map(({ slot, stored, shape }) =>
      new TYPES[stored](this.memory.buffer, this.slots[slot], product(shape)).slice(),
    );
  }

  async profile(inputs) {
    const times = [];
    this.#compute(inputs, (work) => {
      const start = performance.now();
      const result = work();
      times.push(performance.now() - start);
      return result;
    });
    return times;
  }

  dispose() {
    this.isClosed = true;
    this.team?.close();
  }
}

// Threads that go through the calls side by side, each with its part of the rows, and wait for each
// other where calls are shared. The caller is the first of them; in a page it spins, as it may not sleep.
const GENERATION = 0, ARRIVED = 1, PHASE = 2, FAILED = 3; // FAILED: a call's number from 1 up
const SPINS = 20000;

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

class Team {
  static async open(thread, task, stacks) {
    const team = new Team();
    team.thread = thread;
    team.threads = task.threads;
    team.control = new Int32Array(new SharedArrayBuffer(16));
    team.workers = [];
    try {
      await Promise.all(stacks.map((stack, i) => {
        const [worker, ready] = startThread({ ...task, stack, number: i + 1, control: team.control });
        team.workers.push(worker);
        return ready;
      }));
    } catch (error) {
      team.close();
      throw new Error(`threads can't be started: ${error.message}`);
    }
    return team;
  }

  run(timed) {
    const { control, threads, thread } = this;
    let failure = null;
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION);
    for (const part of thread.parts) {
      timed(() => {
        failure ??= thread.attempt(part); // and go on, as the others do
        if (part.meetsAfter) meet(control, threads, isNode || isWorker);
      });
    }
    const failed = Atomics.exchange(control, FAILED, 0);
    if (failure) throw failure;
    if (failed) throw new Error(`the kernel ${thread.parts[failed - 1].kernel} failed in a thread`);
  }

  close() {
    for (const worker of this.workers) worker.terminate();
  }
}

// This file is its threads' program as well: a worker that is given a task does what is below.
const task = isNode ? builtin("worker_threads").workerData?.jitweb : null;
const isThread = !!task || (isWorker && globalThis.name === "jitweb");
if (task) {
  const { parentPort } = builtin("worker_threads");
  beThread(task, (message) => parentPort.postMessage(message));
} else if (isThread) {
  addEventListener("message", ({ data }) => beThread(data, (message) => postMessage(message)), { once: true });
}

async function beThread({ module, memory, calls, threads, stack, number, control, pointer }, tell) {
  let thread;
  try {
    const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
    if (pointer) exports[pointer].value = stack;
    thread = new Thread(exports, pointer, calls, number, threads);
    tell("ready");
  } catch (error) {
    tell(`${error.message}`);
    return;
  }
  for (let generation = 0; ; generation = (generation + 1) | 0) {
    while (Atomics.load(control, GENERATION) === generation) Atomics.wait(control, GENERATION, generation);
    thread.parts.forEach((part, i) => {
      if (thread.attempt(part)) Atomics.compareExchange(control, FAILED, 0, i + 1);
      if (part.meetsAfter) meet(control, threads, true);
    });
  }
}

// A worker with this task, and the promise that it is ready for it.
function startThread(task) {
  const worker = isNode
    ? new (builtin("worker_threads").Worker)(new URL(import.meta.url), { workerData: { jitweb: task }, execArgv: [] })
    : new Worker(import.meta.url, { type: "module", name: "jitweb" });
  const ready = new Promise((resolve, reject) => {
    const on = (event, listener) =>
      isNode ? worker.once(event, listener) : worker.addEventListener(event, listener, { once: true });
    on("message", (message) => {
      const told = isNode ? message : message.data;
      if (told === "ready") resolve();
      else reject(new Error(told));
    });
    on("error", (error) => reject(new Error(error.message ?? "the worker's file can't be loaded")));
  });
  if (isNode) ready.then(() => worker.unref(), () => {}); // or a program that never disposes would not end
  else worker.postMessage(task);
  return [worker, ready];
}

// ------------------------------------------------------------------------------------ WebGPU

async function openWebgpu(plan, weights, files, { device: given }) {
  const part = plan.targets.webgpu;
  const device = given ?? (await requestDevice(part));
  try {
    if (given) checkOffer(part, device);
    const pipelines = await compileShaders(device, part);
    const tensors = await weights;
    const [backend, checked] = watched(device, () => new WebgpuBackend(plan, part, tensors, device, pipelines, !given));
    await checked;
    return backend;
  } catch (error) {
    if (!given) device.destroy(); // and with it all that was made on it
    throw error;
  }
}

async function requestDevice(part) {
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("there is no WebGPU here: the browser offers no adapter");
  checkOffer(part, adapter);
  const canTime = adapter.features.has("timestamp-query");
  return adapter.requestDevice({
    requiredFeatures: [...new Set([...part.features, ...(canTime ? ["timestamp-query"] : [])])],
    requiredLimits: part.limits, // where a default is better than what is asked for, it stays
  });
}

// Refuse an adapter or a device that has not what the kernels need.
function checkOffer(part, { features, limits }) {
  const missing = part.features.filter((feature) => !features.has(feature));
  if (missing.length) throw new Error(`this GPU lacks ${missing.join(", ")}`);
  for (const [name, wanted] of Object.entries(part.limits)) {
    if (!(limits[name] >= wanted)) throw new Error(`the model needs ${name} ${wanted}; this GPU has ${limits[name]}`);
  }
}

// What work gives, and a promise that rejects if the GPU refused some of it. WebGPU tells such errors
// later, and goes on with buffers of zeros if nobody asks.
function watched(device, work) {
  const kinds = ["validation", "out-of-memory", "internal"];
  for (const kind of kinds) device.pushErrorScope(kind);
  let errors;
  const result = (() => {
    try {
      return work();
    } finally {
      errors = Promise.all(kinds.map(() => device.popErrorScope())).catch(() => []); // a lost device has no scopes
    }
  })();
  const checked = errors.then((found) => {
    const error = found.find(Boolean);
    if (error) throw new Error(`the GPU refused the model: ${error.message || "out of memory"}`);
  });
  checked.catch(() => {}); // whoever fails before it asks has told enough
  return [result, checked];
}

async function compileShaders(device, { shaders, calls }) {
  const bindings = new Map(calls.map(({ kernel, args }) => [kernel, args.length]));
  const made = await Promise.all(
    [...bindings].map(async ([name, count]) => {
      const { code, entry, writes } = shaders[name];
      const module = device.createShaderModule({ code });
      const entries = Array.from({ length: count }, (_, binding) => ({
        binding, visibility: GPUShaderStage.COMPUTE,
        buffer: { type: writes.includes(binding) ? "storage" : "read-only-storage" },
      }));
      const layout = device.createBindGroupLayout({ entries });
      const pipeline = await device.createComputePipelineAsync({
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: entry },
      }).catch((error) => {
        throw new Error(`the kernel ${name} is refused: ${error.message}`);
      });
      return [name, { pipeline, layout }];
    }),
  );
  return new Map(made);
}

const MOST_QUERIES = 4096; // of a query set, by the specification

class WebgpuBackend {
  constructor(plan, part, weights, device, pipelines, isOurs) {
    const { vendor, architecture, description } = device.adapterInfo ?? {};
    this.device = [...new Set([vendor, architecture, description])].filter(Boolean).join(" ") || "WebGPU";
    this.threads = 1;
    this.notes = [];
    this.plan = plan;
    this.gpu = device;
    this.isOurs = isOurs;
    this.isProven = false; // a run went through, and nothing was refused
    this.lost = null;
    device.lost.then(({ message }) => (this.lost ??= `the GPU device was lost: ${message} Load the model again`));
    this.buffers = []; // all of them, to give them back
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.slots = plan.slots.map((size) => this.#buffer(size, storage));
    const names = [...weightNames(part.calls)];
    this.weights = new Map(names.map((name) => [name, this.#constant(bytesOf(weights, name), GPUBufferUsage.STORAGE)]));
    this.dispatches = part.calls.map(({ kernel, args }) => this.#dispatch(part.shaders[kernel], pipelines.get(kernel), args));
    this.outputs = plan.outputs.map(({ slot, stored, shape }) => {
      const size = roundUp(bytesIn(stored, shape), 4);
      return { slot, stored, shape, size, staging: this.#buffer(size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST) };
    });
  }

  #buffer(size, usage, mappedAtCreation = false) {
    const buffer = this.gpu.createBuffer({ size: Math.max(4, roundUp(size, 4)), usage, mappedAtCreation });
    this.buffers.push(buffer);
    return buffer;
  }

  #constant(bytes, usage) {
    const buffer = this.#buffer(bytes.byteLength, usage, true);
    new Uint8Array(buffer.getMappedRange()).set(bytes);
    buffer.unmap();
    return buffer;
  }

  #dispatch({ grid }, { pipeline, layout }, args) {
    const buffers = args.map(({ slot, weight }) => (weight === undefined ? this.slots[slot] : this.weights.get(weight)));
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return { grid, pipeline, group: this.gpu.createBindGroup({ layout, entries }) };
  }

  #begin(inputs) {
    if (this.lost) throw new Error(this.lost);
    this.plan.inputs.forEach(({ slot }, i) => this.gpu.queue.writeBuffer(this.slots[slot], 0, inputs[i]));
    return this.gpu.createCommandEncoder();
  }

  #encode(pass, { pipeline, group, grid }) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...grid);
  }

  // The content of a buffer, as a copy.
  async #read(buffer) {
    await buffer.mapAsync(GPUMapMode.READ).catch(async (error) => {
      await new Promise((resolve) => setTimeout(resolve)); // the loss of a device is told after this
      throw new Error(this.lost ?? `the GPU failed: ${error.message}`);
    });
    const content = buffer.getMappedRange().slice(0);
    buffer.unmap();
    return content;
  }

  #submit(inputs) {
    const encoder = this.#begin(inputs), pass = encoder.beginComputePass();
    for (const dispatch of this.dispatches) this.#encode(pass, dispatch);
    pass.end();
    for (const { slot, size, staging } of this.outputs) encoder.copyBufferToBuffer(this.slots[slot], 0, staging, 0, size);
    this.gpu.queue.submit([encoder.finish()]);
  }

  async run(inputs) {
    const [, checked] = this.isProven ? [this.#submit(inputs)] : watched(this.gpu, () => this.#submit(inputs));
    const results = await Promise.all(
      this.outputs.map(async ({ staging, stored, shape }) => new TYPES[stored](await this.#read(staging), 0, product(shape))),
    );
    await checked;
    this.isProven = true;
    return results;
  }

  // Times by the GPU's own clock; null where it has none.
  async profile(inputs) {
    const count = this.dispatches.length;
    if (!this.gpu.features.has("timestamp-query") || 2 * count > MOST_QUERIES) {
      await this.run(inputs);
      return new Array(count).fill(null);
    }
    const querySet = this.gpu.createQuerySet({ type: "timestamp", count: 2 * count });
    const size = 16 * count;
    const resolved = this.gpu.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const readable = this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    try {
      const encoder = this.#begin(inputs);
      this.dispatches.forEach((dispatch, i) => {
        const pass = encoder.beginComputePass({
          timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
        });
        this.#encode(pass, dispatch);
        pass.end();
      });
      encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
      this.gpu.queue.submit([encoder.finish()]);
      const ticks = new BigInt64Array(await this.#read(readable));
      return this.dispatches.map((_, i) => Math.max(0, Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6));
    } finally {
      for (const each of [querySet, resolved, readable]) each.destroy();
    }
  }

  dispose() {
    this.lost = DISPOSED;
    if (this.isOurs) this.gpu.destroy();
    else for (const buffer of this.buffers) buffer.destroy();
  }
}

const BACKENDS = { wasm: openWasm, webgpu: openWebgpu };
