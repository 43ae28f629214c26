// One semantics: each case runs on every protocol, and must give the same answer, error, id and state of the session.

import assert from 'node:assert/strict';
import {after, test} from 'node:test';
import {call, client as grpcClient, detailsOf, grpc} from '../support/grpc.mjs';
import {request} from '../support/http.mjs';
import {KafkaCluster, TOPICS, kafkaConfig} from '../support/kafka.mjs';
import {LiveClient} from '../support/live.mjs';
import {chatModel} from '../support/engine_models.mjs';
import {sharedServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const cluster = await KafkaCluster.start({topics: TOPICS});
const kafka = {producer: await cluster.producer(), answers: await cluster.follow('answers'), dead: await cluster.follow('dead')};
// The model makes replies of foreign text, slowly enough to be cancelled and to be late.
const shared = sharedServer({config: {
  grpc: {listen: '127.0.0.1:0'},
  models: [{name: 'chat', path: chatModel({layers: 24}), threads: 1, kv_bytes: '64MiB'}],
  reply: {model: 'chat', temperature: 0, tokens_max: 1900, timeout: '60s'},
  ...kafkaConfig(cluster),
}});
after(() => cluster.stop());
// Long enough for everything but the model.
const LATE_MS = 800;
let sessions = 0;
const newSession = () => `one-${process.pid}-${++sessions}`;
const turnsOf = async (server, session) => (await request(server, 'GET', `/v1/sessions/${session}`)).json.turn ?? 0;

const slot = ({name, value, normalized}) => ({name, value, normalized: normalized ?? ''});
// What every protocol says of an answer, in one form.
const answerOf = ({intent, intent_ranking: ranking, slots = [], out_of_scope: foreign, locale, text, session, reply}) => ({
  text: text ?? '', locale, intent: intent?.name ?? ranking?.[0]?.name, foreign: Boolean(foreign), slots: slots.map(slot), turn: session?.turn, reply: reply?.text, failed: Boolean(reply?.failed),
});
// Where there is no reason, gRPC and Kafka repeat the code.
const errorOf = ({code, reason, param}) => ({code, reason: !reason || reason === code ? '' : reason, param: param ?? ''});
const codeName = (code) => Object.entries(grpc.status).find(([, value]) => value === code)[0].toLowerCase();

// Each: ask({text, session, reply, locale}, {timeoutMs, id, signal}) gives {answer, id} or {error, id}; on `signal` it goes away.
const PROTOCOLS = {
  http: async (server, body, {timeoutMs, id} = {}) => {
    const {status, json, headers} = await request(server, 'POST', '/v1/understand', {body, headers: headersOf({timeoutMs, id})});
    return status === 200 ? {answer: answerOf(json), id: json.id} : {error: errorOf(json.error), id: headers['x-request-id']};
  },
  sse: async (server, body, {timeoutMs, id} = {}) => {
    const got = await request(server, 'POST', '/v1/understand', {body, headers: {...headersOf({timeoutMs, id}), accept: 'text/event-stream'}});
    if (got.status !== 200) return {error: errorOf(got.json.error), id: got.headers['x-request-id']};
    return fromEvents([...got.text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1])), (ended) => ended);
  },
  websocket: async (server, {text, ...open}, {timeoutMs, id} = {}) => {
    const live = await LiveClient.connect(server, {...open, turn_timeout_ms: timeoutMs}, {headers: headersOf({id})});
    live.final(text);
    // What fails before the turn begins has an error without an end.
    await live.wait((event) => event.type === 'turn_end' || event.type === 'error');
    if (live.events.some((event) => event.utterance)) await live.wait('turn_end');
    const got = fromEvents(live.events, (ended) => ended.replace(/-1$/, ''));
    await live.close();
    return got;
  },
  grpc: async (server, body, {timeoutMs, id} = {}) => {
    const message = {...body, locale: body.locale && `LOCALE_${body.locale.toUpperCase()}`};
    const {answer, error, trailers} = await call(grpcClient(server), 'Understand', message, {headers: id ? {'x-request-id': id} : {}, deadlineMs: timeoutMs});
    if (error) {
      // A deadline that passes at the client has no details of the server's.
      const details = error.metadata.get('grpc-status-details-bin').length > 0 ? detailsOf(error) : {};
      return {error: errorOf({code: codeName(error.code), reason: details.reason, param: details.field}), id: trailers['x-request-id'] ?? id};
    }
    const {frame, session, reply} = answer;
    return {answer: answerOf({...frame, locale: frame.locale.replace('LOCALE_', '').toLowerCase(), session, reply}), id: answer.id};
  },
};

// A dead letter is the error of a record.
PROTOCOLS.kafka = async (server, body, {timeoutMs, id} = {}) => {
  const [answers, dead] = [kafka.answers.length, kafka.dead.length];
  await kafka.producer.send({topic: 'ask', messages: [{key: body.session ?? null, value: JSON.stringify(body), headers: headersOf({timeoutMs, id})}]});
  await until('the record is answered', () => kafka.answers.length > answers || kafka.dead.length > dead);
  if (kafka.dead.length > dead) {
    const {headers} = kafka.dead.at(-1);
    return {error: errorOf({code: headers['loquat-error-code'], reason: headers['loquat-error-reason'], param: headers['loquat-error-param']}), id: headers['x-request-id']};
  }
  const {json} = kafka.answers.at(-1);
  return {answer: answerOf(json), id: json.id};
};

