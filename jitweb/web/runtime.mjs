// The runtime of a jitweb bundle: loads its plan and weights, and runs the model on WebAssembly or
// WebGPU. No dependencies; in browsers and in Node. runtime.d.ts has the types.
//
//   const model = await load("./out/");
//   const { logits } = await model.run({ input_ids });

const PAGE = 65536;
const ALIGNMENT = 64;
const STACK_BYTES = 65536; // of a thread
const SHARED_WITH_MAXIMUM = 0x03;
const INT32 = [-2147483648, 2147483647];
const TYPES = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array,
  int16: Int16Array, int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
};
const isNode = typeof process !== "undefined" && !!process.versions?.node;
const roundUp = (value, multiple) => Math.ceil(value / multiple) * multiple;
const product = (shape) => shape.reduce((a, b) => a * b, 1);

/** Load a bundle from the address of its folder. */
export async function load(url, options = {}) {
  const { target, threads = 1, verify = true, onProgress = () => {} } = options;
  const started = performance.now();
  const files = new Files(url, verify, onProgress);
  const plan = JSON.parse(new TextDecoder().decode(await files.read("plan.json")));
  if (plan.format !== 1) throw new Error(`the bundle is of format ${plan.format}, this runtime knows 1`);
  files.known = plan.files;
  const names = target ? [target] : await usable(plan);
  if (target && !plan.targets[target]) {
    throw new Error(`the bundle has no ${target}; it has ${Object.keys(plan.targets).join(", ")}`);
  }
  const weights = parseSafetensors(await files.read("weights.safetensors"));
  const fetched = performance.now();
  const open = async (name) => {
    const backend = await BACKENDS[name](plan, weights, files, threads);
    return new Model(plan, name, backend);
  };
  const model = names.length === 1 ? await open(names[0]) : await faster(plan, names, open);
  model.timings.fetch_ms = fetched - started;
  model.timings.compile_ms = performance.now() - fetched;
  return model;
}

// The bundle's targets that this place can run.
async function usable(plan) {
  const names = Object.keys(plan.targets);
  if (names.length === 1) return names;
  const adapter = await globalThis.navigator?.gpu?.requestAdapter?.().catch(() => null);
  return names.filter((name) => name !== "webgpu" || adapter);
}

// Each target timed once on this device; the faster one is kept, and remembered.
async function faster(plan, names, open) {
  const key = `jitweb:${plan.files["weights.safetensors"].sha256}`;
  const remembered = readMemory(key);
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
  let best = null, failure = null;
  for (const name of names) {
    try {
      const model = await open(name);
      await model.run(inputs);
      const start = performance.now();
      await model.run(inputs);
      const took = performance.now() - start;
      if (best && best.took <= took) model.dispose();
      else {
        best?.model.dispose();
        best = { model, took };
      }
    } catch (error) {
      failure = error;
    }
  }
  if (!best) throw failure;
  writeMemory(key, best.model.target);
  best.model.timings.first_run_ms = null; // the runs so far were to choose by
  return best.model;
}

function readMemory(key) {
  try {
    return globalThis.localStorage?.getItem(key);
  } catch {
    return null; // a page may be denied it
  }
}

function writeMemory(key, value) {
  try {
    globalThis.localStorage?.setItem(key, value);
  } catch {
    // Chosen anew next time.
  }
}

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
    this.loaded = 0;
  }

  async read(name) {
    const bytes = await this.#bytes(name);
    const facts = this.known?.[name];
    if (this.known && !facts) throw new Error(`${name} is not of this bundle`);
    if (facts && this.verify) await check(name, bytes, facts);
    return bytes;
  }

  async #bytes(name) {
    if (isNode && (!this.base || this.base.protocol === "file:")) {
      const [{ readFile }, path] = await Promise.all([import("node:fs/promises"), import("node:path")]);
      const place = this.base ? new URL(name, this.base) : path.join(this.path, name);
      try {
        return new Uint8Array(await readFile(place));
      } catch (error) {
        throw new Error(`${name} can't be read: ${error.message}`);
      }
    }
    const response = await fetch(new URL(name, this.base));
    if (!response.ok) throw new Error(`${name} can't be fetched: ${response.status} ${response.statusText}`);
    return this.#streamed(name, response);
  }

  async #streamed(name, response) {
    const total = this.known?.[name]?.bytes ?? Number(response.headers.get("content-length")) ?? 0;
    const parts = [];
    let received = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      received += value.byteLength;
      this.onProgress({ file: name, loaded: received, total });
    }
    const bytes = new Uint8Array(received);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.byteLength;
    }
    return bytes;
  }
}

