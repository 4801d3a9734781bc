// What the page runs a model on, and how it shows what comes back.

import { lengthOf, shapeAt } from "./extent.mjs";
import { TYPES } from "./plan.mjs";
import { product } from "./shared.mjs";

/** Inputs that any model takes: ones for masks, small ids, and floats around zero. */
export const exampleInputs = ({ inputs }) => Object.fromEntries(inputs.map((input) => [input.name, example(input)]));

function example({ name, dtype, shape }) {
  const valueAt = (i) => (dtype.startsWith("float") ? Math.sin(i) : name.includes("mask") || dtype === "bool" ? 1 : i % 2);
  return filled(dtype, product(shape), valueAt);
}

function filled(dtype, count, valueAt) {
  const values = new TYPES[dtype](count);
  for (let i = 0; i < count; i++) values[i] = dtype === "int64" ? BigInt(valueAt(i)) : valueAt(i);
  return values;
}

/** The input that takes ids of tokens, of one sequence, if the model has one. */
export const ownIds = ({ inputs }) =>
  inputs.find(({ name, dtype, shape }) => /(^|_)input_ids$/.test(name) && /^int/.test(dtype) && product(shape) === shape.at(-1));

const idsIn = (text) => text.split(/[\s,;[\]]+/).filter(Boolean).map(Number);

/**
 * Inputs of a plan's variant with a user's ids, as many as they are if the length is open; else what is
 * beyond them is 0, and hidden by masks. An Error says what is wrong.
 */
export function inputsWithIds(variant, text) {
  const ids = idsIn(text);
  if (!ids.every(Number.isSafeInteger)) throw new Error("ids are whole numbers, with spaces or commas between them");
  const { name } = ownIds({ inputs: inputsAt(variant, variant.open?.most) });
  const inputs = inputsAt(variant, lengthOf(variant, { [name]: ids }));
  const { dtype, shape } = inputs.find((input) => input.name === name), most = shape.at(-1);
  if (ids.length > most) throw new Error(`${ids.length} ids; this bundle takes up to ${most}`);
  const masks = inputs.filter((input) => input.name.includes("mask") && product(input.shape) === most);
  const hide = (mask) => [mask.name, filled(mask.dtype, most, (i) => (i < ids.length ? 1 : 0))];
  const own = { [name]: filled(dtype, most, (i) => ids[i] ?? 0), ...Object.fromEntries(masks.map(hide)) };
  return { ...exampleInputs({ inputs }), ...own };
}

const inputsAt = ({ inputs }, length) => inputs.map((input) => ({ ...input, shape: shapeAt(input.shape, length) }));

const SHOWN = 8;

/** Outputs in lines: their first elements; of logits also the id that comes next. */
export function preview(results, own) {
  return Object.entries(results).map(([name, output]) => {
    const text = (value) => (output.dtype.startsWith("float") ? value.toPrecision(4) : `${value}`);
    const first = Array.from(output.subarray(0, SHOWN), text).join(", ");
    const next = name === "logits" ? `; the likeliest id after the last is ${likeliest(output, idsIn(own).length)}` : "";
    return `${name}: ${first}${output.length > SHOWN ? ", …" : ""}${next}`;
  });
}

function likeliest(logits, count) {
  const width = logits.dims.at(-1), rows = logits.length / width, row = Math.min(count || rows, rows) - 1;
  const last = logits.subarray(row * width, (row + 1) * width);
  return last.indexOf(last.reduce((a, b) => Math.max(a, b)));
}
