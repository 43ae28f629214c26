// Actions of intents against services that keep their own books: failures of every kind, and the server killed at every
// step. Whatever happens, all is booked or all is cancelled, and nothing twice.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {BookingService} from '../support/booking_service.mjs';
import {Receiver, callbackConfig} from '../support/callbacks.mjs';
import {call, client} from '../support/grpc.mjs';
import {request, understand} from '../support/http.mjs';
import {ROOT, scratchPath, writeScratch} from '../support/paths.mjs';
import {SchemaChecker} from '../support/schema.mjs';
import {configText, startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';
import {parseYaml} from '../support/yaml.mjs';

const checker = new SchemaChecker(parseYaml(fs.readFileSync(path.join(ROOT, 'openapi/loquat.yaml'), 'utf8')));
const fits = (name, value) => assert.deepEqual(checker.faults({$ref: `#/components/schemas/${name}`}, value), [], name);
const metric = async (server, name) =>
  Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\S+)`, 'm').exec((await request(server, 'GET', '/metrics')).text)?.[1] ?? 0);
const sagaOf = async (server, id) => (await request(server, 'GET', `/v1/sagas/${id}`)).json;
const hasEnded = (saga) => ['done', 'compensated', 'dead'].includes(saga.state);
const ends = (server, id) => until(`saga ${id} ends`, async () => {
  const saga = await sagaOf(server, id);
  return hasEnded(saga) && saga;
});

const quick = {timeout: '2s', backoff_first: '10ms', backoff_max: '20ms'};
// Two services in a row: what set_alarm does. `change` edits it.
function actionsOf(first, second, change = () => {}) {
  const book = (service) => ({url: service.url('/book/{slots.time}'), headers: {Authorization: 'Bearer s3cret'}, ...quick,
    body: {time: '{slots.time}', day: '{slots.date?}', said: '{text}', by: '{tenant}', turn: '{session.turn}', note: '{slots.recurrence?}'},
    take: {number: '/order/number', price: '/order/price', ok: '/lines/0/ok'}});
  const file = {version: '"1"',
    actions: {
      book_room: book(first),
      cancel_room: {url: first.url('/cancel'), ...quick, body: {booking_key: '{room.key}', number: '{room.number?}'}},
      book_car: {...book(second), body: {time: '{slots.time}', room: '{room.number}', price: '{room.price}', ok: '{room.ok}'},
        failed: {en: ['No car, so no room.'], zh: ['没有车。']}},
      cancel_car: {url: second.url('/cancel'), ...quick, body: {booking_key: '{car.key}'}},
    },
    intents: {set_alarm: {timeout: '10s',
      steps: [{name: 'room', action: 'book_room', undo: 'cancel_room'}, {name: 'car', action: 'book_car', undo: 'cancel_car'}],
      keep: {order: '{car.number}'},
      replies: {en: ['Room {room.number} and car {car.number} at {time}.'], zh: ['{room.number}']},
      failed: {en: ['It did not work.'], zh: ['失败']}, pending: {en: ['I am on it.'], zh: ['请稍等']}}}};
  change(file);
  return configText(file).replace('"\\"1\\""', '"1"');
}
const configOf = (file, more = {}) => ({actions: {file, journal: scratchPath('actions.journal'),
  targets: {allow_http: true, allow_networks: ['127.0.0.0/8'], ports: []}, ...more}});
const ASK = {text: 'wake me up at 7 am', locale: 'en', reply: true};

// Two services and a server; all are stopped.
async function withAll({first = {}, second = {}, change, more, config = {}, options = {}}, body) {
  const room = await new BookingService(first).listen();
  const car = await new BookingService(second).listen();
  const file = writeScratch('actions.yml', actionsOf(room, car, change));
  const all = {...configOf(file, more), ...config};
  const server = await startServer({config: all, ...options});
  try {
    await body({server, room, car, file, config: all});
  } finally {
    await server.stop();
    await room.close();
    await car.close();
  }
}
const act = async (server, body = {}, options = {}) => {
  const answer = await understand(server, {...ASK, ...body}, options);
  assert.equal(answer.status, 200, answer.text);
  fits('UnderstandAnswer', answer.json);
  return answer.json;
};

test('the reply tells what the services said; keys, fields and secrets arrive', () => withAll({}, async ({server, room, car}) => {
  const {reply, session} = await act(server, {session: 's1'}, {headers: {traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}});
  assert.deepEqual([reply.text, reply.source, reply.action.state], ['Room N1 and car N1 at 7 am.', 'action', 'done']);
  assert.deepEqual([session.filled.order.value, session.filled.saga.value, session.filled.saga.normalized], ['N1', reply.action.saga, 'done']);
  const saga = await sagaOf(server, reply.action.saga);
  fits('Saga', saga);
  assert.deepEqual([saga.state, saga.intent, saga.steps.map((step) => [step.name, step.state, step.attempts, step.status])],
    ['done', 'set_alarm', [['room', 'done', 1, 201], ['car', 'done', 1, 201]]]);
  const [call] = room.calls;
  assert.deepEqual([call.method, call.url, call.key, call.headers.authorization], ['POST', '/book/7%20am', `${saga.id}-room`, 'Bearer s3cret']);
  assert.match(call.headers.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-/);
  assert.deepEqual(call.body, {time: '7 am', said: ASK.text, by: 'anonymous', turn: 1});
  assert.deepEqual(car.calls[0].body, {time: '7 am', room: 'N1', price: 42.5, ok: true});
  assert.equal(await metric(server, 'loquat_sagas_ended_total{state="done"}'), 1);
  assert.equal(await metric(server, 'loquat_action_calls_total{action="book_room",way="do",outcome="2xx"}'), 1);
  assert.equal((await request(server, 'GET', '/v1/sagas/none')).json.error.reason, 'saga_unknown');
  assert.ok(!server.output.includes('s3cret'));
}));

test('nothing happens without a reply, without the slots, or for another intent; a correction repeats nothing', () => withAll({}, async ({server, room}) => {
  await act(server, {reply: false, session: 'n'});
  assert.equal((await act(server, {text: 'set an alarm', session: 'm'})).reply.action, undefined);
  assert.equal((await act(server, {text: 'play some jazz'})).reply.action, undefined);
  assert.equal(room.calls.length, 0);
  const first = await act(server, {text: '7 am', session: 'm'});
  assert.equal(first.reply.action.state, 'done', JSON.stringify(first));
  assert.equal((await act(server, {text: 'no, 8 am', session: 'm'})).reply.action, undefined);
  assert.equal(room.calls.length, 1);
}));

const answers = (status, body = '{}') => (call, response) => {
  response.writeHead(status, {'content-type': 'application/json'}).end(body);
  return true;
};
// How the second service fails, for good; whether that may have been a booking, which then is cancelled too.
const FAILURES = [
  ['a refusal is final', answers(422), 1, '4xx', false],
  ['a redirect is not followed', (call, response) => (response.writeHead(307, {location: 'http://169.254.169.254/'}).end(), true), 1, '3xx', false],
  ['errors are retried, then undone', answers(500), 3, '5xx', true],
  ['a cut connection is retried', (call, response) => (response.socket.destroy(), true), 3, 'connection', true],
  ['bad JSON', answers(200, '{"order":'), 1, 'bad_answer', true],
  ['a result that is not there', answers(200, '{"order":{"number":"x"}}'), 1, 'bad_answer', true],
  ['a result of another kind', answers(200, '{"order":{"number":["x"],"price":1},"lines":[{"ok":true}]}'), 1, 'bad_answer', true],
  ['a huge answer', answers(200, `{"order":{"number":"${'x'.repeat(200_000)}"}}`), 1, 'too_large', true],
];
for (const [name, behave, calls, outcome, unsure] of FAILURES) {
  test(`the second fails and the first is cancelled: ${name}`, () => withAll({second: {behave: (call, response) => !call.undo && behave(call, response)}}, async ({server, room, car}) => {
    const {reply} = await act(server);
    assert.deepEqual([reply.text, reply.source, reply.action.state], ['No car, so no room.', 'action', 'compensated']);
    assert.equal(reply.action.failed.reason, `action_${outcome}`);
    const saga = await sagaOf(server, reply.action.saga);
    fits('Saga', saga);
    assert.deepEqual(saga.steps.map((step) => step.state), ['undone', unsure ? 'undone' : 'failed']);
    const booked = car.calls.filter((call) => !call.undo);
    assert.equal(booked.length, calls);
    assert.deepEqual([...new Set(booked.map((call) => call.key))], [`${saga.id}-car`]);
    assert.equal(car.calls.length - booked.length, unsure ? 1 : 0);
    assert.deepEqual(room.calls.map((call) => call.key), [`${saga.id}-room`, `${saga.id}-room-undo`]);
    assert.deepEqual(room.calls[1].body, {booking_key: `${saga.id}-room`, number: 'N1'});
    assert.deepEqual([room.count('booked'), room.count('cancelled'), car.count('booked')], [0, 1, 0]);
    assert.equal(await metric(server, 'loquat_saga_compensations_total{action="cancel_room",outcome="undone"}'), 1);
  }));
}

test('failures that pass are retried under the same key', () => withAll({first: {after: (call, response) => call.number < 3 && answers(503)(call, response)}}, async ({server, room}) => {
  const {reply} = await act(server);
  assert.equal(reply.action.state, 'done');
  assert.equal(room.calls.length, 3);
  assert.equal(new Set(room.calls.map((call) => call.key)).size, 1);
  assert.deepEqual([room.count('booked'), room.appliedTwice], [1, []]);
}));

test('class never is called once; class always also after a refusal', () => withAll({
  change: ({actions}) => Object.assign(actions.book_room, {retry: 'never'}), first: {after: (call, response) => !call.undo && answers(503)(call, response)}},
async ({server, room}) => {
  const {reply} = await act(server);
  assert.deepEqual([reply.action.state, reply.text], ['compensated', 'It did not work.']);
  assert.deepEqual(room.calls.map((call) => call.undo), [false, true], 'it may have been booked, and was');
  assert.equal(room.count('booked'), 0);
}).then(() => withAll({change: ({actions}) => Object.assign(actions.book_room, {retry: 'always', attempts_max: 5}),
  first: {behave: (call, response) => call.number < 4 && answers(400)(call, response)}}, async ({server, room}) => {
  assert.equal((await act(server)).reply.action.state, 'done');
  assert.equal(room.calls.length, 4);
})));

test('what cannot be undone is a dead letter', () => withAll({first: {behave: (call, response) => call.undo && answers(404)(call, response)}, second: {behave: answers(422)}},
  async ({server, config}) => {
    const {reply} = await act(server);
    assert.equal(reply.action.state, 'dead');
    await server.waitLog(/cannot be undone/);
    const letters = fs.readFileSync(`${config.actions.journal}.dead.jsonl`, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(letters.map(({id, reason}) => [id, reason]), [[`${reply.action.saga}-room-undo`, '4xx']]);
    assert.equal(JSON.parse(letters[0].body).booking_key, `${reply.action.saga}-room`);
  }));

test('a slow service: the answer goes out in time and the action goes on; its own limit ends it', () => {
  let release;
  const slow = new Promise((resolve) => (release = resolve));
  return withAll({second: {behave: async (call) => !call.undo && (await slow, false)}}, async ({server, car}) => {
    const {reply} = await act(server, {session: 'slow'}, {headers: {'x-request-timeout-ms': '600'}});
    assert.deepEqual([reply.text, reply.action.state], ['I am on it.', 'running']);
    assert.equal(await metric(server, 'loquat_sagas_open{state="running"}') >= 0, true);
    release();
    assert.equal((await ends(server, reply.action.saga)).state, 'done');
    assert.equal(car.count('booked'), 1);
  }).then(() => withAll({change: ({intents}) => Object.assign(intents.set_alarm, {timeout: '300ms'}), second: {behave: (call) => !call.undo}}, async ({server, room, car}) => {
    const {reply} = await act(server);
    const saga = await ends(server, reply.action.saga);
    assert.deepEqual([saga.state, saga.steps.map((step) => [step.state, step.outcome])], ['compensated', [['undone', '2xx'], ['undone', 'out_of_time']]]);
    assert.match(saga.steps[1].detail, /the last: timeout/);
    assert.deepEqual([room.count('booked'), car.calls[0].undo, car.calls.at(-1).undo], [0, false, true]);
  }));
});

test('a client that goes away loses its reply alone', () => {
  let client;
  return withAll({second: {behave: async (call) => !call.undo && (client.abort(), false)}}, async ({server, room, car}) => {
    client = new AbortController();
    const gone = fetch(`http://127.0.0.1:${server.port}/v1/understand`, {method: 'POST', signal: client.signal, headers: {'content-type': 'application/json'}, body: JSON.stringify(ASK)});
    await assert.rejects(gone, /abort/i);
    const id = car.calls[0].key.replace(/-car$/, '');
    assert.equal((await ends(server, id)).state, 'done');
    assert.deepEqual([room.count('booked'), car.count('booked')], [1, 1]);
  });
});

