// models[].kv_type: what keys and values are kept as, with what it saves and what it costs.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {randomModel, readMetrics} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {writeScratch} from '../support/paths.mjs';
import {loquat} from '../support/process.mjs';
import {startServer} from '../support/server.mjs';
import {storyModel, withStories} from '../support/story_model.mjs';

const KV_BYTES = '16MiB';
const model = (name, more) => ({name, path: randomModel('llama'), kv_bytes: KV_BYTES, ...more});

async function completion(server, name, body = {}) {
  const {status, json, text} = await request(server, 'POST', '/v1/completions',
    {body: {model: name, prompt: 'The river was high that spring', max_tokens: 40, temperature: 0, ignore_eos: true, return_token_ids: true, ...body}});
  assert.equal(status, 200, text);
  return json.choices[0];
}

test('int8 keeps nearly twice the tokens in the same memory, and answers the same at any time', async () => {
  const server = await startServer({config: {models: [model('half'), model('bf16', {kv_type: 'bf16'}), model('int8', {kv_type: 'int8'})]}});
  const metrics = await readMetrics(server);
  const pages = (name) => metrics('loquat_engine_kv_pages', {model: name, state: 'total'});
  const [half, bf16, int8] = [pages('half'), pages('bf16'), pages('int8')];
  assert.equal(bf16, half);
  assert.ok(int8 > 1.5 * half && int8 < 2 * half, `${int8} pages of int8, ${half} of f16`);
  const first = await completion(server, 'int8');
  // Again from what is cached, and beside others.
  const again = await Promise.all(Array.from({length: 4}, () => completion(server, 'int8')));
  for (const {token_ids: ids} of again) assert.deepEqual(ids, first.token_ids);
  await server.stop();
});

test('on a trained model int8 hardly changes what comes next', withStories, async () => {
  const text = writeScratch('story.txt', 'Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her mom. One day, she saw a big red ball under a tree.');
  const compared = async (...words) => {
    const {code, stdout, stderr} = await loquat(['model', 'compare', storyModel(), storyModel(), '--text', text, '--json', ...words]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const [same, int8] = [await compared(), await compared('--kv-type', 'int8')];
  assert.equal(same.divergence_mean, 0);
  assert.ok(int8.divergence_mean > 0 && int8.divergence_mean < 0.005, JSON.stringify(int8));
});

test('a type that is not known is refused with those that are', async () => {
  const server = await startServer({config: {models: [model('m', {kv_type: 'int4'})]}, wait: false});
  assert.notEqual((await server.waitExit()).code, 0);
  assert.match(server.stderr, /kv_type.*int4.*f16.*bf16.*int8/s);
  const {code, stderr} = await loquat(['model', 'compare', randomModel('llama'), randomModel('llama'), '--text', '/dev/null', '--kv-type', 'int4']);
  assert.equal(code, 2);
  assert.match(stderr, /int4/);
});
