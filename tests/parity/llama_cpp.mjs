// llama.cpp's answers for a GGUF file, through node-llama-cpp's prebuilt binaries.

import {getLlama, LlamaLogLevel} from "node-llama-cpp";

let llama;

async function load(modelPath) {
  llama ??= await getLlama({gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.error});
  return llama.loadModel({modelPath});
}

// [{token: logit}] after each of the tokens, as Float32Array by token id.
export async function logitsOf(modelPath, tokens) {
  const model = await load(modelPath);
  const context = await model.createContext({contextSize: Math.max(256, tokens.length), sequences: 1});
  const asked = tokens.map((token) => [token, {generateNext: {logits: true}}]);
  const answers = await context.getSequence().controlledEvaluate(asked);
  const rows = answers.map((answer) => {
    const row = new Float32Array(answer.next.logits.size);
    for (const [token, logit] of answer.next.logits) row[token] = logit;
    return row;
  });
  await model.dispose();
  return rows;
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
