// Methods, paths, headers, CORS, API keys, ids and deadlines: what every endpoint has in common.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import {test} from 'node:test';
import {request, understand} from '../support/http.mjs';
import {sharedServer, startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const shared = sharedServer();

const ROUTES = [
  ['/v1/understand', ['POST']], ['/v1/chat/completions', ['POST']], ['/v1/completions', ['POST']], ['/v1/embeddings', ['POST']],
  ['/v1/models', ['GET', 'HEAD']], ['/v1/models/x', ['GET', 'HEAD']], ['/v1/sessions/x', ['GET', 'HEAD', 'DELETE']], ['/v1/sessions/x/fork', ['POST']], ['/livez', ['GET', 'HEAD']],
  ['/readyz', ['GET', 'HEAD']], ['/healthz', ['GET', 'HEAD']], ['/metrics', ['GET', 'HEAD']], ['/debug/vars', ['GET', 'HEAD']],
  ['/openapi.yaml', ['GET', 'HEAD']], ['/console', ['GET', 'HEAD']], ['/console/console.js', ['GET', 'HEAD']],
];

for (const [path, methods] of ROUTES) {
  test(`${path} answers a wrong method with 405 and the right ones in Allow`, async () => {
    const server = await shared.ready();
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'BREW']) {
      if (methods.includes(method)) continue;
      const answer = await request(server, method, path);
      assert.equal(answer.status, 405, `${method}: ${answer.text}`);
      assert.deepEqual(answer.headers.allow.split(', ').sort(), ['OPTIONS', ...methods].sort());
      assert.ok(answer.json.error.message.includes(method));
    }
    const options = await request(server, 'OPTIONS', path);
    assert.equal(options.status, 204);
    assert.deepEqual(options.headers.allow.split(', ').sort(), ['OPTIONS', ...methods].sort());
  });
}

test('an unknown path is 404 with the one error body', async () => {
  const server = await shared.ready();
  for (const path of ['/', '/v1', '/v1/understand/', '/v1/sessions/', '/v1/sessions/a/b', '/V1/understand', '/livez/', '/console/../livez', '//livez', '/console/none.js',
    '/%6civez', `/${'a'.repeat(5000)}`]) {
    const answer = await request(server, 'GET', path);
    assert.equal(answer.status, 404, path);
    assert.deepEqual([answer.json.error.code, answer.json.error.reason], ['not_found', 'no_route']);
    assert.match(answer.headers['content-type'], /^application\/json/);
  }
});

test('a query string does not change the route', async () => {
  assert.equal((await request(await shared.ready(), 'GET', '/livez?a=b&c')).status, 200);
});

test('HEAD gives the headers of GET and no body', async () => {
  const server = await shared.ready();
  for (const path of ['/livez', '/console', '/openapi.yaml', '/nothing']) {
    const [head, get] = [await request(server, 'HEAD', path), await request(server, 'GET', path)];
    assert.deepEqual([head.status, head.text, head.headers['content-type']], [get.status, '', get.headers['content-type']]);
    assert.equal(Number(head.headers['content-length']) > 0, true);
  }
});

test('Ollama #8527: a request id is taken over or made, and returned on every path', async () => {
  const server = await shared.ready();
  for (const path of ['/livez', '/nothing', '/metrics']) {
    const given = await request(server, 'GET', path, {headers: {'x-request-id': 'Abc-123_.:/+=@~'}});
    assert.equal(given.headers['x-request-id'], 'Abc-123_.:/+=@~');
    const made = await request(server, 'GET', path);
    assert.match(made.headers['x-request-id'], /^[A-Za-z0-9_.:/+=@~-]{8,128}$/);
  }
  const answer = await understand(server, {text: 'hi'}, {headers: {'x-request-id': 'mine'}});
  assert.equal(answer.json.id, 'mine');
  for (const bad of ['a b', '', 'x'.repeat(129), '"quoted"', 'ä']) {
    const replaced = await understand(server, {text: 'hi'}, {headers: {'x-request-id': Buffer.from(bad).toString('latin1')}});
    assert.equal(replaced.status, 200);
    assert.notEqual(replaced.json.id, bad);
    assert.match(replaced.json.id, /^[\w-]{8,}$/);
  }
});