async function check(name, bytes, { bytes: size, sha256 }) {
  const changed = new Error(`${name} was changed: it is not as the bundle was written`);
  if (bytes.byteLength !== size) throw changed;
  if (!globalThis.crypto?.subtle) return; // only in secure contexts; the size is right
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const text = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (text !== sha256) throw changed;
}

// Names to views of the bytes.
function parseSafetensors(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const tensors = new Map();
  for (const [name, facts] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [begin, end] = facts.data_offsets;
    tensors.set(name, bytes.subarray(8 + length + begin, 8 + length + end));
  }
  return tensors;
}

// ------------------------------------------------------------------------------------- model

class Model {
  #plan;
  #backend;
  #queue = Promise.resolve();

  constructor(plan, target, backend) {
    this.#plan = plan;
    this.#backend = backend;
    this.target = target;
    this.name = plan.model;
    this.inputs = plan.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    this.outputs = plan.outputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    this.device = backend.device;
    this.threads = backend.threads;
    this.notes = backend.notes;
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

  /** Run the model and time each call of a kernel. */
  profile(inputs) {
    return this.#inTurn(inputs, async (stored) => {
      const times = await this.#backend.profile(stored);
      return this.#plan.targets[this.target].calls.map(({ task, kernel }, i) => ({
        task, kernel, kind: this.#plan.tasks[task].kind, name: this.#plan.tasks[task].name,
        ms: times[i],
      }));
    });
  }

  #inTurn(inputs, work) {
    const stored = this.#stored(inputs); // wrong input is told at once
    const turn = this.#queue.then(() => work(stored));
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
    this.#backend.dispose();
  }
}

const describe = ({ dtype, shape }) => `${dtype} [${shape.join(", ")}], ${product(shape)} elements`;

// A user's values as the kernels read them.
function toStored(input, values) {
  if (values === undefined) throw new Error(`the input ${input.name} is missing: ${describe(input)}`);
  const count = product(input.shape);
  if (values.length !== count) {
    throw new Error(`the input ${input.name} has ${values.length} elements, and must be ${describe(input)}`);
  }
  const Stored = TYPES[input.stored];
  if (input.stored === "float32") {
    if (!(values instanceof Float32Array || values instanceof Float64Array || Array.isArray(values))) {
      throw new Error(`the input ${input.name} must be ${describe(input)}`);
    }
    return Stored.from(values);
  }
  if (values instanceof Float32Array || values instanceof Float64Array) {
    throw new Error(`the input ${input.name} must be ${describe(input)}`);
  }
  return Stored.from(values, (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < INT32[0] || number > INT32[1]) {
      throw new Error(`the input ${input.name} holds ${value}, which is no 32-bit integer`);
    }
    return input.dtype === "bool" ? Number(number !== 0) : number;
  });
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

