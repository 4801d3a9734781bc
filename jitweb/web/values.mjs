// What a user passes to a model, and what comes back: checked, and converted to what kernels read.

import { TYPES } from "./plan.mjs";
import { product } from "./shared.mjs";

const describe = ({ dtype, shape }) => `${dtype} [${shape.join(", ")}], ${product(shape)} elements`;
const FLOATS = /^Float\d+Array$/, INTEGERS = /^(Big)?(Int|Uint)\d+(Clamped)?Array$/;

// A copy of a user's values as the kernels read them.
export function toStored(input, values) {
  const { name, dtype, stored, shape } = input;
  if (values === undefined || values === null) throw new Error(`the input ${name} is missing: ${describe(input)}`);
  if (dtype === "bool" && typeof values === "boolean") values = [values];
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
  const [least, greatest] = input.range ?? [-Infinity, Infinity];
  for (let i = 0; i < result.length; i++) {
    const value = values[i], type = typeof value;
    const number = dtype === "bool" ? Number(Boolean(value)) : stored === "int64" ? wide(value) : Number(value);
    const fits = type === "number" || (type === "bigint" && !isFloat) || (type === "boolean" && dtype === "bool");
    if (fits && (isFloat || number === number)) result[i] = number;
    if (!fits || (!isFloat && result[i] !== number)) {
      throw new Error(`the input ${name} holds ${value}, which is not a ${isFloat ? "number" : `${bits}-bit integer`}`);
    }
    if (number < least || number > greatest) {
      throw new Error(`the input ${name} holds ${value}; it must be from ${least} to ${greatest}, as the model's tables and 32-bit integers ask`);
    }
  }
  return result;
}

// A whole number as a BigInt, anything else as NaN.
const wide = (value) => (typeof value === "bigint" ? value : Number.isInteger(value) ? BigInt(value) : NaN);

/** An output in its own dtype, which it bears with its `dims`. */
export function fromStored({ dtype, shape }, stored) {
  const Type = TYPES[dtype];
  const values = stored instanceof Type ? stored : dtype === "int64" ? Type.from(stored, BigInt) : Type.from(stored);
  return described(values, dtype, shape);
}

export const described = (values, dtype, dims) =>
  Object.defineProperties(values, { dtype: { value: dtype }, dims: { value: Object.freeze([...dims]) } });
