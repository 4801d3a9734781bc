// What a bundle says, checked before anything of it is used: it may come from anybody. Numbers are
// bounded, operands within slots, slots as large as what they hold, names those of files beside the
// plan. plan_check.py checks the same in Python.

import { isExtent, shapeAt } from "./extent.mjs";
import { RESTORE } from "./shared.mjs";

export const TYPES = {
  float32: Float32Array, float64: Float64Array, int64: BigInt64Array, int32: Int32Array,
  int16: Int16Array, int8: Int8Array, uint8: Uint8Array, bool: Uint8Array,
};
export const FORMAT = 2;
export const MOST_BYTES = 2 ** 32; // what WebAssembly addresses
const MOST_ENTRIES = 100_000, MOST_TEXT = 1000, MOST_CODE = 2 ** 24, MOST_RANK = 32, MOST_ARGUMENTS = 64, MOST_VARIANTS = 64, MOST_PARTS = 1000;
const MOST_PAGES = 65536, MOST_LENGTH = 2 ** 24, MOST_ROWS = 2 ** 31 - 1, MOST_NUMBER = 1e30, MOST_HEADER = 1e8;
const DEFAULT_LIMITS = {
  maxComputeWorkgroupsPerDimension: 65535, maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256, maxComputeWorkgroupSizeY: 256, maxComputeWorkgroupSizeZ: 64,
};
const FILE = /^\w[\w.-]{0,200}$/, IDENTIFIER = /^[a-z_]\w{0,200}$/i;

const check = (isRight, what) => {
  if (!isRight) throw new Error(`plan.json can't be used: ${what}; ${RESTORE}`);
};
const isCount = (value, most, least = 0) => Number.isSafeInteger(value) && value >= least && value <= most;
const isNumber = (value) => typeof value === "number" && value >= 0 && value <= MOST_NUMBER;
const HALF_CHARACTER = /[\ud800-\udfff]/u;
const isText = (value, most = MOST_TEXT) => typeof value === "string" && value.length <= most && !HALF_CHARACTER.test(value);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isList = (value, most = MOST_ENTRIES) => Array.isArray(value) && value.length <= most;
const isTable = (value) => isObject(value) && Object.keys(value).length <= MOST_ENTRIES;
const has = (table, name) => typeof name === "string" && Object.hasOwn(table, name);
const areDistinct = (values) => new Set(values).size === values.length;
export const bytesIn = (dtype, shape) => shape.reduce((a, b) => a * b, TYPES[dtype].BYTES_PER_ELEMENT);

/** The plan in the bytes of plan.json; an Error says what of it is wrong. */
export function parsePlan(bytes, place) {
  let plan;
  try {
    plan = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Error(`plan.json is not a plan: is ${place} the folder of a bundle?`);
  }
  check(isObject(plan), "it is not an object");
  if (plan.format !== FORMAT) throw new Error(`the bundle is of format ${isNumber(plan.format) ? plan.format : "?"}, this runtime knows ${FORMAT}: tune the model again`);
  check(isText(plan.model), "the model's name");
  check(isTable(plan.files) && Object.entries(plan.files).every(isFile), "the files");
  if (plan.weights === undefined) plan.weights = ["weights.safetensors"];
  check(isList(plan.weights, MOST_PARTS) && plan.weights.length > 0 && plan.weights.every((name) => has(plan.files, name)) && areDistinct(plan.weights), "the files of weights");
  check(plan.weights.reduce((sum, name) => sum + plan.files[name].bytes, 0) <= MOST_BYTES, "the size of the weights");
  check(isTable(plan.tasks) && Object.values(plan.tasks).every(isTask), "the tasks");
  check(isTable(plan.targets) && Object.keys(plan.targets).length > 0, "the targets");
  check(isList(plan.variants, MOST_VARIANTS) && plan.variants.length > 0, "the variants");
  for (const variant of plan.variants) checkVariant(variant, plan);
  check(areDistinct(plan.variants.map(({ when }) => conditionOf(when))), "two variants of one condition");
  for (const [name, part] of Object.entries(plan.targets)) {
    check(has(TARGETS, name) && isObject(part), "a target of an unknown name");
    const calls = callsOf(plan, name), count = ({ args, takes_length }) => args.length + (takes_length ? 1 : 0);
    const counts = new Map(calls.map((call) => [call.kernel, count(call)]));
    check(calls.every((call) => counts.get(call.kernel) === count(call)), `a kernel's arguments for ${name}`);
    TARGETS[name](part, plan, calls);
  }
  return plan;
}

