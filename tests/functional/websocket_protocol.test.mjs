// The WebSocket protocol layer against npm ws, and against frames that no client library would send. After each bad
// client the others are served on.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import {after, test} from 'node:test';
import zlib from 'node:zlib';
import {scratchPath} from '../support/paths.mjs';
import {until, within} from '../support/wait.mjs';
import {Client, RawWebSocket, WebSocketServer, frame, refusal} from '../support/websocket.mjs';

const [certificate, key] = [scratchPath('cert.pem'), scratchPath('key.pem')];
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', '/CN=localhost',
  '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate], {stdio: 'ignore'});

const servers = [];
async function serverWith(settings = {}) {
  const server = await WebSocketServer.start(settings);
  servers.push(server);
  return server;
}
const shared = await serverWith({'websocket.message_bytes_max': '1MiB', 'websocket.fragments_max': 100, subprotocol: 'loquat.v1', certificate, key});
after(async () => {
  for (const server of servers) if (!server.ended) await server.stop();
});

async function servesOn(server = shared) {
  const client = await Client.open(server.url());
  client.send('still there');
  assert.equal(await client.next(), 'still there');
  assert.equal((await client.close()).code, 1000);
}

for (const perMessageDeflate of [false, true, {clientMaxWindowBits: 9, serverMaxWindowBits: 9, threshold: 0}, {serverNoContextTakeover: true, clientNoContextTakeover: true}]) {
  test(`messages of every size come back, permessage-deflate ${JSON.stringify(perMessageDeflate)}`, async () => {
    const client = await Client.open(shared.url(), {perMessageDeflate});
    assert.equal(client.socket.extensions, perMessageDeflate ? 'permessage-deflate' : '');
    for (const size of [0, 1, 125, 126, 127, 128, 511, 512, 65535, 65536, 65537, 300_000, 1 << 20]) {
      const text = 'a'.repeat(size % 10) + 'aé漢🍊'.repeat(Math.floor(size / 10));
      client.send(text);
      assert.ok(text === (await client.next()), `text of ${size} bytes`);
      const noise = crypto.randomBytes(size);
      client.send(noise);
      assert.ok(noise.equals(await client.next()), `binary of ${size}`);
    }
    assert.deepEqual(await client.close(4321), {code: 4321, reason: ''});
  });
}

test('a message in fragments with pings in between is one message', async () => {
  const client = await Client.open(shared.url());
  const pongs = [];
  client.socket.on('pong', (data) => pongs.push(data.toString()));
  for (let i = 0; i < 50; ++i) {
    client.send(`part ${i} `, {fin: i === 49});
    if (i % 10 === 0) client.socket.ping(`ping ${i}`);
  }
  assert.equal(await client.next(), Array.from({length: 50}, (_, i) => `part ${i} `).join(''));
  assert.deepEqual(pongs, ['ping 0', 'ping 10', 'ping 20', 'ping 30', 'ping 40']);
  await client.close();
});

test('compressed messages in fragments are one message', async () => {
  const client = await Client.open(shared.url(), {perMessageDeflate: {threshold: 0}});
  const part = 'again and again '.repeat(100);
  for (let i = 0; i < 20; ++i) client.send(part, {compress: true, fin: i === 19});
  assert.equal(await client.next(), part.repeat(20));
  await client.close();
});

test('a thousand messages at once keep their order', async () => {
  const client = await Client.open(shared.url(), {perMessageDeflate: true});
  for (let i = 0; i < 1000; ++i) client.send(`${i} ${'x'.repeat(i)}`);
  for (let i = 0; i < 1000; ++i) assert.equal(await client.next(), `${i} ${'x'.repeat(i)}`);
  await client.close();
});

test('TLS carries it as well', async () => {
  const client = await Client.open(`wss://localhost:${shared.tlsPort}/echo`, {ca: fs.readFileSync(certificate), perMessageDeflate: true});
  const noise = crypto.randomBytes(700_000);
  for (let i = 0; i < 5; ++i) client.send(noise);
  for (let i = 0; i < 5; ++i) assert.ok(noise.equals(await client.next()));
  client.send('short');
  assert.equal(await client.next(), 'short');
  assert.equal((await client.close()).code, 1000);
});

