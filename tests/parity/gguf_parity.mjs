// GGUF files beside llama.cpp: tiny models of every architecture and weight type, real shapes, and files of another writer.

import {execFileSync} from "node:child_process";
import {existsSync, rmSync} from "node:fs";
import path from "node:path";
import {choicesOf, compareDirections, compareLogits} from "./compare.mjs";
import {embeddingOf, logitsOf} from "./llama_cpp.mjs";
import {ROOT, makeGguf, widen} from "./loquat.mjs";

export const PROMPT_TOKENS = 32;
export const GREEDY_TOKENS = 200;
export const GREEDY_TOKENS_OF_REAL = 48; // Of real shapes.
export const TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"];
export const DECODERS = ["llama", "qwen2", "qwen3", "chatglm"];
const ORDINARY_FIRST = 5; // Lower ids are control tokens of the toy vocabularies.
const VOCABULARY_OF_TINY = 768;
const VOCABULARY_OF_REAL = 30000; // All have as many.
const CLS = 2, SEP = 3;   // Of BERT's; the other side adds them where they are missing.

// Worst errors as parts of the logits' root mean square. Widened: the same weights written out as f32 for the reference. Same file:
// llama.cpp rounds activations to the weights' precision before it multiplies (8 bits for the block types). Loquat's exact tiers do
// not; the tier that does is held to the tolerances of rounding against both.
export const TOLERANCE = 0.005;
export const TOLERANCE_OF_ROUNDING = {f32: TOLERANCE, f16: 0.02, bf16: 0.06};
export const TOLERANCE_OF_BLOCKS = 0.3;
export const DISAGREE_MAX = 2; // Tokens, with widened weights: keys rounded to f16 may part two that are as likely. F32: none.
export const COSINE_MIN = 0.9999;
export const TOLERANCE_OF_OWN_ROUNDING = 0.2; // Of the block types, beside the widened weights, where nothing else is rounded.
export const COSINE_MIN_OF_ROUNDING = 0.9997;
export const ROUNDED_TYPES = TYPES.filter((type) => type !== "f32" && type !== "f16");

// Of real shapes; weight types whose blocks do not divide a row fall back as tools/make_model says.
const REAL = [
  {architecture: "bert", shape: "bge-small", type: "f32"},
  {architecture: "bert", shape: "bge-small", type: "f16"},
  {architecture: "bert", shape: "bert-base", type: "f16"},
  {architecture: "bert", shape: "bert-base", type: "q8_0"},
  {architecture: "qwen2", shape: "qwen2.5-0.5b", type: "q8_0"},
  {architecture: "llama", shape: "llama-3.2-1b", type: "q8_0"},
  {architecture: "qwen2", shape: "qwen2.5-0.5b", type: "f32"},
  {architecture: "llama", shape: "llama-3.2-1b", type: "q4_k"},
  {architecture: "qwen3", shape: "qwen3-0.6b", type: "q8_0"},
  {architecture: "chatglm", shape: "chatglm3-cut", type: "q8_0"},
];

export function someTokens(count, vocabulary) {
  return Array.from({length: count}, (_, i) => ORDINARY_FIRST + (i * 37 + 11) % (vocabulary - ORDINARY_FIRST));
}

// A row: errors on the file itself and against the widened weights; for f32 that is one and the same. `compare` gives the errors of
// {exact, rounding} beside the reference on a file.
async function compareFile(file, row, compare) {
  const same = await compare(file);
  let widened = same;
  if (row.type !== "f32") {
    const wide = widen(file);
    widened = await compare(wide);
    rmSync(wide);
  }
  const rounded = same.rounding === undefined ? {} : {rounded: {same: same.rounding, widened: widened.rounding}};
  return {...row, same: same.exact, widened: widened.exact, ...rounded};
}

// What both tiers compute.
function outputsOf({exact, rounding}, ...what) {
  return {exact: exact.floats(...what), rounding: rounding?.floats(...what)};
}

const stepsOf = ({shape}) => (shape === undefined ? GREEDY_TOKENS : GREEDY_TOKENS_OF_REAL);

async function compareDecoder(loquat, file, row, vocabulary) {
  const prompt = someTokens(PROMPT_TOKENS, vocabulary);
  const generated = loquat.exact.greedy(file, prompt, stepsOf(row));
  const tokens = [...prompt, ...generated.slice(0, -1)];
  const ours = outputsOf(loquat, "logits", file, tokens);
  return compareFile(file, row, async (theirs) => {
    const reference = await logitsOf(theirs, tokens);
    const of = (logits) => logits && compareLogits(logits, reference, prompt.length, choicesOf(logits, prompt.length, generated.length));
    return {exact: compareLogits(ours.exact, reference, prompt.length, generated), rounding: of(ours.rounding)};
  });
}

