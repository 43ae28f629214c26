// Loquat beside llama.cpp (node-llama-cpp) and ONNX Runtime (onnxruntime-node): the same files, threads and machine, in
// turn, round by round. Equal results are checked first. Writes a Markdown table to standard output and every round to
// build/peers/results.json.
//
//   bench/peers/run [--build build/release] [--rounds 5] [--threads 2] [--only NAME]

import {execFileSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync, writeFileSync} from "node:fs";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";
import ort from "onnxruntime-node";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = path.join(HERE, "../..");

const MODELS = path.join(ROOT, "build/peers");
const PYTHON = process.env.PYTHON ?? "/usr/bin/python3";
const {values: options} = parseArgs({
  options: {build: {type: "string", default: "build/release"}, rounds: {type: "string", default: "5"}, threads: {type: "string", default: "2"}, only: {type: "string"}},
});
const BUILD = path.join(ROOT, options.build);
const ROUNDS = Number(options.rounds);
const THREADS = Number(options.threads);

const PROMPT = 512, GENERATED = 64;
const PARALLEL = [16, 64], PARALLEL_PROMPT = 32, PARALLEL_GENERATED = 32; // Sequences that generate side by side.
const DECODERS = [
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "q4_0"},
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "q8_0"},
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "bf16"},
  {arch: "llama", shape: "llama-3.2-1b", type: "q8_0"},
];
const ENCODERS = ["bert-base", "minilm", "tinybert"];
const ENCODER_CASES = [{tokens: 16, texts: 1}, {tokens: 32, texts: 1}, {tokens: 128, texts: 1}, {tokens: 32, texts: 32}];
// Of one encoder: what Loquat computes with, and the peer's graphs that it is beside.
const ENCODER_FORMS = [
  {name: "f32", type: "f32", beside: ["f32"]},
  {name: "bf16", type: "bf16", beside: ["f32"]},
  {name: "int8", type: "f32", int8: true, beside: ["f32", "int8"]},
];

// As tests/parity finds it: both sides round activations to 8 bits before block types, each in its own way.
const LOGIT_ERROR_MAX = 0.3; // Of the logits' spread.
const COSINE_MIN = {f32: 0.99999, bf16: 0.9999, int8: 0.999}; // Beside the peer in F32.

function run(file, args, input) {
  return execFileSync(file, args, {input, maxBuffer: 1 << 30, cwd: ROOT});
}

function make(format, arch, shape, type) {
  const out = path.join(MODELS, `${shape}-${type}${format === "gguf" ? ".gguf" : ""}`);
  if (!existsSync(out)) {
    run(PYTHON, ["tools/make_model", format, "--arch", arch, "--shape", shape, "--type", type, "--seed", "7", "--out", out]);
  }
  return out;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function tokensOf(count, vocabulary) {
  let state = 1;
  return Array.from({length: count}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % vocabulary;
  });
}

function floats(bytes) {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function loquat(model, prompt, generated, sequences, more = []) {
  const args = ["bench", "model", model, "--json", "--rounds", "1", "--threads", String(THREADS), "--prompt", String(prompt), ...more];
  return JSON.parse(run(path.join(BUILD, "loquat"), [...args, "--generate", String(generated), "--sequences", String(sequences)]));
}

class LlamaCpp {
  static async load(modelPath) {
    const peer = new LlamaCpp();
    peer.llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: THREADS, logLevel: LlamaLogLevel.error});
    peer.model = await peer.llama.loadModel({modelPath});
    peer.context = await peer.model.createContext({
      contextSize: PROMPT + GENERATED + 64, batchSize: PROMPT, sequences: 1, threads: {ideal: THREADS, min: THREADS},
    });
    peer.sequence = peer.context.getSequence();
    return peer;
  }

  async logits(tokens) {
    await this.sequence.clearHistory();
    const answers = await this.sequence.controlledEvaluate(tokens.map((token) => [token, {generateNext: {logits: true}}]));
    return answers.map(({next}) => {
      const row = new Float32Array(next.logits.size);
      for (const [token, logit] of next.logits) row[token] = logit;
      return row;
    });
  }

  async round(prompt) {
    await this.sequence.clearHistory();
    let start = performance.now();
    await this.sequence.evaluateWithoutGeneratingNewTokens(prompt);
    const prefill = prompt.length / (performance.now() - start) * 1000;
    let made = 0;
    start = performance.now();
    for await (const token of this.sequence.evaluate([prompt[0]], {temperature: 0, yieldEogToken: true})) {
      if (++made === GENERATED || token === undefined) break;
    }
    return {prefill, decode: made / (performance.now() - start) * 1000};
  }

  // Tokens a second of so many sequences together, each after a prompt of its own.
  async parallelRound(count, prompt) {
    const context = await this.model.createContext({
      contextSize: PARALLEL_PROMPT + PARALLEL_GENERATED + 16, batchSize: PROMPT, sequences: count, threads: {ideal: THREADS, min: THREADS},
    });
    const sequences = Array.from({length: count}, () => context.getSequence());
    for (const sequence of sequences) await sequence.evaluateWithoutGeneratingNewTokens(prompt);
    const start = performance.now();
    await Promise.all(sequences.map(async (sequence) => {
      let made = 0;
      for await (const token of sequence.evaluate([prompt[0]], {temperature: 0, yieldEogToken: true})) {
        if (++made === PARALLEL_GENERATED || token === undefined) break;
      }
    }));
    const rate = count * PARALLEL_GENERATED / (performance.now() - start) * 1000;
    await context.dispose();
    return rate;
  }

  version() {
    return this.llama.llamaCppRelease.release;
  }

  async close() {
    await this.model.dispose();
  }
}