test('the subprotocol is agreed or refused', async () => {
  const client = await Client.open(shared.url(), {}, ['other', 'loquat.v1']);
  assert.equal(client.socket.protocol, 'loquat.v1');
  await client.close();
  const refused = await refusal(shared.url(), {}, ['other']);
  assert.equal(refused.status, 400);
  assert.match(refused.text, /^websocket_subprotocol: .*loquat\.v1/);
});

test('pages of other origins are refused', async () => {
  const refused = await refusal(shared.url(), {origin: 'https://evil.example'});
  assert.equal(refused.status, 403);
  assert.match(refused.text, /^origin_not_allowed: .*websocket\.origins/);
  await (await Client.open(shared.url(), {origin: `http://127.0.0.1:${shared.port}`})).close();
  const open = await serverWith({'websocket.origins': '[https://app.example]'});
  await (await Client.open(open.url(), {origin: 'https://app.example'})).close();
  assert.equal((await refusal(open.url(), {origin: 'https://evil.example'})).status, 403);
});

test('another version is told which one is spoken', async () => {
  const refused = await refusal(shared.url(), {protocolVersion: 8});
  assert.equal(refused.status, 426);
  assert.equal(refused.headers['sec-websocket-version'], '13');
  const plain = await fetch(shared.url().replace('ws:', 'http:'));
  assert.equal(plain.status, 426);
  assert.match(await plain.text(), /^upgrade_required/);
});

const DEFLATE = ['Sec-WebSocket-Extensions: permessage-deflate'];
const deflated = (data) => zlib.deflateRawSync(data, {finishFlush: zlib.constants.Z_SYNC_FLUSH}).subarray(0, -4);
const close = (code, reason = '') => Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]);
// What is sent, the headers of the handshake, the close code. 1006: the connection just ends.
const BAD = {
  'a frame without a mask': [frame(0x81, 'a', {masked: false}), [], 1002],
  'RSV1 without an extension': [frame(0xc1, 'a'), [], 1002],
  'RSV2': [frame(0xa1, 'a'), DEFLATE, 1002],
  'RSV3': [frame(0x91, 'a'), DEFLATE, 1002],
  'RSV1 on a continuation': [Buffer.concat([frame(0x41, deflated('ab').subarray(0, 2)), frame(0xc0, 'a')]), DEFLATE, 1002],
  'RSV1 on a ping': [frame(0xc9, ''), DEFLATE, 1002],
  'opcode 3': [frame(0x83, 'a'), [], 1002],
  'opcode 15': [frame(0x8f, 'a'), [], 1002],
  'a ping of 126 bytes': [frame(0x89, 'a'.repeat(126)), [], 1002],
  'a ping in fragments': [frame(0x09, 'a'), [], 1002],
  'a Close in fragments': [frame(0x08, close(1000)), [], 1002],
  'a continuation of nothing': [frame(0x80, 'a'), [], 1002],
  'text inside of a message': [Buffer.concat([frame(0x01, 'a'), frame(0x81, 'b')]), [], 1002],
  'a length not in its shortest form': [Buffer.from([0x81, 0xfe, 0, 1, 0, 0, 0, 0, 0x61]), [], 1002],
  'a length past 2^63': [Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), [], 1002],
  'a length of a terabyte': [Buffer.from([0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), [], 1009],
  'a message past the limit by one byte': [frame(0x82, Buffer.alloc((1 << 20) + 1)), [], 1009],
  'fragments past the limit': [Buffer.concat([frame(0x02, Buffer.alloc(1 << 19)), frame(0x00, Buffer.alloc(1 << 19)), frame(0x80, 'a')]), [], 1009],
  'too many fragments': [Buffer.concat([frame(0x01, ''), ...Array.from({length: 100}, () => frame(0x00, ''))]), [], 1008],
  'text that is not UTF-8': [frame(0x81, Buffer.from([0xff])), [], 1007],
  'a surrogate in text': [frame(0x81, Buffer.from([0xed, 0xa0, 0x80])), [], 1007],
  'text cut inside of a code point': [Buffer.concat([frame(0x01, Buffer.from([0xc3])), frame(0x80, 'a')]), [], 1007],
  'a Close of one byte': [frame(0x88, 'a'), [], 1002],
  'a Close with 1005': [frame(0x88, close(1005)), [], 1002],
  'a Close with 1006': [frame(0x88, close(1006)), [], 1002],
  'a Close with 999': [frame(0x88, close(999)), [], 1002],
  'a Close with 2999': [frame(0x88, close(2999)), [], 1002],
  'a Close with 5000': [frame(0x88, close(5000)), [], 1002],
  'a Close whose reason is not UTF-8': [frame(0x88, Buffer.concat([close(1000), Buffer.from([0xfe])])), [], 1007],
  'a compression bomb of 1000:1': [frame(0xc1, deflated(Buffer.alloc(512 << 20 >> 4))), DEFLATE, 1009],
  'deflate that is cut off': [frame(0xc1, deflated('some text that is long enough to be cut').subarray(0, 20)), DEFLATE, 1007],
  'deflate that is none': [frame(0xc1, Buffer.from([0xff, 0xff, 0xff])), DEFLATE, 1007],
  'compressed text that is not UTF-8': [frame(0xc1, deflated(Buffer.from([0xff]))), DEFLATE, 1007],
  'a flood of pings': [Buffer.concat(Array.from({length: 1000}, () => frame(0x89, 'x'))), [], 1008],
};
for (const [name, [bytes, headers, code]] of Object.entries(BAD)) {
  test(`${name} closes with ${code}`, async () => {
    const raw = await RawWebSocket.open(shared.port, '/echo', headers);
    assert.match(raw.head, /^HTTP\/1\.1 101 /);
    await raw.write(Buffer.concat([frame(0x81, 'first'), bytes]));
    assert.equal((await raw.next()).payload.toString(), 'first');
    assert.equal(await raw.closeCode(), code);
    raw.destroy();
    await servesOn();
  });
}