async function openWasm(plan, weights, files, wanted) {
  const part = plan.targets.wasm, notes = [];
  const variant = WebAssembly.validate(RELAXED) ? "relaxed" : "simd128";
  const content = (await files.read(part.modules[variant])).slice();
  let threads = Math.max(1, Math.floor(wanted));
  if (threads > 1 && !isNode && !globalThis.crossOriginIsolated) {
    notes.push("one thread: the page is not cross-origin isolated (COOP and COEP headers)");
    threads = 1;
  }
  const layout = layOut(plan, part, weights, threads);
  const pages = Math.ceil(layout.end / PAGE);
  if (pages > part.max_pages) throw new Error(`the model needs ${pages} pages of memory; WebAssembly has ${part.max_pages}`);
  if (threads > 1) content[part.memory_flag[variant]] = SHARED_WITH_MAXIMUM;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: threads > 1 });
  const module = await WebAssembly.compile(content);
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const bytes = new Uint8Array(memory.buffer);
  for (const [name, at] of layout.weights) bytes.set(weights.get(name), at);
  const calls = part.calls.map(({ kernel, args, rows }) => ({
    kernel,
    addresses: args.map(({ slot, weight }) => (weight === undefined ? layout.slots[slot] : layout.weights.get(weight))),
    rows,
  }));
  const team = threads > 1 ? await Team.open(module, memory, calls, threads, part, layout) : null;
  const device = isNode ? `Node ${process.version}` : "this browser";
  return new WasmBackend(plan, memory, instance, calls, layout, team, { device: `${device}, ${variant}`, threads, notes });
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
  const names = new Set(part.calls.flatMap(({ args }) => args.map(({ weight }) => weight)));
  names.delete(undefined);
  const places = new Map([...names].map((name) => {
    if (!weights.has(name)) throw new Error(`the weight ${name} is missing from weights.safetensors`);
    return [name, take(weights.get(name).byteLength)];
  }));
  return { weights: places, slots: plan.slots.map(take), stacks, end };
}

class WasmBackend {
  constructor(plan, memory, instance, calls, layout, team, facts) {
    Object.assign(this, facts);
    this.plan = plan;
    this.memory = memory;
    this.layout = layout;
    this.team = team;
    this.calls = calls.map(({ kernel, addresses, rows }) => {
      const run = instance.exports[kernel];
      return { rows, part: (begin, end) => run(...addresses, begin, end) };
    });
  }

  #put(inputs) {
    this.plan.inputs.forEach(({ slot }, i) => {
      const { buffer, byteOffset, byteLength } = inputs[i];
      new Uint8Array(this.memory.buffer).set(new Uint8Array(buffer, byteOffset, byteLength), this.layout.slots[slot]);
    });
  }

  async run(inputs) {
    this.#put(inputs);
    if (this.team) this.team.run(this.calls);
    else for (const { part, rows } of this.calls) part(0, rows);
    return this.plan.outputs.map(({ slot, stored, shape }) =>
      new TYPES[stored](this.memory.buffer, this.layout.slots[slot], product(shape)).slice(),
    );
  }

  async profile(inputs) {
    this.#put(inputs);
    const times = [];
    const timed = (work) => {
      const start = performance.now();
      work();
      times.push(performance.now() - start);
    };
    if (this.team) this.team.run(this.calls, timed);
    else for (const { part, rows } of this.calls) timed(() => part(0, rows));
    return times;
  }

  dispose() {
    this.team?.close();
  }
}

// Threads that go through the calls side by side, each with its part of the rows, and wait for each
// other after every call. The caller is the first of them; it spins, as a page may not sleep.
const GENERATION = 0, ARRIVED = 1, PHASE = 2, FAILED = 3;
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

const share = (rows, number, threads) => Math.floor((rows * number) / threads);

class Team {
  static async open(module, memory, calls, threads, part, layout) {
    const team = new Team();
    team.threads = threads;
    team.control = new Int32Array(new SharedArrayBuffer(16));
    const make = isNode ? await nodeWorker() : browserWorker;
    team.workers = await Promise.all(
      layout.stacks.map((stack, i) =>
        make({
          module, memory, calls, threads, stack, number: i + 1, control: team.control,
          pointer: part.stack_pointer,
        }),
      ),
    );
    return team;
  }

  run(calls, timed = (work) => work()) {
    const { control, threads } = this;
    Atomics.add(control, GENERATION, 1);
    Atomics.notify(control, GENERATION);
    for (const { part, rows } of calls) {
      timed(() => {
        part(0, share(rows, 1, threads));
        meet(control, threads, isNode);
      });
    }
    if (Atomics.exchange(control, FAILED, 0)) throw new Error("a kernel failed in a thread");
  }

  close() {
    for (const worker of this.workers) worker.terminate();
  }
}

