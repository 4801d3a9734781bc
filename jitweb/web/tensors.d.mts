/** The inputs and outputs of a bundle's model, and their dtypes: in a bundle by their names. */
import type { DType } from "./runtime.mjs";

export type Inputs = Readonly<Record<string, DType>>;
export type Outputs = Readonly<Record<string, DType>>;