test('a mapping without a value fails before any call of that step', () => withAll({change: ({actions}) => (actions.book_car.body.day = '{slots.date}')}, async ({server, room, car}) => {
  const {reply} = await act(server);
  assert.deepEqual([reply.action.state, reply.action.failed.reason], ['compensated', 'action_mapping']);
  assert.match(reply.action.failed.message, /slots\.date/);
  assert.deepEqual([room.count('cancelled'), car.calls.length], [1, 0]);
}));

test('targets of the inside are refused unless they are allowed', () => withAll({more: {targets: {allow_http: true, ports: []}}}, async ({server, room}) => {
  const {reply} = await act(server);
  assert.deepEqual([reply.action.state, reply.action.failed.reason, room.calls.length], ['compensated', 'action_refused', 0]);
}));

test('a full house refuses with a reason, and begins nothing', () => {
  let release;
  const slow = new Promise((resolve) => (release = resolve));
  return withAll({more: {in_flight_max: 1}, first: {behave: async () => (await slow, false)}}, async ({server, room}) => {
    const first = act(server);
    await until('the first is under way', () => room.calls.length === 1);
    const {reply} = await act(server);
    assert.deepEqual([reply.action.state, reply.action.saga, reply.action.failed.reason, reply.text], ['refused', undefined, 'sagas_full', 'It did not work.']);
    release();
    assert.equal((await first).reply.action.state, 'done');
    assert.equal(await metric(server, 'loquat_sagas_refused_total{reason="sagas_full"}'), 1);
    assert.equal(room.calls.length, 1);
  });
});

