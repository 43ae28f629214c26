// Named after the threads in which users of other servers said what broke: what happens here instead, over HTTP.

import assert from 'node:assert/strict';
import {readFileSync, readdirSync} from 'node:fs';
import {test} from 'node:test';
import {GenerationStream, complete, randomModel, randomTokens, readMetrics, untilIdle} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {sharedServer, startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const CONTEXT = 8192;
const model = () => randomModel('llama', {set: {context: CONTEXT}});
const shared = sharedServer({config: {models: [
  {name: 'wide', path: model(), kv_bytes: '64MiB', sequences_max: 16, queue_max: 64},
  {name: 'encoder', path: randomModel('bert')},
  {name: 'fresh', path: model(), kv_bytes: '16MiB', threads: 2, niceness: 3},
  {name: 'narrow', path: model(), kv_bytes: '64MiB', sequences_max: 1, queue_max: 2},
]}});

const stream = (server, name, prompt, more = {}, options = {}) =>
  new GenerationStream(server, '/v1/completions', {model: name, prompt, max_tokens: 20, ignore_eos: true, ...more}, options);

test('llama.cpp #6607: streams go on while a long prompt is computed', async () => {
  const server = await shared.ready();
  const streams = [1, 2, 3].map((seed) => stream(server, 'wide', randomTokens(20, seed), {max_tokens: 8000}));
  for (const each of streams) await each.atLeast(5);
  const before = streams.map((each) => each.tokens.length);
  const long = stream(server, 'wide', randomTokens(7000, 9), {max_tokens: 1});
  await long.atLeast(1);
  // A step computes 512 tokens at most: the prompt takes fourteen steps, and each of them gives each stream a token.
  streams.forEach((each, i) => assert.ok(each.tokens.length - before[i] >= 10, `stream ${i} got ${each.tokens.length - before[i]} tokens meanwhile`));
  for (const each of streams) each.disconnect();
  await untilIdle(server, ['wide']);
});

test('llama.cpp #6607: a short prompt does not wait for a long one that came before', async () => {
  const server = await shared.ready();
  const long = stream(server, 'wide', randomTokens(8000, 10), {max_tokens: 1});
  await until('the long prompt runs', async () => (await readMetrics(server))('loquat_engine_running_sequences', {model: 'wide'}) > 0, {every: 1});
  const short = await stream(server, 'wide', randomTokens(10, 11), {max_tokens: 2}).end();
  assert.equal(short.tokens.length, 2);
  assert.equal(long.tokens.length, 0, 'the long one is still being computed');
  await long.end();
  assert.equal(long.tokens.length, 1);
});

for (const streaming of [true, false]) {
  test(`llama.cpp #24496: nothing is computed for a client that went away, ${streaming ? 'streaming' : 'not streaming'}`, async () => {
    const server = await shared.ready();
    const before = await untilIdle(server, ['wide']);
    const going = stream(server, 'wide', randomTokens(50, 12), {max_tokens: 8000, stream: streaming});
    await until('it runs', async () => {
      const metrics = await readMetrics(server);
      return metrics('loquat_engine_tokens_total', {model: 'wide', phase: 'decode'}) > before('loquat_engine_tokens_total', {model: 'wide', phase: 'decode'}) + 10;
    });
    going.disconnect();
    const after = await untilIdle(server, ['wide']);
    const grown = (name, labels) => after(name, {model: 'wide', ...labels}) - (before(name, {model: 'wide', ...labels}) ?? 0);
    assert.equal(grown('loquat_engine_requests_total', {end: 'cancelled'}), 1);
    assert.ok(grown('loquat_engine_tokens_total', {phase: 'decode'}) < 7900, 'it did not go on to its end');
    assert.ok(grown('loquat_engine_wasted_tokens_total', {reason: 'cancelled'}) >= 60, 'what was computed for nobody is counted');
  });
}

test('llama.cpp #13262: a queued request of a client that went away never runs', async () => {
  const server = await shared.ready();
  const prefilled = async () => (await readMetrics(server))('loquat_engine_tokens_total', {model: 'narrow', phase: 'prefill'});
  const running = await stream(server, 'narrow', randomTokens(20, 13), {max_tokens: 8000}).atLeast(1);
  const before = await prefilled();
  const queued = stream(server, 'narrow', randomTokens(3000, 14));
  const depth = async () => (await readMetrics(server))('loquat_engine_queue_requests', {model: 'narrow', lane: 'interactive'});
  await until('it waits', async () => (await depth()) === 1);
  queued.disconnect();
  await until('its place is free', async () => (await depth()) === 0);
  assert.ok(!running.over, 'who runs goes on');
  running.disconnect();
  await untilIdle(server, ['narrow']);
  assert.equal(await prefilled(), before);
});

test('llama.cpp #23652: a stream that reaches the context and one that is refused leave the others alone', async () => {
  const server = await shared.ready();
  const others = [1, 2, 3, 4].map((seed) => stream(server, 'wide', randomTokens(30, 20 + seed), {max_tokens: 300, seed}));
  const full = stream(server, 'wide', randomTokens(CONTEXT - 40, 15), {max_tokens: 40});
  const over = await stream(server, 'wide', randomTokens(CONTEXT + 1, 16)).end();
  assert.equal(over.status, 400);
  assert.equal(JSON.parse(over.refusal).error.code, 'context_length_exceeded');
  await full.end();
  assert.deepEqual([full.status, full.tokens.length, full.finish, full.done], [200, 40, 'length', true]);
  for (const other of others) {
    await other.end();
    assert.deepEqual([other.tokens.length, other.finish, other.done, other.error], [300, 'length', true, undefined]);
  }
});

test('llama.cpp #12836: embedding inputs longer than a batch together are all computed; one longer than the context is named', async () => {
  const server = await shared.ready();
  const embed = (input) => request(server, 'POST', '/v1/embeddings', {body: {model: 'encoder', input}});
  // The tiny encoder reads 128 tokens; a batch holds 2,048.
  const longest = randomTokens(128, 50);
  const many = Array.from({length: 100}, (_, i) => (i === 70 ? longest : randomTokens(100 + (i % 29), 60 + i)));
  const [whole, alone] = [await embed(many), await embed([longest])];
  assert.deepEqual([whole.status, alone.status], [200, 200]);
  assert.equal(whole.json.data.length, 100);
  assert.equal(whole.json.usage.prompt_tokens, many.reduce((sum, text) => sum + text.length, 0));
  assert.deepEqual(whole.json.data[70].embedding, alone.json.data[0].embedding);
  const over = await embed([longest, randomTokens(129, 51)]);
  assert.equal(over.status, 400);
  assert.deepEqual([over.json.error.code, over.json.error.param], ['context_length_exceeded', 'input[1]']);
  assert.match(over.json.error.message, /129.*128/);
  assert.equal((await embed([longest])).status, 200);
});

test('Ollama #17889: a prompt is used whole or refused with its length, never cut', async () => {
  const server = await shared.ready();
  const fits = await complete(server, {model: 'wide', prompt: randomTokens(CONTEXT - 1, 17), max_tokens: 1});
  assert.equal(fits.status, 200);
  assert.equal(fits.json.usage.prompt_tokens, CONTEXT - 1);
  for (const [prompt, max] of [[CONTEXT, 1], [CONTEXT - 10, 11]]) {
    const over = await complete(server, {model: 'wide', prompt: randomTokens(prompt, 17), max_tokens: max});
    assert.equal(over.status, 400);
    const {error} = over.json;
    assert.equal(error.code, 'context_length_exceeded');
    assert.ok(error.message.includes(String(prompt)) && error.message.includes(String(CONTEXT)), error.message);
  }
});

test('vLLM #18826: a full queue answers 429 at once, with the time to come back', async () => {
  const server = await shared.ready();
  const running = await stream(server, 'narrow', randomTokens(20, 30), {max_tokens: 8000}).atLeast(1);
  const waiting = [31, 32].map((seed) => stream(server, 'narrow', randomTokens(20, seed)));
  await until('two wait', async () => (await readMetrics(server))('loquat_engine_queue_requests', {model: 'narrow', lane: 'interactive'}) === 2);
  for (const streaming of [true, false]) {
    const refused = await stream(server, 'narrow', randomTokens(20, 33), {stream: streaming}).end();
    assert.equal(refused.status, 429);
    assert.match(refused.headers['retry-after'], /^[1-9]\d*$/);
    assert.equal(JSON.parse(refused.refusal).error.code, 'queue_full');
  }
  // The other lane has a queue of its own.
  const batch = stream(server, 'narrow', randomTokens(20, 34), {}, {headers: {'x-priority': 'batch'}});
  await until('it waits in its lane', async () => (await readMetrics(server))('loquat_engine_queue_requests', {model: 'narrow', lane: 'batch'}) === 1);
  assert.ok(!running.over);
  running.disconnect();
  for (const each of [...waiting, batch]) assert.equal((await each.end()).tokens.length, 20);
  assert.equal((await readMetrics(server))('loquat_engine_refusals_total', {model: 'narrow', reason: 'queue_full'}), 2);
});

test('what cannot be answered before its deadline is refused at once, and a deadline that passes ends the answer', async () => {
  const server = await shared.ready();
  // Nothing is known of this model yet: it tries.
  const late = await stream(server, 'fresh', randomTokens(20, 42), {max_tokens: 8000}, {headers: {'x-request-timeout-ms': '300'}}).end();
  assert.equal(late.error?.code ?? JSON.parse(late.refusal).error.code, 'deadline_exceeded');
  assert.ok(late.tokens.length < 8000);
  // Shows the engine how long answers are.
  for (const seed of [40, 41]) assert.equal((await stream(server, 'narrow', randomTokens(20, seed), {max_tokens: 4000}).end()).tokens.length, 4000);
  const hopeless = await stream(server, 'narrow', randomTokens(20, 43), {max_tokens: 4000}, {headers: {'x-request-timeout-ms': '50'}}).end();
  assert.equal(hopeless.status, 504);
  assert.equal(JSON.parse(hopeless.refusal).error.code, 'deadline_unreachable');
  await untilIdle(server, ['fresh', 'narrow']);
});

test('vLLM #39863: readiness asks the engines, and they are well after all of this', async () => {
  const server = await shared.ready();
  assert.equal((await request(server, 'GET', '/readyz')).status, 200);
  assert.equal((await complete(server, {model: 'wide', prompt: [1, 2, 3], max_tokens: 1})).status, 200);
});

test('threads that compute are nicer than those that serve', async () => {
  const server = await shared.ready();
  // proc(5): the niceness is the 19th field of stat, the name the second.
  const threads = readdirSync(`/proc/${server.pid}/task`).map((id) => {
    const [, name, rest] = readFileSync(`/proc/${server.pid}/task/${id}/stat`, 'utf8').match(/\((.*)\) (.*)/s);
    return {name, niceness: Number(rest.split(' ')[16])};
  });
  const nicenesses = (name) => threads.filter((thread) => thread.name === name).map((thread) => thread.niceness).sort((a, b) => a - b);
  const [own] = nicenesses('loquat-io');
  assert.deepEqual(nicenesses('loquat-engine').map((niceness) => niceness - own), [3, 10, 10, 10]);
  assert.equal(nicenesses('loquat-team')[0] - own, 3);
});

test('threads that serve stay on a core each, those of a model of niceness 20 are in the idle class', async () => {
  const server = await startServer({config: {server: {io_threads: 1, pin_io_threads: true}, models: [{name: 'idle', path: model(), niceness: 20}]}});
  try {
    assert.equal((await complete(server, {model: 'idle', prompt: [1, 2, 3], max_tokens: 2})).status, 200);
    const threads = readdirSync(`/proc/${server.pid}/task`).map((id) => {
      const status = readFileSync(`/proc/${server.pid}/task/${id}/status`, 'utf8');
      // proc(5): the policy is the 41st field of stat; sched(7): 5 is SCHED_IDLE.
      const fields = readFileSync(`/proc/${server.pid}/task/${id}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
      return {name: /^Name:\s+(\S+)/m.exec(status)[1], cores: /^Cpus_allowed_list:\s+(\S+)/m.exec(status)[1], policy: Number(fields[38])};
    });
    assert.match(threads.find(({name}) => name === 'loquat-io').cores, /^\d+$/);
    assert.deepEqual(threads.filter(({name}) => name === 'loquat-engine').map(({policy}) => policy), [5]);
    assert.deepEqual(threads.filter(({policy}) => policy === 5).map(({name}) => name).filter((name) => !/^loquat-(engine|team)$/.test(name)), []);
  } finally {
    await server.stop();
  }
});
