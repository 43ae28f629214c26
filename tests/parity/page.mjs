// docs/parity.md: a section for each comparison. A run replaces the sections that it measured and leaves the others as they are.

import {existsSync, readFileSync, writeFileSync} from "node:fs";
import {cpus} from "node:os";
import {FOLDER_TOLERANCE, FOLDER_TOLERANCE_OF_KEYS} from "./folder_parity.mjs";
import {COSINE_MIN, COSINE_MIN_OF_ROUNDING, DISAGREE_MAX, GREEDY_TOKENS, GREEDY_TOKENS_OF_REAL, PROMPT_TOKENS, TOLERANCE, TOLERANCE_OF_BLOCKS,
  TOLERANCE_OF_OWN_ROUNDING, TOLERANCE_OF_ROUNDING} from "./gguf_parity.mjs";

const SECTIONS = ["tiny", "rounded", "real", "other", "folders"];

// In units of a part in ten thousand.
const parts = (x) => String(Number((1e4 * x).toPrecision(2)));

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const pair = (r, last) => [parts(r.worst), parts(r.mean), last(r)];

function decoderTable(results) {
  const shaped = results.some((r) => r.shape !== undefined);
  const first = (r) => [r.architecture, ...(shaped ? [r.shape] : []), r.type];
  const agree = (r) => r.agree;
  return table(["architecture", ...(shaped ? ["shape"] : []), "weights", "widened: worst", "mean", "agree", "same file: worst", "mean",
    "agree"], results.map((r) => [...first(r), ...pair(r.widened, agree), ...pair(r.same, agree)]));
}

function encoderTable(results) {
  const cosine = (r) => r.cosine.toFixed(7);
  return table(["bert", "weights", "widened: worst", "mean", "cosine", "same file: worst", "mean", "cosine"],
    results.map((r) => [r.shape ?? "tiny", r.type, ...pair(r.widened, cosine), ...pair(r.same, cosine)]));
}

function ggufTables(results) {
  const encodes = (r) => r.architecture === "bert";
  return `${decoderTable(results.filter((r) => !encodes(r)))}\n\n${encoderTable(results.filter(encodes))}`;
}

// Of the tier that rounds, with what llama.cpp's own rounding does to the same file (the exact tier beside it).
function roundedTables(results) {
  const decoders = results.filter((r) => r.architecture !== "bert"), encoders = results.filter((r) => r.architecture === "bert");
  const cells = (r, last) => [...pair(r.rounded.widened, last), ...pair(r.rounded.same, last), ...pair(r.same, last).slice(0, 2)];
  const head = (last) => ["widened: worst", "mean", last, "same file: worst", "mean", last, "llama.cpp's rounding: worst", "mean"];
  return `${table(["architecture", "weights", ...head("agree")], decoders.map((r) => [r.architecture, r.type, ...cells(r, ({agree}) => agree)]))}

${table(["bert", "weights", ...head("cosine")], encoders.map((r) => ["tiny", r.type, ...cells(r, ({cosine}) => cosine.toFixed(7))]))}`;
}

function folderTables(results) {
  const decodes = (r) => r.what === undefined;
  return `${table(["folder", "weights", "worst", "mean", "agree"],
    results.filter(decodes).map((r) => [r.name, r.type, ...pair(r, ({agree}) => agree)]))}

${table(["folder", "weights", "worst", "mean"],
    results.filter((r) => !decodes(r)).map((r) => [r.name, r.type, parts(r.worst), parts(r.mean)]))}`;
}

