// /v1/stream by npm's ws: frames that are revised as text arrives, turns, resuming, and clients that do wrong.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import {test} from 'node:test';
import {chatModel} from '../support/engine_models.mjs';
import {request} from '../support/http.mjs';
import {LiveClient} from '../support/live.mjs';
import {configText, sharedServer, startServer} from '../support/server.mjs';
import {until, within} from '../support/wait.mjs';

const shared = sharedServer();
const session = (name) => `live-${name}-${process.pid}`;

test('typing revises the frame, and the end of the turn brings reply and state', async () => {
  const client = await LiveClient.connect(await shared.ready(), {session: session('typing'), reply: true});
  const opened = await client.take('opened');
  assert.deepEqual([opened.session, opened.resumed, opened.resume_for_ms], [session('typing'), false, 0]);
  const text = '北京明天天气怎么样';
  for (let end = 1; end <= text.length; ++end) {
    client.partial(text.slice(0, end), 'u1');
    const frame = await client.take((event) => event.type === 'frame' && event.text === text.slice(0, end));
    assert.deepEqual([frame.utterance, frame.revision, frame.final], ['u1', end, false]);
    assert.equal(frame.stable.slots.length, frame.slots.length);
    assert.equal(typeof frame.end_of_turn.likely, 'boolean');
  }
  client.final(undefined, 'u1');
  const end = await client.wait('turn_end');
  assert.deepEqual(client.types(), ['frame', 'reply', 'turn_end']);
  const [frame, reply] = client.events;
  assert.equal(frame.final, true);
  assert.equal(frame.intent.name, 'query_weather');
  assert.deepEqual(frame.stable, {intent: true, out_of_scope: true, locale: true, slots: [true, true], intent_risk: 0});
  assert.ok(reply.text.includes('北京') && reply.source === 'template');
  assert.deepEqual([end.reason, end.session.turn, end.delivery.mode], ['final', 1, 'stream']);
  assert.deepEqual(await client.close(), {code: 1000, reason: ''});
});

test('the final frame is what POST /v1/understand says of the same text', async () => {
  const server = await shared.ready();
  const text = 'wake me up at 7 tomorrow';
  const posted = (await request(server, 'POST', '/v1/understand', {body: {text}})).json;
  const client = await LiveClient.connect(server);
  client.final(text);
  const frame = await client.wait((event) => event.type === 'frame' && event.final);
  for (const field of ['text', 'locale', 'intent', 'intent_ranking', 'out_of_scope', 'slots']) assert.deepEqual(frame[field], posted[field], field);
  await client.close();
});

test('what is new is added, what is revised replaces, and updates that come together give one frame', async () => {
  const client = await LiveClient.connect(await shared.ready());
  client.partial('play');
  client.send({type: 'partial', delta: ' some jazz'});
  const added = await client.take((event) => event.text === 'play some jazz');
  assert.equal(added.revision, 2);
  client.partial('stop');
  assert.equal((await client.take((event) => event.text === 'stop')).revision, 3);
  await client.close();
});

test('many utterances on one connection are turns of one session, in order', async () => {
  const client = await LiveClient.connect(await shared.ready(), {session: session('many'), reply: true});
  for (const text of ['play some jazz', '北京明天天气怎么样', 'wake me up at 7 tomorrow']) client.final(text);
  await client.wait((event) => event.type === 'turn_end' && event.session.turn === 3);
  assert.deepEqual(client.events.filter((event) => event.type === 'turn_end').map((event) => [event.utterance, event.session.turn]), [['1', 1], ['2', 2], ['3', 3]]);
  await client.close();
});

test('the server ends a turn by itself where it may', async () => {
  const client = await LiveClient.connect(await shared.ready(), {end_of_turn: 'auto', reply: true});
  client.partial('wake me up at 7 tomorrow.');
  const end = await client.wait('turn_end');
  assert.ok(['complete', 'pause'].includes(end.reason), end.reason);
  client.partial('again', 'late');
  client.send({type: 'cancel', utterance: 'late'});
  assert.equal((await client.wait((event) => event.type === 'turn_end' && event.utterance === 'late')).reason, 'cancelled');
  await client.close();
});

