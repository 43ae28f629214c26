// The model files, made from a seed and kept in build/peers, and how much work is in them: bytes that a token moves,
// operations that a prompt or a text takes.

import {execFileSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync, renameSync, rmSync} from "node:fs";
import path from "node:path";
import {fileURLToPath} from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
export const ROOT = path.join(HERE, "../..");
export const MODELS = path.join(ROOT, "build/peers");
const PYTHON = process.env.PYTHON ?? "/usr/bin/python3";
const SEED = "7";
const VOCABULARIES = {qwen2: {tokens: 151936, pre: "qwen2"}, llama: {tokens: 128256, pre: "llama-bpe"}};

export function run(file, args, input) {
  return execFileSync(file, args, {input, maxBuffer: 1 << 30, cwd: ROOT});
}

// What is half made when somebody stops it is made again.
function madeOnce(name, make) {
  mkdirSync(MODELS, {recursive: true});
  const out = path.join(MODELS, name);
  if (existsSync(out)) return out;
  const half = path.join(MODELS, `half-${name}`);
  rmSync(half, {recursive: true, force: true});
  make(half);
  renameSync(half, out);
  return out;
}

export function makeGguf(arch, shape, type) {
  return madeOnce(`${shape}-${type}.gguf`, (out) => {
    run(PYTHON, ["tools/make_model", "gguf", "--arch", arch, "--shape", shape, "--type", type, "--seed", SEED, "--out", out]);
  });
}

// As above, with a vocabulary whose every token is text, as what servers answer with has to be.
export function makeSpeaking(arch, shape, type) {
  const {tokens, pre} = VOCABULARIES[arch];
  const vocabulary = madeOnce(`words-${arch}.gguf`, (out) => {
    run(PYTHON, [path.join(HERE, "word_vocabulary.py"), out, "--tokens", String(tokens), "--pre", pre]);
  });
  return madeOnce(`${shape}-${type}-words.gguf`, (out) => {
    run(PYTHON, ["tools/make_model", "gguf", "--arch", arch, "--shape", shape, "--type", type, "--seed", SEED, "--out", out,
      "--vocabulary", vocabulary, "--set", JSON.stringify({vocabulary: tokens})]);
  });
}

// An encoder as ONNX; masked: with an attention mask, for padded batches; fused: attention as one operation.
export function makeOnnx(shape, {int8, masked, fused}) {
  const folder = madeOnce(`${shape}-f32`, (out) => {
    run(PYTHON, ["tools/make_model", "huggingface", "--arch", "bert", "--shape", shape, "--type", "f32", "--seed", SEED, "--out", out]);
  });
  const chosen = Object.entries({int8, mask: masked, fused}).filter(([, wanted]) => wanted).map(([name]) => name);
  return madeOnce(`${[shape, ...chosen].join("-")}.onnx`, (out) => {
    run(PYTHON, [path.join(HERE, "onnx_of_bert.py"), folder, out, ...chosen.map((name) => `--${name}`)]);
  });
}

export function encoderVocabulary(shape) {
  return JSON.parse(readFileSync(path.join(MODELS, `${shape}-f32`, "config.json"))).vocab_size;
}

// Ids spread over the vocabulary, the same every time.
export function tokensOf(count, vocabulary, seed = 1) {
  let state = seed;
  return Array.from({length: count}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % vocabulary;
  });
}

const KV_BYTES = 2; // Of a number in the keys and values of both sides, F16.

// What the work on a model costs at least, whoever does it.
export class Work {
  constructor(loquat, model) {
    const {config, tensors} = JSON.parse(run(loquat, ["model", "inspect", model, "--json"]));
    this.config = config;
    const matrices = tensors.filter(({shape}) => shape.length === 2);
    const of = (list, f) => list.reduce((sum, tensor) => sum + f(tensor), 0);
    const weights = ({shape}) => shape[0] * shape[1];
    const tied = !tensors.some(({name}) => name === "output.weight");
    const isHead = ({name}) => name === (tied ? "token_embd.weight" : "output.weight");
    const layers = matrices.filter(({name}) => name.startsWith("blk."));
    this.layerWeights = of(layers, weights);
    this.headWeights = of(matrices.filter(isHead), weights);
    this.stepBytes = of([...layers, ...matrices.filter(isHead)], ({bytes}) => bytes);
  }

  keyBytes(tokens) {
    const {layers, kv_heads: heads, head_width: width} = this.config;
    return 2 * layers * heads * width * KV_BYTES * tokens;
  }

  // Of each token, where so many sequences share a reading of the weights, each of them `context` tokens long.
  bytesPerToken(context, sequences = 1) {
    return this.stepBytes / sequences + this.keyBytes(context);
  }

  // Of a prompt: every token through the layers and its attention to those before it, the last one through the head.
  promptOperations(tokens) {
    const {layers, heads, head_width: width} = this.config;
    return 2 * tokens * this.layerWeights + 2 * this.headWeights + 2 * layers * heads * width * tokens * (tokens + 1);
  }

  // Of a text through an encoder: all tokens attend to all.
  textOperations(tokens) {
    const {layers, width} = this.config;
    return 2 * tokens * this.layerWeights + 4 * layers * width * tokens * tokens;
  }
}

// What a type's numbers are multiplied in at the processor's best.
export function arithmeticOf(type) {
  return {f32: "f32", bf16: "bf16"}[type] ?? "int8";
}