/** The calls of all variants for a target, and a condition in words. */
export const callsOf = ({ variants }, target) => variants.flatMap(({ calls }) => calls[target]);
export const conditionOf = (when) => Object.entries(when).map((each) => each.join("=")).sort().join(", ");

function checkVariant(variant, plan) {
  check(isObject(variant), "a variant");
  const { slots, when, calls, open } = variant;
  check(open === undefined || (isObject(open) && isText(open.name) && isCount(open.most, MOST_LENGTH, 1)), "what is left open");
  check(isList(slots) && slots.every((size) => isCount(size, MOST_BYTES)), "the slots");
  checkTensors("inputs", variant);
  check(areDistinct(variant.inputs.map(({ slot }) => slot)), "two inputs in one slot");
  checkTensors("outputs", variant);
  const isFlag = (flag) => variant.inputs.some(({ name, dtype, shape }) => name === flag && dtype === "bool" && bytesIn(dtype, shapeAt(shape, open?.most)) === 1);
  check(isTable(when) && Object.entries(when).every(([name, value]) => typeof value === "boolean" && isFlag(name)), "a variant's condition");
  for (const name of Object.keys(plan.targets)) {
    check(isTable(calls) && has(calls, name) && isList(calls[name]) && calls[name].every((call) => isCall(call, plan, slots, open?.most)), `the calls for ${name}`);
  }
}

const isFile = ([name, facts]) =>
  FILE.test(name) && isObject(facts) && isCount(facts.bytes, MOST_BYTES) &&
  isText(facts.sha256) && /^[0-9a-f]{64}$/.test(facts.sha256);

const isTask = (task) =>
  isObject(task) && isText(task.kind) && isText(task.name) && (task.what === undefined || isText(task.what)) && isNumber(task.flops) && isNumber(task.bytes) &&
  isCount(task.sites, MOST_NUMBER, 1);

function checkTensors(role, variant) {
  const tensors = variant[role], most = variant.open?.most;
  check(isList(tensors) && tensors.every((tensor) => isTensor(tensor, variant.slots, most)), `the ${role}`);
  check(areDistinct(tensors.map(({ name }) => name)), `two ${role} of one name`);
  const bytes = tensors.reduce((sum, { dtype, shape }) => sum + bytesIn(dtype, shapeAt(shape, most)), 0);
  check(bytes <= MOST_BYTES, `the ${role} are too large`);
}

function isTensor(tensor, slots, most) {
  if (!isObject(tensor) || !isText(tensor.name) || !has(TYPES, tensor.dtype) || !has(TYPES, tensor.stored)) return false;
  const { dtype, stored, shape, slot } = tensor, isFloat = (name) => name.startsWith("float");
  return (
    (stored !== "int64" || dtype === "int64") && isFloat(dtype) === isFloat(stored) &&
    isList(shape, MOST_RANK) && shape.every((extent) => isExtent(extent, most, MOST_BYTES)) &&
    isCount(slot, slots.length - 1) && bytesIn(stored, shapeAt(shape, most)) <= slots[slot] && isRange(tensor.range)
  );
}

const isRange = (ends) =>
  ends === undefined || (isList(ends) && ends.length === 2 && ends[0] <= ends[1] && ends.every((end) => Number.isInteger(end) && Math.abs(end) <= 2 ** 31));

const OPERANDS = {
  slot: (slot, call, slots) => isCount(slot, slots.length - 1),
  weight: (weight) => isText(weight),
  scratch: (offset, { scratch = -1 }) => isCount(offset, scratch),
  length: (isLength, call, slots, most) => isLength === true && most !== undefined,
};

const isCall = (call, { tasks }, slots, most) =>
  isObject(call) && has(tasks, call.task) && isText(call.kernel) && isList(call.args, MOST_ARGUMENTS) &&
  (call.scratch === undefined || isCount(call.scratch, MOST_BYTES)) &&
  (call.rows === undefined || isExtent(call.rows, most, MOST_ROWS, 1)) &&
  (call.grid === undefined || isGrid(call.grid, most)) &&
  (call.takes_length === undefined || (call.takes_length === true && most !== undefined)) &&
  call.args.every((each) => {
    const [kind, ...others] = isObject(each) ? Object.keys(OPERANDS).filter((name) => each[name] !== undefined) : [];
    return kind && others.length === 0 && OPERANDS[kind](each[kind], call, slots, most);
  });

// A grid that depends on the length, and is no larger than any device takes.
const isGrid = (grid, most) =>
  isList(grid, 3) && grid.length === 3 && grid.every((each) => isExtent(each, most, DEFAULT_LIMITS.maxComputeWorkgroupsPerDimension, 1));

