// HTTP/1.1 from clients that mean ill or are broken. After each of them the server has to serve on.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {RawConnection, frameOf, rawRequest, request} from '../support/http.mjs';
import {sharedServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const shared = sharedServer({config: {server: {timeouts: {head: '400ms', idle: '2s', body_grace: '400ms', write_stall: '2s'}}}});
const BODY = JSON.stringify({text: 'hello'});

const servesOn = async (server) => assert.equal((await frameOf(server, {text: 'hello'})).intent.name, 'greet');

// Sends bytes and waits for the end of the connection.
async function exchange(server, bytes) {
  const connection = await RawConnection.open(server.port);
  await connection.write(bytes);
  const responses = await connection.waitClosed();
  return responses;
}

const head = (lines, body = '') => `POST /v1/understand HTTP/1.1\r\nHost: x\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
const LENGTH = `Content-Length: ${BODY.length}`;

// Name, bytes, status.
const REFUSED = [
  ['no HTTP at all', 'hello there, is this a mail server?\r\n\r\n', 400],
  ['a TLS client hello', Buffer.from('16030100c4010000c00303', 'hex'), 400],
  ['an SSH greeting', 'SSH-2.0-OpenSSH_9.6\r\n\r\n', 400],
  ['binary garbage', Buffer.from(Array.from({length: 2000}, (_, i) => (i * 197 + 129) % 256)), 400],
  ['bare line feeds', 'GET /livez HTTP/1.1\nHost: x\n\n', 400],
  ['a NUL in the path', 'GET /li\u0000vez HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['a NUL in a header', 'GET /livez HTTP/1.1\r\nHost: x\r\nA: b\u0000c\r\n\r\n', 400],
  ['no version', 'GET /livez\r\nHost: x\r\n\r\n', 400],
  ['version 2.0 in words', 'GET /livez HTTP/2.0\r\nHost: x\r\n\r\n', 505],
  ['version 9.9', 'GET /livez HTTP/9.9\r\nHost: x\r\n\r\n', 505],
  ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400],
  ['two Hosts', 'GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400],
  ['a folded header', 'GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', 400],
  ['a space before the colon', 'GET /livez HTTP/1.1\r\nHost : x\r\n\r\n', 400],
  ['a header without a colon', 'GET /livez HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n', 400],
  ['a bad method', 'G(ET /livez HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['a method of a kilobyte', `${'A'.repeat(1024)} /livez HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
  ['a header of 64 KiB', `GET /livez HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(65536)}\r\n\r\n`, 431],
  ['ten thousand headers', `GET /livez HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(10_000)}\r\n`, 431],
  ['a target of 100 KB', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
  ['a length and chunks (CL.TE smuggling)', head([LENGTH, 'Transfer-Encoding: chunked'], BODY), 400],
  ['chunks and a length (TE.CL smuggling)', head(['Transfer-Encoding: chunked', 'Content-Length: 4'], '5c\r\nGPOST / HTTP/1.1\r\n'), 400],
  ['two lengths that differ', head([LENGTH, 'Content-Length: 3'], BODY), 400],
  ['two lengths that agree', head([LENGTH, LENGTH], BODY), 400],
  ['a list of lengths', head([`Content-Length: ${BODY.length}, ${BODY.length}`], BODY), 400],
  ['a negative length', head(['Content-Length: -1'], BODY), 400],
  ['a length in hex', head(['Content-Length: 0x10'], BODY), 400],
  ['a length with a plus', head([`Content-Length: +${BODY.length}`], BODY), 400],
  ['a length past 64 bits', head(['Content-Length: 99999999999999999999'], BODY), 400],
  ['an unknown coding', head(['Transfer-Encoding: gzip'], BODY), 501],
  ['chunked twice (TE.TE smuggling)', head(['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'), 400],
  ['chunked in disguise', head(['Transfer-Encoding: xchunked'], '0\r\n\r\n'), 501],
  ['a vertical tab in the coding', head(['Transfer-Encoding: \u000bchunked'], '0\r\n\r\n'), 400],
  ['a chunk size that is none', head(['Transfer-Encoding: chunked'], 'zz\r\nabc\r\n0\r\n\r\n'), 400],
  ['a negative chunk', head(['Transfer-Encoding: chunked'], '-1\r\nabc\r\n0\r\n\r\n'), 400],
  ['a chunk longer than said', head(['Transfer-Encoding: chunked'], '2\r\nabcd\r\n0\r\n\r\n'), 400],
  ['a chunk size past 64 bits', head(['Transfer-Encoding: chunked'], 'fffffffffffffffff\r\nabc'), 400],
  ['a chunk of 4 GB', head(['Transfer-Encoding: chunked'], 'ffffffff\r\nabc'), 413],
  ['a body of 4 GB announced', head(['Content-Length: 4294967296'], 'abc'), 413],
  ['an endless chunk extension', head(['Transfer-Encoding: chunked'], `1;${'a'.repeat(200_000)}`), 400],
  ['an expectation that nobody knows', head([LENGTH, 'Expect: miracles'], BODY), 417],
];

for (const [name, bytes, status] of REFUSED) {
  test(`${name} is refused with ${status} and the connection is closed`, async () => {
    const server = await shared.ready();
    const responses = await exchange(server, bytes);
    assert.deepEqual(responses.map((response) => response.status), [status], JSON.stringify(responses).slice(0, 400));
    const {error} = JSON.parse(responses[0].body);
    assert.ok(error.code && error.message && error.reason, responses[0].body);
    assert.equal(responses[0].headers.connection, 'close');
    await servesOn(server);
  });
}

test('a smuggled request behind an ambiguous one is never answered', async () => {
  const server = await shared.ready();
  const smuggled = 'GET /v1/sessions/smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const lines of [[`Content-Length: ${smuggled.length}`, 'Transfer-Encoding: chunked'], ['Transfer-Encoding: chunked', 'Content-Length: 5']]) {
    const responses = await exchange(server, head(lines, `0\r\n\r\n${smuggled}`));
    assert.deepEqual(responses.map((response) => response.status), [400]);
  }
});

test('slow-loris: a head that trickles in is cut off with 408', async () => {
  const server = await shared.ready();
  const connection = await RawConnection.open(server.port);
  await connection.write('GET /livez HTTP/1.1\r\nHost: x\r\n');
  const drip = setInterval(() => connection.socket.write('A: b\r\n'), 100);
  try {
    const [response] = await connection.waitClosed();
    assert.equal(response.status, 408);
    assert.equal(JSON.parse(response.body).error.reason, 'request_timeout');
  } finally {
    clearInterval(drip);
  }
  await servesOn(server);
});

test('a body that never comes is cut off with 408', async () => {
  const server = await shared.ready();
  for (const bytes of [head(['Content-Length: 100'], '{"te'), head(['Transfer-Encoding: chunked'], '64\r\n{"te')]) {
    const [response] = await exchange(server, bytes);
    assert.equal(response.status, 408);
  }
  await servesOn(server);
});

test('fifty slow clients at once do not keep a quick one waiting', async () => {
  const server = await shared.ready();
  const slow = await Promise.all(Array.from({length: 50}, () => RawConnection.open(server.port)));
  await Promise.all(slow.map((connection) => connection.write('POST /v1/understand HTTP/1.1\r\nHost: x\r\n')));
  await servesOn(server);
  const ends = await Promise.all(slow.map((connection) => connection.waitClosed()));
  assert.ok(ends.every(([response]) => response.status === 408));
});

test('an idle connection is closed without a word', async () => {
  const server = await shared.ready();
  const connection = await RawConnection.open(server.port);
  assert.deepEqual(await connection.waitClosed(), []);
  assert.equal(connection.received.length, 0);
});

test('a client that sends and closes its half still gets the answer', async () => {
  const server = await shared.ready();
  const connection = await RawConnection.open(server.port);
  await connection.write(rawRequest(BODY));
  connection.endWriting();
  const [response] = await connection.waitClosed();
  assert.deepEqual([response.status, JSON.parse(response.body).intent.name], [200, 'greet']);
});

test('a client that closes its half in the middle of a head or a body is let go', async () => {
  const server = await shared.ready();
  for (const bytes of ['GET /liv', 'GET /livez HTTP/1.1\r\nHost: x\r\n', head([LENGTH], BODY.slice(0, 5)), head(['Transfer-Encoding: chunked'], '5\r\nab')]) {
    const connection = await RawConnection.open(server.port);
    await connection.write(bytes);
    connection.endWriting();
    await connection.waitClosed();
  }
  await servesOn(server);
});

test('pipelined requests are answered in order, all of them', async () => {
  const server = await shared.ready();
  const count = 200;
  const connection = await RawConnection.open(server.port);
  await connection.write(Buffer.concat(Array.from({length: count}, (_, i) => rawRequest(JSON.stringify({text: `hello ${i}`})))));
  const responses = await connection.responses(count);
  connection.destroy();
  assert.deepEqual(responses.map((response) => JSON.parse(response.body).text), Array.from({length: count}, (_, i) => `hello ${i}`));
});

test('pipelined: a bad request ends the connection after the good ones before it', async () => {
  const server = await shared.ready();
  const responses = await exchange(server, Buffer.concat([rawRequest(BODY), rawRequest(BODY), Buffer.from('broken\r\n\r\n'), rawRequest(BODY)]));
  assert.deepEqual(responses.map((response) => response.status), [200, 200, 400]);
});

test('a request in single bytes, and one with its body in single chunks, are understood', async () => {
  const server = await shared.ready();
  const connection = await RawConnection.open(server.port, {noDelay: true});
  for (const byte of rawRequest(BODY)) await connection.write(Buffer.of(byte));
  assert.equal((await connection.responses(1))[0].status, 200);
  const chunks = [...BODY].map((c) => `1;a=b\r\n${c}\r\n`).join('');
  await connection.write(head(['Transfer-Encoding: chunked'], `${chunks}0\r\nTrailer: x\r\n\r\n`));
  const responses = await connection.responses(2);
  connection.destroy();
  assert.equal(JSON.parse(responses[1].body).intent.name, 'greet');
});

test('Expect: 100-continue gets its 100, and a body too large is refused without it', async () => {
  const server = await shared.ready();
  const connection = await RawConnection.open(server.port);
  await connection.write(head([LENGTH, 'Expect: 100-continue']));
  await until('100 Continue', () => connection.text().includes('100 Continue\r\n\r\n'));
  await connection.write(BODY);
  await until('the answer', () => connection.text().includes('"greet"'));
  connection.destroy();
  const [response] = await exchange(server, head(['Content-Length: 99999999', 'Expect: 100-continue']));
  assert.equal(response.status, 413);
});

test('HTTP/1.0 and Connection: close end the connection after the answer', async () => {
  const server = await shared.ready();
  for (const bytes of ['GET /livez HTTP/1.0\r\n\r\n', 'GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n']) {
    const responses = await exchange(server, bytes);
    assert.deepEqual(responses.map((response) => [response.status, response.headers.connection]), [[200, 'close']]);
  }
});

test('a client that asks for much and reads nothing is cut, and holds nobody up', async () => {
  const server = await shared.ready();
  const connection = await RawConnection.open(server.port);
  connection.socket.pause();
  const page = Buffer.from('GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n');
  const flood = Buffer.concat(Array.from({length: 4000}, () => page));
  connection.socket.write(flood);
  await servesOn(server);
  await until('the stalled client was cut', () => {
    // The kernel tells of the cut at the next write.
    connection.socket.write('x');
    return connection.closed || connection.error !== undefined;
  }, {ms: 60_000, every: 200});
  const metrics = await request(server, 'GET', '/metrics');
  assert.match(metrics.text, /loquat_protocol_errors_total\{reason="write_stalled"\} [1-9]/);
  await servesOn(server);
});
