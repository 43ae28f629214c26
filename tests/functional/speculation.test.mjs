// Speculation over HTTP: two servers of one model, with and without drafts, give the same answers, streams and usage; what
// was guessed is counted; and a server that is told not to guess does not.

import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {GenerationStream, complete, randomModel, randomTokens, readMetrics, untilIdle} from '../support/generation.mjs';
import {startServer} from '../support/server.mjs';

const config = (mode) => ({models: [{name: 'm', path: randomModel('llama', {type: 'q8_0'}), kv_bytes: '32MiB', speculation: {mode, draft_tokens: 8}}]});

// A text that repeats itself; models of random weights go on so at temperature 0, and mostly below 1.
const repeating = (seed, times = 6) => Array.from({length: times}, () => randomTokens(9, seed)).flat();

let withDrafts;
let without;
before(async () => {
  [withDrafts, without] = await Promise.all(['auto', 'off'].map((mode) => startServer({config: config(mode)})));
});
after(() => Promise.all([withDrafts, without].map((server) => server?.stop())));

const counted = async (server) => {
  const metrics = await untilIdle(server, ['m']);
  return Object.fromEntries(['drafted', 'accepted'].map((name) => [name, metrics(`loquat_engine_${name}_tokens_total`, {model: 'm'})]));
};

const both = async (body) => {
  const answers = await Promise.all([withDrafts, without].map((server) => complete(server, body)));
  for (const answer of answers) assert.equal(answer.status, 200, answer.text);
  return answers.map(({json: {choices, usage}}) => ({choices, usage}));
};

const bodies = {
  'the likeliest tokens': {temperature: 0},
  'drawn tokens': {temperature: 0.5, seed: 1},
  'drawn tokens with penalties': {temperature: 0.7, seed: 2, frequency_penalty: 0.3, presence_penalty: 0.2},
  'from the likeliest alone': {temperature: 1, seed: 3, top_p: 0.5},
  'several choices': {temperature: 0.5, seed: 4, n: 3},
  'log-probabilities': {temperature: 0, logprobs: 3},
  'a session': {temperature: 0, session: 's'},
};
for (const [what, more] of Object.entries(bodies)) {
  test(`answers with drafts are those without: ${what}`, async () => {
    for (const max_tokens of [1, 2, 7, 50, 400]) {
      const [one, two] = await both({model: 'm', prompt: repeating(max_tokens), max_tokens, ignore_eos: true, ...more});
      assert.deepEqual(one, two);
      assert.equal(one.usage.completion_tokens, max_tokens * (more.n ?? 1));
    }
  });
}

test('a stop string ends an answer in the middle of a draft, and the context its last one', async () => {
  const body = {model: 'm', prompt: repeating(50), max_tokens: 120, ignore_eos: true, temperature: 0};
  const [{choices: [{text}]}] = await both(body);
  for (let at = 30; at < 60; at += 5) {
    const [one, two] = await both({...body, stop: [text.slice(at, at + 3)]});
    assert.deepEqual(one, two);
    assert.equal(one.choices[0].finish_reason, 'stop');
  }
  const [one, two] = await both({...body, max_tokens: undefined});
  assert.deepEqual(one, two);
  assert.equal(one.choices[0].finish_reason, 'length');
});

test('a stream says the same tokens in the same order, and they are counted', async () => {
  const before = await counted(withDrafts);
  const body = {model: 'm', prompt: repeating(77), max_tokens: 300, ignore_eos: true, temperature: 0, stream_options: {include_usage: true}};
  const streams = await Promise.all([withDrafts, without].map((server) => new GenerationStream(server, '/v1/completions', body).end()));
  assert.deepEqual(streams[0].tokens, streams[1].tokens);
  assert.equal(streams[0].text, streams[1].text);
  assert.deepEqual(streams.map(({usage}) => usage), Array(2).fill(streams[1].usage));
  assert.equal(streams[0].usage.completion_tokens, 300);
  const counts = await counted(withDrafts);
  assert.ok(counts.accepted > before.accepted, JSON.stringify([before, counts]));
  assert.ok(counts.drafted >= counts.accepted);
  assert.deepEqual(await counted(without), {drafted: 0, accepted: 0});
  const metrics = await readMetrics(withDrafts);
  const of = (name, labels) => metrics(`loquat_engine_${name}`, {model: 'm', ...labels});
  assert.equal(of('batch_tokens_sum'),
    of('tokens_total', {phase: 'prefill'}) + of('tokens_total', {phase: 'decode'}) + counts.drafted - counts.accepted);
});

test('a client that leaves in the middle takes nothing with it', async () => {
  const body = {model: 'm', prompt: repeating(5), max_tokens: 1500, ignore_eos: true, temperature: 0};
  const gone = await new GenerationStream(withDrafts, '/v1/completions', body).atLeast(100);
  gone.disconnect();
  const metrics = await untilIdle(withDrafts, ['m']);
  assert.equal(metrics('loquat_engine_kv_pages', {model: 'm', state: 'in_use'}), 0);
  const [one, two] = await both({...body, max_tokens: 200});
  // What the other one had computed before it left is found.
  assert.deepEqual(one.choices, two.choices);
  assert.ok(one.usage.prompt_tokens_details.cached_tokens >= two.usage.prompt_tokens_details.cached_tokens);
});

test('keys out of range are refused by name', async () => {
  for (const [speculation, key] of [[{draft_tokens: 0}, 'draft_tokens'], [{draft_tokens: 65}, 'draft_tokens'], [{mode: 'always'}, 'mode']]) {
    await assert.rejects(startServer({config: {models: [{name: 'm', path: randomModel('llama'), speculation}]}}), new RegExp(key));
  }
});
