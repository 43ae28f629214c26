// The streaming calls of gRPC: text that arrives bit by bit, and sequences of tokens that client and model write by turns.

import assert from 'node:assert/strict';
import path from 'node:path';
import {test} from 'node:test';
import {Stream, call, client, detailsOf, grpc, grpcAddress, protos} from '../support/grpc.mjs';
import {complete, randomModel, randomTokens, readMetrics, untilIdle} from '../support/generation.mjs';
import {BINARY} from '../support/paths.mjs';
import {runProgram} from '../support/process.mjs';
import {sharedServer} from '../support/server.mjs';

const {status} = grpc;
const CONTEXT = 4096;
const shared = sharedServer({config: {grpc: {listen: '127.0.0.1:0', stream_idle: '3s'},
  models: [{name: 'tiny', path: randomModel('qwen2', {set: {context: CONTEXT}}), kv_bytes: '64MiB'}, {name: 'encoder', path: randomModel('bert', {type: 'f32'})}]}});
const TEXT = '帮我订明天去上海的火车票';

const talk = async (options) => new Stream(client(await shared.ready()), 'Stream', options);
const infer = async (options) => new Stream(client(await shared.ready(), protos.loquat.v1.Inference), 'StreamInfer', options);
const errors = (stream) => stream.events.filter((event) => event.error).map((event) => event.error.error.reason ?? '');
const GREEDY = {tokens_max: 8, temperature: 0, ignore_eos: true};
const outputs = (events) => events.flatMap((event) => event.output_ids ?? []);

test('text typed letter by letter: revised frames, a final one, the reply and the end of the turn', async () => {
  const stream = await talk({headers: {'x-request-id': 'typed-1'}});
  stream.write({open: {request: {session: 'typing', reply: true}}});
  const opened = await stream.find('opened', (event) => event.opened);
  assert.deepEqual([opened.opened.id, opened.opened.session], ['typed-1', 'typing']);
  assert.equal(stream.initial['x-request-id'], 'typed-1');
  const letters = [...TEXT];
  for (let i = 1; i <= letters.length; ++i) {
    stream.write({partial: {utterance: 'u', text: letters.slice(0, i).join('')}});
    await stream.find(`frame ${i}`, (event) => event.frame?.revision === i);
  }
  stream.write({final: {utterance: 'u'}});
  assert.equal((await stream.end()).code, status.OK);
  const frames = stream.events.filter((event) => event.frame).map((event) => event.frame);
  assert.deepEqual(frames.map((frame) => Boolean(frame.final)), [...letters.map(() => false), true]);
  const last = frames.at(-1);
  assert.deepEqual([last.utterance, last.frame.text, last.frame.intent_ranking[0].name], ['u', TEXT, 'book_train']);
  assert.ok(last.stability.intent && last.stability.slots.every(Boolean) && last.stability.slots.length === last.frame.slots.length);
  const [reply, end] = [stream.events.at(-2).reply, stream.events.at(-1).turn_end];
  assert.ok(reply.reply.text.length > 0);
  assert.deepEqual([last.id, end.id], ['typed-1-u', 'typed-1-u']);
  assert.deepEqual([end.utterance, end.reason, end.session.turn, end.session.active_intent], ['u', 'TURN_END_REASON_FINAL', 1, 'book_train']);
});

test('deltas add up, several utterances go over one call, and each is a turn of the session', async () => {
  const stream = await talk();
  stream.write({open: {request: {session: 'several'}}});
  for (const piece of ['play ', 'some ', 'jazz']) stream.write({partial: {text: piece, delta: true}});
  stream.write({final: {}}).write({final: {text: 'hello'}});
  await stream.end();
  const finals = stream.events.filter((event) => event.frame?.final).map((event) => event.frame.frame.text);
  assert.deepEqual(finals, ['play some jazz', 'hello']);
  assert.deepEqual(stream.events.filter((event) => event.turn_end).map((event) => event.turn_end.session.turn), [1, 2]);
});