async function compareEncoder(loquat, file, row, vocabulary) {
  const tokens = [CLS, ...someTokens(38, vocabulary), SEP];
  const ours = outputsOf(loquat, "pooled", file, tokens);
  return compareFile(file, row, async (theirs) => {
    const reference = await embeddingOf(theirs, tokens);
    return {exact: compareDirections(ours.exact, reference), rounding: ours.rounding && compareDirections(ours.rounding, reference)};
  });
}

async function compareModel(loquat, file, row, vocabulary) {
  const compare = row.architecture === "bert" ? compareEncoder : compareDecoder;
  const result = await compare(loquat, file, row, vocabulary);
  rmSync(file);
  console.log(JSON.stringify(result));
  return result;
}

export async function compareTiny(loquat, folder) {
  const results = [];
  for (const type of TYPES) {
    for (const architecture of [...DECODERS, "bert"]) {
      const row = {architecture, type};
      results.push(await compareModel(loquat, makeGguf(folder, row), row, VOCABULARY_OF_TINY));
    }
  }
  return results;
}

// `recorded` is called with the results so far, after each.
export async function compareReal(loquat, folder, recorded) {
  const results = [];
  for (const row of REAL) {
    results.push(await compareModel(loquat, makeGguf(folder, row), row, VOCABULARY_OF_REAL));
    recorded?.(results);
  }
  return results;
}

// A writer of GGUF that shares no code with tools/make_model, where there is one beside the tree.
export function otherWriter() {
  const script = path.join(process.env.LOQUAT_SHARED ?? path.join(ROOT, "../shared"), "tools/make_random_gguf.py");
  return existsSync(script) ? script : undefined;
}

export async function compareOtherWriter(loquat, folder, script) {
  const results = [];
  for (const architecture of ["llama", "qwen2", "chatglm", "bert"]) {
    for (const type of ["f32", "f16", "bf16", "q8_0", "q4_0"]) {
      const file = path.join(folder, `other-${architecture}-${type}.gguf`);
      execFileSync(process.env.PYTHON ?? "/usr/bin/python3", [script, "--arch", architecture, "--type", type, "--out", file]);
      results.push(await compareModel(loquat, file, {architecture, type}, 200));
    }
  }
  return results;
}

export function faultsOfGguf({architecture, shape, type, same, widened, rounded}) {
  const faults = [];
  const fault = (what) => faults.push(`${architecture} ${shape ?? "tiny"} ${type}: ${what}`);
  for (const [beside, of] of Object.entries(rounded ?? {})) {
    // Types that are not rounded differ from the exact tier by the order of sums alone, and are held to its tolerances.
    const isRounded = ROUNDED_TYPES.includes(type);
    const ofBlocks = beside === "widened" ? TOLERANCE_OF_OWN_ROUNDING : TOLERANCE_OF_BLOCKS;
    const ofExact = beside === "widened" ? TOLERANCE : TOLERANCE_OF_ROUNDING[type];
    const rounding = isRounded ? TOLERANCE_OF_ROUNDING[type] ?? ofBlocks : ofExact;
    const cosine = isRounded ? COSINE_MIN_OF_ROUNDING : COSINE_MIN;
    if (architecture !== "bert" && !(of.worst < rounding)) fault(`worst error ${of.worst} with rounded activations, ${beside}`);
    if (architecture === "bert" && !(of.cosine > cosine)) fault(`cosine ${of.cosine} with rounded activations, ${beside}`);
  }
  if (architecture === "bert") {
    if (!(widened.cosine > COSINE_MIN)) fault(`cosine ${widened.cosine} with widened weights`);
    return faults;
  }
  if (!(widened.worst < TOLERANCE)) fault(`worst error ${widened.worst} with widened weights`);
  if (!(same.worst < (TOLERANCE_OF_ROUNDING[type] ?? TOLERANCE_OF_BLOCKS))) fault(`worst error ${same.worst}`);
  const steps = stepsOf({shape});
  if (widened.agree < steps - (type === "f32" ? 0 : DISAGREE_MAX)) fault(`${widened.agree} of ${steps} tokens agree`);
  return faults;
}