async function checkLogits(model, peer) {
  const tokens = tokensOf(16, 30000);
  const ours = floats(run(path.join(BUILD, "tests/parity/model_outputs"), ["logits", model], tokens.join(" ")));
  const theirs = await peer.logits(tokens);
  let worst = 0;
  theirs.forEach((row, t) => {
    const own = ours.subarray(t * row.length, (t + 1) * row.length);
    const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
    const spread = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length);
    row.forEach((value, i) => { worst = Math.max(worst, Math.abs(value - own[i]) / spread); });
  });
  if (!(worst <= LOGIT_ERROR_MAX)) throw new Error(`${model}: logits differ by ${worst} of their spread`);
  return worst;
}

async function decoder({arch, shape, type}, results) {
  const model = make("gguf", arch, shape, type);
  const peer = await LlamaCpp.load(model);
  const error = await checkLogits(model, peer);
  const prompt = tokensOf(PROMPT, 30000);
  await peer.round(prompt); // Warm, as Loquat's own first round is.
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) {
    const own = loquat(model, PROMPT, GENERATED, 1);
    const theirs = await peer.round(prompt);
    rounds.push({
      loquat: {prefill: own.prefill_tokens_per_second.median, decode: own.decode_tokens_per_second.median}, peer: theirs,
    });
  }
  const parallel = PARALLEL.map((count) => ({count, rounds: []}));
  for (const {count, rounds: pairs} of type === "bf16" ? [] : parallel) {
    for (let i = 0; i < Math.min(ROUNDS, 3); i++) {
      const own = loquat(model, PARALLEL_PROMPT, PARALLEL_GENERATED, count).decode_tokens_per_second.median;
      pairs.push([own, await peer.parallelRound(count, prompt.slice(0, PARALLEL_PROMPT))]);
    }
  }
  results.llama_cpp = peer.version();
  await peer.close();
  for (const what of ["prefill", "decode"]) {
    const name = `${shape} ${type}, ${what === "prefill" ? `prompt of ${PROMPT}` : `${GENERATED} tokens after it`}`;
    report(results, name, "tokens/s", "llama.cpp", rounds.map((r) => [r.loquat[what], r.peer[what]]), error);
  }
  for (const {count, rounds: pairs} of parallel) {
    if (pairs.length > 0) report(results, `${shape} ${type}, ${count} sequences at once`, "tokens/s", "llama.cpp", pairs, error);
  }
}