test('events out of order are errors of their own and end nothing', async () => {
  const stream = await talk();
  stream.write({open: {}}).write({open: {}}).write({}).write({final: {}}).write({cancel: {}}).write({partial: {utterance: 'x'.repeat(129), text: 'a'}});
  await stream.find('five errors', () => errors(stream).length === 5);
  assert.deepEqual(errors(stream), ['already_open', 'no_event', 'nothing_said', 'unknown_utterance', '']);
  stream.write({partial: {utterance: 'a', text: 'hel'}}).write({partial: {utterance: 'b', text: 'x'}}).write({final: {utterance: 'a', text: 'hello'}});
  assert.equal((await stream.end()).code, status.OK);
  assert.equal(errors(stream)[5], 'utterance_open');
  assert.equal(stream.events.at(-1).turn_end.reason, 'TURN_END_REASON_FINAL');
});

test('a stream must open first, with settings that are right', async () => {
  const silent = await talk();
  const notOpen = await silent.write({partial: {text: 'x'}}).finished();
  assert.deepEqual([notOpen.code, detailsOf(notOpen).reason], [status.FAILED_PRECONDITION, 'not_open']);
  for (const [open, field] of [[{request: {session: 'a b'}}, '/open/request/session'], [{request: {text: 'x'}}, '/open/request/text'],
    [{turn_ending: 9}, '/open/turn_ending'], [{turn_timeout_ms: 3_600_001}, '/open/turn_timeout_ms']]) {
    const refused = await (await talk()).write({open}).finished();
    assert.deepEqual([refused.code, detailsOf(refused).field], [status.INVALID_ARGUMENT, field]);
  }
  assert.equal((await (await talk()).end()).code, status.OK);
});

test('a cancelled utterance ends as cancelled, a text too large as failed, and the next one is answered', async () => {
  const stream = await talk();
  stream.write({open: {}}).write({partial: {text: 'play so'}}).write({cancel: {}});
  stream.write({partial: {text: 'x'.repeat(16 * 1024 + 1)}}).write({final: {text: 'hello'}});
  await stream.end();
  assert.deepEqual(stream.events.filter((event) => event.turn_end).map((event) => event.turn_end.reason),
    ['TURN_END_REASON_CANCELLED', 'TURN_END_REASON_FAILED', 'TURN_END_REASON_FINAL']);
  assert.deepEqual(errors(stream), ['text_too_large']);
});

test('a stream that says nothing is ended, one that never ends by itself hurts nobody', async () => {
  const idle = (await talk()).write({open: {}});
  const ended = await idle.finished();
  assert.deepEqual([ended.code, detailsOf(ended).reason], [status.DEADLINE_EXCEEDED, 'idle_timeout']);
});

test('a client that floods and reads nothing is held back; another one is served meanwhile', async () => {
  const flood = (await talk()).write({open: {}});
  flood.call.pause();
  for (let i = 0; i < 20_000; ++i) flood.write({cancel: {}});
  const other = client(await shared.ready());
  for (let i = 0; i < 20; ++i) assert.equal((await call(other, 'Understand', {text: 'hello'})).error, null);
  flood.call.resume();
  await flood.find('all answers', () => flood.events.length === 20_001);
  assert.equal((await flood.end()).code, status.OK);
});

test('a malformed message ends its stream alone', async () => {
  const stub = client(await shared.ready());
  const bad = stub.makeBidiStreamRequest('/loquat.v1.Understanding/Stream', (b) => b, (b) => b);
  const ended = new Promise((resolve) => bad.on('status', resolve));
  bad.on('error', () => {}).on('data', () => {});
  bad.write(Buffer.from([0xff]));
  const refused = await ended;
  assert.deepEqual([refused.code, detailsOf(refused).reason], [status.INVALID_ARGUMENT, 'malformed_message']);
});