// What a worker does, for ever.
async function work({ module, memory, calls, threads, stack, number, control, pointer }, ready) {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  if (pointer) exports[pointer].value = stack;
  let generation = 0;
  ready();
  for (;;) {
    while (Atomics.load(control, GENERATION) === generation) Atomics.wait(control, GENERATION, generation);
    generation++;
    for (const { kernel, addresses, rows } of calls) {
      const begin = share(rows, number, threads), end = share(rows, number + 1, threads);
      try {
        if (begin < end) exports[kernel](...addresses, begin, end);
      } catch {
        Atomics.store(control, FAILED, 1); // and go on, or the others would wait for ever
      }
      meet(control, threads, true);
    }
  }
}

function started(worker, task, on) {
  return new Promise((resolve, reject) => {
    on("message", () => resolve(worker));
    on("error", (error) => reject(new Error(`a thread can't be started: ${error.message ?? error}`)));
    worker.postMessage({ jitweb: task });
  });
}

async function nodeWorker() {
  const { Worker } = await import("node:worker_threads");
  return async (task) => {
    const worker = new Worker(new URL(import.meta.url));
    const ready = await started(worker, task, (event, listener) => worker.once(event, listener));
    worker.unref(); // or a program that forgets to dispose would never end
    return ready;
  };
}

function browserWorker(task) {
  const worker = new Worker(import.meta.url, { type: "module" });
  return started(worker, task, (event, listener) => worker.addEventListener(event, listener, { once: true }));
}

// This file is its threads' program as well.
if (isNode) {
  const { isMainThread, parentPort } = await import("node:worker_threads");
  if (!isMainThread) {
    parentPort?.on("message", ({ jitweb }) => jitweb && work(jitweb, () => parentPort.postMessage("ready")));
  }
} else if (typeof WorkerGlobalScope !== "undefined" && globalThis instanceof WorkerGlobalScope) {
  addEventListener("message", ({ data }) => data?.jitweb && work(data.jitweb, () => postMessage("ready")));
}

// ------------------------------------------------------------------------------------ WebGPU

async function openWebgpu(plan, weights) {
  const part = plan.targets.webgpu;
  const adapter = await globalThis.navigator?.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("there is no WebGPU here: the browser offers no adapter");
  const missing = part.features.filter((feature) => !adapter.features.has(feature));
  if (missing.length) throw new Error(`this GPU lacks ${missing.join(", ")}`);
  for (const [name, wanted] of Object.entries(part.limits)) {
    if (adapter.limits[name] < wanted) throw new Error(`the model needs ${name} ${wanted}; this GPU has ${adapter.limits[name]}`);
  }
  const canTime = adapter.features.has("timestamp-query");
  const requiredLimits = Object.fromEntries(
    Object.entries(part.limits).map(([name, wanted]) => [name, Math.max(wanted, 0)]).filter(([name, wanted]) => wanted > LIMITS[name]),
  );
  const device = await adapter.requestDevice({
    requiredFeatures: [...part.features, ...(canTime ? ["timestamp-query"] : [])],
    requiredLimits,
  });
  const pipelines = await compileShaders(device, part.shaders);
  return new WebgpuBackend(plan, part, weights, device, adapter, pipelines, canTime);
}

// What every device has, so that it need not be asked for.
const LIMITS = { maxStorageBufferBindingSize: 134217728, maxBufferSize: 268435456, maxComputeWorkgroupStorageSize: 16384 };

