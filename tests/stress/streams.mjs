// Many clients at once over HTTP, none of them considerate: random arrivals, cancels, disconnects, deadlines, long
// prompts, bad requests. At the end every client was answered, refused with a reason, or had gone itself; nothing runs
// or waits, every page of keys and values is back, and memory stands where it stood.
//
//   node tests/stress/streams.mjs [--seconds 600] [--streams 64] [--seed 1]       LOQUAT_BINARY names the program.
//
// Exit 0: all of it held. Under a sanitizer allow for its speed with --slow 10: bounds in time are so many times longer.

import {pathToFileURL} from 'node:url';
import {GenerationStream, randomModel, randomTokens, readMetrics, untilIdle} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {startServer} from '../support/server.mjs';
import {pause} from '../support/wait.mjs';

const CONTEXT = 4096;
const MODELS = ['llama', 'qwen'];
const ENCODER_CONTEXT = 128;
const CLIENT_BOUND_MS = 60_000;
const REFUSED = [400, 404, 413, 429, 503, 504];

const config = () => ({
  // The pages do not suffice for all: sequences wait, are preempted and computed again.
  models: [
    {name: 'llama', path: randomModel('llama', {set: {context: CONTEXT}}), kv_bytes: '16MiB', sequences_max: 24, queue_max: 24},
    {name: 'qwen', path: randomModel('qwen2', {set: {context: CONTEXT}}), kv_bytes: '8MiB', sequences_max: 16, queue_max: 16},
    {name: 'bert', path: randomModel('bert'), queue_max: 8},
  ],
});

// A small generator with a state of its own, so that a run can be repeated from its seed.
class Random {
  constructor(seed) {
    this.state = (seed * 2654435761) >>> 0;
  }
  next() {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return this.state >>> 4;
  }
  below(n) {
    return this.next() % n;
  }
  chance(p) {
    return this.below(10_000) < p * 10_000;
  }
  of(list) {
    return list[this.below(list.length)];
  }
}

const SYSTEM = randomTokens(600, 7);

function promptOf(random) {
  if (random.chance(0.05)) return randomTokens(1000 + random.below(CONTEXT - 1200), random.next());
  const own = randomTokens(1 + random.below(120), random.next());
  return random.chance(0.6) ? [...SYSTEM.slice(0, 32 + random.below(500)), ...own] : own;
}

function goodBody(random) {
  const body = {model: random.of(MODELS), prompt: promptOf(random), max_tokens: 1 + random.below(random.chance(0.1) ? 600 : 80), ignore_eos: random.chance(0.5)};
  if (random.chance(0.5)) body.seed = random.below(1000);
  if (random.chance(0.3)) body.n = 1 + random.below(4);
  else if (random.chance(0.4)) body.session = `s${random.below(20)}`;
  if (random.chance(0.2)) body.top_p = 0.8;
  if (random.chance(0.2)) body.logprobs = random.below(5);
  if (random.chance(0.2)) body.stop = ['the', 'zz'];
  if (random.chance(0.2)) body.frequency_penalty = 0.5;
  return body;
}

// [body, status] of requests that make no sense.
const badBody = (random) => random.of([
  () => [{model: 'llama', prompt: randomTokens(CONTEXT + random.below(5000), 1)}, 400],
  () => [{model: 'llama', prompt: [999_999]}, 400],
  () => [{model: 'nobody', prompt: 'x'}, 404],
  () => [{model: 'llama', prompt: 'x', temperature: -1}, 400],
  () => [{model: 'llama', prompt: 'x', n: 100_000}, 400],
  () => [{model: 'llama', prompt: []}, 400],
  () => [{model: 'qwen', prompt: 'x', stop: Array.from({length: 10_000}, (_, i) => `s${i}`)}, 400],
  () => [{model: 'qwen', prompt: 'x', logit_bias: {5000: 1}}, 400],
  () => [{model: 'qwen', prompt: 'x', tools: [{}]}, 400],
])();

