// What the parts of the runtime share.

export const DISPOSED = "the model was disposed of; load it again";
export const RESTORE = "copy the bundle again, or tune the model again";
export const isNode = typeof process !== "undefined" && !!process.versions?.node;
export const isWorker = typeof WorkerGlobalScope !== "undefined" && globalThis instanceof WorkerGlobalScope;
export const builtin = (name) => process.getBuiltinModule(`node:${name}`);
export const roundUp = (value, multiple) => Math.ceil(value / multiple) * multiple;
export const product = (shape) => shape.reduce((a, b) => a * b, 1);

// The names of the weights that calls read, and the bytes of one.
export const weightNames = (calls) => new Set(calls.flatMap(({ args }) => args.flatMap(({ weight }) => weight ?? [])));

export function bytesOf(weights, name) {
  const bytes = weights.get(name);
  if (!bytes) throw new Error(`the weight ${name} is missing from weights.safetensors; ${RESTORE}`);
  return bytes;
}