for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]) {
  test(`a Close with ${code} is answered with it`, async () => {
    const raw = await RawWebSocket.open(shared.port);
    await raw.write(frame(0x88, close(code, 'so long')));
    assert.equal(await raw.closeCode(), code);
    assert.equal(await raw.next(), undefined);
  });
}

test('a frame that comes byte by byte is read', async () => {
  const raw = await RawWebSocket.open(shared.port);
  for (const byte of frame(0x81, 'slowly')) await raw.write(Buffer.from([byte]));
  assert.equal((await raw.next()).payload.toString(), 'slowly');
  raw.destroy();
});

test('server closes carry their code and reason', async () => {
  for (const [code, reason] of [[1000, ''], [1012, 'back soon'], [4401, 'who are you']]) {
    const client = await Client.open(shared.url(`/close?code=${code}&reason=${encodeURIComponent(reason)}`));
    client.send('now');
    assert.deepEqual(await within('the close', client.closed), {code, reason});
  }
  const failed = await Client.open(shared.url('/throw'));
  failed.send('now');
  assert.equal((await within('the close', failed.closed)).code, 1011);
});

test('pauses are noticed between messages', async () => {
  const client = await Client.open(shared.url('/pause?ms=40'));
  assert.equal(await client.next(), 'pause');
  client.send('word');
  let said = await client.next();
  while (said === 'pause') said = await client.next();
  assert.equal(said, 'word');
  assert.equal(await client.next(), 'pause');
  await client.close();
});

test('a busy handler finds the last of what came meanwhile', async () => {
  const client = await Client.open(shared.url('/latest'));
  client.send('hold:300');
  for (let i = 0; i < 200; ++i) client.send(`revision ${i}`);
  const [, last] = /^\d+ (.*)$/.exec(await client.next());
  assert.equal(last, 'revision 199');
  await client.close();
});

// What a slow reader is sent must not shrink to nothing.
const RAW = {perMessageDeflate: false};
test('a reader that stops gets 1013, or the newest revision if revisions may be dropped', async () => {
  const server = await serverWith({'websocket.send_bytes_max': '256KiB', 'websocket.close_timeout': '20s'});
  const slow = await Client.open(server.url('/burst?count=500&bytes=65536'), RAW);
  slow.socket.pause();
  slow.send('go');
  await until('the server gave up on it', async () => (await server.metric('loquat_websocket_slow_consumer_total{action="closed"}')) === 1);
  slow.socket.resume();
  const {code, reason} = await within('the close', slow.closed);
  assert.deepEqual([code, reason], [1013, 'messages were not read in time']);
  slow.messages.forEach((message, i) => assert.ok(message.startsWith(`${i}:`), 'what did arrive has no gap'));

  const revised = await Client.open(server.url('/burst?count=500&bytes=65536&revisions=1'), RAW);
  revised.socket.pause();
  revised.send('go');
  await until('revisions were replaced', async () => (await server.metric('loquat_websocket_slow_consumer_total{action="replaced"}')) > 0);
  revised.socket.resume();
  await until('done', () => revised.messages.at(-1) === 'done');
  const numbers = revised.messages.slice(0, -1).map((message) => Number(message.split(':')[0]));
  assert.ok(numbers.length < 500);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  await revised.close();

  const paced = await Client.open(server.url('/burst?count=500&bytes=65536&paced=1'), RAW);
  paced.socket.pause();
  paced.send('go');
  await servesOn(server);
  paced.socket.resume();
  await until('done', () => paced.messages.at(-1) === 'done');
  assert.equal(paced.messages.length, 501, 'at its own pace nothing is lost');
  await paced.close();
});