const cosineOf = (a, b) => {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

async function peerEmbedding(session, shape, tokens) {
  const {last_hidden_state: hidden} = await session.run({input_ids: new ort.Tensor("int64", BigInt64Array.from(tokens.map(BigInt)), [1, tokens.length])});
  const width = hidden.dims[2];
  const pooled = new Float32Array(width);
  for (let t = 0; t < (shape === "bert-base" ? 1 : tokens.length); t++) {
    for (let i = 0; i < width; i++) pooled[i] += hidden.data[t * width + i];
  }
  return pooled;
}

// Texts a second of a graph, for 200 ms.
async function peerRound(session, tokens, texts) {
  const input = {input_ids: new ort.Tensor("int64", BigInt64Array.from(Array(texts).fill(tokens).flat().map(BigInt)), [texts, tokens.length])};
  const start = performance.now();
  let done = 0;
  do {
    await session.run(input);
    done += texts;
  } while (performance.now() - start < 200);
  return done / (performance.now() - start) * 1000;
}

async function encoder(shape, results) {
  const folder = make("huggingface", "bert", shape, "f32");
  const {vocab_size: vocabulary} = JSON.parse(readFileSync(path.join(folder, "config.json")));
  const sessions = {};
  const embeddings = {};
  for (const form of ["f32", "int8"]) {
    const onnx = path.join(MODELS, `${shape}${form === "int8" ? "-int8" : ""}.onnx`);
    if (!existsSync(onnx)) run(PYTHON, [path.join(HERE, "onnx_of_bert.py"), folder, onnx, ...(form === "int8" ? ["--int8"] : [])]);
    sessions[form] = await ort.InferenceSession.create(onnx, {intraOpNumThreads: THREADS, interOpNumThreads: 1, graphOptimizationLevel: "all"});
    embeddings[form] = await peerEmbedding(sessions[form], shape, tokensOf(16, vocabulary));
  }
  const forms = ENCODER_FORMS.map((form) => {
    const gguf = make("gguf", "bert", shape, form.type);
    const own = floats(run(path.join(BUILD, "tests/parity/model_outputs"), [form.int8 ? "pooled-int8" : "pooled", gguf], tokensOf(16, vocabulary).join(" ")));
    const cosine = cosineOf(own, embeddings.f32);
    if (!(cosine >= COSINE_MIN[form.name])) throw new Error(`${gguf} in ${form.name}: the embeddings' cosine is ${cosine}`);
    return {...form, gguf, error: 1 - cosine};
  });
  console.log(`| ${shape}: ONNX Runtime int8 beside its f32 | | | | ${(1 - cosineOf(embeddings.int8, embeddings.f32)).toExponential(1)} |`);
  for (const {tokens, texts} of ENCODER_CASES) {
    const rounds = [];
    for (let i = 0; i <= ROUNDS; i++) {
      const round = {};
      for (const {name, gguf, int8} of forms) round[name] = loquat(gguf, tokens, 0, texts, int8 ? ["--int8"] : []).texts_per_second.median;
      for (const [form, session] of Object.entries(sessions)) round[`peer ${form}`] = await peerRound(session, tokensOf(tokens, vocabulary), texts);
      if (i > 0) rounds.push(round); // The first one is warm-up.
    }
    for (const {name, beside, error} of forms) {
      for (const peer of beside) {
        report(results, `${shape} ${name}, ${texts} × ${tokens} tokens`, "texts/s", `ONNX Runtime ${peer}`, rounds.map((round) => [round[name], round[`peer ${peer}`]]), error);
      }
    }
  }
  for (const session of Object.values(sessions)) await session.release();
}

function report(results, work, unit, peer, pairs, error) {
  const ratio = median(pairs.map(([own, theirs]) => own / theirs));
  const [own, theirs] = [0, 1].map((side) => median(pairs.map((pair) => pair[side])));
  results.rows.push({work, unit, peer, loquat: own, theirs, ratio, error, rounds: pairs});
  const digits = (value) => value.toFixed(value < 100 ? 1 : 0);
  console.log(`| ${work} | ${digits(own)} ${unit} | ${peer} ${digits(theirs)} | ${ratio.toFixed(2)} | ${error.toExponential(1)} |`);
}

mkdirSync(MODELS, {recursive: true});
const results = {threads: THREADS, rounds: ROUNDS, onnxruntime: "1.30.0", rows: []};
const wanted = (name) => options.only === undefined || name.includes(options.only);
console.log("| work | Loquat | peer | ratio | worst logit error (of the spread), or 1 - cosine |\n|---|---|---|---|---|");
for (const one of DECODERS) if (wanted(`${one.shape}-${one.type}`)) await decoder(one, results);
for (const shape of ENCODERS) if (wanted(shape)) await encoder(shape, results);
writeFileSync(path.join(MODELS, "results.json"), JSON.stringify(results, null, 1));
console.log(`\n${THREADS} threads, medians of ${ROUNDS} interleaved rounds; llama.cpp ${results.llama_cpp ?? "-"}, ONNX Runtime ${results.onnxruntime}`);
