// ONNX Runtime through onnxruntime-node, in a process of its own (peer_process.mjs).

import ort from "onnxruntime-node";
import {serve} from "./peer_process.mjs";

const ROUND_MS = 200; // A batch of short texts is over too soon to be timed alone.

let session;

function inputOf(texts) {
  const longest = Math.max(...texts.map((text) => text.length));
  const ids = new BigInt64Array(texts.length * longest);
  const mask = new BigInt64Array(ids.length);
  texts.forEach((text, row) => text.forEach((token, i) => {
    ids[row * longest + i] = BigInt(token);
    mask[row * longest + i] = 1n;
  }));
  const shape = [texts.length, longest];
  const input = {input_ids: new ort.Tensor("int64", ids, shape)};
  if (session.inputNames.includes("attention_mask")) input.attention_mask = new ort.Tensor("int64", mask, shape);
  return input;
}

serve({
  async load(onnx, threads) {
    session = await ort.InferenceSession.create(onnx, {intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: "all"});
  },

  // Of the first text of a batch, pooled, not normalised.
  async embedding(texts, pooling) {
    const {last_hidden_state: hidden} = await session.run(inputOf(texts));
    const width = hidden.dims[2];
    const pooled = new Float32Array(width);
    for (let t = 0; t < (pooling === "cls" ? 1 : texts[0].length); t++) {
      for (let i = 0; i < width; i++) pooled[i] += hidden.data[t * width + i];
    }
    return pooled;
  },

  // Texts a second, so many in a batch, padded to the longest of each.
  async round(texts, batch) {
    const batches = [];
    for (let at = 0; at < texts.length; at += batch) batches.push(inputOf(texts.slice(at, at + batch)));
    const start = performance.now();
    let done = 0;
    do {
      for (const each of batches) await session.run(each);
      done += texts.length;
    } while (performance.now() - start < ROUND_MS);
    return done / (performance.now() - start) * 1000;
  },
});
