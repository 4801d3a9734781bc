/** The runtime of a jitweb bundle. */

/** What the inputs and outputs of a model are called, and what they hold. */
export interface Tensor {
  name: string;
  /** "float32", "int32", "int64" or "bool". */
  dtype: string;
  shape: number[];
}

/** A value for an input. int64 also takes numbers; a bool is 0 or 1. */
export type Input = Float32Array | Int32Array | BigInt64Array | Uint8Array | ArrayLike<number> | ArrayLike<bigint>;

/** An output: Float32Array for float32, BigInt64Array for int64, Uint8Array for bool, … */
export type Output = Float32Array | Int32Array | BigInt64Array | Uint8Array;

export interface LoadOptions {
  /** "wasm" or "webgpu". Without it the faster one on this device is found, and remembered. */
  target?: "wasm" | "webgpu";
  /** Threads for WebAssembly, 1 if left out. A page needs the COOP and COEP headers for more. */
  threads?: number;
  /** false leaves out the comparison of each file with its checksum. */
  verify?: boolean;
  /** Called while files are fetched; sizes in bytes. */
  onProgress?: (progress: { file: string; loaded: number; total: number }) => void;
}

/** One call of a kernel, and how long it took. */
export interface CallTime {
  task: string;
  kernel: string;
  kind: string;
  name: string;
  /** Milliseconds; null where the GPU has no clock to ask. */
  ms: number | null;
}

export interface Model {
  readonly name: string;
  readonly inputs: Tensor[];
  readonly outputs: Tensor[];
  readonly target: "wasm" | "webgpu";
  /** What it runs on, in words. */
  readonly device: string;
  readonly threads: number;
  /** What is not as it was asked for, in words, such as fewer threads. */
  readonly notes: string[];
  /** Milliseconds; null where it has not happened yet. */
  readonly timings: { fetch_ms: number | null; compile_ms: number | null; first_run_ms: number | null };
  /** Run the model. Rejects with an Error that says which input is wrong, and how. */
  run(inputs: Record<string, Input>): Promise<Record<string, Output>>;
  /** Run the model and time each call. */
  profile(inputs: Record<string, Input>): Promise<CallTime[]>;
  /** Give back memory, threads and GPU buffers; the model can't be used after it. */
  dispose(): void;
}

/**
 * Load a bundle.
 *
 * @param url the address of its folder; in Node also a path
 * @throws Error if a file is missing or was changed, or the device can't run the model
 */
export function load(url: string | URL, options?: LoadOptions): Promise<Model>;
