// Options of calls: no others than those that are known, and a signal that ends what they wait for.

/** Refuse an option that is misspelt, or of another version. */
export function checkOptions(options, known, what) {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${what} has no option ${unknown}; it has ${known.join(", ")}`);
  const { signal } = options;
  if (signal !== undefined && typeof signal?.throwIfAborted !== "function") throw new Error("signal must be an AbortSignal");
  signal?.throwIfAborted();
}

/** What the work returns; or, once the signal is aborted, its reason, and what comes later is discarded. */
export function untilAborted(signal, work, discard = () => {}) {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    work
      .then((value) => (signal.aborted ? discard(value) : resolve(value)), reject)
      .finally(() => signal.removeEventListener("abort", abort));
  });
}
