// Judges many texts by one schema with ajv, in strict mode. Reads one JSON value from standard
// input, {"schema", "cases": [{"at", "text"}]}, where `at` is the pointer of a schema within the
// whole ("" is the whole); prints a list of verdicts, null where the text is good.
import { readFileSync } from "node:fs";
import { judges, parse } from "./ajv.mjs";

const { schema, cases } = JSON.parse(readFileSync(0, "utf8"));
const judge = judges(schema);
const known = new Map();
const verdict = ({ at, text }) => {
  if (!known.has(at)) known.set(at, judge(at));
  try {
    return known.get(at)(parse(text));
  } catch (error) {
    return String(error);
  }
};
console.log(JSON.stringify(cases.map(verdict)));
