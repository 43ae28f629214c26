// An OpenAI-compatible server on node-llama-cpp, streaming chat alone: what one would write who serves a model with it, made
// for speed. Sequences of one context are computed together, whoever comes joins at the next step, and a sequence goes on
// from the prefix that it has in common with the new prompt.
//
//   node bench/peers/llama_cpp_server.mjs --model FILE [--threads 2] [--sequences 16] [--context 4096]

import http from "node:http";
import {parseArgs} from "node:util";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const BATCH = 512; // Tokens of one step.

const {values: options} = parseArgs({
  options: {
    model: {type: "string"}, threads: {type: "string", default: "2"}, sequences: {type: "string", default: "16"}, context: {type: "string", default: "4096"},
  },
});
const threads = Number(options.threads);
const llama = await getLlama({gpu: false, build: "never", skipDownload: true, maxThreads: threads, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: options.model});
const context = await model.createContext({
  contextSize: Number(options.context), batchSize: BATCH, sequences: Number(options.sequences), threads: {ideal: threads, min: threads},
});

// Sequences that nobody uses, and who waits for one.
const free = Array.from({length: Number(options.sequences)}, () => context.getSequence());
const waiting = [];

function commonPrefix(sequence, tokens) {
  let length = 0;
  while (length < tokens.length && sequence.contextTokens[length] === tokens[length]) length++;
  return length;
}

async function takeSequence(tokens) {
  while (free.length === 0) await new Promise((resolve) => waiting.push(resolve));
  const best = free.reduce((a, b) => commonPrefix(b, tokens) > commonPrefix(a, tokens) ? b : a);
  free.splice(free.indexOf(best), 1);
  return best;
}

function giveBack(sequence) {
  free.push(sequence);
  waiting.shift()?.();
}

// Streams that are computed together. Each step advances all of them at once: left to themselves those that are sampled
// last miss the next batch.
const active = new Set();
let running = false;

async function runSteps() {
  running = true;
  while (active.size > 0) {
    await Promise.all([...active].map(async (job) => {
      try {
        const {value: token, done} = await job.stream.next();
        if (done || job.onToken(token)) finish(job);
      } catch (error) {
        finish(job, error);
      }
    }));
  }
  running = false;
}

function finish(job, error) {
  active.delete(job);
  job.done(error);
}

function generate(sequence, tokens, temperature, onToken) {
  return new Promise((resolve, reject) => {
    const stream = sequence.evaluate(tokens, {temperature, yieldEogToken: true});
    active.add({stream, onToken, done: (error) => {
      void stream.return();
      if (error) reject(error);
      else resolve();
    }});
    if (!running) void runSteps();
  });
}

const render = (messages) => messages.map(({role, content}) => `<|im_start|>${role}\n${content}<|im_end|>\n`).join("") + "<|im_start|>assistant\n";

async function chat(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const {messages, max_tokens: most, temperature = 0.8, ignore_eos: goOn = false} = JSON.parse(Buffer.concat(chunks));
  const tokens = model.tokenize(render(messages), true);
  const sequence = await takeSequence(tokens);
  response.writeHead(200, {"content-type": "text/event-stream", "cache-control": "no-cache"});
  const send = (fields) => response.write(`data: ${JSON.stringify({object: "chat.completion.chunk", model: "m", ...fields})}\n\n`);
  let kept = 0, made = 0;
  try {
    kept = Math.min(commonPrefix(sequence, tokens), tokens.length - 1); // The last one is computed for what comes after it.
    await sequence.adaptStateToTokens(tokens.slice(0, kept), false);
    await generate(sequence, tokens.slice(kept), temperature, (token) => {
      if (!goOn && model.isEogToken(token)) return true;
      made++;
      const content = model.detokenize([token], false, [tokens.at(-1)]);
      send({choices: [{index: 0, delta: {content}, finish_reason: made === most ? "length" : null}]});
      return made === most || response.destroyed;
    });
  } finally {
    giveBack(sequence);
  }
  send({choices: [], usage: {prompt_tokens: tokens.length, completion_tokens: made, prompt_tokens_details: {cached_tokens: kept}}});
  response.end("data: [DONE]\n\n");
}

const server = http.createServer((request, response) => {
  if (request.url === "/readyz") return response.end("ok");
  if (request.url !== "/v1/chat/completions" || request.method !== "POST") return response.writeHead(404).end();
  chat(request, response).catch((error) => {
    console.error(error);
    response.destroy(error);
  });
});
server.listen(0, "127.0.0.1", () => console.log(`address  http://127.0.0.1:${server.address().port}`));
process.on("SIGTERM", () => process.exit(0));
