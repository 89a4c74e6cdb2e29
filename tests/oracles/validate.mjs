// Judges files by a schema with ajv, in strict mode. One line of JSON for each file:
// {"file", "accepted", "why"}.
//
//   node validate.mjs SCHEMA FILE…
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(`${process.env.SIXDOCKER_ORACLES}/`);
const Ajv = require("ajv/dist/2020").default;
const formats = require("ajv-formats").default;
const yaml = require("yaml");

const [schemaFile, ...files] = process.argv.slice(2);
const ajv = new Ajv({ strict: true, allErrors: true, allowUnionTypes: false });
formats(ajv);
// Words for editors, which ajv in strict mode wants to be told of.
for (const word of ["markdownDescription", "markdownEnumDescriptions", "enumDescriptions", "defaultSnippets"]) {
  ajv.addKeyword(word);
}
const judge = ajv.compile(JSON.parse(readFileSync(schemaFile, "utf8")));

for (const file of files) {
  let verdict;
  try {
    const value = yaml.parse(readFileSync(file, "utf8"), { version: "1.2", maxAliasCount: 100 });
    const accepted = judge(value);
    verdict = { file, accepted, why: accepted ? "" : ajv.errorsText(judge.errors) };
  } catch (error) {
    verdict = { file, accepted: false, why: String(error) };
  }
  console.log(JSON.stringify(verdict));
}
