// Holds what Loquat computes against llama.cpp on random tiny models of every architecture and weight type, and writes
// docs/parity.md:  node tests/parity/parity.mjs [build folder]  (after tools/npm_setup tests/parity)
//
// The models come from tools/make_model with a fixed seed. Both read the same file and the same tokens: a prompt and then
// the tokens that Loquat's greedy decoding chose. Where llama.cpp's likeliest next token is the same at every step, its own
// greedy decoding would have given the same tokens.

import {execFileSync} from "node:child_process";
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {cpus, tmpdir} from "node:os";
import path from "node:path";
import {fileURLToPath} from "node:url";
import {embeddingOf, logitsOf, version} from "./llama_cpp.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OUTPUTS = path.join(ROOT, process.argv[2] ?? "build/release", "tests/parity/model_outputs");
const PROMPT_TOKENS = 32;
const GREEDY_TOKENS = 200;
const VOCABULARY = 768; // Of the tiny shapes; the toy vocabulary's own tokens come first.
const CLS = 2, SEP = 3; // Of the toy vocabulary; the other side adds them where they are missing.
const TYPES = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"];
const DECODERS = ["llama", "qwen2", "qwen3", "chatglm"];

// Worst errors as parts of the logits' spread: llama.cpp on the same weights widened to f32, and on the file itself, where it
// rounds activations to the weights' precision before it multiplies (8 bits for the block types) and Loquat does not.
const TOLERANCE = 0.005;
const TOLERANCE_OF_ROUNDING = {f32: TOLERANCE, f16: 0.02, bf16: 0.06};
const TOLERANCE_OF_BLOCKS = 0.3;
const AGREE_MIN = 198; // Of the widened weights: keys rounded to f16 may part two tokens that are as likely.
const COSINE_MIN = 0.9999;

const ADDON = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies["node-llama-cpp"];

const folder = mkdtempSync(path.join(tmpdir(), "loquat-parity-"));

const python = process.env.PYTHON ?? "/usr/bin/python3";

// The model's file, and one of the same weights in f32.
function makeModel(architecture, type) {
  const file = path.join(folder, `${architecture}-${type}.gguf`);
  const made = ["gguf", "--arch", architecture, "--shape", "tiny", "--type", type, "--seed", "7", "--out", file];
  execFileSync(python, [path.join(ROOT, "tools/make_model"), ...made]);
  execFileSync(python, [path.join(ROOT, "tests/parity/widen.py"), file, `${file}.wide`]);
  return [file, `${file}.wide`];
}

function outputs(words, tokens) {
  return execFileSync(OUTPUTS, words, {input: tokens.join(" "), maxBuffer: 1 << 28});
}