class Clients {
  constructor(server, {slow}) {
    this.server = server;
    this.slow = slow;
    this.counts = {};
    this.failures = [];
    this.tokens = 0;
  }
  count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
  fail(what, body) {
    this.failures.push(`${what}: ${JSON.stringify({...body, prompt: undefined})}`);
  }

  open(body, headers = {}) {
    return new GenerationStream(this.server, '/v1/completions', body, {headers});
  }
  // Waits for the end and says what it was.
  async judge(stream, body, {deadline = false} = {}) {
    try {
      await stream.end(CLIENT_BOUND_MS * this.slow);
    } catch (error) {
      stream.disconnect();
      return this.fail(error.message, body);
    }
    this.tokens += stream.tokens.length;
    if (stream.failure) return this.fail(`the connection broke: ${stream.failure}`, body);
    if (stream.status !== 200) {
      const reason = /"code":\s*"([^"]*)"/.exec(stream.refusal)?.[1];
      if (!REFUSED.includes(stream.status) || !reason) return this.fail(`status ${stream.status} ${stream.refusal}`, body);
      if (stream.status === 429 && !stream.headers['retry-after']) return this.fail('429 without Retry-After', body);
      return this.count(`refused ${stream.status} ${reason}`);
    }
    if (body.stream === false) return this.count('answered whole');
    if (stream.error) {
      if (deadline && stream.error.code === 'deadline_exceeded') return this.count('ended by its deadline');
      return this.fail(`error event ${JSON.stringify(stream.error)}`, body);
    }
    if (!stream.done) return this.fail('the stream ended without [DONE]', body);
    return this.count('answered by a stream');
  }

  async embed(random, headers) {
    const count = random.chance(0.1) ? 100 : 1 + random.below(8);
    const over = random.chance(0.1);
    const input = Array.from({length: count}, () => randomTokens(1 + random.below(ENCODER_CONTEXT), random.next()));
    if (over) input[random.below(count)] = randomTokens(ENCODER_CONTEXT + 1, 1);
    const answer = await request(this.server, 'POST', '/v1/embeddings', {body: {model: 'bert', input}, headers, ms: CLIENT_BOUND_MS * this.slow})
      .catch((error) => ({status: 0, text: error.message}));
    if (answer.status === 429) return this.count('refused 429 embeddings');
    if (answer.status !== (over ? 400 : 200)) return this.fail(`embeddings got ${answer.status} ${answer.text.slice(0, 300)}`, {});
    if (!over && answer.json.data.length !== count) return this.fail('embeddings are missing', {});
    return this.count(over ? 'refused 400 embeddings' : 'embedded');
  }

  async one(random) {
    const body = goodBody(random);
    const headers = random.chance(0.3) ? {'x-priority': 'batch'} : {};
    if (random.chance(0.2)) body.stream = false;
    const kind = random.below(100);
    if (kind < 10) return this.embed(random, headers);
    if (kind < 45) return this.judge(this.open(body, headers), body);
    if (kind < 60) {
      headers['x-request-timeout-ms'] = String(random.of([0, 5, 50, 300, 2000, 20_000]) * this.slow);
      return this.judge(this.open(body, headers), body, {deadline: true});
    }
    if (kind < 70) {
      const [bad, status] = badBody(random);
      const stream = this.open({...bad, stream: body.stream ?? true}, headers);
      await this.judge(stream, bad);
      if (stream.status !== status) this.fail(`a bad request got ${stream.status} instead of ${status}`, bad);
      return undefined;
    }
    // Goes away: before or while it is answered.
    const stream = this.open({...body, max_tokens: 2000}, headers);
    const events = random.chance(0.5) ? random.below(20) : Infinity;
    const until = Date.now() + random.below(random.chance(0.2) ? 2000 : 200) * this.slow;
    while (!stream.over && stream.events.length < events && Date.now() < until) await pause(2);
    stream.disconnect();
    return this.count('went away');
  }
}

