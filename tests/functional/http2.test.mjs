// HTTP/2: in the clear by prior knowledge, and over TLS by ALPN, on the same listener as HTTP/1.1.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import tls from 'node:tls';
import {after, test} from 'node:test';
import {RawConnection, request} from '../support/http.mjs';
import {scratchPath} from '../support/paths.mjs';
import {runProgram} from '../support/process.mjs';
import {startServer} from '../support/server.mjs';
import {until, within} from '../support/wait.mjs';

const [certificate, key] = [scratchPath('cert.pem'), scratchPath('key.pem')];

async function makeServer() {
  const made = await runProgram('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate]);
  assert.equal(made.code, 0, made.stderr);
  return startServer({config: {server: {tls: {listen: '127.0.0.1:0', certificate, key}, streams_max: 16}}});
}
const server = makeServer();
server.catch(() => {});
after(async () => (await server).stop());

const ca = () => fs.readFileSync(certificate);

async function connect(secure) {
  const {port, tlsPort} = {port: (await server).port, tlsPort: secure ? (await server).tlsPort : 0};
  const session = secure ? http2.connect(`https://localhost:${tlsPort}`, {ca: ca()}) : http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  await within('the session is set up', new Promise((resolve, reject) => {
    session.once('remoteSettings', resolve);
    session.once('error', reject);
  }));
  return session;
}

function call(session, headers, body) {
  return within(`${headers[':method']} ${headers[':path']}`, new Promise((resolve, reject) => {
    const stream = session.request(headers, {endStream: body === undefined});
    let text = '';
    let answer;
    stream.on('response', (received) => (answer = received));
    stream.setEncoding('utf8').on('data', (data) => (text += data));
    stream.on('error', reject);
    stream.on('end', () => answer && resolve({status: answer[':status'], headers: answer, text, get json() { return JSON.parse(text); }}));
    if (body !== undefined) stream.end(body);
  }));
}

const understand = (session, body) => call(session, {':method': 'POST', ':path': '/v1/understand', 'content-type': 'application/json'}, JSON.stringify(body));

for (const [name, secure] of [['h2c by prior knowledge', false], ['TLS by ALPN (Ollama #14003)', true]]) {
  test(`${name}: one connection carries many requests at once`, async () => {
    const session = await connect(secure);
    try {
      const answers = await Promise.all(Array.from({length: 100}, (_, i) => understand(session, {text: `hello ${i}`})));
      assert.deepEqual(answers.map((answer) => answer.json.text), Array.from({length: 100}, (_, i) => `hello ${i}`));
      assert.ok(answers.every((answer) => answer.status === 200 && answer.headers['x-request-id']));
    } finally {
      session.close();
    }
  });

  test(`${name}: errors, HEAD, 404 and 413 are as over HTTP/1.1`, async () => {
    const session = await connect(secure);
    try {
      const bad = await understand(session, {text: 3});
      assert.deepEqual([bad.status, bad.json.error.param], [400, '/text']);
      assert.equal((await call(session, {':method': 'GET', ':path': '/nothing'})).status, 404);
      const head = await call(session, {':method': 'HEAD', ':path': '/livez'});
      assert.deepEqual([head.status, head.text], [200, '']);
      assert.equal((await call(session, {':method': 'GET', ':path': '/openapi.yaml'})).text.startsWith('openapi: 3.1'), true);
      const large = await understand(session, {text: 'x'.repeat(1_000_000)});
      assert.deepEqual([large.status, large.json.error.reason], [413, 'text_too_large']);
      assert.equal((await understand(session, {text: 'hello'})).status, 200);
    } finally {
      session.close();
    }
  });

  test(`${name}: events stream`, async () => {
    const session = await connect(secure);
    try {
      const answer = await call(session, {':method': 'POST', ':path': '/v1/understand', accept: 'text/event-stream'}, JSON.stringify({text: 'hello', reply: true}));
      assert.match(answer.headers['content-type'], /event-stream/);
      assert.deepEqual([...answer.text.matchAll(/^event: (.*)$/gm)].map((match) => match[1]), ['frame', 'reply', 'turn_end']);
    } finally {
      session.close();
    }
  });
}

test('the announced number of streams is the configured one', async () => {
  const session = await connect(false);
  assert.equal(session.remoteSettings.maxConcurrentStreams, 16);
  session.close();
});

test('a header list past the limit is 431, the connection lives on', async () => {
  const session = await connect(false);
  try {
    const answer = await call(session, {':method': 'GET', ':path': '/livez', 'x-long': 'a'.repeat(20_000)});
    assert.equal(answer.status, 431);
    assert.equal((await call(session, {':method': 'GET', ':path': '/livez'})).status, 200);
  } finally {
    session.close();
  }
});

test('a stream that the client resets harms no other', async () => {
  const session = await connect(false);
  try {
    const cut = session.request({':method': 'POST', ':path': '/v1/understand'});
    cut.on('error', () => {});
    cut.write('{"text": ');
    cut.close(http2.constants.NGHTTP2_CANCEL);
    assert.equal((await understand(session, {text: 'hello'})).status, 200);
  } finally {
    session.close();
  }
});

test('CVE-2023-44487: a flood of resets ends the connection, not the server', async () => {
  const session = await connect(false);
  const gone = new Promise((resolve) => session.once('close', resolve));
  session.on('goaway', () => session.destroy());
  for (let i = 0; i < 3000 && !session.destroyed && !session.closed; i++) {
    const stream = session.request({':method': 'POST', ':path': '/v1/understand'});
    stream.on('error', () => {});
    stream.close(http2.constants.NGHTTP2_CANCEL);
    if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await within('the flooding connection is closed', gone);
  assert.equal((await request(await server, 'GET', '/livez')).status, 200);
});

// Frames by hand (RFC 9113, section 4.1).
function frame(type, flags, stream, payload) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
const PREFACE = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]);

