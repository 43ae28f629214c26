// Answers by callback, against a receiver that fails in every way.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import {test} from 'node:test';
import {Webhook} from 'standardwebhooks';
import {callbackConfig, promise, Receiver, SECRET, secretOf} from '../support/callbacks.mjs';
import {request, understand} from '../support/http.mjs';
import {ROOT, scratchPath} from '../support/paths.mjs';
import {runProgram} from '../support/process.mjs';
import {SchemaChecker} from '../support/schema.mjs';
import {startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';
import {parseYaml} from '../support/yaml.mjs';

const deliveryOf = async (server, id, options) => (await request(server, 'GET', `/v1/deliveries/${id}`, options)).json;
const stateOf = async (server, id) => (await deliveryOf(server, id)).state;
const reaches = (server, id, state) => until(`${id} is ${state}`, async () => {
  const delivery = await deliveryOf(server, id);
  return delivery.state === state && delivery;
});
const metric = async (server, name) =>
  Number(new RegExp(`^${name.replace(/[{}]/g, '\\$&')} (\\S+)`, 'm').exec((await request(server, 'GET', '/metrics')).text)?.[1] ?? 0);

const checker = new SchemaChecker(parseYaml(fs.readFileSync(path.join(ROOT, 'openapi/loquat.yaml'), 'utf8')));
const fits = (name, value) => assert.deepEqual(checker.faults({$ref: `#/components/schemas/${name}`}, value), [], name);

// A server and a receiver; both are stopped, and no call may have had a bad signature.
async function withBoth({config = callbackConfig(), answer, secrets, options = {}}, body) {
  const receiver = await new Receiver(answer, {secrets}).listen();
  const server = await startServer({config, ...options});
  try {
    await body(server, receiver, config);
    assert.deepEqual(receiver.faults, []);
  } finally {
    await server.stop();
    await receiver.close();
  }
}

test('202 at once with an id, then one signed call with the answer', () => withBoth({}, async (server, receiver) => {
  const accepted = await understand(server, {text: 'wake me up at 7 tomorrow', session: 'cb-1', reply: true, delivery: 'callback', callback_url: receiver.url('/a?b=c')},
    {headers: {'x-request-id': 'req-1', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}});
  assert.equal(accepted.status, 202);
  fits('CallbackTicket', accepted.json);
  const {id, delivery} = accepted.json;
  assert.equal(id, 'req-1');
  assert.deepEqual([delivery.mode, delivery.reason], ['callback', 'asked for by the request']);
  assert.equal(accepted.headers.location, `/v1/deliveries/${delivery.id}`);
  const view = await reaches(server, delivery.id, 'delivered');
  fits('Delivery', view);
  assert.equal(receiver.calls.length, 1);
  const [call] = receiver.calls;
  fits('UnderstandAnswer', call.body.data);
  assert.deepEqual([call.method, call.url, call.id, call.headers['content-type']], ['POST', '/a?b=c', delivery.id, 'application/json']);
  assert.equal(call.headers.host, `127.0.0.1:${receiver.port}`);
  assert.match(call.headers.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-/);
  assert.ok(Math.abs(Number(call.headers['webhook-timestamp']) - Date.now() / 1000) < 60);
  assert.deepEqual([call.body.type, call.body.id, call.body.data.id, call.body.data.session.turn], ['understand.completed', delivery.id, 'req-1', 1]);
  assert.ok(call.body.data.intent.name && call.body.data.reply.text);
  assert.deepEqual([view.request_id, view.target, view.attempts_made, view.attempts[0].status, view.attempts[0].outcome],
    ['req-1', `http://127.0.0.1:${receiver.port}`, 1, 204, '2xx']);
  assert.ok(view.finished_at_ms >= view.accepted_at_ms);
  assert.equal(view.next_attempt_at_ms, undefined);
  assert.throws(() => new Webhook(secretOf(1)).verify(call.text, call.headers), /signature/i);
  assert.throws(() => new Webhook(SECRET).verify(call.text.replace('understand', 'misunderstand'), call.headers), /signature/i);
}));

test('the same answer as one given at once', () => withBoth({}, async (server, receiver) => {
  const body = {text: '帮我订明天去上海的火车票', reference_time_ms: 1_700_000_000_000, utc_offset_minutes: 480, features: ['intent', 'slots'], reply: true};
  const now = (await understand(server, body)).json;
  await reaches(server, await promise(server, receiver.url(), body), 'delivered');
  const later = receiver.calls[0].body.data;
  for (const key of ['text', 'locale', 'intent', 'intent_ranking', 'slots', 'reply']) assert.deepEqual(later[key], now[key], key);
  assert.equal(later.delivery.mode, 'callback');
}));

test('an error of the work is delivered as one', () => withBoth({}, async (server, receiver) => {
  await reaches(server, await promise(server, receiver.url(), {features: ['embedding']}), 'delivered');
  const {body} = receiver.calls[0];
  assert.deepEqual([body.type, body.data.error.code, body.data.error.reason], ['understand.failed', 'failed_precondition', 'no_embedding_model']);
}));

test('the policy decides: intents listed, and requests out of time', () => withBoth({config: callbackConfig({}, {callback_intents: ['play_music']})}, async (server, receiver) => {
  const listed = await understand(server, {text: 'play some jazz', callback_url: receiver.url()});
  assert.equal(listed.status, 202);
  assert.match(listed.json.delivery.reason, /play_music/);
  const late = await understand(server, {text: 'wake me up at 7', session: 's', callback_url: receiver.url()}, {headers: {'x-request-timeout-ms': '0'}});
  assert.deepEqual([late.status, late.json.delivery?.reason], [202, 'out of time']);
  assert.equal((await understand(server, {text: 'wake me up at 7', callback_url: receiver.url()})).status, 200);
  assert.equal((await understand(server, {text: 'play some jazz'})).json.error.reason, 'callback_url_missing');
  for (const {json} of [listed, late]) await reaches(server, json.delivery.id, 'delivered');
  assert.equal(receiver.calls.find((call) => call.id === late.json.delivery.id).body.data.session.turn, 1);
}));

test('inputs of a batch are promised in their places', () => withBoth({}, async (server, receiver) => {
  const callback = {delivery: 'callback', callback_url: receiver.url()};
  const {outputs} = (await understand(server, {inputs: [{text: 'play some jazz', ...callback}, {text: 'play some jazz'}, {text: 'hi', delivery: 'callback', callback_url: 'http://10.0.0.1/'}, {text: 'hi', ...callback}]})).json;
  fits('BatchAnswer', {id: 'x', outputs});
  assert.equal(outputs[1].intent.name, 'play_music');
  assert.deepEqual([outputs[2].error.reason, outputs[2].error.param], ['target_private', '/inputs/2/callback_url']);
  for (const i of [0, 3]) await reaches(server, outputs[i].delivery.id, 'delivered');
  assert.deepEqual(receiver.calls.map((call) => call.body.data.id).sort(), [outputs[0].id, outputs[3].id].sort());
}));

test('failures that pass: the same id and body each time, a fresh timestamp', () => withBoth({config: callbackConfig({retries: {attempts_max: 10}}), answer: (call, response) => {
  const statuses = [500, 503, 408, 409, 425, 429];
  if (call.number <= statuses.length) response.writeHead(statuses[call.number - 1]).end('no');
  // The first on the connection that was kept, which is made good at once; the second on a fresh one.
  else if (call.number <= statuses.length + 2) response.socket.destroy();
  else response.writeHead(200).end('ok');
}}, async (server, receiver) => {
  const id = await promise(server, receiver.url());
  const view = await reaches(server, id, 'delivered');
  assert.deepEqual(view.attempts.map((attempt) => attempt.outcome), ['5xx', '5xx', '4xx', '4xx', '4xx', '429', 'connection', '2xx']);
  assert.deepEqual(view.attempts.map((attempt) => attempt.number), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(new Set(receiver.calls.map((call) => call.text)).size, 1);
  assert.equal(new Set(receiver.calls.map((call) => call.id)).size, 1);
  assert.equal(await metric(server, 'loquat_callback_attempts_total{outcome="5xx"}'), 2);
  assert.equal(await metric(server, 'loquat_callback_attempts_total{outcome="2xx"}'), 1);
}));

test('Retry-After of 429 and 503 is waited for, in seconds and as a date', () => withBoth({answer: (call, response) => {
  if (call.number === 1) response.writeHead(429, {'retry-after': '1'}).end();
  else if (call.number === 2) response.writeHead(503, {'retry-after': new Date(Date.now() + 2500).toUTCString()}).end();
  else response.writeHead(200).end();
}}, async (server, receiver) => {
  const id = await promise(server, receiver.url());
  const waiting = await until('the first wait', async () => {
    const delivery = await deliveryOf(server, id);
    return delivery.attempts_made === 1 && delivery.next_attempt_at_ms && delivery;
  });
  assert.ok(waiting.next_attempt_at_ms - waiting.attempts[0].at_ms >= 1000);
  await reaches(server, id, 'delivered');
  const [first, second, third] = receiver.calls.map((call) => call.at);
  assert.ok(second - first >= 990, `${second - first} ms`);
  assert.ok(third - second >= 1400, `${third - second} ms`);
}));

// What ends a delivery at its first call.
const FINAL = [
  ['gone', (response) => response.writeHead(410).end(), '410'],
  ['bad request', (response) => response.writeHead(400).end(), '4xx'],
  ['not found', (response) => response.writeHead(404).end(), '4xx'],
  ['a redirect into private space', (response) => response.writeHead(307, {location: 'http://169.254.169.254/latest'}).end(), '3xx'],
];
test('final answers end it and make a dead letter', () => withBoth({answer: (call, response) => FINAL[Number(call.url.slice(1))][1](response)}, async (server, receiver, config) => {
  const ids = [];
  for (const [i, [name, , reason]] of FINAL.entries()) {
    const id = await promise(server, receiver.url(`/${i}`));
    const view = await reaches(server, id, 'dead');
    assert.deepEqual([view.reason, view.attempts_made], [reason, 1], name);
    fits('Delivery', view);
    ids.push(id);
  }
  const file = `${config.delivery.callbacks.journal}.dead.jsonl`;
  const letters = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(letters.map((letter) => letter.id), ids);
  assert.equal(JSON.parse(letters[0].body).type, 'understand.completed');
  assert.deepEqual([letters[0].url, letters[0].reason, letters[0].last_status], [receiver.url('/0'), '410', 410]);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  const listed = (await request(server, 'GET', '/v1/deliveries?state=dead')).json.deliveries;
  assert.deepEqual(listed.map((delivery) => delivery.id), ids.toReversed());
  assert.deepEqual((await request(server, 'GET', '/v1/deliveries?state=queued')).json.deliveries, []);
  assert.equal((await request(server, 'GET', '/v1/deliveries?state=lost')).status, 400);
  assert.equal(await metric(server, 'loquat_callback_dead_letters_total{reason="4xx"}'), 2);
}));

test('redirects are followed where that is allowed, each target checked anew', () => {
  const answers = {
    '/307': (response) => response.writeHead(307, {location: '/ok'}).end(),
    '/private': (response) => response.writeHead(307, {location: 'http://169.254.169.254/latest'}).end(),
    '/name': (response) => response.writeHead(308, {location: 'http://localhost/'}).end(),
    '/loop': (response) => response.writeHead(307, {location: '/loop'}).end(),
    '/302': (response) => response.writeHead(302, {location: '/ok'}).end(),
    '/ok': (response) => response.writeHead(200).end(),
  };
  return withBoth({config: callbackConfig({retries: {redirects_max: 2}}), answer: (call, response) => answers[call.url](response)}, async (server, receiver) => {
    const outcome = async (target) => {
      const id = await promise(server, receiver.url(target));
      return until(`${target} ends`, async () => {
        const {state, reason} = await deliveryOf(server, id);
        return (state === 'delivered' || state === 'dead') && `${state} ${reason ?? ''}`.trim();
      });
    };
    assert.equal(await outcome('/307'), 'delivered');
    assert.equal(await outcome('/private'), 'dead refused');
    assert.equal(await outcome('/name'), 'dead refused');
    assert.equal(await outcome('/loop'), 'dead 3xx');
    assert.equal(await outcome('/302'), 'dead 3xx');
    assert.equal(receiver.calls.filter((call) => call.url === '/loop').length, 3);
  });
});

test('the budget of attempts and that of time end in a dead letter', () => withBoth({config: callbackConfig({retries: {attempts_max: 3}}), answer: (_, response) => response.writeHead(500).end()}, async (server, receiver) => {
  const spent = await reaches(server, await promise(server, receiver.url()), 'dead');
  assert.deepEqual([spent.reason, spent.attempts_made, receiver.calls.length], ['attempts', 3, 3]);
  const closed = await promise(server, 'http://127.0.0.1:1/');
  const view = await reaches(server, closed, 'dead');
  assert.deepEqual(view.attempts.map((attempt) => attempt.outcome), ['connection', 'connection', 'connection']);
  server.writeConfig(callbackConfig({journal: undefined, retries: {attempts_max: 1000, give_up_after: '300ms'}}));
  await server.waitLog(/configuration reloaded.*give_up_after/);
  assert.equal((await reaches(server, await promise(server, receiver.url()), 'dead')).reason, 'time');
}));

test('answers that hang, drip, flood or break are bounded, and a head of 2xx is a delivery', () => {
  const answers = {
    '/hang': () => {},
    '/drip-head': (response) => {
      response.socket.write('HTTP/1.1 200 OK\r\nX: ');
      const timer = setInterval(() => response.socket.write('x'), 20);
      response.socket.on('close', () => clearInterval(timer));
    },
    '/drip-body': (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 20);
      response.socket.on('close', () => clearInterval(timer));
    },
    '/flood': (response) => {
      response.writeHead(200, {'content-length': 1 << 30});
      const chunk = Buffer.alloc(1 << 16);
      const more = () => { while (!response.destroyed && response.write(chunk)); };
      response.on('drain', more);
      more();
    },
    '/rubbish': (response) => response.socket.end('nonsense\r\n\r\n'),
    '/reset': (response) => response.socket.resetAndDestroy(),
    '/large-head': (response) => response.socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`),
  };
  return withBoth({config: callbackConfig({retries: {attempts_max: 2, attempt_timeout: '300ms'}}), answer: (call, response) => answers[call.url](response)}, async (server, receiver) => {
    const ids = {};
    for (const target of Object.keys(answers)) ids[target] = await promise(server, receiver.url(target));
    for (const target of ['/drip-body', '/flood']) await reaches(server, ids[target], 'delivered');
    for (const [target, outcome] of [['/hang', 'timeout'], ['/drip-head', 'timeout'], ['/rubbish', 'bad_answer'], ['/reset', 'connection'], ['/large-head', 'bad_answer']]) {
      assert.deepEqual((await reaches(server, ids[target], 'dead')).attempts.map((attempt) => attempt.outcome), [outcome, outcome], target);
    }
    assert.equal(await metric(server, 'loquat_callbacks_open{state="delivering"}'), 0);
  });
});

const REFUSED_URLS = [
  ['http://169.254.169.254/latest/meta-data', 'target_private'], ['http://10.0.0.1/', 'target_private'], ['http://[::1]/', 'target_private'],
  ['http://[::ffff:169.254.169.254]/', 'target_private'], ['http://[fd00:ec2::254]/', 'target_private'], ['http://[64:ff9b::a9fe:a9fe]/', 'target_private'],
  ['http://0.0.0.0/', 'target_private'], ['http://100.64.0.1/', 'target_private'], ['http://224.0.0.1/', 'target_private'],
  ['http://2130706433/', 'target_host'], ['http://0x7f000001/', 'target_host'], ['http://0177.0.0.1/', 'target_host'], ['http://127.1/', 'target_host'],
  ['http://127.0.0.1./', 'target_host'], ['http://example.com./', 'target_host'], ['http://localhost/', 'target_host'], ['http://metadata.google.internal/', 'target_host'],
];
// Faults of the URL itself, found before anybody asks where it leads.
const NO_URLS = ['http://user:pw@example.com/', 'http://①②⑦.0.0.1/', 'ftp://example.com/', 'http://example.com/#x', 'file:///etc/passwd'];
test('targets that lead inside are refused with 400 before anything is promised', () => withBoth({}, async (server) => {
  for (const [url, reason] of REFUSED_URLS) {
    const answer = await understand(server, {text: 'hi', delivery: 'callback', callback_url: url});
    assert.deepEqual([answer.status, answer.json.error.reason, answer.json.error.param], [400, reason, '/callback_url'], url);
  }
  for (const url of NO_URLS) {
    const answer = await understand(server, {text: 'hi', delivery: 'callback', callback_url: url});
    assert.deepEqual([answer.status, answer.json.error.param], [400, '/callback_url'], url);
  }
  const own = await understand(server, {text: 'hi', delivery: 'callback', callback_url: `${server.url}/v1/understand`});
  assert.deepEqual([own.status, own.json.error.reason], [400, 'target_own'], 'the server itself, though loopback is allowed');
  assert.equal(await metric(server, 'loquat_callbacks_accepted_total'), 0);
  assert.equal(await metric(server, 'loquat_callbacks_refused_total{reason="target_own"}'), 1);
}));

test('by default only https on port 443 of the public world is called', () => withBoth(
  {config: {delivery: {callbacks: {...callbackConfig().delivery.callbacks, targets: {}}}}}, async (server) => {
    const reason = async (url) => (await understand(server, {text: 'hi', delivery: 'callback', callback_url: url})).json.error?.reason;
    assert.equal(await reason('http://example.com/'), 'target_scheme');
    assert.equal(await reason('https://example.com:8443/'), 'target_port');
    assert.equal(await reason('https://127.0.0.1/'), 'target_private');
  }));

test('a name that resolves into private space is found out at the call', () => withBoth({config: callbackConfig({targets: {allow_networks: [], allow_hosts: ['localhost', '.invalid']}, retries: {attempts_max: 1}})}, async (server, receiver) => {
  const view = await reaches(server, await promise(server, `http://localhost:${receiver.port}/`), 'dead');
  assert.deepEqual([view.reason, view.attempts[0].outcome], ['refused', 'refused']);
  assert.match(view.attempts[0].detail, /localhost.*loopback/);
  const missing = await reaches(server, await promise(server, 'http://no-such-host.invalid/'), 'dead');
  assert.equal(missing.attempts[0].outcome, 'resolve');
  assert.equal(receiver.calls.length, 0);
}));

test('https: the certificate must be for the name of the URL, and be trusted', async () => {
  const [key, ca] = [scratchPath('key.pem'), scratchPath('cert.pem')];
  const made = await runProgram('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', ca]);
  assert.equal(made.code, 0, made.stderr);
  const names = [];
  const receiver = https.createServer({key: fs.readFileSync(key), cert: fs.readFileSync(ca)}, (request, response) => {
    names.push([request.socket.servername, request.headers.host]);
    request.resume().on('end', () => response.writeHead(204).end());
  });
  receiver.on('tlsClientError', () => {});
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const {port} = receiver.address();
  const options = (more) => callbackConfig({targets: {allow_http: false, allow_networks: ['127.0.0.1', '::1']}, retries: {attempts_max: 1}, ...more});
  for (const [ca_file, hosts, url, state] of [
    [ca, ['localhost'], `https://localhost:${port}/`, 'delivered'],
    [ca, [], `https://127.0.0.1:${port}/`, 'dead'],
    ['', ['localhost'], `https://localhost:${port}/`, 'dead'],
  ]) {
    const config = options({ca_file});
    config.delivery.callbacks.targets.allow_hosts = hosts;
    const server = await startServer({config});
    await reaches(server, await promise(server, url), state);
    await server.stop();
  }
  assert.deepEqual(names, [['localhost', `localhost:${port}`]]);
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

test('secrets rotate without a stop: old and new sign side by side', () => {
  const config = callbackConfig();
  const next = secretOf(9);
  return withBoth({config, secrets: []}, async (server, receiver) => {
    const signedBy = async () => {
      await reaches(server, await promise(server, receiver.url()), 'delivered');
      const {text, headers} = receiver.calls.at(-1);
      return [SECRET, next].map((secret) => {
        try {
          return Boolean(new Webhook(secret).verify(text, headers));
        } catch {
          return false;
        }
      });
    };
    const turn = async (secrets, expected) => {
      server.writeConfig({delivery: {callbacks: {...config.delivery.callbacks, secrets}}});
      await until(`signed by ${expected}`, async () => JSON.stringify(await signedBy()) === JSON.stringify(expected));
    };
    assert.deepEqual(await signedBy(), [true, false]);
    await turn([SECRET, next], [true, true]);
    await turn([next], [false, true]);
    assert.ok(!server.output.includes(next) && !server.output.includes(SECRET), 'no secret in the log');
  });
});

test('limits refuse with 429 and a reason, and a host that hangs holds up no other', () => {
  const hung = [];
  let blocked = true;
  return withBoth({config: callbackConfig({limits: {sends_host_max: 2, undelivered_host_max: 5, undelivered_max: 8}, retries: {attempt_timeout: '20s'}}), answer: (call, response) => {
    if (blocked && call.headers.host.startsWith('127.0.0.2')) hung.push(response);
    else response.writeHead(200).end();
  }}, async (server, receiver) => {
    const slow = await new Receiver((call, response) => (blocked ? hung.push(response) : response.writeHead(200).end())).listen();
    const slowUrl = slow.url().replace('127.0.0.1', '127.0.0.2');
    slow.server.close();
    await new Promise((resolve) => slow.server.listen(slow.port, '127.0.0.2', resolve));
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await promise(server, slowUrl));
    const full = await understand(server, {text: 'hi', delivery: 'callback', callback_url: slowUrl});
    assert.deepEqual([full.status, full.json.error.reason], [429, 'callback_host_full']);
    assert.ok(full.headers['retry-after']);
    await until('its two calls are under way', () => hung.length === 2);
    for (let i = 0; i < 10; i++) await reaches(server, await promise(server, receiver.url()), 'delivered');
    assert.equal(hung.length, 2, 'no more than its share');
    assert.deepEqual(await Promise.all(ids.map((id) => stateOf(server, id))), Array(5).fill('delivering'));
    assert.ok((await metric(server, 'loquat_callbacks_oldest_seconds')) >= 0);
    blocked = false;
    for (const response of hung.splice(0)) response.writeHead(200).end();
    for (const id of ids) await reaches(server, id, 'delivered');
    await slow.close();
  });
});

test('kill -9 in the middle: every accepted request is delivered after the next start', {timeout: 60_000}, async () => {
  const config = callbackConfig({limits: {works_max: 2}, retries: {attempts_max: 1000, backoff_max: '500ms'}});
  let down = true;
  const receiver = await new Receiver((_, response) => response.writeHead(down ? 503 : 200).end()).listen();
  let server = await startServer({config});
  const accepted = new Set();
  for (let round = 0; round < 3; round++) {
    let asking = true;
    const clients = Array.from({length: 8}, async () => {
      while (asking) {
        try {
          accepted.add(await promise(server, receiver.url()));
        } catch {
          return;  // The server is gone; what was not answered was not promised.
        }
      }
    });
    const before = accepted.size;
    await until('some are accepted', () => accepted.size > before + 100);
    await server.kill();
    asking = false;
    await Promise.all(clients);
    if (round === 2) {
      // A record that was cut in the middle by the crash.
      fs.appendFileSync(config.delivery.callbacks.journal, Buffer.from([40, 0, 0, 0, 1, 2, 3]));
      down = false;
    }
    server = await startServer({config});
  }
  await server.waitLog(/ended in the middle of a record/);
  await until('all are delivered', async () => {
    const delivered = new Set(receiver.calls.filter((call) => accepted.has(call.id)).map((call) => call.id));
    return delivered.size === accepted.size && (await metric(server, 'loquat_callbacks_open{state="delivering"}')) === 0;
  }, {ms: 40_000});
  for (const id of accepted) assert.equal((await deliveryOf(server, id)).state, 'delivered', id);
  assert.deepEqual(receiver.faults, []);
  assert.equal(fs.existsSync(`${config.delivery.callbacks.journal}.dead.jsonl`), false);
  await server.stop();
  await receiver.close();
});

test('a stop waits for what is under way; the rest is done at the next start', async () => {
  const config = callbackConfig({retries: {backoff_first: '1s', backoff_max: '1s'}});
  const receiver = await new Receiver((call, response) => (call.number === 1 ? response.writeHead(503).end() : response.writeHead(200).end())).listen();
  let server = await startServer({config});
  const id = await promise(server, receiver.url());
  await until('the first call failed', async () => (await deliveryOf(server, id)).attempts_made === 1);
  await server.stop();
  server = await startServer({config});
  const view = await reaches(server, id, 'delivered');
  assert.deepEqual(view.attempts.map((attempt) => [attempt.number, attempt.outcome]), [[1, '5xx'], [2, '2xx']]);
  await server.stop();
  server = await startServer({config});
  assert.equal(await stateOf(server, id), 'delivered', 'finished ones are known after a restart');
  await server.stop();
  assert.equal(receiver.calls.length, 2);
  await receiver.close();
});

test('a journal that cannot be written refuses instead of promising', async () => {
  const config = callbackConfig();
  const receiver = await new Receiver().listen();
  // A bound on the size of files stands for a full disk.
  const server = await startServer({config, wrap: ['sh', '-c', "trap '' XFSZ; exec \"$@\"", 'sh', 'prlimit', '--fsize=40000']});
  let refused;
  await until('the journal is full', async () => {
    const answer = await understand(server, {text: 'hi '.repeat(500), delivery: 'callback', callback_url: receiver.url()});
    refused = answer.status !== 202 && answer;
    return refused;
  }, {every: 1});
  assert.deepEqual([refused.status, refused.json.error.reason], [503, 'journal_failed']);
  assert.ok((await metric(server, 'loquat_callback_journal_errors_total')) >= 1);
  assert.equal((await understand(server, {text: 'hi'})).status, 200, 'other requests are served');
  await server.stop();
  await receiver.close();
});

test('the journal is written anew when most of it is of the past', () => withBoth({config: callbackConfig({compact_bytes: '16KiB', finished_max: 5})}, async (server, receiver, config) => {
  const size = () => fs.statSync(config.delivery.callbacks.journal).size;
  let largest = 0;
  await until('it shrank', async () => {
    for (let i = 0; i < 20; i++) await promise(server, receiver.url());
    largest = Math.max(largest, size());
    return size() < largest / 2;
  });
  await until('old ones are forgotten', async () => (await request(server, 'GET', '/v1/deliveries')).json.deliveries.length <= 5);
}));

test('deliveries are forgotten after their retention, and are their tenant\'s alone', async () => {
  const sha256 = async (key) => Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(key))).toString('hex');
  const config = callbackConfig({retention: '1s'});
  config.server = {api_keys: [{name: 'a', sha256: await sha256('key-a')}, {name: 'b', sha256: await sha256('key-b')}]};
  await withBoth({config}, async (server, receiver) => {
    const as = (key) => ({headers: {authorization: `Bearer ${key}`}});
    const {delivery} = (await understand(server, {text: 'hi', delivery: 'callback', callback_url: receiver.url()}, as('key-a'))).json;
    const get = (key) => request(server, 'GET', `/v1/deliveries/${delivery.id}`, as(key));
    assert.equal((await request(server, 'GET', `/v1/deliveries/${delivery.id}`)).status, 401);
    assert.deepEqual([(await get('key-b')).status, (await get('key-b')).json.error.reason], [404, 'delivery_unknown']);
    assert.equal((await get('key-a')).status, 200);
    const gone = await until('it is forgotten', async () => {
      const answer = await get('key-a');
      return answer.status === 404 && answer;
    });
    assert.match(gone.json.error.message, /retention/);
    assert.equal(receiver.calls.length, 1);
  });
});

test('settings that make no sense are refused with their key', async () => {
  const {journal} = callbackConfig().delivery.callbacks;
  const cases = [
    [{journal}, /delivery\.callbacks\.secrets/],
    [{journal, secrets: ['whsec_c2hvcnQ=']}, /delivery\.callbacks\.secrets/],
    [{journal, secrets: ['plain']}, /delivery\.callbacks\.secrets/],
    [{journal, secrets: [SECRET], targets: {allow_networks: ['10.0.0.0/99']}}, /10\.0\.0\.0\/99/],
    [{journal, secrets: [SECRET], retries: {backoff_first: '10s', backoff_max: '1s'}}, /backoff_first/],
    [{journal: '/no/such/folder/j', secrets: [SECRET]}, /no\/such\/folder/],
  ];
  for (const [callbacks, pattern] of cases) {
    const server = await startServer({config: {delivery: {callbacks}}, wait: false});
    const {code} = await server.waitExit();
    assert.notEqual(code, 0, JSON.stringify(callbacks));
    assert.match(server.stderr, pattern);
    assert.ok(!server.stderr.includes('c2hvcnQ'), 'no secret in a message');
  }
});
