// What Loquat computes, and the models it computes with: tools/make_model's, from a seed.

import {execFileSync} from "node:child_process";
import {readFileSync} from "node:fs";
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

// The best tiers of kernels that this machine has: of those that leave activations as they are, and of those that round them.
export function tiers() {
  const flags = new Set(readFileSync("/proc/cpuinfo", "utf8").match(/^flags\s*:(.*)$/m)?.[1].trim().split(" "));
  const has = (...names) => names.every((name) => flags.has(name));
  const wide = has("avx512f", "avx512bw", "avx512dq", "avx512vl");
  return {
    exact: wide ? "avx512" : "scalar",
    rounding: wide && has("avx512_vnni", "avx512_bf16") ? (has("amx_int8", "amx_bf16") ? "amx" : "avx512_vnni") : undefined,
  };
}

export class Loquat {
  constructor(build, tier) {
    this.program = path.resolve(ROOT, build, "tests/parity/model_outputs");
    this.tier = tier;
  }

  #run(words, lines) {
    const input = lines.map((line) => line.join(" ") + "\n").join("");
    return execFileSync(this.program, words, {input, maxBuffer: BYTES_MAX, env: {...process.env, LOQUAT_FORCE_ISA: this.tier}});
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
