// SIGTERM: what was accepted is answered, nothing new is taken, the process ends with 0.

import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import {test} from 'node:test';
import {RawConnection, rawRequest, understand} from '../support/http.mjs';
import {startServer} from '../support/server.mjs';
import {until, within} from '../support/wait.mjs';

const BODY = JSON.stringify({text: 'hello'});
const LONG = 'Content-Length: 1000';

// A request whose body is still on its way keeps the server draining until finish().
async function heldRequest(server) {
  const connection = await RawConnection.open(server.port);
  const body = JSON.stringify({text: 'hello'}).padEnd(1000);
  await connection.write(`POST /v1/understand HTTP/1.1\r\nHost: x\r\n${LONG}\r\n\r\n${body.slice(0, 10)}`);
  return {finish: async () => {
    await connection.write(body.slice(10));
    return connection.waitClosed();
  }, end: () => connection.waitClosed()};
}

test('an idle server stops at once with exit code 0 and says that nothing was lost', async () => {
  const server = await startServer();
  const {code} = await server.terminate();
  assert.equal(code, 0, server.output);
  assert.match(server.stdout, /draining\nstopped; every accepted request was answered/);
});

test('SIGINT drains as SIGTERM does', async () => {
  const server = await startServer();
  server.signal('SIGINT');
  assert.equal((await server.waitExit()).code, 0);
});

test('llama.cpp #18292: a request under way at SIGTERM is answered in full', async () => {
  const server = await startServer();
  const held = await heldRequest(server);
  server.signal('SIGTERM');
  await until('the drain has begun', () => server.stdout.includes('draining'));
  const [response] = await held.finish();
  assert.equal(response.status, 200);
  assert.equal(response.headers.connection, 'close');
  assert.equal(JSON.parse(response.body).intent.name, 'greet');
  assert.equal((await server.waitExit()).code, 0, server.output);
});

test('vLLM #24885: while draining, readiness is 503 with the reason, health degraded, liveness still 200', async () => {
  const server = await startServer();
  const session = http2.connect(server.url);
  session.on('error', () => {});
  await within('the session is set up', new Promise((resolve) => session.once('remoteSettings', resolve)));
  const held = await heldRequest(server);
  // Kept open before the signal, asking within the grace that idle connections have.
  const probes = await Promise.all(['/readyz', '/healthz', '/livez'].map(async (path) => ({path, connection: await RawConnection.open(server.port)})));
  for (const {connection} of probes) {
    await connection.write(rawRequest(undefined, {method: 'GET', target: '/livez'}));
    await connection.responses(1);
  }
  server.signal('SIGTERM');
  await until('the drain has begun', () => server.stdout.includes('draining'), {every: 1});
  await Promise.all(probes.map(({path, connection}) => connection.write(rawRequest(undefined, {method: 'GET', target: path}))));
  const answers = Object.fromEntries(await Promise.all(probes.map(async ({path, connection}) => [path, (await connection.waitClosed())[1]])));
  assert.equal(answers['/readyz'].status, 503);
  const {error} = JSON.parse(answers['/readyz'].body);
  assert.deepEqual([error.code, error.reason, answers['/readyz'].headers['retry-after']], ['unavailable', 'draining', '1']);
  assert.equal(answers['/healthz'].status, 503);
  assert.equal(JSON.parse(answers['/healthz'].body).status, 'degraded');
  assert.equal(answers['/livez'].status, 200);
  assert.equal((await held.finish())[0].status, 200);
  session.destroy();
  assert.equal((await server.waitExit()).code, 0, server.output);
});

test('a new connection is refused while draining', async () => {
  const server = await startServer();
  const {port} = server;
  const held = await heldRequest(server);
  server.signal('SIGTERM');
  await until('new connections are refused', async () => {
    const connection = await RawConnection.open(port).catch((error) => error);
    if (connection instanceof RawConnection) connection.destroy();
    return connection.code === 'ECONNREFUSED';
  });
  assert.equal((await held.finish())[0].status, 200);
  assert.equal((await server.waitExit()).code, 0);
});

test('idle keep-alive connections do not hold the drain up', async () => {
  const server = await startServer();
  const idle = await Promise.all(Array.from({length: 100}, () => RawConnection.open(server.port)));
  await Promise.all(idle.slice(0, 50).map(async (connection) => {
    await connection.write(rawRequest(BODY));
    await connection.responses(1);
  }));
  assert.equal((await server.terminate()).code, 0, server.output);
  assert.ok(idle.every((connection) => connection.error === undefined || connection.error.code === 'ECONNRESET'));
});

test('a client that never ends its request is cut at the end of drain_timeout; it was not accepted, so nothing was lost', async () => {
  const server = await startServer({config: {server: {drain_timeout: '300ms', timeouts: {body_grace: '1h'}}}});
  const held = await heldRequest(server);
  assert.equal((await server.terminate()).code, 0, server.output);
  assert.deepEqual(await held.end(), [], 'no half answer');
});

test('HTTP/2: streams under way finish, then GOAWAY', async () => {
  const server = await startServer();
  const session = http2.connect(server.url);
  let goaway = false;
  session.on('error', () => {});
  session.on('goaway', () => (goaway = true));
  const stream = session.request({':method': 'POST', ':path': '/v1/understand'});
  let text = '';
  let status;
  stream.on('response', (headers) => (status = headers[':status']));
  stream.setEncoding('utf8').on('data', (data) => (text += data));
  const ended = new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
  stream.write(BODY.slice(0, 5));
  await until('the server has the stream', async () => (await understand(server, {text: 'hi'})).status === 200);
  server.signal('SIGTERM');
  await until('GOAWAY', () => goaway);
  stream.end(BODY.slice(5));
  await within('the stream ends', ended);
  assert.equal(status, 200);
  assert.equal(JSON.parse(text).intent.name, 'greet');
  assert.equal((await server.waitExit()).code, 0, server.output);
});

test('SIGTERM under load fails no accepted request', async (t) => {
  const server = await startServer({config: {server: {io_threads: 3}}});
  const clients = 16;
  const agents = Array.from({length: clients}, () => new http.Agent({keepAlive: true, maxSockets: 1}));
  const seen = {answered: 0, refused: 0, failed: []};
  let down = false;
  const work = agents.map(async (agent, i) => {
    for (let n = 0; !down; n++) {
      try {
        const answer = await understand(server, {text: '北京明天天气怎么样', session: `drain-${i}`, reply: true}, {agent});
        if (answer.status === 200) seen.answered++;
        else seen.failed.push(`${answer.status} ${answer.text}`);
      } catch (error) {
        // Refused before it was accepted: nobody listens any more.
        if (error.code === 'ECONNREFUSED') {
          seen.refused++;
          return;
        }
        seen.failed.push(`${error.code} ${error.message}`);
        if (server.ended) return;
      }
    }
  });
  await until('the load runs', () => seen.answered > 200);
  server.signal('SIGTERM');
  const {code} = await server.waitExit();
  down = true;
  await Promise.all(work);
  for (const agent of agents) agent.destroy();
  t.diagnostic(`${seen.answered} answered, ${seen.refused} refused after the drain began, ${seen.failed.length} failed`);
  assert.deepEqual(seen.failed, []);
  assert.equal(code, 0, server.output);
  assert.match(server.stdout, /every accepted request was answered/);
});