test('llama.cpp #21356, Rasa #7196: the W3C trace of the caller goes on, with a span of our own', async () => {
  const server = await shared.ready();
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
  const sent = await understand(server, {text: 'hi'}, {headers: {traceparent: `00-${trace}-00f067aa0ba902b7-01`, tracestate: 'a=b'}});
  const [version, id, span, flags] = sent.headers.traceparent.split('-');
  assert.deepEqual([version, id, flags], ['00', trace, '01']);
  assert.notEqual(span, '00f067aa0ba902b7');
  assert.match(span, /^[0-9a-f]{16}$/);
  const unsampled = await request(server, 'GET', '/livez', {headers: {traceparent: `00-${trace}-00f067aa0ba902b7-00`}});
  assert.match(unsampled.headers.traceparent, new RegExp(`^00-${trace}-[0-9a-f]{16}-00$`));
  // A later version may be longer; ours answers in version 00.
  const later = await request(server, 'GET', '/livez', {headers: {traceparent: `cc-${trace}-00f067aa0ba902b7-01-more`}});
  assert.match(later.headers.traceparent, new RegExp(`^00-${trace}-`));
  const broken = ['', 'x', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `00-${trace}-${'0'.repeat(16)}-01`, `ff-${trace}-00f067aa0ba902b7-01`,
    `00-${trace.toUpperCase()}-00f067aa0ba902b7-01`, `00-${trace}-00f067aa0ba902b7-01-more`, `00-${trace}-00f067aa0ba902b7`, 'x'.repeat(2000)];
  for (const traceparent of broken) {
    const answer = await request(server, 'GET', '/livez', {headers: {traceparent}});
    assert.equal(answer.status, 200);
    assert.match(answer.headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    assert.ok(!answer.headers.traceparent.includes(trace), traceparent);
  }
});

test('infinity #546: a deadline that has passed is 504, one ahead is kept', async () => {
  const server = await shared.ready();
  const say = (headers, body = {text: 'hi'}) => understand(server, body, {headers});
  const late = [{'x-request-timeout-ms': '0'}, {'x-request-deadline-ms': '0'}, {'x-request-deadline-ms': '1'}, {'x-request-deadline-ms': String(Date.now() - 1000)}];
  for (const headers of late) {
    const answer = await say(headers);
    assert.deepEqual([answer.status, answer.json.error.code], [504, 'deadline_exceeded'], JSON.stringify(headers));
  }
  for (const headers of [{'x-request-timeout-ms': '3600000'}, {'x-request-deadline-ms': String(Date.now() + 60_000)}, {'x-request-deadline-ms': '9223372036854775807'}]) {
    assert.equal((await say(headers)).status, 200, JSON.stringify(headers));
  }
  const batch = await say({'x-request-timeout-ms': '0'}, {inputs: [{text: 'a'}, {text: 'b'}]});
  assert.deepEqual(batch.json.outputs.map((output) => output.error.code), ['deadline_exceeded', 'deadline_exceeded']);
});

test('a bad value of a known header is 400 and names the header', async () => {
  const server = await shared.ready();
  const cases = [['X-Request-Timeout-Ms', ['soon', '-1', '1.5', '3600001', '', '0x10', '99999999999999999999']],
    ['X-Request-Deadline-Ms', ['tomorrow', '-1', '1.5', '', '99999999999999999999']], ['X-Priority', ['high', '', 'Interactive']]];
  for (const [header, values] of cases) {
    for (const value of values) {
      const answer = await understand(server, {text: 'hi'}, {headers: {[header]: value}});
      assert.equal(answer.status, 400, `${header}: ${value}`);
      assert.equal(answer.json.error.param.toLowerCase(), header.toLowerCase());
    }
  }
  for (const priority of ['interactive', 'batch']) {
    assert.equal((await understand(server, {text: 'hi'}, {headers: {'x-priority': priority}})).status, 200);
  }
});

test('CORS is off by default', async () => {
  const server = await shared.ready();
  for (const [method, path] of [['OPTIONS', '/v1/understand'], ['GET', '/livez']]) {
    const answer = await request(server, method, path, {headers: {origin: 'https://app.example', 'access-control-request-method': 'POST'}});
    assert.deepEqual(Object.keys(answer.headers).filter((name) => name.startsWith('access-control')), []);
  }
});

test('CORS is on for the origins that the configuration names, and for no other', async () => {
  const server = await startServer({config: {server: {cors_origins: ['https://app.example', 'https://b.example']}}});
  try {
    const ask = (method, origin) => request(server, method, '/v1/understand', {
      headers: {origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type'},
      ...(method === 'POST' ? {body: {text: 'hi'}} : {})});
    const preflight = await ask('OPTIONS', 'https://app.example');
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], 'https://app.example');
    assert.match(preflight.headers['access-control-allow-methods'], /POST/);
    assert.match(preflight.headers['access-control-allow-headers'], /authorization.*content-type/);
    const answer = await ask('POST', 'https://b.example');
    assert.deepEqual([answer.status, answer.headers['access-control-allow-origin'], answer.headers.vary], [200, 'https://b.example', 'Origin']);
    const failing = await request(server, 'GET', '/v1/sessions/none', {headers: {origin: 'https://b.example'}});
    assert.equal(failing.headers['access-control-allow-origin'], 'https://b.example', 'a page can read errors, too');
    for (const origin of ['https://evil.example', 'https://app.example.evil', 'http://app.example', 'null']) {
      assert.equal((await ask('POST', origin)).headers['access-control-allow-origin'], undefined);
    }
  } finally {
    await server.stop();
  }
});

