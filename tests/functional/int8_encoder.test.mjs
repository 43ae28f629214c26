// models[].round_to_int8: an encoder whose linear layers are rounded when it is loaded says nearly what it says as stored, and
// what cannot be rounded is refused at start.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {randomModel} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {startServer} from '../support/server.mjs';

const COSINE_MIN = 0.995;
const rounds = /\bavx2\b/.test(readFileSync('/proc/cpuinfo', 'utf8'));
const encoder = (more = {}) => ({name: 'rounded', path: randomModel('bert', {type: 'f32'}), round_to_int8: true, ...more});

async function embedding(server, model, input) {
  const answer = await request(server, 'POST', '/v1/embeddings', {body: {model, input}});
  assert.equal(answer.status, 200, answer.text);
  return answer.json.data.map((one) => one.embedding);
}
async function refusal(options) {
  const server = await startServer({...options, wait: false});
  assert.notEqual((await server.waitExit()).code, 0);
  return server.stderr;
}
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

test('embeddings of rounded layers are near those as stored, and the same in any batch', {skip: !rounds && 'AVX2 is not here'}, async () => {
  const server = await startServer({config: {models: [encoder(), encoder({name: 'stored', round_to_int8: false})]}});
  try {
    const texts = [[5, 6, 7], Array.from({length: 100}, (_, i) => 10 + 3 * i), [9]];
    const [rounded, stored] = [await embedding(server, 'rounded', texts), await embedding(server, 'stored', texts)];
    for (let i = 0; i < texts.length; ++i) {
      const cosine = dot(rounded[i], stored[i]) / Math.sqrt(dot(rounded[i], rounded[i]) * dot(stored[i], stored[i]));
      assert.ok(cosine > COSINE_MIN, `${cosine}`);
      assert.notDeepEqual(rounded[i], stored[i]);
      assert.deepEqual((await embedding(server, 'rounded', [texts[i]]))[0], rounded[i]);
    }
  } finally {
    await server.stop();
  }
});

test('a model that generates, and kernels without integer dot products, are refused by name', async () => {
  assert.match(await refusal({config: {models: [{name: 'tiny', path: randomModel('qwen2'), round_to_int8: true}]}}), /model tiny .*round_to_int8 is for encoders/);
  assert.match(await refusal({config: {models: [encoder()]}, env: {LOQUAT_FORCE_ISA: 'scalar'}}),
    /model rounded .*rounding to int8 is for the kernels that multiply integers \(avx2, avx_vnni, avx512_vnni, amx\), and here they are scalar/);
});
