// Which of a bundle's targets runs: the faster one on this device.

import { shapeAt } from "./extent.mjs";
import { TYPES } from "./plan.mjs";
import { isNode, product } from "./shared.mjs";

// The bundle's targets that this place can run.
export async function usable(plan, device) {
  const names = Object.keys(plan.targets);
  if (names.length === 1 || device) return names;
  const adapter = await globalThis.navigator?.gpu?.requestAdapter?.().catch(() => null);
  return names.filter((name) => name !== "webgpu" || adapter);
}

// Each target is timed on this device; the faster one is kept, and remembered.
export async function faster(plan, names, open, key, notes) {
  const remembered = memory.get(key);
  if (names.includes(remembered)) {
    try {
      return await open(remembered);
    } catch {
      // The device has changed since: look again.
    }
  }
  const [{ inputs: tensors, when, open: opening }] = plan.variants;
  const zeros = Object.fromEntries(tensors.map(({ name, dtype, shape }) => [name, new TYPES[dtype](product(shapeAt(shape, opening?.most)))]));
  const inputs = { ...zeros, ...when };
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
  notes.push(...failures);
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
export const memory = {
  known: new Map(),
  get(key) {
    try {
      return this.known.get(key) ?? (isNode ? null : globalThis.localStorage?.getItem(key));
    } catch {
      return null; // a page may be denied it
    }
  },
  all() {
    try {
      const kept = Object.entries(isNode ? {} : { ...globalThis.localStorage });
      return [...kept.filter(([key]) => key.startsWith("jitweb:")), ...this.known];
    } catch {
      return [...this.known];
    }
  },
  set(key, value) {
    this.known.set(key, value);
    try {
      if (!isNode) globalThis.localStorage?.setItem(key, value);
    } catch {
      // Chosen again next time.
    }
  },
};