test('events out of order are errors that end nothing', async () => {
  const client = await LiveClient.connect(await shared.ready(), null);
  const refusal = async (event) => {
    client.send(event);
    return (await client.take('error')).error;
  };
  assert.equal((await refusal({type: 'final', text: 'a'})).reason, 'not_open');
  client.send({type: 'open'});
  await client.take('opened');
  assert.equal((await refusal({type: 'open'})).reason, 'already_open');
  assert.equal((await refusal({type: 'final'})).reason, 'nothing_said');
  assert.equal((await refusal({type: 'cancel', utterance: 'x'})).reason, 'unknown_utterance');
  client.final('play', 'a');
  await client.take('turn_end');
  assert.equal((await refusal({type: 'partial', text: 'play', utterance: 'a'})).reason, 'utterance_ended');
  client.partial('play', 'b');
  assert.equal((await refusal({type: 'partial', text: 'play', utterance: 'c'})).reason, 'utterance_open');
  const bad = await refusal({type: 'partial', txt: 'a'});
  assert.deepEqual([bad.code, bad.param], ['invalid_argument', '/text']);
  assert.equal((await refusal('{"type": "fin')).code, 'invalid_argument');
  client.final(undefined, 'b');
  assert.equal((await client.take('turn_end')).reason, 'final');
  await client.close();
});

test('text past its bound ends the utterance, and the connection serves on', async () => {
  const client = await LiveClient.connect(await shared.ready());
  client.partial('a'.repeat(16 * 1024));
  await client.take('frame');
  client.send({type: 'partial', delta: 'b'});
  const {error, utterance} = await client.take('error');
  assert.deepEqual([error.code, error.reason, utterance], ['resource_exhausted', 'text_too_large', '1']);
  assert.equal((await client.take('turn_end')).reason, 'failed');
  client.final('play some jazz');
  assert.equal((await client.take('turn_end')).reason, 'final');
  await client.close();
});

test('a client that sends nothing but rubbish is cut off', async () => {
  const client = await LiveClient.connect(await shared.ready());
  for (let i = 0; i < 16; ++i) client.send('rubbish');
  assert.deepEqual(await within('the connection ends', client.closed), {code: 1008, reason: 'too many events that cannot be read'});
  assert.equal(client.events.filter((event) => event.type === 'error').length, 16);
});

test('binary messages are refused', async () => {
  const client = await LiveClient.connect(await shared.ready());
  client.socket.send(Buffer.from([1, 2, 3]));
  assert.equal((await within('the connection ends', client.closed)).code, 1003);
});

test('who drops and comes back gets what was missed', async () => {
  const server = await shared.ready();
  const name = session('resume');
  const client = await LiveClient.connect(server, {session: name, resume: true, reply: true});
  const opened = await client.take('opened');
  assert.ok(opened.resume_for_ms > 0);
  client.final('play some jazz');
  await client.wait('turn_end');
  const seen = client.events.map((event) => event.event_id);
  await client.drop();

  const again = await LiveClient.connect(server, {session: name, resume: true, reply: true, last_event_id: seen[0]});
  assert.equal((await again.take('opened')).resumed, true);
  await again.wait('turn_end');
  assert.deepEqual(again.events.map((event) => event.event_id), seen.slice(1));
  again.final('play some rock');
  assert.equal((await again.wait((event) => event.type === 'turn_end' && event.session.turn === 2)).reason, 'final');

  const stranger = await LiveClient.connect(server, {session: `${name}-x`, last_event_id: again.events.at(-1).event_id});
  assert.equal((await stranger.take('opened')).resumed, false);
  await Promise.all([again.close(), stranger.close()]);
});

test('events of a stream come by server-sent events to who comes back with Last-Event-ID', async () => {
  const server = await shared.ready();
  const body = {text: 'play some jazz', session: session('sse'), reply: true, resume: true};
  const headers = {accept: 'text/event-stream'};
  const first = await request(server, 'POST', '/v1/understand', {body, headers});
  const ids = [...first.text.matchAll(/^id: (.*)$/gm)].map((match) => match[1]);
  assert.equal(ids.length, 3);
  const rest = await request(server, 'POST', '/v1/understand', {body, headers: {...headers, 'last-event-id': ids[0]}});
  assert.deepEqual([...rest.text.matchAll(/^id: (.*)$/gm)].map((match) => match[1]), ids.slice(1));
  const gone = await request(server, 'POST', '/v1/understand', {body, headers: {...headers, 'last-event-id': ids[0]}});
  assert.deepEqual([gone.status, gone.json.error.reason], [404, 'stream_gone']);
  const state = (await request(server, 'GET', `/v1/sessions/${body.session}`)).json;
  assert.equal(state.turn, 1, 'nothing was said anew');
});