test('StreamInfer says what /v1/completions says, with a probability for each token', async () => {
  const prompt = randomTokens(20, 7);
  const stream = await infer();
  stream.write({model: 'tiny', input_ids: prompt, options: GREEDY});
  assert.equal((await stream.end()).code, status.OK);
  const whole = await complete(await shared.ready(), {model: 'tiny', prompt, max_tokens: 8, temperature: 0, ignore_eos: true, logprobs: 0});
  const choice = JSON.parse(whole.text).choices[0];
  assert.deepEqual(outputs(stream.events), choice.token_ids);
  const probabilities = stream.events.flatMap((event) => event.probabilities ?? []);
  assert.equal(probabilities.length, 8);
  probabilities.forEach((p, i) => assert.ok(Math.abs(p - Math.exp(choice.logprobs.token_logprobs[i])) < 1e-3));
  assert.equal(stream.events.map((event) => event.text ?? '').join(''), choice.text);
  const last = stream.events.at(-1);
  assert.deepEqual([last.is_final, last.finish_reason, last.position], [true, 'FINISH_REASON_LENGTH', 28]);
  assert.deepEqual(stream.events.slice(0, -1).filter((event) => event.is_final), []);
});

test('turns grow one sequence whose keys and values are computed once, over calls too', async () => {
  const ids = {session_id: 'kv', stream_id: 'main', model: 'tiny'};
  const parts = [randomTokens(200, 1), randomTokens(30, 2), randomTokens(10, 3)];
  const first = await infer();
  first.write({...ids, input_ids: parts[0].slice(0, 150), more_input: true, position: 0});
  first.write({input_ids: parts[0].slice(150), options: GREEDY, position: 150});
  await first.find('the end of turn 1', (event) => event.is_final);
  first.write({...ids, input_ids: parts[1], options: GREEDY, position: 208});
  await first.end();
  const second = await infer();
  await second.end({...ids, input_ids: parts[2], options: GREEDY, position: 246});
  const finals = [...first.events, ...second.events].filter((event) => event.is_final);
  assert.deepEqual(finals.map((event) => event.position), [208, 246, 264]);
  assert.deepEqual(finals.map(({usage}) => [usage.input_tokens, usage.output_tokens]), [[200, 8], [238, 8], [256, 8]]);
  // All but the last token that was said, whose keys and values nobody needed yet.
  assert.ok(finals[1].usage.cached_tokens >= 207, JSON.stringify(finals[1].usage));
  assert.ok(finals[2].usage.cached_tokens >= 245, JSON.stringify(finals[2].usage));
  // The same in one go.
  const said = outputs(first.events);
  const prompt = [...parts[0], ...said.slice(0, 8), ...parts[1], ...said.slice(8), ...parts[2]];
  const whole = await complete(await shared.ready(), {model: 'tiny', prompt, max_tokens: 8, temperature: 0, ignore_eos: true});
  assert.deepEqual(outputs(second.events), JSON.parse(whole.text).choices[0].token_ids);
  const wrong = await infer();
  const refused = await wrong.write({...ids, input_ids: [1], position: 5}).finished();
  assert.deepEqual([refused.code, detailsOf(refused).reason], [status.FAILED_PRECONDITION, 'sequence_position']);
});

