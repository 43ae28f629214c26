// llama.cpp through node-llama-cpp, in a process of its own (peer_process.mjs).

import {getLlama, LlamaLogLevel} from "node-llama-cpp";
import {serve} from "./peer_process.mjs";

const SAMPLING = {temperature: 0, yieldEogToken: true};

let llama, model, threads, context, sequence;

function newContext(contextSize, batchSize, sequences) {
  return model.createContext({contextSize, batchSize, sequences, threads: {ideal: threads, min: threads}});
}

serve({
  async load(modelPath, wantedThreads, contextSize, batchSize) {
    threads = wantedThreads;
    llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: LlamaLogLevel.error});
    model = await llama.loadModel({modelPath});
    context = await newContext(contextSize, batchSize, 1);
    sequence = context.getSequence();
    return llama.llamaCppRelease.release;
  },

  // Logits after each token, one row after the other.
  async logits(tokens) {
    await sequence.clearHistory();
    const answers = await sequence.controlledEvaluate(tokens.map((token) => [token, {generateNext: {logits: true}}]));
    const vocabulary = answers[0].next.logits.size;
    const rows = new Float32Array(tokens.length * vocabulary);
    answers.forEach(({next}, row) => {
      for (const [token, logit] of next.logits) rows[row * vocabulary + token] = logit;
    });
    return rows;
  },

  // Tokens a second: of a prompt, and of those generated after it.
  async round(prompt, generated) {
    await sequence.clearHistory();
    let start = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(prompt);
    const prefill = prompt.length / (performance.now() - start) * 1000;
    if (generated === 0) return {prefill};
    let made = 0;
    start = performance.now();
    for await (const token of sequence.evaluate([prompt[0]], SAMPLING)) {
      if (++made === generated || token === undefined) break;
    }
    return {prefill, decode: made / (performance.now() - start) * 1000};
  },

  // Tokens a second of so many sequences together, each after a prompt of its own. All take their next step at once: left
  // to themselves, those that are sampled last miss the next batch and wait for a batch of their own.
  async parallelRound(count, prompt, generated, batchSize) {
    const shared = await newContext(prompt.length + generated + 16, batchSize, count);
    const sequences = Array.from({length: count}, () => shared.getSequence());
    await Promise.all(sequences.map((each) => each.evaluateWithoutGeneratingNewTokens(prompt)));
    const streams = sequences.map((each) => each.evaluate([prompt[0]], SAMPLING));
    const start = performance.now();
    for (let step = 0; step < generated; step++) await Promise.all(streams.map((stream) => stream.next()));
    const rate = count * generated / (performance.now() - start) * 1000;
    await Promise.all(streams.map((stream) => stream.return()));
    await shared.dispose();
    return rate;
  },
});