const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');

test('Ollama #8536: API keys guard what matters; the log has the tenant and never the key', async () => {
  const keys = {shop: 'key-of-the-shop', desk: 'key-of-the-desk'};
  const server = await startServer({config: {log: {level: 'debug', format: 'json'},
    server: {api_keys: Object.entries(keys).map(([name, key]) => ({name, sha256: sha256(key)}))}}});
  try {
    const guarded = [['POST', '/v1/understand', {text: 'hi'}], ['GET', '/v1/sessions/x'], ['DELETE', '/v1/sessions/x'], ['POST', '/v1/sessions/x/fork'], ['GET', '/healthz'],
      ['GET', '/metrics'], ['GET', '/debug/vars']];
    for (const [method, path, body] of guarded) {
      const missing = await request(server, method, path, {body});
      assert.deepEqual([missing.status, missing.json.error.code, missing.json.error.reason], [401, 'unauthenticated', 'api_key_missing'], path);
      assert.equal(missing.headers['www-authenticate'], 'Bearer');
      const wrong = await request(server, method, path, {body, headers: {authorization: 'Bearer wrong'}});
      assert.deepEqual([wrong.status, wrong.json.error.reason], [401, 'api_key_unknown'], path);
      const right = await request(server, method, path, {body, headers: {'x-api-key': keys.shop}});
      assert.notEqual(right.status, 401, path);
    }
    for (const path of ['/livez', '/readyz', '/openapi.yaml', '/console', '/console/console.js']) {
      assert.equal((await request(server, 'GET', path)).status, 200, path);
    }
    const say = (headers) => understand(server, {text: 'hi'}, {headers});
    assert.equal((await say({authorization: `bearer ${keys.desk}`})).status, 200, 'the scheme has no case');
    for (const headers of [{authorization: keys.shop}, {authorization: `Basic ${keys.shop}`}, {authorization: 'Bearer '}, {'x-api-key': ''},
      {authorization: `Bearer ${sha256(keys.shop)}`}, {authorization: `Bearer ${keys.shop}x`}, {'x-api-key': keys.shop.toUpperCase()}]) {
      assert.equal((await say(headers)).status, 401, JSON.stringify(headers));
    }
    const line = await until('the log has the request of the desk', async () => {
      await say({authorization: `Bearer ${keys.desk}`, 'x-request-id': 'from-the-desk'});
      return server.stderr.split('\n').slice(0, -1).find((l) => l.includes('from-the-desk'));
    }, {every: 100});
    assert.equal(JSON.parse(line).tenant, 'desk');
    assert.ok(!server.output.includes(keys.shop) && !server.output.includes(keys.desk), 'no key in the log');
  } finally {
    await server.stop();
  }
});

test('a sha256 that is none is refused at start', async () => {
  const {loquat} = await import('../support/process.mjs');
  const {writeScratch} = await import('../support/paths.mjs');
  const file = writeScratch('keys.yml', 'server:\n  api_keys:\n    - name: shop\n      sha256: secret\n');
  const {code, stderr} = await loquat(['serve', '--config', file, '--listen', '127.0.0.1:0']);
  assert.equal(code, 1);
  assert.match(stderr, /keys\.yml:4.*64 lower-case hex digits/);
});