const BAD = [
  ['no model', {input_ids: [1]}, status.INVALID_ARGUMENT, undefined, '/model'],
  ['a model that there is not', {model: 'nobody', input_ids: [1]}, status.NOT_FOUND, 'model_not_found', '/model'],
  ['an encoder', {model: 'encoder', input_ids: [1]}, status.FAILED_PRECONDITION, 'model_cannot_generate', '/model'],
  ['a negative token', {model: 'tiny', input_ids: [1, -5]}, status.INVALID_ARGUMENT, undefined, '/input_ids'],
  ['a token past the vocabulary', {model: 'tiny', input_ids: [2_000_000_000]}, status.INVALID_ARGUMENT, undefined, '/input_ids'],
  ['no tokens', {model: 'tiny'}, status.INVALID_ARGUMENT, undefined, '/input_ids'],
  ['more tokens than the context', {model: 'tiny', input_ids: Array(CONTEXT + 1).fill(1)}, status.INVALID_ARGUMENT, 'context_length_exceeded', '/input_ids'],
  ['a temperature below zero', {model: 'tiny', input_ids: [1], options: {temperature: -1}}, status.INVALID_ARGUMENT, undefined, '/options/temperature'],
  ['a top_p that is no number', {model: 'tiny', input_ids: [1], options: {top_p: NaN}}, status.INVALID_ARGUMENT, undefined, '/options/top_p'],
  ['an answer without end', {model: 'tiny', input_ids: [1], options: {tokens_max: 4_000_000_000}}, status.INVALID_ARGUMENT, undefined, '/options/tokens_max'],
  ['an empty stop string', {model: 'tiny', input_ids: [1], options: {stop: ['']}}, status.INVALID_ARGUMENT, undefined, '/options/stop/0'],
  ['a session id with a blank', {model: 'tiny', input_ids: [1], session_id: 'a b'}, status.INVALID_ARGUMENT, undefined, '/session_id'],
];
for (const [what, message, code, reason, field] of BAD) {
  test(`StreamInfer refuses ${what}`, async () => {
    const ended = await (await infer()).write(message).finished();
    const details = detailsOf(ended);
    assert.deepEqual([ended.code, details.field], [code, field], ended.details);
    if (reason) assert.equal(details.reason, reason);
  });
}

test('a call keeps its session, stream and model; two calls do not share a sequence', async () => {
  const ids = {session_id: 'one', model: 'tiny'};
  const stream = await infer();
  stream.write({...ids, input_ids: [1], options: GREEDY});
  await stream.find('the first turn', (event) => event.is_final);
  const second = await (await infer()).write({...ids, input_ids: [1]}).finished();
  assert.deepEqual([second.code, detailsOf(second).reason], [status.ABORTED, 'stream_in_use']);
  const changed = await stream.write({session_id: 'two', input_ids: [1]}).finished();
  assert.deepEqual([changed.code, detailsOf(changed).reason], [status.INVALID_ARGUMENT, 'stream_changed']);
  assert.equal((await (await infer()).end({...ids, stream_id: 'other', input_ids: [1], options: GREEDY})).code, status.OK);
});

test('a call that is cancelled, and one whose deadline passes, give their pages back; the sequence goes on', async () => {
  const server = await shared.ready();
  const ids = {session_id: 'cut', model: 'tiny'};
  const long = {...ids, input_ids: randomTokens(64, 5), options: {temperature: 0, ignore_eos: true}};
  const gone = (await infer()).write(long);
  await gone.find('the first tokens', (event) => event.output_ids?.length);
  assert.equal((await gone.cancel()).code, status.CANCELLED);
  await untilIdle(server, ['tiny']);
  const late = (await infer({deadlineMs: 300})).write({...long, session_id: 'late'});
  assert.equal((await late.finished()).code, status.DEADLINE_EXCEEDED);
  const metrics = await untilIdle(server, ['tiny']);
  assert.equal(metrics('loquat_engine_running_sequences', {model: 'tiny'}), 0);
  const again = await infer();
  await again.end({...ids, input_ids: [3], options: GREEDY, position: 0});
  assert.equal(again.events.at(-1).position, 9);
});

test('a C++ client finds every method as it should be', async () => {
  const program = path.join(path.dirname(BINARY), 'tests/grpc_client/grpc_check');
  const {code, stdout, stderr} = await runProgram(program, [grpcAddress(await shared.ready()), 'tiny']);
  assert.equal(code, 0, stdout + stderr);
});

test('when all is over nothing is active', async () => {
  const metrics = await readMetrics(await shared.ready());
  const active = metrics.samples.filter((sample) => sample.name === 'loquat_grpc_active_calls').map((sample) => sample.value);
  assert.deepEqual(new Set(active), new Set([0]));
});
