// Rhubarb's command line over its WebAssembly: rhubarb [-f json] [-r pocketSphinx] [-d DIALOG] [--quiet] INPUT.wav
import { readFileSync, writeSync } from "node:fs";
import { Rhubarb } from "rhubarb-lip-sync-wasm";

const WITH_VALUE = new Set(["-f", "-r", "-d", "--threads", "--exportFormat", "--recognizer", "--dialogFile"]);
const options = new Map();
let input = "";
for (let args = process.argv.slice(2); args.length > 0; ) {
  const name = args.shift();
  if (WITH_VALUE.has(name)) options.set(name, args.shift());
  else if (name === "--version") (writeSync(1, "rhubarb-lip-sync-wasm 0.1.8\n"), process.exit(0));
  else if (!name.startsWith("-")) input = name;
}
if (options.get("-r") === "phonetic") {
  writeSync(2, "Error: the recognizer phonetic is not in this build.\n");
  process.exit(1);
}

// It prints what it does: only the shapes are to go to stdout.
console.log = console.info = console.debug = console.warn = console.error = () => {};
process.stdout.write = () => true;
process.stderr.write = () => true;

const file = readFileSync(input);
const pcm = file.subarray(file.indexOf("data") + 8); // 16 kHz, 16 bit, mono: so it comes
const dialogText = options.has("-d") ? readFileSync(options.get("-d"), "utf8") : undefined;
const { mouthCues } = await Rhubarb.getLipSync(Buffer.from(pcm), { dialogText });
const metadata = { soundFile: input, duration: Math.round(pcm.length / 320) / 100 };
writeSync(1, JSON.stringify({ metadata, mouthCues }));
process.exit(0);
