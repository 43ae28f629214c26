// Server against server under the same OpenAI load: Loquat, and node-llama-cpp behind llama_cpp_server.mjs.

import {makeSpeaking} from "./models.mjs";
import {streamChat} from "./openai_load.mjs";
import {median, percentile} from "./report.mjs";
import {startLlamaCppServer, startLoquat, textOf} from "./server_process.mjs";

const MODELS = [{arch: "qwen2", shape: "qwen2.5-0.5b", type: "q4_0"}, {arch: "qwen2", shape: "qwen2.5-0.5b", type: "q8_0"}];
const ALONE_PROMPT = 501, ALONE_ANSWER = 16; // Tokens of the text; the template around it has a dozen.
const CLIENTS = 16, CLIENT_PROMPT = 117, CLIENT_ANSWER = 64;
const CONTEXT = 1024; // Room for a prompt and its answer.
const EQUAL_TEXTS = 4, EQUAL_TOKENS = 4; // Keys and values are rounded by each in its own way, so later ones may differ.

const user = (content) => [{role: "user", content}];

async function withServers({loquat, threads}, model, work) {
  const servers = [startLoquat(loquat, model, threads, CONTEXT), startLlamaCppServer(model, threads, CONTEXT)];
  try {
    return await work(await Promise.all(servers.map((server) => server.ready())), servers);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

// In floats both begin with the same greedy text, so the same prompt reaches both models and the load is the same work.
async function checkEqual(context) {
  const model = makeSpeaking("qwen2", "tiny", "f32");
  await withServers(context, model, async (urls) => {
    for (let i = 0; i < EQUAL_TEXTS; i++) {
      const messages = user(textOf(41, 100 + i));
      const [own, theirs] = await Promise.all(urls.map((url) => streamChat(url, messages, EQUAL_TOKENS)));
      if (own.text !== theirs.text) throw new Error(`the servers' texts differ:\n${own.text}\n${theirs.text}`);
      if (own.usage.prompt_tokens !== theirs.usage.prompt_tokens) throw new Error("the servers' prompts differ");
    }
  });
}

// All at once; a prompt of each that was never sent.
async function manyClients(url, texts) {
  const start = performance.now();
  const answers = await Promise.all(texts.map((text) => streamChat(url, user(text), CLIENT_ANSWER)));
  const seconds = (performance.now() - start) / 1000;
  return {
    rate: answers.reduce((sum, {usage}) => sum + usage.completion_tokens, 0) / seconds,
    first: median(answers.map(({first_ms}) => first_ms)),
    gap: percentile(answers.flatMap(({gaps_ms}) => gaps_ms), 99),
  };
}

export async function serverRows(context) {
  const {rounds, report} = context;
  await checkEqual(context);
  let seed = 1000;
  for (const {arch, shape, type} of MODELS) {
    const model = makeSpeaking(arch, shape, type);
    await withServers(context, model, async (urls, servers) => {
      const alone = [], many = [];
      for (let i = 0; i <= rounds; i++) {
        const text = textOf(ALONE_PROMPT, ++seed);
        const texts = Array.from({length: CLIENTS}, () => textOf(CLIENT_PROMPT, ++seed));
        const answers = [], loads = [];
        for (const url of urls) answers.push(await streamChat(url, user(text), ALONE_ANSWER));
        for (const url of urls) loads.push(await manyClients(url, texts));
        if (answers[0].usage.prompt_tokens !== answers[1].usage.prompt_tokens) throw new Error(`${shape} ${type}: the servers' prompts differ`);
        if (i === 0) continue; // Warm-up.
        alone.push(answers);
        many.push(loads);
      }
      const memory = servers.map((server) => server.peakMemory());
      const row = (work, unit, measured, of, lowerIsBetter) => {
        report.row({work: `server, ${shape} ${type}, ${work}`, unit, peer: "node-llama-cpp", rounds: measured.map((pair) => pair.map(of)), memory, lowerIsBetter});
      };
      row(`prompt of ${alone[0][0].usage.prompt_tokens}, first token`, "ms", alone, ({first_ms}) => first_ms, true);
      row(`${CLIENTS} clients, together`, "tokens/s", many, ({rate}) => rate, false);
      row(`${CLIENTS} clients, token to token, p99`, "ms", many, ({gap}) => gap, true);
      row(`${CLIENTS} clients, first token`, "ms", many, ({first}) => first, true);
    });
  }
}
