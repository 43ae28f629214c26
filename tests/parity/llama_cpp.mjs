// llama.cpp's answers for a GGUF file, through node-llama-cpp's prebuilt binaries.

import {getLlama, LlamaLogLevel} from "node-llama-cpp";

// Logits arrive as a Map for each token: those of all tokens at once would fill memory where the vocabulary is large. Of fewer than
// 64 tokens, though, llama.cpp's attention sums values in f16.
const STEP_TOKENS = 64;

let llama;

async function load(modelPath) {
  llama ??= await getLlama({gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.error});
  return llama.loadModel({modelPath});
}

// The logits after each of the tokens: [token, vocabulary].
export async function logitsOf(modelPath, tokens) {
  const model = await load(modelPath);
  const context = await model.createContext({contextSize: Math.max(256, tokens.length), sequences: 1});
  const sequence = context.getSequence();
  const steps = Math.max(1, Math.floor(tokens.length / STEP_TOKENS));
  let all, t = 0;
  for (let step = 0; step < steps; step++) {
    const part = tokens.slice(tokens.length * step / steps, tokens.length * (step + 1) / steps);
    const asked = part.map((token) => [token, {generateNext: {logits: true}}]);
    for (const {next: {logits}} of await sequence.controlledEvaluate(asked)) {
      all ??= new Float32Array(tokens.length * logits.size);
      for (const [token, logit] of logits) all[t * logits.size + token] = logit;
      t++;
    }
  }
  await model.dispose();
  return all;
}

// The pooled embedding, of unit length.
export async function embeddingOf(modelPath, tokens) {
  const model = await load(modelPath);
  const context = await model.createEmbeddingContext();
  const embedding = await context.getEmbeddingFor(tokens);
  await model.dispose();
  return Float32Array.from(embedding.vector);
}

export function version() {
  return llama === undefined ? "" : llama.llamaCppRelease.release;
}
