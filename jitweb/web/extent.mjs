// Extents that depend on a length that is open: a number, or a list of factors [divisor, coefficients...],
// whose product is the extent, each ceil(polynomial(length) / divisor). extent.py is the same in Python.

const MOST_FACTORS = 8, MOST_TERMS = 3, MOST_COEFFICIENT = 2 ** 31 - 1;
const isWhole = (value, most, least) => Number.isSafeInteger(value) && value >= least && value <= most;
const polynomial = (terms, length) => terms.reduce((sum, each, power) => sum + each * length ** power, 0);

/** What an extent is at a length. */
export const valueAt = (extent, length) =>
  typeof extent === "number" ? extent : extent.reduce((product, [divisor, ...terms]) => product * Math.ceil(polynomial(terms, length) / divisor), 1);

export const shapeAt = (shape, length) => shape.map((extent) => valueAt(extent, length));

/** Whether it is an extent in these bounds at every length to `most`: it doesn't shrink. */
export function isExtent(extent, most, largest, least = 0) {
  if (most === undefined || !Array.isArray(extent)) return isWhole(extent, largest, least);
  const isFactor = (factor) => {
    if (!Array.isArray(factor) || factor.length < 2 || factor.length > MOST_TERMS + 1) return false;
    const [divisor, ...terms] = factor;
    return (
      isWhole(divisor, MOST_COEFFICIENT, 1) && terms.every((each) => isWhole(each, MOST_COEFFICIENT, -MOST_COEFFICIENT)) &&
      terms.slice(1).every((each) => each >= 0) && polynomial(terms, 1) >= 0 && Number.isSafeInteger(polynomial(terms, most))
    );
  };
  return (
    extent.length <= MOST_FACTORS && extent.every(isFactor) &&
    [1, most].every((length) => isWhole(valueAt(extent, length), largest, least))
  );
}

/** The length that these inputs of a variant have; the most if none says, 0 if none is open. */
export function lengthOf({ open, inputs }, given) {
  if (!open) return 0;
  const decides = inputs.find(({ name, shape }) => given[name]?.length !== undefined && shape.some(Array.isArray));
  if (!decides) return open.most; // an input is missing, which is said elsewhere
  const { name, shape } = decides, count = given[name].length;
  const size = (length) => shapeAt(shape, length).reduce((a, b) => a * b, 1);
  let least = 1, most = open.most;
  while (least < most) {
    const middle = (least + most) >> 1;
    if (size(middle) < count) least = middle + 1;
    else most = middle;
  }
  if (size(least) === count) return least;
  const sides = shape.map((extent) => (Array.isArray(extent) ? open.name : extent)).join(", ");
  throw new Error(`the input ${name} has ${count} elements, and must be [${sides}] with ${open.name} from 1 to ${open.most}`);
}