function floats(bytes) {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function argmax(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

// Greatest and mean difference, as parts of the spread of b.
function errors(a, b) {
  let worst = 0, sum = 0, squares = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    worst = Math.max(worst, difference);
    sum += difference;
    squares += b[i] * b[i];
  }
  const spread = Math.sqrt(squares / a.length);
  return {worst: worst / spread, mean: sum / a.length / spread};
}

function compareLogits(ours, theirs, generated) {
  const width = theirs[0].length;
  const all = new Float32Array(ours.length);
  theirs.forEach((row, t) => all.set(row, t * width));
  const agree = generated.filter((token, i) => argmax(theirs[PROMPT_TOKENS - 1 + i]) === token).length;
  return {...errors(ours, all), agree};
}

async function compareDecoder(architecture, type) {
  const [file, wide] = makeModel(architecture, type);
  const prompt = Array.from({length: PROMPT_TOKENS}, (_, i) => (i * 37 + 11) % VOCABULARY);
  const generated = outputs(["greedy", String(GREEDY_TOKENS), file], prompt).toString().trim().split("\n").map(Number);
  const tokens = [...prompt, ...generated.slice(0, -1)];
  const ours = floats(outputs(["logits", file], tokens));
  return {
    architecture, type,
    same: compareLogits(ours, await logitsOf(file, tokens), generated),
    widened: compareLogits(ours, await logitsOf(wide, tokens), generated),
  };
}

function compareEmbeddings(ours, theirs) {
  const unit = (v) => v.map((x) => x / Math.hypot(...v));
  const [a, b] = [unit(ours), unit(theirs)];
  return {...errors(a, b), cosine: a.reduce((sum, v, i) => sum + v * b[i], 0)};
}

async function compareEncoder(type) {
  const [file, wide] = makeModel("bert", type);
  const tokens = [CLS, ...Array.from({length: 38}, (_, i) => (i * 37 + 11) % VOCABULARY), SEP];
  const ours = floats(outputs(["embed", file], tokens));
  return {
    architecture: "bert", type,
    same: compareEmbeddings(ours, await embeddingOf(file, tokens)),
    widened: compareEmbeddings(ours, await embeddingOf(wide, tokens)),
  };
}

// In units of a part in ten thousand.
const parts = (x) => String(Number((1e4 * x).toPrecision(2)));

function page(decoders, encoders) {
  const cells = ({same, widened}, last) => [widened, same].flatMap((r) => [parts(r.worst), parts(r.mean), last(r)]).join(" | ");
  const lines = decoders.map((r) => `| ${r.architecture} | ${r.type} | ${cells(r, ({agree}) => agree)} |`);
  const rows = encoders.map((r) => `| ${r.type} | ${cells(r, ({cosine}) => cosine.toFixed(7))} |`);
  return `# Parity with llama.cpp

Made by \`tests/parity/parity.mjs\` on ${cpus()[0].model.trim()}: llama.cpp ${version()} through node-llama-cpp ${ADDON}, on GGUF files of
random weights (\`tools/make_model\`, shape \`tiny\`, seed 7) and the same tokens. Errors are differences of logits, in
ten-thousandths of their root mean square, over all tokens of a prompt of ${PROMPT_TOKENS} and ${GREEDY_TOKENS} that greedy decoding chose.

- *Widened*: Loquat reads the file; llama.cpp reads the same weights written out as f32. Both compute with floats and keep keys and
  values in f16, so that decoding, architecture and arithmetic are compared.
- *Same file*: llama.cpp rounds activations to the precision of the weights before it multiplies (8 bits for the block types,
  16 for f16 and bf16). Loquat does not; the difference is that rounding.

\`ctest\` holds every architecture and type against a reference in doubles of its own besides
(\`src/model/arch/decoder_test.cc\`, \`encoder_test.cc\`).

## Decoders

*Agree*: steps of ${GREEDY_TOKENS} at which llama.cpp's likeliest token is the one that Loquat chose.

| architecture | weights | widened: worst | mean | agree | same file: worst | mean | agree |
|---|---|---|---|---|---|---|---|
${lines.join("\n")}

## Encoder

Pooled embeddings of unit length. llama.cpp takes GELU by its tanh formula, Loquat by erf, as BERT was trained.

| weights | widened: worst | mean | cosine | same file: worst | mean | cosine |
|---|---|---|---|---|---|---|
${rows.join("\n")}
`;
}

function faultsOf({architecture, type, same, widened}) {
  const faults = [];
  const fault = (what) => faults.push(`${architecture} ${type}: ${what}`);
  if (architecture === "bert") {
    if (!(widened.cosine > COSINE_MIN)) fault(`cosine ${widened.cosine}`);
    return faults;
  }
  if (!(widened.worst < TOLERANCE)) fault(`worst error ${widened.worst} with widened weights`);
  if (!(same.worst < (TOLERANCE_OF_ROUNDING[type] ?? TOLERANCE_OF_BLOCKS))) fault(`worst error ${same.worst}`);
  if (widened.agree < (type === "f32" ? GREEDY_TOKENS : AGREE_MIN)) fault(`${widened.agree} of ${GREEDY_TOKENS} tokens agree`);
  return faults;
}

const decoders = [], encoders = [];
for (const type of TYPES) {
  for (const architecture of DECODERS) decoders.push(await compareDecoder(architecture, type));
  encoders.push(await compareEncoder(type));
  for (const result of [...decoders.slice(-DECODERS.length), encoders.at(-1)]) console.log(JSON.stringify(result));
}
writeFileSync(path.join(ROOT, "docs/parity.md"), page(decoders, encoders));
rmSync(folder, {recursive: true});
const faults = [...decoders, ...encoders].flatMap(faultsOf);
for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
