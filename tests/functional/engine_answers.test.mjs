// What a served model promises about its answers, over HTTP: the same bits whatever else is in the batch, on each tier
// of kernels; second turns and choices that share what was computed; sampling that a seed repeats; stop strings.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {GenerationStream, complete, randomModel, randomTokens, readMetrics, untilIdle} from '../support/generation.mjs';
import {startServer} from '../support/server.mjs';

const config = () => ({models: [{name: 'm', path: randomModel('qwen3', {type: 'bf16'}), kv_bytes: '32MiB', sequences_max: 24}]});

// The answers that count, each as a body.
const asked = [1, 2, 3].map((seed) => ({model: 'm', prompt: randomTokens(40 * seed, seed), max_tokens: 30, ignore_eos: true, seed, n: seed, logprobs: 2}));

const answerOf = async (server, body) => {
  const answer = await complete(server, body);
  assert.equal(answer.status, 200, answer.text);
  return answer.json.choices.map(({index, text, token_ids: ids, logprobs, finish_reason: finish}) => ({index, text, ids, logprobs, finish}));
};

for (const isa of ['scalar', 'avx2', 'avx_vnni', 'avx512', 'avx512_vnni', 'amx']) {
  test(`a request gets the same answer to the bit in any batch and any run, with ${isa} kernels`, async (t) => {
    const start = () => startServer({config: config(), env: {LOQUAT_FORCE_ISA: isa}, wait: false});
    const server = await start();
    try {
      await server.waitReady();
    } catch (error) {
      assert.match(error.message, /not available here/);
      return t.skip(`this machine lacks ${isa}`);
    }
    const alone = [];
    for (const body of asked) alone.push(await answerOf(server, body));
    const crowd = Array.from({length: 20}, (_, i) => new GenerationStream(server, '/v1/completions',
      {model: 'm', prompt: randomTokens(10 + 37 * i, 100 + i), max_tokens: 300, ignore_eos: true}));
    await Promise.all(crowd.map((each) => each.atLeast(1)));
    assert.deepEqual(await Promise.all(asked.map((body) => answerOf(server, body))), alone);
    for (const each of crowd) each.disconnect();
    await untilIdle(server, ['m']);
    await server.stop();
    const again = await (await start()).waitReady();
    assert.deepEqual(await answerOf(again, asked[1]), alone[1]);
    return again.stop();
  });
}

test('a second turn computes only what is new, choices share the prompt, and stop strings cross tokens', async () => {
  const server = await startServer({config: config()});
  const prefilled = async () => (await readMetrics(server))('loquat_engine_tokens_total', {model: 'm', phase: 'prefill'}) ?? 0;

  const first = {model: 'm', prompt: randomTokens(400, 5), max_tokens: 50, ignore_eos: true, session: 'one', temperature: 0};
  const one = (await complete(server, first)).json;
  assert.equal(await prefilled(), 400);
  const second = {...first, prompt: [...first.prompt, ...one.choices[0].token_ids, ...randomTokens(25, 6)]};
  const two = (await complete(server, second)).json;
  // The last token of the first answer was never computed.
  assert.equal(two.usage.prompt_tokens_details.cached_tokens, 449);
  assert.equal(await prefilled(), 400 + 26);

  await complete(server, {model: 'm', prompt: randomTokens(300, 7), max_tokens: 20, ignore_eos: true, n: 6, seed: 1});
  assert.equal(await prefilled(), 426 + 300);

  const whole = (await complete(server, {model: 'm', prompt: randomTokens(30, 8), max_tokens: 60, ignore_eos: true, seed: 9})).json.choices[0];
  const stop = whole.text.slice(21, 28);
  const at = whole.text.indexOf(stop);
  const cut = (await complete(server, {model: 'm', prompt: randomTokens(30, 8), max_tokens: 60, ignore_eos: true, seed: 9, stop: [stop]})).json.choices[0];
  assert.deepEqual([cut.text, cut.finish_reason], [whole.text.slice(0, at), 'stop']);
  await server.stop();
});
