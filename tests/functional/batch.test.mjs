// Several texts in one request.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {frameOf, request, understand} from '../support/http.mjs';
import {sharedServer, startServer} from '../support/server.mjs';

const shared = sharedServer();

test('Rasa #6654: a batch of texts is parsed in one request', async () => {
  const texts = ['北京明天天气怎么样', 'play some jazz', '早上七点叫我起床'];
  const answer = await frameOf(await shared.ready(), {inputs: texts.map((text) => ({text}))});
  assert.deepEqual(answer.outputs.map((output) => output.text), texts);
  assert.deepEqual(answer.outputs.map((output) => output.intent.name), ['query_weather', 'play_music', 'set_alarm']);
  assert.equal(new Set(answer.outputs.map((output) => output.id)).size, 3);
});

test('llama.cpp #23652: one bad input has its error in its place and harms no other', async () => {
  const answer = await frameOf(await shared.ready(), {inputs: [
    {text: 'play some jazz'}, {text: 'play some rock', delivery: 'callback', callback_url: 'http://example.com/x'}, {text: 'hello'}]});
  assert.equal(answer.outputs[0].intent.name, 'play_music');
  assert.equal(answer.outputs[1].error.code, 'unimplemented');
  assert.equal(answer.outputs[1].error.reason, 'callback_unavailable');
  assert.equal(answer.outputs[2].intent.name, 'greet');
});

test('TEI #378: a batch as large as allowed is taken whole, one more is refused with the place', async () => {
  const server = await shared.ready();
  const inputs = (count) => ({inputs: Array.from({length: count}, (_, i) => ({text: `hello ${i}`}))});
  const full = await frameOf(server, inputs(256));
  assert.deepEqual(full.outputs.map((output) => output.text), inputs(256).inputs.map((input) => input.text));
  const over = await understand(server, inputs(257));
  assert.deepEqual([over.status, over.json.error.param], [400, '/inputs']);
  assert.match(over.json.error.message, /256/);
});

test('the bound of a batch is configuration', async () => {
  const server = await startServer({config: {understand: {batch_max: 2}}});
  try {
    assert.equal((await understand(server, {inputs: [{text: 'a'}, {text: 'b'}]})).status, 200);
    assert.equal((await understand(server, {inputs: [{text: 'a'}, {text: 'b'}, {text: 'c'}]})).status, 400);
  } finally {
    await server.stop();
  }
});

test('the turns of a batch on one session come one after the other', async () => {
  const session = `batch-${process.pid}`;
  const answer = await frameOf(await shared.ready(), {inputs: ['北京明天天气怎么样', '那后天呢'].map((text) => ({text, session}))});
  assert.deepEqual(answer.outputs.map((output) => output.session.turn), [1, 2]);
  assert.equal(answer.outputs[1].session.filled.city.value, '北京');
  assert.equal(answer.outputs[1].session.filled.date.value, '后天');
});

const BAD_BATCHES = [
  ['no inputs', {inputs: []}, '/inputs'],
  ['not an array', {inputs: {text: 'a'}}, '/inputs'],
  ['an input that is a string', {inputs: ['a']}, '/inputs/0'],
  ['an input without text', {inputs: [{text: 'a'}, {}]}, '/inputs/1/text'],
  ['a text that is a number', {inputs: [{text: 'a'}, {text: 'b'}, {text: 3}]}, '/inputs/2/text'],
  ['an unknown key in an input', {inputs: [{text: 'a', txt: 'b'}]}, '/inputs/0/txt'],
  ['a bad feature deep inside', {inputs: [{text: 'a', features: ['intent', 'mood']}]}, '/inputs/0/features/1'],
  ['text beside inputs', {inputs: [{text: 'a'}], text: 'b'}, '/text'],
];
for (const [name, body, pointer] of BAD_BATCHES) {
  test(`bad batch: ${name}`, async () => {
    const answer = await understand(await shared.ready(), body);
    assert.deepEqual([answer.status, answer.json.error.code, answer.json.error.param], [400, 'invalid_argument', pointer], answer.text);
  });
}

test('a batch with a text that is too long is refused with the pointer of that text', async () => {
  const answer = await understand(await shared.ready(), {inputs: [{text: 'a'}, {text: 'x'.repeat(16 * 1024 + 1)}]});
  assert.deepEqual([answer.status, answer.json.error.param], [413, '/inputs/1/text']);
});

test('vLLM #9428, Triton #7077: a client that leaves in the middle of a batch cancels its work', async () => {
  const server = await shared.ready();
  const {RawConnection, rawRequest} = await import('../support/http.mjs');
  const {until} = await import('../support/wait.mjs');
  const text = '北京明天天气怎么样 '.repeat(500);
  const body = JSON.stringify({inputs: Array.from({length: 60}, () => ({text}))});
  const cancelled = async () => {
    const metrics = (await request(server, 'GET', '/metrics')).text;
    return Number(/loquat_http_refusals_total\{code="cancelled"[^}]*\} (\d+)/.exec(metrics)?.[1] ?? 0);
  };
  // The race between leaving and being done is won sooner or later.
  await until('a batch was cancelled', async () => {
    const connection = await RawConnection.open(server.port);
    await connection.write(rawRequest(body));
    connection.socket.resetAndDestroy();
    return (await cancelled()) > 0;
  });
  assert.equal((await request(server, 'GET', '/livez')).status, 200);
});