async function compileShaders(device, shaders) {
  const made = await Promise.all(
    Object.entries(shaders).map(async ([name, { code, entry, writes, pod, bindings }]) => {
      const module = device.createShaderModule({ code });
      const count = bindings ?? (code.match(/var<storage/g) ?? []).length;
      const entries = Array.from({ length: count }, (_, binding) => ({
        binding, visibility: GPUShaderStage.COMPUTE,
        buffer: { type: writes.includes(binding) ? "storage" : "read-only-storage" },
      }));
      if (pod) entries.push({ binding: count, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform" } });
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

class WebgpuBackend {
  constructor(plan, part, weights, device, adapter, pipelines, canTime) {
    const { vendor, architecture, description } = adapter.info ?? {};
    this.device = [vendor, architecture, description].filter(Boolean).join(" ") || "WebGPU";
    this.threads = 1;
    this.notes = [];
    this.plan = plan;
    this.gpu = device;
    this.canTime = canTime;
    this.lost = null;
    device.lost.then(({ message }) => (this.lost = `the GPU device was lost: ${message}; load the model again`));
    this.#place(part, weights);
    this.dispatches = part.calls.map(({ kernel, args }) => this.#dispatch(part.shaders[kernel], pipelines.get(kernel), args));
    this.staging = plan.outputs.map(({ slot }) =>
      device.createBuffer({ size: plan.slots[slot], usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST }),
    );
  }

  #place(part, weights) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.slots = this.plan.slots.map((size) => this.gpu.createBuffer({ size: roundUp(size, 4), usage }));
    this.weights = new Map();
    const names = new Set(part.calls.flatMap(({ args }) => args.map(({ weight }) => weight)));
    names.delete(undefined);
    for (const name of names) {
      const bytes = weights.get(name);
      if (!bytes) throw new Error(`the weight ${name} is missing from weights.safetensors`);
      const buffer = this.gpu.createBuffer({
        size: Math.max(4, roundUp(bytes.byteLength, 4)), usage: GPUBufferUsage.STORAGE, mappedAtCreation: true,
      });
      new Uint8Array(buffer.getMappedRange()).set(bytes);
      buffer.unmap();
      this.weights.set(name, buffer);
    }
  }

  #dispatch({ grid, pod }, { pipeline, layout }, args) {
    const buffers = args.map(({ slot, weight }) => (weight === undefined ? this.slots[slot] : this.weights.get(weight)));
    if (pod) {
      const uniform = this.gpu.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM, mappedAtCreation: true });
      new Uint32Array(uniform.getMappedRange())[0] = grid[0] - 1;
      uniform.unmap();
      buffers.push(uniform);
    }
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return { grid, pipeline, group: this.gpu.createBindGroup({ layout, entries }) };
  }

  #begin(inputs) {
    if (this.lost) throw new Error(this.lost);
    this.plan.inputs.forEach(({ slot }, i) => this.gpu.queue.writeBuffer(this.slots[slot], 0, inputs[i]));
    return this.gpu.createCommandEncoder();
  }

  async run(inputs) {
    const encoder = this.#begin(inputs);
    const pass = encoder.beginComputePass();
    for (const { pipeline, group, grid } of this.dispatches) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid);
    }
    pass.end();
    this.plan.outputs.forEach(({ slot }, i) =>
      encoder.copyBufferToBuffer(this.slots[slot], 0, this.staging[i], 0, this.plan.slots[slot]),
    );
    this.gpu.queue.submit([encoder.finish()]);
    return Promise.all(
      this.plan.outputs.map(async ({ stored, shape }, i) => {
        await this.staging[i].mapAsync(GPUMapMode.READ).catch((error) => {
          throw new Error(this.lost ?? `the GPU failed: ${error.message}`);
        });
        const values = new TYPES[stored](this.staging[i].getMappedRange(), 0, product(shape)).slice();
        this.staging[i].unmap();
        return values;
      }),
    );
  }

  // Times by the GPU's own clock; null where it has none.
  async profile(inputs) {
    const count = this.dispatches.length;
    if (!this.canTime) {
      await this.run(inputs);
      return new Array(count).fill(null);
    }
    const querySet = this.gpu.createQuerySet({ type: "timestamp", count: 2 * count });
    const size = 16 * count;
    const resolved = this.gpu.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const readable = this.gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.#begin(inputs);
    this.dispatches.forEach(({ pipeline, group, grid }, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
    this.gpu.queue.submit([encoder.finish()]);
    await readable.mapAsync(GPUMapMode.READ);
    const ticks = new BigUint64Array(readable.getMappedRange().slice(0));
    for (const each of [querySet, resolved, readable]) each.destroy();
    return this.dispatches.map((_, i) => Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6);
  }

  dispose() {
    this.gpu.destroy();
  }
}

const BACKENDS = { wasm: openWasm, webgpu: openWebgpu };
