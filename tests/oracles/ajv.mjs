// A validator in strict mode and a YAML parser, neither of them ours.
import { createRequire } from "node:module";

const require = createRequire(`${process.env.SIXDOCKER_ORACLES}/`);
const Ajv = require("ajv/dist/2020").default;
const formats = require("ajv-formats").default;
const yaml = require("yaml");

// Words for editors, which ajv in strict mode wants to be told of.
const WORDS = ["markdownDescription", "markdownEnumDescriptions", "enumDescriptions", "defaultSnippets", "patternErrorMessage"];

export const parse = (text) => yaml.parse(text, { version: "1.2", maxAliasCount: 100 });

// What makes judges by a schema and by those at pointers in it. A judge gives null, or what is
// wrong with a value.
export function judges(schema) {
  const ajv = new Ajv({ strict: true, allErrors: true, allowUnionTypes: false });
  formats(ajv);
  for (const word of WORDS) ajv.addKeyword(word);
  ajv.addSchema(schema);
  return (at) => {
    const valid = ajv.compile({ $ref: `${schema.$id}#${at}` });
    return (value) => (valid(value) ? null : ajv.errorsText(valid.errors));
  };
}
