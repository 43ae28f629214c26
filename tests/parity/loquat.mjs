// What Loquat computes, and the models it computes with: tools/make_model's, from a seed.

import {execFileSync} from "node:child_process";
import path from "node:path";
import {fileURLToPath} from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PYTHON = process.env.PYTHON ?? "/usr/bin/python3";
const SEED = 7;
const BYTES_MAX = 2 ** 30; // Of a program's output.

export function python(script, words) {
  return execFileSync(PYTHON, [path.join(ROOT, script), ...words], {maxBuffer: BYTES_MAX}).toString();
}

// A GGUF file, and one of the same weights in f32.
export function makeGguf(folder, {architecture, shape = "tiny", type}) {
  const file = path.join(folder, `${architecture}-${shape}-${type}.gguf`);
  python("tools/make_model", ["gguf", "--arch", architecture, "--shape", shape, "--type", type, "--seed", SEED, "--out", file]);
  return file;
}

export function widen(file) {
  const wide = `${file}.wide`;
  python("tests/parity/widen.py", [file, wide]);
  return wide;
}

export function makeFolder(folder, {architecture, type, head = "none", set = {}, name}) {
  const path_ = path.join(folder, name.replaceAll(/\W+/g, "-") + "-" + type);
  python("tools/make_model", ["huggingface", "--arch", architecture, "--type", type, "--head", head, "--set", JSON.stringify(set),
    "--seed", SEED, "--out", path_]);
  return path_;
}

export class Loquat {
  constructor(build) {
    this.program = path.resolve(ROOT, build, "tests/parity/model_outputs");
  }

  #run(words, lines) {
    return execFileSync(this.program, words, {input: lines.map((line) => line.join(" ") + "\n").join(""), maxBuffer: BYTES_MAX});
  }

  // what: logits, hidden, pooled, head.
  floats(what, model, tokens, types = []) {
    const bytes = this.#run([what, model], [tokens, types]);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }

  greedy(model, prompt, count) {
    return this.#run(["greedy", String(count), model], [prompt]).toString().trim().split("\n").map(Number);
  }
}

export function pythonVersionOf(module) {
  return execFileSync(PYTHON, ["-c", `import ${module}; print(${module}.__version__)`]).toString().trim();
}