test('a plain request to the path says what is wanted there', async () => {
  const server = await shared.ready();
  const plain = await request(server, 'GET', '/v1/stream');
  assert.deepEqual([plain.status, plain.headers.upgrade, plain.json.error.reason], [426, 'websocket', 'upgrade_required']);
  await assert.rejects(LiveClient.connect(server, {}, {protocols: ['other.v2']}), (error) => error.status === 400 && error.body.includes('websocket_subprotocol'));
  await assert.rejects(LiveClient.connect(server, {}, {headers: {origin: 'https://evil.example'}}), (error) => error.status === 403 && error.body.includes('origin_not_allowed'));
});

test('keys are asked for, by header and, for pages, by subprotocol', async () => {
  const key = 'a-long-enough-api-key';
  const server = await startServer({config: {server: {api_keys: [{name: 'team', sha256: crypto.createHash('sha256').update(key).digest('hex')}]}}});
  await assert.rejects(LiveClient.connect(server), (error) => error.status === 401);
  await assert.rejects(LiveClient.connect(server, {}, {protocols: ['loquat.v1', 'loquat.key.wrong-wrong-wrong-wrong']}), (error) => error.status === 401);
  for (const options of [{headers: {'x-api-key': key}}, {protocols: ['loquat.v1', `loquat.key.${key}`]}]) {
    const client = await LiveClient.connect(server, {}, options);
    assert.equal(client.socket.protocol, 'loquat.v1');
    await client.wait('opened');
    await client.close();
  }
  await server.stop();
});

test('connections past the bound are refused with a reason, and limits follow the file', async () => {
  const config = {websocket: {connections_max: 1}};
  const server = await startServer({config});
  const client = await LiveClient.connect(server);
  await assert.rejects(LiveClient.connect(server), (error) => error.status === 503 && Number(error.headers['retry-after']) > 0 && error.body.includes('too_many_websockets'));
  fs.writeFileSync(server.configFile, configText({...config, server: {listen: '127.0.0.1:0'}, websocket: {connections_max: 2}}));
  const second = await until('the new limit holds', () => LiveClient.connect(server).catch(() => false));
  await Promise.all([client.close(), second.close()]);
  await server.stop();
});

test('a server that stops answers what it was asked and says goodbye', async () => {
  const server = await startServer({});
  const idle = await LiveClient.connect(server);
  const busy = await LiveClient.connect(server, {session: session('drain'), reply: true});
  await busy.wait('opened');
  busy.final('play some jazz');
  await busy.wait('turn_end');
  await server.terminate();
  assert.equal((await idle.closed).code, 1001);
  assert.equal((await busy.closed).code, 1001);
});

test('the metrics tell of streams and updates', async () => {
  const server = await shared.ready();
  const {text: body} = await request(server, 'GET', '/metrics');
  const value = (name) => Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (.*)$`, 'm').exec(body)?.[1]);
  assert.ok(value('loquat_streams_opened_total') > 5);
  assert.ok(value('loquat_stream_update_seconds_count') > 5);
  assert.ok(value('loquat_stream_turns_total{reason="final"}') > 5);
  assert.ok(value('loquat_stream_intent_right_from_count') >= 1);
});

test('a client that reads nothing of a long reply, and then drops, hurts nobody', async () => {
  const server = await startServer({config: {
    models: [{name: 'chat', path: chatModel(), threads: 1, kv_bytes: '16MiB'}],
    reply: {model: 'chat', temperature: 0, tokens_max: 1900}, websocket: {send_bytes_max: '2KiB'},
  }});
  const running = async () => Number(/^loquat_engine_running_sequences\{[^}]*\} (\d+)/m.exec((await request(server, 'GET', '/metrics')).text)?.[1]);
  for (let i = 0; i < 4; ++i) {
    const slow = await LiveClient.connect(server, {session: session(`slow-${i}`), reply: true, resume: i % 2 === 1});
    await slow.wait('opened');
    slow.socket.pause();
    slow.final('who won the war of 1812');
    await until('the model works', async () => (await running()) > 0);
    await slow.drop();
    const brisk = await LiveClient.connect(server);
    brisk.final('play some jazz');
    await brisk.wait('turn_end');
    await brisk.close();
  }
  await until('the model has stopped', async () => (await running()) === 0);
  await server.stop();
});