test('a slow action by callback: 202, and the callback has the result', async () => {
  const receiver = await new Receiver().listen();
  await withAll({config: callbackConfig({}, {callback_intents: ['set_alarm']})}, async ({server, room}) => {
    const ticket = await understand(server, {...ASK, session: 'cb', callback_url: receiver.url()});
    assert.equal(ticket.status, 202, ticket.text);
    await until('the callback', () => receiver.calls.length === 1);
    const {reply} = receiver.calls[0].body.data;
    assert.deepEqual([reply.text, reply.action.state, reply.action.saga], ['Room N1 and car N1 at 7 am.', 'done', `cb-${ticket.json.delivery.id}`]);
    assert.equal(room.count('booked'), 1);
  });
  await receiver.close();
});

// The server is killed while a service has its nth request: before its effect, after it, or once it was answered.
const agree = (room, car) => {
  assert.deepEqual([...room.appliedTwice, ...car.appliedTwice], []);
  assert.equal(room.count('booked'), car.count('booked'), 'all or nothing');
};
async function killAt({nth, moment, fails}) {
  let server;
  let requests = 0;
  const killed = new Promise((resolve) => {
    const die = () => server.kill().then(resolve);
    const isIt = () => ++requests === nth;
    const hooks = (refuse) => ({
      behave: async (call, response) => {
        call.last = isIt();
        if (call.last && moment === 'before') return die(), true;
        return refuse && !call.undo && answers(422)(call, response);
      },
      after: async (call, response) => {
        if (!call.last || moment === 'before') return false;
        if (moment === 'answered') response.on('finish', die);
        else die();
        return moment === 'effect';
      },
    });
    killAt.services = [new BookingService(hooks(false)), new BookingService(hooks(fails))];
  });
  const [room, car] = await Promise.all(killAt.services.map((service) => service.listen()));
  const file = writeScratch('actions.yml', actionsOf(room, car));
  const config = configOf(file);
  server = await startServer({config});
  const lost = understand(server, ASK).catch(() => {});
  await killed;
  await lost;
  server = await startServer({config});
  const id = room.calls[0].key.replace(/-room(-undo)?$/, '');
  const saga = await ends(server, id);
  await server.stop();
  agree(room, car);
  assert.equal(saga.state, fails ? 'compensated' : 'done', JSON.stringify(saga));
  assert.equal(room.count('booked'), fails ? 0 : 1);
  await room.close();
  await car.close();
}
for (const fails of [false, true]) {
  for (const nth of fails ? [1, 2, 3] : [1, 2]) {
    for (const moment of ['before', 'effect', 'answered']) {
      if (fails && nth === 2 && moment !== 'before') continue;  // The refusal has no effect.
      test(`killed at request ${nth} of a saga that is ${fails ? 'undone' : 'done'}: ${moment}`, () => killAt({nth, moment, fails}));
    }
  }
}

