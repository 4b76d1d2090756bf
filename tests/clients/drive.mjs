// Drives one client: reads a command a line from standard input, and writes one line of JSON for each.
// A command is {"id", "verb", "args"}; the answer is {"id", "value"}, or {"id", "error"} if the verb threw.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [name, gateway, storage] = process.argv.slice(2);

// Web storage as tabs of one origin see it: each process reads and writes the same file.
globalThis.window = globalThis;
globalThis.localStorage = {
  getItem: (key) => stored()[key] ?? null,
  setItem: (key, value) => save({ ...stored(), [key]: String(value) }),
  removeItem: (key) => {
    const { [key]: _, ...rest } = stored();
    save(rest);
  },
};
function stored() {
  return JSON.parse(readFileSync(storage, "utf8") || "{}");
}
function save(items) {
  // In one step, as in a browser: another tab never reads half of it.
  writeFileSync(`${storage}.${process.pid}`, JSON.stringify(items));
  renameSync(`${storage}.${process.pid}`, storage);
}
// Standard output belongs to the answers; what a library logs goes to standard error.
console.log = console.info = console.warn = (...words) => console.error(...words);

const { createClient } = await import(`./adapters/${name}.mjs`);
const client = await createClient(gateway);

async function answer({ id, verb, args }) {
  try {
    return { id, value: (await client[verb](args)) ?? null };
  } catch (error) {
    return { id, error: `${error?.name}: ${error?.message}` };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  void answer(JSON.parse(line)).then((reply) => process.stdout.write(`${JSON.stringify(reply)}\n`));
}
process.exit(0);
