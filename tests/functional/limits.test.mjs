// Bounds on connections and what is said when they are reached.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import {test} from 'node:test';
import {RawConnection, frameOf, rawRequest, request} from '../support/http.mjs';
import {scratchPath} from '../support/paths.mjs';
import {startServer} from '../support/server.mjs';
import {until, within} from '../support/wait.mjs';

const BODY = JSON.stringify({text: 'hello'});

test('one connection too many is refused with 503 and the reason; the others serve on; room is given back', async () => {
  const server = await startServer({config: {server: {connections_max: 5}}});
  try {
    const held = await Promise.all(Array.from({length: 5}, () => RawConnection.open(server.port)));
    for (const connection of held) {
      await connection.write(rawRequest(BODY));
      assert.equal((await connection.responses(1))[0].status, 200);
    }
    const over = await RawConnection.open(server.port);
    await over.write(rawRequest(BODY));
    const [refused] = await over.waitClosed();
    assert.equal(refused.status, 503);
    assert.equal(refused.headers['retry-after'], '1');
    const {error} = JSON.parse(refused.body);
    assert.deepEqual([error.code, error.reason], ['unavailable', 'too_many_connections']);
    await held[0].write(rawRequest(BODY));
    assert.equal((await held[0].responses(2)).length, 2);
    for (const connection of held) connection.destroy();
    await until('there is room again', async () => (await frameOf(server, {text: 'hello'})).intent.name === 'greet');
    const metrics = (await request(server, 'GET', '/metrics')).text;
    assert.match(metrics, /loquat_connections_refused_total\{reason="connections"\} [1-9]/);
  } finally {
    await server.stop();
  }
});

test('limits of head and body are configuration', async () => {
  const server = await startServer({config: {server: {header_bytes_max: '2KiB', body_bytes_max: '4KiB'}, understand: {text_bytes_max: 100}}});
  try {
    const headers = await request(server, 'GET', '/livez', {headers: {'x-long': 'a'.repeat(3000)}});
    assert.deepEqual([headers.status, headers.json.error.reason], [431, 'header_too_large']);
    const body = await request(server, 'POST', '/v1/understand', {body: {text: 'a'.repeat(5000)}});
    assert.deepEqual([body.status, body.json.error.reason], [413, 'body_too_large']);
    const text = await request(server, 'POST', '/v1/understand', {body: {text: 'a'.repeat(101)}});
    assert.deepEqual([text.status, text.json.error.reason], [413, 'text_too_large']);
    assert.equal((await request(server, 'POST', '/v1/understand', {body: {text: 'a'.repeat(100)}})).status, 200);
  } finally {
    await server.stop();
  }
});

test('sessions past their bound push out the least recently used', async () => {
  const server = await startServer({config: {sessions: {sessions_max: 64}}});
  try {
    for (let i = 0; i < 300; i++) await frameOf(server, {text: 'hi', session: `s${i}`, features: ['intent']});
    const vars = (await request(server, 'GET', '/debug/vars')).json;
    assert.ok(vars.sessions.count <= 64 && vars.sessions.count > 16, JSON.stringify(vars.sessions));
    assert.ok(vars.sessions.evicted >= 236);
    assert.equal((await request(server, 'GET', '/v1/sessions/s299')).status, 200);
    assert.equal((await request(server, 'GET', '/v1/sessions/s0')).status, 404);
  } finally {
    await server.stop();
  }
});

test('Rasa #11284: memory does not grow with the number of requests', async () => {
  const server = await startServer();
  try {
    const agent = new http.Agent({keepAlive: true, maxSockets: 8});
    const round = async (count) => {
      for (let i = 0; i < count; i += 50) {
        await Promise.all(Array.from({length: 50}, (_, k) => frameOf(server, {text: `北京明天天气怎么样 ${i + k}`, session: `m${k}`, reply: true}, {agent})));
      }
    };
    await round(1000);
    const before = server.memoryBytes();
    await round(3000);
    const grown = server.memoryBytes() - before;
    agent.destroy();
    assert.ok(grown < 16 * 1024 * 1024, `${(grown / 1e6).toFixed(1)} MB more after 3,000 requests`);
  } finally {
    await server.stop();
  }
});

test('the server listens on IPv6 and on a Unix socket, whose file goes with it', async () => {
  const ipv6 = await startServer({listen: '[::1]:0'});
  try {
    assert.match(ipv6.url, /^http:\/\/\[::1\]:\d+$/);
    assert.equal((await fetch(`${ipv6.url}/livez`)).status, 200);
  } finally {
    await ipv6.stop();
  }
  const file = scratchPath('loquat.sock');
  const local = await startServer({listen: `unix:${file}`});
  try {
    const status = await within('an answer over the socket', new Promise((resolve, reject) => {
      http.get({socketPath: file, path: '/livez', agent: false}, (response) => resolve(response.resume().statusCode)).on('error', reject);
    }));
    assert.equal(status, 200);
  } finally {
    await local.stop();
  }
  assert.equal(fs.existsSync(file), false);
});

test('an address that is taken or is none is said at start, with what to do', async () => {
  const server = await startServer();
  try {
    const second = await startServer({listen: `127.0.0.1:${server.port}`, wait: false});
    const {code} = await second.waitExit();
    assert.equal(code, 1);
    assert.match(second.stderr, /another program has it/);
    const nowhere = await startServer({listen: 'nowhere', wait: false});
    assert.equal((await nowhere.waitExit()).code, 1);
    assert.match(nowhere.stderr, /server\.listen|HOST:PORT/);
  } finally {
    await server.stop();
  }
});
