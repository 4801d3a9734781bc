/** The runtime of a jitweb bundle: loads its plan and weights, and runs the model. */

import type { Inputs, Outputs } from "./tensors.mjs";

export type Target = "wasm" | "webgpu";

export type DType = "float32" | "float64" | "int64" | "int32" | "int16" | "int8" | "uint8" | "bool";

/** What an input or output of the model is called, and what it holds. */
export interface Tensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

type Integers =
  | BigInt64Array | BigUint64Array
  | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array | Uint8ClampedArray;

/** A typed array for each dtype; of bool 0 and 1. */
export interface Arrays {
  float32: Float32Array;
  float64: Float64Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/**
 * A value for an input: its elements in row-major order. It is copied when `run` is called.
 *
 * float32 takes a Float32Array, a Float64Array or numbers; an integer dtype any integer array,
 * numbers or bigints; bool the same (0 is false) or booleans. A number beyond what the model's integers
 * may be is refused: int64 is computed as int32, unless the model asks for more and WebAssembly is the
 * bundle's only target.
 */
export type Input<D extends DType = DType> =
  D extends "float32" | "float64" ? Float32Array | Float64Array | readonly number[]
  : D extends "bool" ? boolean | Integers | readonly (number | bigint | boolean)[] // a boolean for one element
  : Integers | readonly (number | bigint)[];

/** An output in row-major order, the caller's to keep: a typed array that bears its dtype and shape. */
export type Output<D extends DType = DType> = D extends DType
  ? Arrays[D] & { readonly dtype: D; readonly dims: readonly number[] }
  : never;

/** The names of a model's inputs or outputs, and their dtypes. */
export type Signature = Readonly<Record<string, DType | undefined>>;

/**
 * What the model takes and returns where its boolean inputs are as `when` says: a merged decoder has a
 * variant with and one without its cache. Most models have one, without a condition.
 */
export interface Variant {
  readonly when: Readonly<Record<string, boolean>>;
  /**
   * The length that the bundle leaves open, by its name, and the most that it may be; null if none. A
   * run takes it from how many elements its inputs have; shapes are those at the most.
   */
  readonly open: { readonly name: string; readonly most: number } | null;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface LoadOptions {
  /**
   * What to run on. Left out, and if the bundle holds both, each is timed once on this device; the
   * faster one is kept, and remembered for this bundle (by a browser in localStorage).
   */
  target?: Target;
  /**
   * Threads for WebAssembly; if left out, as many as there are processors, at most 8. A page must be
   * cross-origin isolated (COOP and COEP headers) for more than one; where they can't be started there
   * is one, and `notes` says why.
   */
  threads?: number;
  /** true runs the model in a worker, so that a run holds up nothing in this thread. */
  worker?: boolean;
  /**
   * true keeps the files in the browser's Cache API: later visits fetch plan.json alone, or, offline,
   * nothing. `notes` says where nothing can be kept, as in Node.
   */
  cache?: boolean;
  /** Ends loading: `load` rejects with the signal's reason. */
  signal?: AbortSignal;
  /** false leaves out the comparison of each file with its SHA-256. */
  verify?: boolean;
  /** Called while files are read; sizes in bytes, `total` 0 where the server doesn't say. */
  onProgress?: (progress: { file: string; loaded: number; total: number }) => void;
  /**
   * A GPUDevice to use for WebGPU in place of one of the runtime's own, with the features and limits
   * that the bundle needs. It stays the caller's: `dispose` frees the model's buffers alone.
   */
  device?: object;
}

export interface RunOptions {
  /** Rejects the run with the signal's reason at once. One that has begun goes on unseen to its end. */
  signal?: AbortSignal;
}

/** One call of a kernel, and how long it took. */
export interface CallTime {
  /** The key of the task in plan.json; calls of the same kernel on other data share it. */
  readonly task: string;
  readonly kernel: string;
  /** The family of the kernel, such as "matmul". */
  readonly kind: string;
  /** The name of the task's function in TVM. */
  readonly name: string;
  /** What the kernel computes, such as "matmul 128×768×3072 + add + gelu". */
  readonly what: string;
  /** Milliseconds; null where the GPU has no clock to ask. */
  readonly ms: number | null;
}

/** Milliseconds; null where it has not happened yet. */
export interface Timings {
  /** From the call of `load` until the weights had come and were checked. */
  readonly fetch_ms: number;
  /** What compiling kernels and placing weights took after that; kernels compile meanwhile. */
  readonly compile_ms: number;
  /** The first run, which warms up what later ones find warm. */
  readonly first_run_ms: number | null;
}

/** Values for the inputs of a model. */
export type Given<I extends Signature> = { readonly [K in keyof I]: Input<NonNullable<I[K]>> };

export interface Model<I extends Signature = Inputs, O extends Signature = Outputs> {
  readonly name: string;
  /** Those of all variants; a tensor of several as the last of them has it. */
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly variants: readonly Variant[];
  readonly target: Target;
  /** What it runs on, in words. */
  readonly device: string;
  readonly threads: number;
  /** What is not as it was asked for, in words, such as fewer threads. */
  readonly notes: readonly string[];
  readonly timings: Timings;
  /**
   * Run the model. Runs that overlap take turns, in the order of the calls.
   *
   * Of several variants the inputs choose one; inputs that only others read may be left out.
   *
   * Rejects with an Error that says which input is wrong and what it must be; or that a kernel
   * failed, the GPU device was lost, or the model was disposed of.
   */
  run(inputs: Given<I>, options?: RunOptions): Promise<{ [K in keyof O]: Output<NonNullable<O[K]>> }>;
  /**
   * Run the model some times and time each call of a kernel, in their order. Takes a quarter to half
   * a second, or one run where that takes longer; a time is the median of means.
   */
  profile(inputs: Given<I>, options?: RunOptions): Promise<CallTime[]>;
  /** Give back memory, threads and GPU buffers; the model can't be used after it. */
  dispose(): void;
}

/**
 * Load a bundle.
 *
 * Inputs and outputs are typed as those of the bundle that this runtime is a part of; of another one
 * name its own: `load<Signature, Signature>(url)`.
 *
 * @param url the address of its folder, in Node also a path; if left out, that of the runtime's files.
 *   A query, as signed addresses have, goes with each file.
 * @throws Error if an option is unknown, a file is missing or was changed, or this device can't run the model
 */
export function load<I extends Signature = Inputs, O extends Signature = Outputs>(
  url?: string | URL, options?: LoadOptions,
): Promise<Model<I, O>>;