test('killed in the middle of many, again and again: the books agree', async () => {
  const refuse = (call, response) => !call.undo && call.number % 3 === 0 && answers(422)(call, response);
  const room = await new BookingService().listen();
  const car = await new BookingService({behave: refuse}).listen();
  const config = configOf(writeScratch('actions.yml', actionsOf(room, car)));
  const asked = [];
  for (let round = 0; round < 3; ++round) {
    const server = await startServer({config});
    asked.push(...Array.from({length: 30}, () => understand(server, ASK).catch(() => {})));
    await until('some are under way', () => room.calls.length >= 15 * (round + 1), {every: 1});
    await server.kill();
  }
  await Promise.all(asked);
  const server = await startServer({config});
  await until('none is open', async () => await metric(server, 'loquat_sagas_open{state="running"}') + await metric(server, 'loquat_sagas_open{state="compensating"}') === 0);
  const keys = new Set(room.calls.map((call) => call.key.replace(/-room(-undo)?$/, '')));
  for (const id of keys) {
    const saga = await ends(server, id);
    const booked = (service, name) => service.books.get(`${id}-${name}`)?.state === 'booked';
    assert.deepEqual([booked(room, 'room'), booked(car, 'car')], Array(2).fill(saga.state === 'done'), JSON.stringify(saga));
  }
  agree(room, car);
  assert.ok(keys.size >= 30, `${keys.size} sagas`);
  await server.stop();
  await room.close();
  await car.close();
});

