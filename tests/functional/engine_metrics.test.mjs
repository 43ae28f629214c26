// The numbers of each served model in /metrics: what an SLO needs, and nothing that promtool finds wrong.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {GenerationStream, complete, randomModel, randomTokens, readMetrics, untilIdle} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {runProgram} from '../support/process.mjs';
import {sharedServer} from '../support/server.mjs';

const shared = sharedServer({config: {models: [
  {name: 'first', path: randomModel('llama'), kv_bytes: '16MiB'},
  {name: 'second', path: randomModel('qwen2'), kv_bytes: '16MiB'},
  {name: 'encoder', path: randomModel('bert')},
]}});

test('every model has its own numbers, and they are the right ones', async () => {
  const server = await shared.ready();
  const body = {model: 'first', prompt: randomTokens(100, 1), max_tokens: 10, ignore_eos: true};
  for (let i = 0; i < 3; i++) assert.equal((await complete(server, body)).status, 200);
  assert.equal((await complete(server, {...body, prompt: randomTokens(100, 2), n: 2, seed: 1}, {headers: {'x-priority': 'batch'}})).status, 200);
  assert.equal((await complete(server, {...body, model: 'second', logit_bias: {99999: 1}})).status, 400);
  const input = [randomTokens(30, 3), randomTokens(50, 4)];
  assert.equal((await request(server, 'POST', '/v1/embeddings', {body: {model: 'encoder', input}})).status, 200);
  const gone = await new GenerationStream(server, '/v1/completions', {...body, prompt: randomTokens(60, 5), max_tokens: 1900}).atLeast(3);
  gone.disconnect();
  const metrics = await untilIdle(server, ['first', 'second', 'encoder']);
  const of = (name, labels) => metrics(`loquat_engine_${name}`, {model: 'first', ...labels});

  assert.equal(of('tokens_total', {phase: 'prefill'}), 100 + 2 * 1 + 100 + 60);
  assert.equal(of('prefix_hit_tokens_total'), 2 * 99);
  assert.equal(of('requests_total', {end: 'length'}), 4);
  assert.equal(of('requests_total', {end: 'cancelled'}), 1);
  assert.ok(of('wasted_tokens_total', {reason: 'cancelled'}) >= 60 + 2);
  assert.equal(of('first_token_seconds_count'), 5);
  assert.equal(of('generation_seconds_count'), 5);
  assert.equal(of('queue_wait_seconds_count', {lane: 'interactive'}), 4);
  assert.equal(of('queue_wait_seconds_count', {lane: 'batch'}), 1);
  assert.ok(of('inter_token_seconds_count') >= 3 * 9 + 2 * 9 + 2);
  assert.equal(of('batch_sequences_count'), of('step_seconds_count'));
  assert.equal(of('batch_tokens_count'), of('step_seconds_count'));
  assert.equal(of('batch_tokens_sum'), of('tokens_total', {phase: 'prefill'}) + of('tokens_total', {phase: 'decode'}) +
    of('drafted_tokens_total') - of('accepted_tokens_total'));
  assert.ok(of('kv_pages', {state: 'cached'}) > 0);
  assert.ok(of('kv_pages', {state: 'total'}) > of('kv_pages', {state: 'cached'}));
  assert.equal(of('preemptions_total'), 0);
  // The others are not mixed in.
  assert.equal(metrics('loquat_engine_tokens_total', {model: 'second', phase: 'prefill'}), 0);
  assert.equal(metrics('loquat_engine_tokens_total', {model: 'encoder', phase: 'encode'}), 80);
  assert.equal(metrics('loquat_engine_requests_total', {model: 'encoder', end: 'stop'}), 1);
});

test('promtool finds nothing wrong, and every histogram has buckets to set an objective by', async () => {
  const metrics = await readMetrics(await shared.ready());
  const checked = await runProgram('promtool', ['check', 'metrics'], {input: metrics.text});
  assert.deepEqual([checked.code, checked.stdout + checked.stderr], [0, '']);
  for (const name of ['first_token_seconds', 'inter_token_seconds', 'generation_seconds', 'queue_wait_seconds', 'step_seconds', 'batch_sequences', 'batch_tokens']) {
    const buckets = metrics.samples.filter((sample) => sample.name === `loquat_engine_${name}_bucket` && sample.labels.includes('model="first"'));
    assert.ok(buckets.length >= 10, `${name} has ${buckets.length} buckets`);
  }
});