const TEXTS = {
  tiny: (results) => `## Every architecture and weight type, beside llama.cpp

GGUF files of shape \`tiny\`.

${ggufTables(results)}`,
  rounded: (results, {exact, rounding}) => `## The same files with rounded activations

The tier \`${rounding}\`, which is the default where the machine has it, rounds activations as llama.cpp does, in blocks of 32 for all block
types. *Widened* is therefore what its rounding does to the result; *same file* has both sides round, each in its own way. *Agree*: at how
many of the steps both sides find the same token likeliest. Worst error below ${parts(TOLERANCE_OF_OWN_ROUNDING)} widened, ${parts(TOLERANCE_OF_BLOCKS)} on the same file (bf16: ${parts(TOLERANCE_OF_ROUNDING.bf16)} for both), cosine above ${COSINE_MIN_OF_ROUNDING}. The last
two columns are llama.cpp's rounding, measured from \`${exact}\`. f32 and f16 files were held to the tolerance of \`${exact}\`.

${roundedTables(results)}`,
  real: (results) => `## Real shapes, beside llama.cpp

Random weights in the shapes of released models, vocabulary and all; \`chatglm3-cut\` has 4 of ChatGLM3's 28 layers. After the prompt,
${GREEDY_TOKENS_OF_REAL} tokens are generated.

${ggufTables(results)}`,
  other: (results) => `## Files of another writer, beside llama.cpp

GGUF files of a script that shares no code with \`tools/make_model\`, shape \`tiny\` of its own.

${ggufTables(results)}`,
  folders: (results) => `## Hugging Face folders, beside PyTorch

The reference is \`tests/parity/torch_forward.py\`: PyTorch's layers in doubles, on the same safetensors. Encoders: pooled embeddings
(cls, mean), the hidden states of two texts with their token types, or the logits of the head. The worst error of encoders is to be
below ${parts(FOLDER_TOLERANCE)}; that of decoders below ${parts(FOLDER_TOLERANCE_OF_KEYS)}, with all ${GREEDY_TOKENS} tokens alike: keys and values are kept in f16 on both
sides, and one that lies between two such numbers may be rounded either way.

${folderTables(results)}`,
};

const intro = (versions, {exact}) => `# Parity

Made by \`tests/parity/parity.mjs\` on ${cpus()[0].model.trim()}, beside ${versions}.
Loquat ran with the kernels of \`LOQUAT_FORCE_ISA=${exact}\`, which leave activations as they are, but for the section that says otherwise.
Models have random weights (\`tools/make_model\`, seed 7) and both sides are given the same token ids: a prompt of ${PROMPT_TOKENS} and
the ${GREEDY_TOKENS} that Loquat's greedy decoding chose after it. Errors are differences of logits (of encoders: embeddings, hidden states,
logits of heads), in ten-thousandths of their root mean square: the worst of all, and the mean. *Agree*: at how many of ${GREEDY_TOKENS} steps
the reference's likeliest token is the one that Loquat chose.

Beside llama.cpp each file is compared twice:

- *Widened*: llama.cpp reads the same weights written out as f32, so that decoding, architecture and arithmetic are compared. Worst
  error below ${parts(TOLERANCE)}, all tokens but ${DISAGREE_MAX} alike (f32: all); embeddings: a cosine above ${COSINE_MIN}, as llama.cpp takes GELU by its
  tanh formula, Loquat by erf, as BERT was trained.
- *Same file*: llama.cpp rounds activations to the precision of the weights before it multiplies (8 bits for the block types, 16 for
  f16 and bf16). Loquat's exact tiers do not; the difference is that rounding. Worst error below ${parts(TOLERANCE_OF_BLOCKS)} (f16 ${parts(TOLERANCE_OF_ROUNDING.f16)}, bf16 ${parts(TOLERANCE_OF_ROUNDING.bf16)}).

\`ctest\` holds every architecture, weight type and instruction set against a reference in doubles of its own besides
(\`src/model/arch/decoder_test.cc\`, \`encoder_test.cc\`).
`;

const mark = (name) => `<!-- ${name} -->`;

function recorded(text, name) {
  const from = text.indexOf(mark(name)), to = text.indexOf(mark(`end of ${name}`));
  return from < 0 || to < 0 ? `## ${name}\n\nNot measured yet.` : text.slice(from + mark(name).length, to).trim();
}

// results: {tiny: [...], ...}, without those that this run left out.
export function writePage(file, results, versions, tiers) {
  const old = existsSync(file) ? readFileSync(file, "utf8") : "";
  const body = SECTIONS.map((name) => {
    const text = results[name] === undefined ? recorded(old, name) : TEXTS[name](results[name], tiers);
    return `${mark(name)}\n${text}\n${mark(`end of ${name}`)}\n`;
  });
  writeFileSync(file, [intro(versions, tiers), ...body].join("\n"));
}