test('the file is read again under load; a bad one changes nothing; what is under way keeps its own', () => {
  let release;
  const slow = new Promise((resolve) => (release = resolve));
  return withAll({second: {behave: async (call) => call.number === 1 && (await slow, false)}}, async ({server, room, car, file}) => {
    const old = act(server);
    await until('the first is under way', () => car.calls.length === 1);
    const rewrite = (change) => fs.writeFileSync(file, actionsOf(room, car, change));
    rewrite(({actions, intents}) => {
      actions.book_room.url = room.url('/v2/{slots.time}');
      actions.book_room.headers.Authorization = 'Bearer n3w';
      intents.set_alarm.replies.en = ['New: {room.number}.'];
    });
    await server.waitLog(/were read again/);
    const busy = Promise.all(Array.from({length: 20}, () => act(server)));
    fs.writeFileSync(file, 'actions: {x: {url: "http://a/", url: "http://b/"}}');
    await server.waitLog(/stay as they were/);
    for (const {reply} of await busy) assert.match(reply.text, /^New: N\d+\.$/);
    assert.ok(room.calls.slice(1).every((call) => call.url.startsWith('/v2/') && call.headers.authorization === 'Bearer n3w'));
    release();
    assert.match((await old).reply.text, /^Room N1 and car N\d+ at 7 am\.$/);
    assert.equal(await metric(server, 'loquat_actions_reloads_total{result="taken"}'), 1);
    assert.equal(await metric(server, 'loquat_actions_reloads_total{result="refused"}'), 1);
    assert.match(server.stderr, /actions\.yml:1:\d+.*url/);
  });
});

test('actions without a journal, or of unknown intents, do not start', async () => {
  const room = await new BookingService().listen();
  const start = async (config) => {
    const server = await startServer({config, wait: false});
    const {code} = await server.waitExit();
    assert.notEqual(code, 0);
    return server.output;
  };
  const file = writeScratch('actions.yml', actionsOf(room, room));
  assert.match(await start({actions: {file}}), /actions\.journal/);
  const bad = writeScratch('actions.yml', actionsOf(room, room, ({intents}) => (intents.fly_away = intents.set_alarm)));
  assert.match(await start(configOf(bad)), /actions\.yml:\d+:\d+: intents\.fly_away: .*no such intent/);
  await room.close();
});

test('the same over gRPC', () => withAll({config: {grpc: {listen: '127.0.0.1:0'}}}, async ({server, room}) => {
  const stub = client(server);
  const {answer, error} = await call(stub, 'Understand', {text: ASK.text, reply: true});
  stub.close();
  assert.equal(error, null);
  assert.deepEqual([answer.reply.text, answer.reply.source, answer.reply.action.state], ['Room N1 and car N1 at 7 am.', 'action', 'done']);
  assert.equal((await sagaOf(server, answer.reply.action.saga)).state, 'done');
  assert.equal(room.count('booked'), 1);
}));