const headersOf = ({timeoutMs, id}) => ({
  ...(timeoutMs === undefined ? {} : {'x-request-timeout-ms': String(timeoutMs)}),
  ...(id === undefined ? {} : {'x-request-id': id}),
});

function fromEvents(events, bare) {
  const failed = events.find((event) => event.type === 'error');
  if (failed) return {error: errorOf(failed.error), id: bare(failed.error.request_id)};
  const frame = events.find((event) => event.type === 'frame' && event.final);
  const end = events.at(-1);
  return {answer: answerOf({...frame, session: end.session, reply: events.find((event) => event.type === 'reply')}), id: bare(end.id)};
}

// What each protocol gives, compared with the first.
async function onEach(ask) {
  const server = await shared.ready();
  const results = {};
  for (const [name, protocol] of Object.entries(PROTOCOLS)) results[name] = await ask((body, options) => protocol(server, body, {id: 'mine', ...options}));
  const [first, ...others] = Object.keys(results);
  for (const other of others) assert.deepEqual(results[other], results[first], `${other} against ${first}`);
  return results[first];
}

for (const text of ['北京明天天气怎么样', 'wake me up at 7 o\'clock', 'play some jazz', '', '😀 e\u0301', 'who won the war of 1812']) {
  test(`the same meaning of "${text}"`, async () => {
    const {answer} = await onEach((ask) => ask({text}));
    assert.equal(answer.text, text);
  });
}

test('the same turns, replies and ids in a session', async () => {
  const {second} = await onEach(async (ask) => {
    const session = newSession();
    const first = await ask({text: '帮我订明天去上海的火车票', session, reply: true}, {id: 'mine-1'});
    const next = await ask({text: '从北京', session, reply: true}, {id: 'mine-2'});
    return {first, second: next};
  });
  assert.equal(second.answer.turn, 2);
  assert.equal(second.id, 'mine-2');
});

test('one session goes on from protocol to protocol', async () => {
  const server = await shared.ready();
  const session = newSession();
  let turn = 0;
  for (const protocol of [...Object.values(PROTOCOLS), ...Object.values(PROTOCOLS)]) {
    const {answer} = await protocol(server, {text: 'play some jazz', session});
    assert.equal(answer.turn, ++turn);
  }
});

const REFUSALS = [
  ['a text beyond its bound', {text: 'x'.repeat(16 * 1024 + 1)}, {code: 'resource_exhausted', reason: 'text_too_large', param: '/text'}],
  ['a session id with a blank', {text: 'x', session: 'a b'}, {code: 'invalid_argument', reason: '', param: '/session'}],
  ['a session id beyond its bound', {text: 'x', session: 's'.repeat(129)}, {code: 'invalid_argument', reason: '', param: '/session'}],
];
for (const [what, body, error] of REFUSALS) {
  test(`the same error for ${what}`, async () => {
    assert.deepEqual((await onEach((ask) => ask(body))).error, error);
  });
}

test('a model that is late is replaced by the domain\'s words, and the turn counts', async () => {
  const {answer} = await onEach((ask) => ask({text: 'who won the war of 1812', session: newSession(), reply: true}, {timeoutMs: LATE_MS}));
  assert.deepEqual([answer.turn, answer.failed], [1, true]);
  assert.ok(answer.reply.length > 0);
});

test('a client that goes away while a model makes its reply leaves no turn, and the model stops', async () => {
  const server = await shared.ready();
  const body = (session) => ({text: 'who won the war of 1812', session, reply: true});
  const away = {
    http: async (session) => {
      const abort = new AbortController();
      const asked = fetch(`${server.url}/v1/understand`, {method: 'POST', body: JSON.stringify(body(session)), signal: abort.signal}).catch(() => {});
      await busy();
      abort.abort();
      await asked;
    },
    sse: async (session) => {
      const abort = new AbortController();
      const asked = fetch(`${server.url}/v1/understand`, {method: 'POST', headers: {accept: 'text/event-stream'}, body: JSON.stringify(body(session)), signal: abort.signal})
        .then((response) => response.text()).catch(() => {});
      await busy();
      abort.abort();
      await asked;
    },
    websocket: async (session) => {
      const {text, ...open} = body(session);
      const live = await LiveClient.connect(server, open);
      live.final(text);
      await busy();
      await live.drop();
    },
    grpc: async (session) => {
      const {promise, resolve} = Promise.withResolvers?.() ?? deferred();
      const running = grpcClient(server).Understand(body(session), (error) => resolve(error));
      await busy();
      running.cancel();
      assert.equal((await promise).code, grpc.status.CANCELLED);
    },
  };
  const running = async () => Number(/^loquat_engine_running_sequences\{[^}]*\} (\d+)/m.exec((await request(server, 'GET', '/metrics')).text)?.[1]);
  const busy = () => until('the model works', async () => (await running()) > 0);
  assert.equal(await running(), 0, 'the gauge is there');
  for (const [name, leave] of Object.entries(away)) {
    const session = newSession();
    await leave(session);
    await until(`the model stops (${name})`, async () => (await running()) === 0);
    assert.equal(await turnsOf(server, session), 0, name);
  }
});

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}
