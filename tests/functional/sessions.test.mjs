// Conversations: what is carried over, corrected, asked for, forgotten; the session endpoints.

import assert from 'node:assert/strict';
import http from 'node:http';
import {test} from 'node:test';
import {frameOf, request, understand} from '../support/http.mjs';
import {sharedServer, startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const shared = sharedServer();
let sessions = 0;
const newSession = () => `s-${process.pid}-${++sessions}`;

// Says `texts` one after the other; gives the state after the last.
async function talk(server, session, ...texts) {
  let frame;
  for (const text of texts) frame = await frameOf(server, {text, session, reply: true});
  return {...frame, said: Object.fromEntries(Object.entries(frame.session.filled).map(([name, slot]) => [name, slot.value]))};
}

test('missing slots are asked for one by one until none is missing (Chinese)', async () => {
  const server = await shared.ready();
  const session = newSession();
  let turn = await talk(server, session, '帮我订火车票');
  assert.equal(turn.session.active_intent, 'book_train');
  assert.deepEqual(turn.session.missing, ['from', 'to', 'date']);
  assert.match(turn.reply.text, /哪|出发/);
  turn = await talk(server, session, '从北京');
  assert.deepEqual([turn.said, turn.session.missing], [{from: '北京'}, ['to', 'date']]);
  turn = await talk(server, session, '到上海', '后天');
  assert.deepEqual([turn.said, turn.session.missing], [{from: '北京', to: '上海', date: '后天'}, []]);
  assert.equal(turn.session.turn, 4);
  assert.equal(turn.reply.source, 'template');
  assert.ok(turn.reply.text.includes('上海'), turn.reply.text);
});

test('slots are carried over and corrected (Chinese)', async () => {
  const server = await shared.ready();
  const session = newSession();
  let turn = await talk(server, session, '北京明天天气怎么样');
  assert.deepEqual(turn.said, {city: '北京', date: '明天'});
  turn = await talk(server, session, '那后天呢');
  assert.equal(turn.session.active_intent, 'query_weather');
  assert.deepEqual(turn.said, {city: '北京', date: '后天'});
  turn = await talk(server, session, '不对,是杭州');
  assert.deepEqual(turn.said, {city: '杭州', date: '后天'});
});

test('slots are carried over and corrected (English)', async () => {
  const server = await shared.ready();
  const session = newSession();
  let turn = await talk(server, session, "what's the weather in Paris tomorrow");
  assert.deepEqual(turn.said, {city: 'Paris', date: 'tomorrow'});
  turn = await talk(server, session, 'no, London');
  assert.equal(turn.session.active_intent, 'query_weather');
  assert.deepEqual(turn.said, {city: 'London', date: 'tomorrow'});
});

test('cancel gives the task up, an aside leaves it alone', async () => {
  const server = await shared.ready();
  const session = newSession();
  let turn = await talk(server, session, '帮我订火车票', '从北京', '谢谢');
  assert.deepEqual([turn.session.active_intent, turn.said], ['book_train', {from: '北京'}]);
  turn = await talk(server, session, '算了');
  assert.deepEqual([turn.session.active_intent, turn.said, turn.session.missing], [null, {}, []]);
});

test('a session is read, forgotten and then gone', async () => {
  const server = await shared.ready();
  const id = newSession();
  await talk(server, id, '北京明天天气怎么样', '那后天呢');
  const got = await request(server, 'GET', `/v1/sessions/${id}`);
  assert.equal(got.status, 200);
  const session = got.json;
  assert.deepEqual([session.id, session.turn, session.version], [id, 2, 2]);
  assert.deepEqual(session.turns.map((turn) => [turn.number, turn.text]), [[1, '北京明天天气怎么样'], [2, '那后天呢']]);
  assert.ok(session.turns.every((turn) => turn.intent && turn.reply));
  assert.equal((await request(server, 'HEAD', `/v1/sessions/${id}`)).status, 200);
  const gone = await request(server, 'DELETE', `/v1/sessions/${id}`);
  assert.deepEqual([gone.status, gone.text], [204, '']);
  for (const method of ['GET', 'DELETE']) {
    const missing = await request(server, method, `/v1/sessions/${id}`);
    assert.deepEqual([missing.status, missing.json.error.code, missing.json.error.reason], [404, 'not_found', 'session_not_found']);
  }
});

test('a fork goes its own way', async () => {
  const server = await shared.ready();
  const [id, copy] = [newSession(), newSession()];
  await talk(server, id, '北京明天天气怎么样');
  const forked = await request(server, 'POST', `/v1/sessions/${id}/fork`, {body: {id: copy}});
  assert.equal(forked.status, 201, forked.text);
  assert.deepEqual([forked.json.id, forked.json.filled.city.value], [copy, '北京']);
  const there = await talk(server, copy, '那后天呢');
  const here = await request(server, 'GET', `/v1/sessions/${id}`);
  assert.deepEqual([there.said.date, here.json.filled.date.value], ['后天', '明天']);

  const again = await request(server, 'POST', `/v1/sessions/${id}/fork`, {body: {id: copy}});
  assert.deepEqual([again.status, again.json.error.code, again.json.error.reason], [409, 'already_exists', 'session_exists']);
  const unnamed = await request(server, 'POST', `/v1/sessions/${id}/fork`);
  assert.equal(unnamed.status, 201);
  assert.notEqual(unnamed.json.id, id);
  const missing = await request(server, 'POST', `/v1/sessions/${newSession()}/fork`);
  assert.equal(missing.status, 404);
  const bad = await request(server, 'POST', `/v1/sessions/${id}/fork`, {body: {id: 'a b'}});
  assert.deepEqual([bad.status, bad.json.error.param], [400, '/id']);
  const unknown = await request(server, 'POST', `/v1/sessions/${id}/fork`, {body: {name: 'x'}});
  assert.deepEqual([unknown.status, unknown.json.error.param], [400, '/name']);
});

const HOSTILE_IDS = ['a b', 'a/b', '../../etc/passwd', 'a\u0000b', 'ü', '会话', '', 'x'.repeat(129), "'; drop table sessions; --", '<script>', '%00', 'a\r\nb', '{}', '*'];
for (const id of HOSTILE_IDS) {
  test(`the hostile session id ${JSON.stringify(id).slice(0, 40)} is refused by every door`, async () => {
    const server = await shared.ready();
    const said = await understand(server, {text: 'hi', session: id});
    assert.deepEqual([said.status, said.json.error.code, said.json.error.param], [400, 'invalid_argument', '/session']);
    if (id === '') return;
    const path = `/v1/sessions/${encodeURIComponent(id)}`;
    for (const method of ['GET', 'DELETE']) {
      const answer = await request(server, method, path);
      assert.deepEqual([answer.status, answer.json.error.code], [400, 'invalid_argument'], `${method} ${path}: ${answer.text}`);
    }
  });
}

test('an id of 128 characters of every allowed kind works, also percent-encoded in the path', async () => {
  const server = await shared.ready();
  const id = `Az09_.:@-${'x'.repeat(119)}`;
  assert.equal(id.length, 128);
  await frameOf(server, {text: 'hi', session: id});
  for (const path of [id, encodeURIComponent(id), [...id].map((c) => `%${c.charCodeAt(0).toString(16)}`).join('')]) {
    const got = await request(server, 'GET', `/v1/sessions/${path}`);
    assert.deepEqual([got.status, got.json?.id], [200, id]);
  }
  for (const path of ['%', '%2', '%zz', '%c3%28']) {
    assert.equal((await request(server, 'GET', `/v1/sessions/${path}`)).status, 400, path);
  }
});

test('the window keeps the last ten turns and the number goes on', async () => {
  const server = await shared.ready();
  const id = newSession();
  for (let i = 1; i <= 13; i++) await frameOf(server, {text: `hello ${i}`, session: id});
  const session = (await request(server, 'GET', `/v1/sessions/${id}`)).json;
  assert.equal(session.turn, 13);
  assert.deepEqual(session.turns.map((turn) => turn.number), [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
});

test('Rasa #7111: concurrent turns of one session on several threads lose none', async () => {
  const server = await startServer({config: {server: {io_threads: 4}}});
  const agent = new http.Agent({keepAlive: true, maxSockets: 32});
  try {
    const turns = 2000;
    const answers = await Promise.all(Array.from({length: turns}, (_, i) => frameOf(server, {text: `turn ${i}`, session: 'one'}, {agent, ms: 60_000})));
    const numbers = answers.map((answer) => answer.session.turn).sort((a, b) => a - b);
    assert.deepEqual(numbers, Array.from({length: turns}, (_, i) => i + 1));
    assert.equal((await request(server, 'GET', '/v1/sessions/one')).json.turn, turns);
  } finally {
    agent.destroy();
    await server.stop();
  }
});

test('a session past its time to live is forgotten', async () => {
  const server = await startServer({config: {sessions: {ttl: '1s'}}});
  try {
    await frameOf(server, {text: 'hi', session: 'short'});
    // Each look would make it younger if reading counted as use; it may, so looks are further apart than its life.
    const gone = await until('the session is gone', async () => (await request(server, 'GET', '/v1/sessions/short')).status === 404, {every: 1200});
    assert.ok(gone);
  } finally {
    await server.stop();
  }
});

test('repeat says the last reply again', async () => {
  const server = await shared.ready();
  const id = newSession();
  const asked = await talk(server, id, '帮我订火车票');
  const again = await talk(server, id, '再说一遍');
  assert.ok(again.reply.text.includes(asked.reply.text), `${again.reply.text} / ${asked.reply.text}`);
});