test('a client that vanished is noticed by its silence', async () => {
  const server = await serverWith({'websocket.ping_interval': '100ms', 'websocket.idle_timeout': '600ms', 'websocket.close_timeout': '100ms'});
  // It never answers a ping, as a host that lost its power.
  const gone = await RawWebSocket.open(server.port);
  const alive = await Client.open(server.url());
  assert.equal(await gone.closeCode(), 1001);
  gone.destroy();
  assert.ok((await server.metric('loquat_websocket_pings_missed_total')) > 0);
  alive.send('npm ws answers pings');
  assert.equal(await alive.next(), 'npm ws answers pings');
  await alive.close();
});

test('one connection over the limit is refused with a reason, and a place becomes free', async () => {
  const server = await serverWith({'websocket.connections_max': 20});
  const clients = await Promise.all(Array.from({length: 20}, () => Client.open(server.url())));
  const refused = await refusal(server.url());
  assert.equal(refused.status, 503);
  assert.match(refused.text, /^too_many_websockets: the server already has 20 WebSockets, its limit \(websocket\.connections_max\)/);
  await clients[0].close();
  await until('the place is free', async () => (await server.metric('loquat_websockets_open')) === 19);
  await (await Client.open(server.url())).close();
  for (const client of clients.slice(1)) await client.close();
});

test('draining says 1001 and cuts who does not listen', async () => {
  const server = await serverWith({drain_timeout: '1s'});
  const client = await Client.open(server.url());
  const deaf = await RawWebSocket.open(server.port);
  server.beginStop();
  assert.deepEqual(await within('the close', client.closed), {code: 1001, reason: 'the server stops'});
  assert.equal(await deaf.closeCode(), 1001);
  assert.deepEqual(await within('the end', server.exited), {code: 0, signal: null});
  assert.match(server.output, /^cut 1$/m, 'the deaf one alone');
});

test('what happened is counted', async () => {
  const server = await serverWith();
  const client = await Client.open(server.url(), {perMessageDeflate: true});
  client.send('x'.repeat(1000));
  await client.next();
  assert.equal(await server.metric('loquat_websockets_open'), 1);
  await client.close(4444);
  await refusal(server.url(), {origin: 'https://evil.example'});
  await until('the count of open ones falls', async () => (await server.metric('loquat_websockets_open')) === 0);
  for (const [name, value] of Object.entries({
    'loquat_websockets_opened_total{compressed="true"}': 1,
    'loquat_websockets_closed_total{code="4xxx",by="client"}': 1,
    'loquat_websockets_refused_total{reason="origin_not_allowed"}': 1,
    'loquat_websocket_messages_total{direction="received"}': 1,
    'loquat_websocket_messages_total{direction="sent"}': 1,
    'loquat_websocket_message_bytes_total{direction="received"}': 1000,
    'loquat_websocket_message_bytes_total{direction="sent"}': 1000,
  })) assert.equal(await server.metric(name), value, name);
});

test('random frames never take the server down', async () => {
  for (let i = 0; i < 60; ++i) {
    const raw = await RawWebSocket.open(shared.port, '/echo', i % 2 === 0 ? DEFLATE : []);
    const pieces = Array.from({length: 20}, () => frame(crypto.randomInt(256), crypto.randomBytes(crypto.randomInt(200)), {masked: crypto.randomInt(10) > 0}));
    await raw.write(Buffer.concat(pieces));
    raw.destroy();
  }
  await servesOn();
  await until('all of them are gone', async () => (await shared.metric('loquat_websockets_open')) === 0);
});