// Memory as time goes by: [seconds, bytes].
async function watchMemory(server, state, samples) {
  const begin = Date.now();
  while (state.going) {
    samples.push([(Date.now() - begin) / 1000, server.memoryBytes()]);
    await pause(1000);
  }
}

const meanOf = (samples) => samples.reduce((sum, [, bytes]) => sum + bytes, 0) / Math.max(1, samples.length);

// Gives {counts, failures, tokens, ...}; failures is empty when all of it held.
export async function stress({seconds = 60, streams = 64, seed = 1, slow = 1, env = {}, report = () => {}} = {}) {
  const server = await startServer({config: config(), env});
  const clients = new Clients(server, {slow});
  const state = {going: true};
  const memory = [];
  const watching = watchMemory(server, state, memory);
  const end = Date.now() + seconds * 1000;
  const reporting = (async () => {
    while (state.going) {
      await pause(1000);
      if (state.going && memory.length % 30 === 0) report(`${memory.length} s: ${JSON.stringify(clients.counts)}, ${clients.failures.length} failures, ${(memory.at(-1)[1] / 1e6).toFixed(0)} MB`);
    }
  })();
  await Promise.all(Array.from({length: streams}, async (_, i) => {
    const random = new Random(seed * 1000 + i);
    while (Date.now() < end && !server.ended) {
      await clients.one(random);
      if (random.chance(0.3)) await pause(random.below(100));
    }
  }));
  state.going = false;
  await Promise.all([watching, reporting]);
  const {failures} = clients;
  const result = {counts: clients.counts, failures, tokens: clients.tokens, seconds};
  if (server.ended) {
    failures.push(`the server ended: ${server.output.slice(-4000)}`);
    return result;
  }
  try {
    const metrics = await untilIdle(server, [...MODELS, 'bert'], 20_000 * slow);
    const ready = await request(server, 'GET', '/readyz');
    if (ready.status !== 200) failures.push(`/readyz says ${ready.status} ${ready.text}`);
    const sum = (name) => metrics.samples.filter((sample) => sample.name === name).reduce((total, sample) => total + sample.value, 0);
    result.preemptions = sum('loquat_engine_preemptions_total');
    result.prefixHits = sum('loquat_engine_prefix_hit_tokens_total');
  } catch (error) {
    failures.push(`something is stuck: ${error.message}; ${(await readMetrics(server)).text.split('\n').filter((line) => line.startsWith('loquat_engine')).join('\n')}`);
  }
  // After it has warmed up: the second quarter against the last.
  const quarter = memory.length / 4;
  const early = meanOf(memory.slice(quarter, 2 * quarter));
  const late = meanOf(memory.slice(3 * quarter));
  Object.assign(result, {earlyMb: early / 1e6, lateMb: late / 1e6});
  if (late > early * 1.1 + 16e6) failures.push(`memory grew from ${(early / 1e6).toFixed(1)} to ${(late / 1e6).toFixed(1)} MB`);
  try {
    await server.stop();
  } catch (error) {
    failures.push(error.message.slice(-8000));
  }
  return result;
}

async function main() {
  const options = {};
  for (let i = 2; i + 1 < process.argv.length; i += 2) options[process.argv[i].replace(/^--/, '')] = Number(process.argv[i + 1]);
  // What a sanitizer is told goes to the server.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(ASAN|UBSAN|TSAN|LSAN)_OPTIONS$/.test(name)));
  const result = await stress({seconds: 600, ...options, env, report: console.log});
  console.log(JSON.stringify({...result, failures: result.failures.length}, null, 1));
  // The last one says how the server ended, if it did.
  for (const failure of [...result.failures.slice(0, 20), ...result.failures.slice(20).slice(-2)]) console.error(`FAILED ${failure}`);
  process.exitCode = result.failures.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main();