// Each flood, repeated until the server ends the connection.
const FLOODS = [
  ['CVE-2024-27316: CONTINUATION without an end', frame(1, 0, 1, Buffer.from([0x82, 0x84, 0x86])), frame(9, 0, 1, Buffer.concat(Array.from({length: 50}, () => Buffer.from('0003612d620163'.padEnd(14, '0'), 'hex'))))],
  ['CVE-2019-9512: PING', Buffer.alloc(0), frame(6, 0, 0, Buffer.alloc(8))],
  ['CVE-2019-9515: SETTINGS', Buffer.alloc(0), frame(4, 0, 0, Buffer.alloc(0))],
];
for (const [name, first, again] of FLOODS) {
  test(`a flood ends the connection, not the server: ${name}`, async () => {
    const connection = await RawConnection.open((await server).port);
    await connection.write(Buffer.concat([PREFACE, first]));
    await until('the connection is ended', async () => {
      if (connection.closed || connection.ended || connection.error) return true;
      connection.socket.write(Buffer.concat(Array.from({length: 100}, () => again)));
      return false;
    });
    connection.destroy();
    assert.equal((await request(await server, 'GET', '/livez')).status, 200);
  });
}

test('a body larger than any window arrives whole', async () => {
  const session = await connect(false);
  try {
    const inputs = Array.from({length: 60}, (_, i) => ({text: `${i} ${'hello '.repeat(2500)}`}));
    const answer = await understand(session, {inputs});
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json.outputs.map((output) => output.text), inputs.map((input) => input.text));
  } finally {
    session.close();
  }
});

test('garbage after the preface ends the connection, not the server', async () => {
  const {port} = await server;
  for (const garbage of [Buffer.alloc(200, 0xff), Buffer.from('000000ff0000000000', 'hex'), Buffer.from('00000401000000000182848684', 'hex'), Buffer.from('ffffff000000000001', 'hex')]) {
    const connection = await RawConnection.open(port);
    await connection.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), garbage]));
    connection.endWriting();
    await connection.waitClosed();
  }
  assert.equal((await request(await server, 'GET', '/livez')).status, 200);
});

test('TLS: HTTP/1.1 works on the same port, old versions and plain text do not', async () => {
  const port = (await server).tlsPort;
  const answer = await within('https', new Promise((resolve, reject) => {
    https.get({host: 'localhost', port, path: '/livez', ca: ca(), agent: false}, (response) => {
      response.resume().on('end', () => resolve(response));
    }).on('error', reject);
  }));
  assert.deepEqual([answer.statusCode, answer.socket.alpnProtocol ?? answer.httpVersion], [200, answer.socket.alpnProtocol ?? '1.1']);
  const old = await within('an old version is refused', new Promise((resolve) => {
    const socket = tls.connect({host: '127.0.0.1', port, ca: ca(), servername: 'localhost', minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0'});
    socket.on('secureConnect', () => resolve('connected'));
    socket.on('error', () => resolve('refused'));
  }));
  assert.equal(old, 'refused');
  const plain = await RawConnection.open(port);
  await plain.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  await plain.waitClosed();
  assert.ok(!plain.text().includes('200 OK'));
});

test('a client that takes no part in the handshake is let go', async () => {
  const quick = await startServer({config: {server: {timeouts: {handshake: '300ms'}, tls: {listen: '127.0.0.1:0', certificate, key}}}});
  try {
    const connection = await RawConnection.open(quick.tlsPort);
    await connection.waitClosed();
    const text = await until('the refusal is counted', async () => {
      const metrics = (await request(quick, 'GET', '/metrics')).text;
      return /loquat_connections_refused_total\{reason="tls_handshake"\} [1-9]/.exec(metrics);
    });
    assert.ok(text);
  } finally {
    await quick.stop();
  }
});

test('a certificate that is missing or no certificate is said at start', async () => {
  for (const [file, what] of [['/nonexistent.pem', /nonexistent\.pem/], [key, /certificate|cert/i]]) {
    const refused = await startServer({wait: false, config: {server: {tls: {listen: '127.0.0.1:0', certificate: file, key}}}});
    const {code} = await refused.waitExit();
    assert.equal(code, 1, refused.output);
    assert.match(refused.stderr, what);
  }
});
