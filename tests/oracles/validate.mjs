// Judges files by a schema. One line of JSON for each file: {"file", "accepted", "why"}.
//
//   node validate.mjs SCHEMA FILE…
import { readFileSync } from "node:fs";
import { judges, parse } from "./ajv.mjs";

const [schemaFile, ...files] = process.argv.slice(2);
const judged = judges(JSON.parse(readFileSync(schemaFile, "utf8")))("");

for (const file of files) {
  let why;
  try {
    why = judged(parse(readFileSync(file, "utf8")));
  } catch (error) {
    why = String(error);
  }
  console.log(JSON.stringify({ file, accepted: why === null, why: why ?? "" }));
}
