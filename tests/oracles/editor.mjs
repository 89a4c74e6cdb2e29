// Drives yaml-language-server as an editor does, over LSP on its standard streams, and prints
// what a user would see as one JSON value.
//
//   node editor.mjs REQUESTS.json
//
// A request is {"name", "uri", "text", "ask": "diagnostics" | "complete" | "hover", "line",
// "character"}; the answer has one key for each name: lists of texts.
import { createRequire } from "node:module";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const require = createRequire(`${process.env.SIXDOCKER_ORACLES}/`);
const home = dirname(require.resolve("yaml-language-server/package.json"));
const server = spawn(process.execPath, [join(home, "bin/yaml-language-server"), "--stdio"], {
  stdio: ["pipe", "pipe", "inherit"],
});

const waiting = new Map();
const published = new Map();
const listeners = [];
let serial = 0;
let buffer = Buffer.alloc(0);

function write(message) {
  const body = JSON.stringify({ jsonrpc: "2.0", ...message });
  server.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function request(method, params) {
  const id = ++serial;
  write({ id, method, params });
  return new Promise((done) => waiting.set(id, done));
}

// What the server asks of the editor is answered with nothing, its settings among them.
function receive(message) {
  if (message.method === "textDocument/publishDiagnostics") {
    published.set(message.params.uri, message.params.diagnostics);
    listeners.splice(0).forEach((tell) => tell());
  } else if (message.method && message.id !== undefined) {
    const result = message.method === "workspace/configuration" ? message.params.items.map(settings) : null;
    write({ id: message.id, result });
  } else if (waiting.has(message.id)) {
    waiting.get(message.id)(message.result);
    waiting.delete(message.id);
  }
}

function settings({ section }) {
  const yaml = { hover: true, completion: true, validate: true, schemaStore: { enable: false } };
  return section === "yaml" ? yaml : {};
}

server.stdout.on("data", (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (;;) {
    const head = buffer.indexOf("\r\n\r\n");
    if (head < 0) return;
    const length = Number(/Content-Length: (\d+)/i.exec(buffer.subarray(0, head))[1]);
    if (buffer.length < head + 4 + length) return;
    const body = buffer.subarray(head + 4, head + 4 + length).toString();
    buffer = buffer.subarray(head + 4 + length);
    receive(JSON.parse(body));
  }
});

async function diagnostics(uri) {
  while (!published.has(uri)) await new Promise((tell) => listeners.push(tell));
  return published.get(uri).map((fault) => fault.message);
}

function text(hover) {
  if (!hover) return [];
  const contents = [hover.contents].flat();
  return contents.map((part) => (typeof part === "string" ? part : part.value));
}

async function answer({ uri, text: content, ask, line, character }) {
  const document = { uri, languageId: "yaml", version: 1, text: content };
  write({ method: "textDocument/didOpen", params: { textDocument: document } });
  const place = { textDocument: { uri }, position: { line, character } };
  if (ask === "diagnostics") return diagnostics(uri);
  if (ask === "hover") return text(await request("textDocument/hover", place));
  const listed = await request("textDocument/completion", place);
  return (listed.items ?? listed).map((item) => item.label);
}

await request("initialize", {
  processId: process.pid,
  rootUri: null,
  capabilities: {
    textDocument: {
      hover: { contentFormat: ["markdown"] },
      completion: { completionItem: { documentationFormat: ["markdown"] } },
      publishDiagnostics: {},
    },
    workspace: { configuration: true },
  },
});
write({ method: "initialized", params: {} });
const answers = {};
for (const one of JSON.parse(readFileSync(process.argv[2], "utf8"))) answers[one.name] = await answer(one);
console.log(JSON.stringify(answers));
server.kill();
process.exit(0);
