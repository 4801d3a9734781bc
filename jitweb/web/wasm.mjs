// A model on WebAssembly: its weights and slots in one memory, its calls on one thread or several.

import { shapeAt } from "./extent.mjs";
import { TYPES, callsOf, checkModule } from "./plan.mjs";
import { DISPOSED, bytesOf, isNode, product, roundUp, weightNames } from "./shared.mjs";
import { Team, Thread } from "./team.mjs";

const PAGE = 65536;
const ALIGNMENT = 64;
const STACK_BYTES = 65536; // of a thread
const SHARED_WITH_MAXIMUM = 0x03;

// A module with one relaxed SIMD instruction (f32x4.relaxed_madd): valid where they are there.
const RELAXED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32,
  0, 32, 1, 32, 0, 253, 133, 2, 11,
);

// The same with one of plain SIMD (i8x16.splat).
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
);

export async function openWasm(plan, weights, files, { threads }) {
  if (!globalThis.WebAssembly) throw new Error("there is no WebAssembly here; a lockdown mode of the browser may have turned it off");
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
  if (known) return `${known.brand} ${known.version}`;
  const agent = globalThis.navigator?.userAgent ?? "";
  const [firefox] = /Firefox\/\d+/.exec(agent) ?? [], [, safari] = /Version\/([\d.]+).* Safari/.exec(agent) ?? [];
  return firefox?.replace("/", " ") ?? (safari ? `Safari ${safari}` : "this browser");
}

// The module at work in a memory that holds the weights, and threads beside this one.
async function makeWasm(plan, weights, content, flag, threads) {
  const part = plan.targets.wasm, shared = threads > 1;
  if (shared) {
    content = content.slice();
    content[flag] = SHARED_WITH_MAXIMUM;
  }
  const module = await WebAssembly.compile(content).catch((error) => {
    throw new Error(`the kernels can't be compiled: ${causeOf(error)}`);
  });
  const all = callsOf(plan, "wasm");
  checkModule(module, all, part.stack_pointer);
  const tensors = await weights;
  const isShared = ({ task, rows }) => shared && rows !== 1 && workOf(plan.tasks[task]) > LEAST_SHARED_US;
  const layout = layOut(plan, all, tensors, threads, isShared);
  const pages = Math.ceil(layout.end / PAGE);
  if (pages > part.max_pages) throw new Error(`the model needs ${pages} pages of memory; WebAssembly has ${part.max_pages}`);
  const memory = makeMemory(pages, shared);
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } }).catch((error) => {
    throw new Error(`the kernels can't be used: ${error.message}`);
  });
  const bytes = new Uint8Array(memory.buffer);
  for (const [name, at] of layout.weights) bytes.set(tensors.get(name), at);
  const addressIn = (slots) => ({ slot, weight, scratch }) =>
    scratch !== undefined ? { scratch } : weight !== undefined ? layout.weights.get(weight) : slots[slot];
  const variants = plan.variants.map(({ calls, open }, i) => calls.wasm.map((call) => ({
    kernel: call.kernel, addresses: call.args.map(addressIn(layout.slots[i])), rows: call.rows, takesLength: !!call.takes_length,
    sharedFrom: isShared(call) ? Math.ceil(((open?.most ?? 0) * LEAST_SHARED_US) / workOf(plan.tasks[call.task])) : Infinity,
  })));
  const task = { module, memory, variants, arenas: layout.arenas, threads, pointer: part.stack_pointer };
  const thread = new Thread(exports, task, 0);
  const team = shared ? await Team.open(thread, task, layout.stacks) : null;
  return { memory, thread, team, slots: layout.slots };
}

function causeOf({ message }) {
  if (/content.security.policy|\bCSP\b/i.test(message)) return "the page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src";
  return WebAssembly.validate(SIMD) ? message : "there is no WebAssembly SIMD here; Chrome 91, Firefox 89, Safari 16.4 and later have it";
}

function makeMemory(pages, shared) {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (error) {
    throw new Error(`${Math.ceil((pages * PAGE) / 1e6)} MB of memory can't be allocated: ${error.message}`);
  }
}

// Where weights, slots and the threads' arenas lie, above what the module and the threads' stacks use.
// An arena holds the scratch memory of one call after another; that of a thread beside the first has
// the calls that are shared alone. Variants' slots overlap: one runs at a time.
function layOut(plan, calls, weights, threads, isShared) {
  let end = roundUp(plan.targets.wasm.static_end, ALIGNMENT);
  const stacks = [];
  for (let i = 1; i < threads; i++) stacks.push((end += STACK_BYTES)); // a stack grows downwards
  const take = (bytes) => {
    const at = end;
    end = roundUp(end + bytes, ALIGNMENT);
    return at;
  };
  const names = [...weightNames(calls)];
  const places = new Map(names.map((name) => [name, take(bytesOf(weights, name).byteLength)]));
  const largest = (calls) => calls.reduce((most, { scratch = 0 }) => Math.max(most, scratch), 0);
  const first = take(largest(calls)), size = largest(calls.filter(isShared));
  const arenas = [first, ...stacks.map(() => take(size))];
  const start = end, ends = [];
  const slots = plan.variants.map((variant) => {
    end = start;
    const addresses = variant.slots.map(take);
    ends.push(end);
    return addresses;
  });
  end = Math.max(...ends);
  return { weights: places, slots, arenas, stacks, end };
}

// Threads that wait for each other lose some microseconds, and more where cores are few: a call that
// takes no longer is the first thread's alone.
const LEAST_SHARED_US = 20;

// About how many microseconds a call of a task takes on one thread.
const workOf = ({ flops, bytes }) => flops / 20e3 + bytes / 10e3;

class WasmBackend {
  constructor(plan, { memory, thread, team, slots }, facts) {
    Object.assign(this, facts);
    this.plan = plan;
    this.memory = memory;
    this.thread = thread;
    this.team = team;
    this.slots = slots;
  }

  #compute(inputs, number, length, timed) {
    if (this.isClosed) throw new Error(DISPOSED); // its threads are gone: nobody would come to meet us
    this.plan.variants[number].inputs.forEach(({ slot }, i) => {
      new inputs[i].constructor(this.memory.buffer, this.slots[number][slot], inputs[i].length).set(inputs[i]);
    });
    if (this.team) return this.team.run(number, length, timed);
    for (const part of this.thread.partsOf(number, length)) {
      const error = timed(() => this.thread.attempt(part));
      if (error) throw error;
    }
  }

  async run(inputs, number, length) {
    this.#compute(inputs, number, length, (work) => work());
    return this.plan.variants[number].outputs.map(({ slot, stored, shape }) =>
      new TYPES[stored](this.memory.buffer, this.slots[number][slot], product(shapeAt(shape, length))).slice(),
    );
  }

  async profile(inputs, number, length) {
    const times = [];
    this.#compute(inputs, number, length, (work) => {
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
