// Hugging Face folders beside PyTorch: BERT and its kin with every head, and the decoders with every way of scaling rotations.

import {readFileSync, rmSync, writeFileSync} from "node:fs";
import path from "node:path";
import {compareDirections, compareLogits, errors} from "./compare.mjs";
import {GREEDY_TOKENS, PROMPT_TOKENS, someTokens} from "./gguf_parity.mjs";
import {makeFolder, python} from "./loquat.mjs";

const CLS = 2, SEP = 3;
const VOCABULARY = 768;
const TYPES = ["f32", "f16", "bf16"];

const llama3 = {rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64};
const yarn = {rope_type: "yarn", factor: 4, original_max_position_embeddings: 64};

const ENCODERS = [
  {name: "bert, cls", architecture: "bert", what: "pooled"},
  {name: "bert, mean", architecture: "bert", what: "pooled", set: {pooling: "mean"}},
  {name: "bert, two texts", architecture: "bert", what: "hidden", pair: true},
  {name: "bert, sequence classification", architecture: "bert", head: "sequence", what: "head"},
  {name: "bert, token classification", architecture: "bert", head: "token", what: "head"},
  {name: "bert, rerank", architecture: "bert", head: "rerank", what: "head", pair: true},
  {name: "roberta, mean", architecture: "roberta", what: "pooled", set: {pooling: "mean"}},
  {name: "roberta, sequence classification", architecture: "roberta", head: "sequence", what: "head"},
  {name: "roberta, token classification", architecture: "roberta", head: "token", what: "head"},
  {name: "xlm-roberta, cls", architecture: "xlm-roberta", what: "pooled"},
  {name: "xlm-roberta, rerank", architecture: "xlm-roberta", head: "rerank", what: "head"},
  {name: "distilbert, mean", architecture: "distilbert", what: "pooled", set: {pooling: "mean"}},
  {name: "distilbert, sequence classification", architecture: "distilbert", head: "sequence", what: "head"},
  {name: "distilbert, token classification", architecture: "distilbert", head: "token", what: "head"},
];
const DECODERS = [
  {name: "llama", architecture: "llama"},
  {name: "llama, rope scaling llama3", architecture: "llama", set: {rope_scaling: llama3}},
  {name: "llama, rope scaling linear", architecture: "llama", set: {rope_scaling: {rope_type: "linear", factor: 4}}},
  {name: "mistral", architecture: "mistral"},
  {name: "qwen2", architecture: "qwen2"},
  {name: "qwen2, rope scaling yarn", architecture: "qwen2", set: {rope_scaling: yarn}},
  {name: "qwen3", architecture: "qwen3"},
  {name: "chatglm: ChatGLM3", architecture: "chatglm"},
  // rope_ratio 500 and its own epsilon.
  {name: "chatglm: GLM-4", architecture: "chatglm", set: {base: 5e6, epsilon: 1.5625e-7, kv_heads: 1}},
];

export const FOLDER_TOLERANCE = 1e-5;         // Encoders: floats beside doubles.
export const FOLDER_TOLERANCE_OF_KEYS = 2e-3; // Decoders: a key that lies between two f16 numbers may be rounded either way.

function encoderJob(loquat, folder, row) {
  const model = makeFolder(folder, row);
  const second = row.pair ? [...someTokens(17, 700), SEP] : [];
  const tokens = [CLS, ...someTokens(38, VOCABULARY), SEP, ...second];
  const types = row.pair ? tokens.map((_, i) => Number(i >= 40)) : [];
  return {job: {folder: model, what: row.what, tokens, types, out: `${model}.out`}, ours: loquat.floats(row.what, model, tokens, types)};
}

function decoderJob(loquat, folder, row) {
  const model = makeFolder(folder, row);
  const prompt = someTokens(PROMPT_TOKENS, VOCABULARY);
  const generated = loquat.greedy(model, prompt, GREEDY_TOKENS);
  const tokens = [...prompt, ...generated.slice(0, -1)];
  return {job: {folder: model, what: "logits", tokens, types: [], out: `${model}.out`}, ours: loquat.floats("logits", model, tokens),
    generated};
}

function resultOf({row, job, ours, generated}) {
  const bytes = readFileSync(job.out);
  const reference = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  rmSync(job.out);
  rmSync(job.folder, {recursive: true});
  if (row.what === undefined) return {...row, ...compareLogits(ours, reference, PROMPT_TOKENS, generated)};
  return {...row, ...errors(ours, reference), ...(row.what === "pooled" ? {cosine: compareDirections(ours, reference).cosine} : {})};
}

// One Python for all: loading PyTorch takes seconds.
export function compareFolders(loquat, folder) {
  const jobs = [];
  for (const type of TYPES) {
    for (const row of ENCODERS) jobs.push({row: {...row, type}, ...encoderJob(loquat, folder, {...row, type})});
    for (const row of DECODERS) jobs.push({row: {...row, type}, ...decoderJob(loquat, folder, {...row, type})});
  }
  const list = path.join(folder, "jobs.json");
  writeFileSync(list, JSON.stringify(jobs.map(({job}) => job)));
  python("tests/parity/torch_forward.py", [list]);
  const results = jobs.map(resultOf);
  for (const result of results) console.log(JSON.stringify(result));
  return results;
}

export function faultsOfFolder({name, type, what, worst, agree}) {
  const faults = [];
  if (!(worst < (what === undefined ? FOLDER_TOLERANCE_OF_KEYS : FOLDER_TOLERANCE))) faults.push(`${name} ${type}: worst error ${worst}`);
  if (what === undefined && agree < GREEDY_TOKENS) faults.push(`${name} ${type}: ${agree} of ${GREEDY_TOKENS} tokens agree`);
  return faults;
}