const TARGETS = { wasm: checkWasm, webgpu: checkWebgpu };

function checkWasm(part, { files }, calls) {
  const { modules, memory_flag: flags, stack_pointer: pointer } = part;
  for (const variant of ["relaxed", "simd128"]) {
    check(isObject(modules) && has(modules, variant) && has(files, modules[variant]), `the module of ${variant}`);
    check(isObject(flags) && isCount(flags[variant], files[modules[variant]].bytes - 1), `the memory's flag of ${variant}`);
  }
  check(pointer == null || isText(pointer), "the stack pointer's name");
  check(isCount(part.static_end, MOST_BYTES) && isCount(part.max_pages, MOST_PAGES, 1), "the memory's size");
  check(calls.every(({ rows }) => rows !== undefined), "the rows of a call");
  check(calls.every(({ args }) => args.every(({ length }) => length === undefined)), "a length in memory, for WebAssembly");
}

function checkWebgpu(part, { variants }, calls) {
  const tensors = variants.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]);
  check(tensors.every(({ stored }) => stored !== "int64"), "int64, which WebGPU lacks");
  const { shaders, features, limits } = part;
  check(isList(features) && features.every((feature) => isText(feature)), "the features");
  check(isTable(limits) && Object.values(limits).every((limit) => isCount(limit, Number.MAX_SAFE_INTEGER)), "the limits");
  check(isTable(shaders) && Object.values(shaders).every((shader) => isShader(shader, { ...DEFAULT_LIMITS, ...limits })), "the shaders");
  for (const { kernel, args } of calls) {
    check(has(shaders, kernel), "a kernel that is missing");
    check(args.every(({ scratch }) => scratch === undefined), "a kernel's scratch memory");
    check(shaders[kernel].writes.every((place) => args[place]?.slot !== undefined), "what a kernel writes");
  }
}

function isShader(shader, limits) {
  if (!isObject(shader)) return false;
  const { code, entry, grid, workgroup, writes, halves } = shader;
  const isTriple = (list, [x, y, z]) =>
    isList(list, 3) && isCount(list[0], x, 1) && isCount(list[1], y, 1) && isCount(list[2], z, 1);
  const most = limits.maxComputeWorkgroupsPerDimension;
  return (
    isText(code, MOST_CODE) && isText(entry) && IDENTIFIER.test(entry) && isTriple(grid, [most, most, most]) &&
    isTriple(workgroup, ["X", "Y", "Z"].map((axis) => limits[`maxComputeWorkgroupSize${axis}`])) &&
    workgroup[0] * workgroup[1] * workgroup[2] <= limits.maxComputeInvocationsPerWorkgroup &&
    isList(writes, MOST_ARGUMENTS) && writes.every((place) => isCount(place, MOST_ARGUMENTS)) &&
    (halves === undefined || // for adapters that have shader-f16
      (isObject(halves) && halves.halves === undefined && isShader(halves, limits) && halves.writes.join() === writes.join()))
  );
}

/** The tensors in a file of safetensors: names to views of the bytes. */
export function parseSafetensors(bytes) {
  const isRight = (value) => {
    if (!value) throw new Error(`weights.safetensors is damaged; ${RESTORE}`);
  };
  isRight(bytes.byteLength >= 8);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)), start = 8 + length;
  isRight(length <= MOST_HEADER && start <= bytes.byteLength);
  let header = null;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start)));
  } catch {
    // It is not an object, which is said below.
  }
  isRight(isTable(header));
  const tensors = new Map();
  for (const [name, facts] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    isRight(isObject(facts) && isList(facts.data_offsets, 2));
    const [begin, end] = facts.data_offsets;
    isRight(isCount(end, bytes.byteLength - start) && isCount(begin, end));
    tensors.set(name, bytes.subarray(start + begin, start + end));
  }
  return tensors;
}

/** Refuse a module that asks for more than a memory, or lacks what the plan's calls need of it. */
export function checkModule(module, calls, pointer) {
  const imports = WebAssembly.Module.imports(module);
  if (imports.some(({ module, name, kind }) => `${module}.${name} ${kind}` !== "env.memory memory")) {
    throw new Error("the kernels import more than a memory");
  }
  const kinds = new Map(WebAssembly.Module.exports(module).map(({ name, kind }) => [name, kind]));
  const missing = calls.find(({ kernel }) => kinds.get(kernel) !== "function");
  if (missing) throw new Error(`the kernel ${missing.kernel} is missing`);
  if (pointer && kinds.get(pointer) !== "global") throw new Error("the stack pointer is missing");
}
