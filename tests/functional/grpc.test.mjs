// gRPC as its users meet it: the unary call, its errors with details, keys, deadlines, limits, TLS, health, reflection,
// drain.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import {test} from 'node:test';
import {Stream, call, client, detailsOf, grpc, protos, grpcAddress} from '../support/grpc.mjs';
import {callbackConfig, Receiver} from '../support/callbacks.mjs';
import {frameOf} from '../support/http.mjs';
import {readMetrics} from '../support/generation.mjs';
import {scratchPath} from '../support/paths.mjs';
import {runProgram} from '../support/process.mjs';
import {sharedServer, startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const ADDRESS = '127.0.0.1:0';
const shared = sharedServer({config: {grpc: {listen: ADDRESS, message_bytes_max: '64KiB', streams_max: 8}, understand: {text_bytes_max: '16KiB'}}});
const understand = async (message, options) => call(client(await shared.ready()), 'Understand', message, options);
const {status} = grpc;
const TEXT = '帮我订明天去上海的火车票';

test('without grpc.listen there is no gRPC, and with --grpc there is', async () => {
  const plain = await startServer();
  assert.ok(!plain.stdout.includes('gRPC'));
  await plain.stop();
  const server = await startServer({args: ['--grpc', ADDRESS]});
  const {answer} = await call(client(server), 'Understand', {text: 'hello'});
  assert.equal(answer.frame.intent_ranking[0].name, 'greet');
  await server.stop();
});

test('Understand gives the facts of POST /v1/understand', async () => {
  const server = await shared.ready();
  const reference = {reference_time_ms: 1_763_715_600_000, utc_offset_minutes: 480};
  const frame = await frameOf(server, {text: TEXT, session: 'http-1', reply: true, ...reference});
  const {answer, trailers} = await understand({text: TEXT, session: 'grpc-1', reply: true, ...reference}, {headers: {'x-request-id': 'mine-7'}});
  assert.equal(answer.id, 'mine-7');
  assert.equal(trailers['x-request-id'], 'mine-7');
  assert.match(trailers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  assert.equal(answer.frame.text, TEXT);
  assert.equal(answer.frame.locale, 'LOCALE_ZH');
  assert.deepEqual(answer.frame.intent_ranking.map((score) => score.name), frame.intent_ranking.map((score) => score.name));
  assert.ok(Math.abs(answer.frame.intent_ranking[0].confidence - frame.intent.confidence) < 1e-4);
  assert.deepEqual(answer.frame.slots.map(({name, value, normalized, span}) => [name, value, normalized ?? '', span.byte_begin ?? 0, span.utf16_end]),
    frame.slots.map(({name, value, normalized, span}) => [name, value, normalized ?? '', span.byte[0], span.utf16[1]]));
  assert.equal(answer.session.turn, 1);
  assert.equal(answer.session.active_intent, frame.session.active_intent);
  assert.deepEqual(Object.keys(answer.session.filled).sort(), Object.keys(frame.session.filled).sort());
  assert.deepEqual(answer.session.missing, frame.session.missing);
  assert.equal(answer.reply.text, frame.reply.text);
  assert.equal(answer.delivery.mode, 'DELIVERY_MODE_SYNC');
  assert.equal(answer.delivery.reason, frame.delivery.reason);
  assert.ok(answer.timings_us.total > 0);
});

test('features that are not asked for are left out, and a session goes on over both protocols', async () => {
  const server = await shared.ready();
  const {answer} = await understand({text: TEXT, features: ['FEATURE_SLOTS'], session: 'both'});
  assert.ok(!answer.frame.intent_ranking?.length);
  assert.ok(answer.frame.slots.length > 0);
  const next = await frameOf(server, {text: '从北京', session: 'both'});
  assert.equal(next.session.turn, 2);
});

test('the trace of the caller goes on', async () => {
  const {trailers} = await understand({text: 'hello'}, {headers: {traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}});
  assert.match(trailers.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
});

const REFUSALS = [
  ['a text that is too long', {text: 'x'.repeat(16 * 1024 + 1)}, status.RESOURCE_EXHAUSTED, 'text_too_large', '/text'],
  ['a session id with a blank', {text: 'x', session: 'a b'}, status.INVALID_ARGUMENT, 'invalid_argument', '/session'],
  ['a locale that there is not', {text: 'x', locale: 9}, status.INVALID_ARGUMENT, 'invalid_argument', '/locale'],
  ['a feature without a name', {text: 'x', features: [1, 0]}, status.INVALID_ARGUMENT, 'invalid_argument', '/features/1'],
  ['too many features', {text: 'x', features: Array(9).fill(1)}, status.INVALID_ARGUMENT, 'invalid_argument', '/features'],
  ['a delivery that there is not', {text: 'x', delivery: 77}, status.INVALID_ARGUMENT, 'invalid_argument', '/delivery'],
  ['a callback that is no URL', {text: 'x', callback_url: 'ftp://x'}, status.INVALID_ARGUMENT, 'invalid_argument', '/callback_url'],
  ['a time before time', {text: 'x', reference_time_ms: -1}, status.INVALID_ARGUMENT, 'invalid_argument', '/reference_time_ms'],
  ['a clock of no place', {text: 'x', utc_offset_minutes: 841}, status.INVALID_ARGUMENT, 'invalid_argument', '/utc_offset_minutes'],
  ['an embedding without an encoder', {text: 'x', features: [3]}, status.FAILED_PRECONDITION, 'no_embedding_model', '/features'],
];
for (const [what, message, code, reason, field] of REFUSALS) {
  test(`${what} is refused with its field, in the details and in plain metadata`, async () => {
    const {error} = await understand(message, {headers: {'x-request-id': 'bad-1'}});
    assert.equal(error.code, code);
    const details = detailsOf(error);
    assert.deepEqual([details.code, details.reason, details.domain, details.field, details.requestId], [code, reason, 'loquat', field, 'bad-1']);
    assert.equal(details.message, error.details);
    assert.equal(error.metadata.get('loquat-param')[0], field);
    assert.equal(error.metadata.get('x-request-id')[0], 'bad-1');
  });
}

test('bytes that are no message, and text that is not UTF-8, are said to be so', async () => {
  const stub = client(await shared.ready());
  for (const bytes of [Buffer.from([0xff, 0xff, 0xff]), Buffer.from([0x0a, 0x02, 0xc3, 0x28]), Buffer.from([0x0a, 0x7f])]) {
    const error = await new Promise((resolve) => stub.makeUnaryRequest('/loquat.v1.Understanding/Understand', (b) => b, (b) => b, bytes, resolve));
    assert.equal(error.code, status.INVALID_ARGUMENT);
    assert.equal(detailsOf(error).reason, 'malformed_message');
  }
});

test('a message over the limit and metadata over the limit are refused; the next call is served', async () => {
  const large = await understand({text: 'x'.repeat(70_000)});
  assert.equal(large.error.code, status.RESOURCE_EXHAUSTED);
  const wordy = await understand({text: 'hello'}, {headers: {'x-note': 'x'.repeat(40_000)}});
  assert.notEqual(wordy.error, null);
  assert.equal((await understand({text: 'hello'})).error, null);
});

test('a compressed message is refused before it is unpacked', async () => {
  const stub = client(await shared.ready(), undefined, {options: {'grpc.default_compression_algorithm': 2}});
  const {error} = await call(stub, 'Understand', {text: '0'.repeat(30_000_000)});
  assert.ok([status.UNIMPLEMENTED, status.INTERNAL].includes(error?.code), error?.message);
  assert.equal((await understand({text: 'hello'})).error, null);
});

test('a method that there is not is UNIMPLEMENTED with a hint', async () => {
  const stub = client(await shared.ready());
  for (const method of ['/loquat.v1.Understanding/Nothing', '/x/y']) {
    const error = await new Promise((resolve) => stub.makeUnaryRequest(method, (b) => b, (b) => b, Buffer.alloc(0), resolve));
    assert.equal(error.code, status.UNIMPLEMENTED);
    assert.equal(detailsOf(error).reason, 'no_method');
  }
});

test('a bad priority is refused, a good one is taken', async () => {
  assert.equal((await understand({text: 'hello'}, {headers: {'x-priority': 'batch'}})).error, null);
  const {error} = await understand({text: 'hello'}, {headers: {'x-priority': 'urgent'}});
  assert.deepEqual([error.code, detailsOf(error).field], [status.INVALID_ARGUMENT, 'x-priority']);
});

test('a deadline that has passed is DEADLINE_EXCEEDED', async () => {
  const {error} = await understand({text: 'hello'}, {deadlineMs: -1});
  assert.equal(error.code, status.DEADLINE_EXCEEDED);
});

test('a callback is promised, by wish and by policy, and where none can be it is refused', async () => {
  const receiver = await new Receiver().listen();
  const server = await startServer({config: {...callbackConfig({}, {callback_intents: ['play_music']}), grpc: {listen: ADDRESS}}});
  const ask = (message) => call(client(server), 'Understand', {callback_url: receiver.url(), ...message});
  const wished = (await ask({text: 'hello', delivery: 'DELIVERY_MODE_CALLBACK'})).answer;
  assert.deepEqual([wished.delivery.mode, wished.delivery.reason, wished.frame ?? null], ['DELIVERY_MODE_CALLBACK', 'asked for by the request', null]);
  const chosen = (await ask({text: 'play some jazz'})).answer;
  assert.equal(chosen.delivery.mode, 'DELIVERY_MODE_CALLBACK');
  await until('both calls', () => receiver.calls.length === 2);
  assert.deepEqual(new Set(receiver.calls.map((made) => made.body.id)), new Set([wished.delivery.id, chosen.delivery.id]));
  const now = (await ask({text: 'hello'})).answer;
  assert.deepEqual([now.delivery.mode, now.frame.intent_ranking[0].name], ['DELIVERY_MODE_SYNC', 'greet']);
  await server.stop();
  await receiver.close();
  const {error} = await understand({text: 'hello', delivery: 'DELIVERY_MODE_CALLBACK', callback_url: 'http://127.0.0.1:9/'});
  assert.deepEqual([error.code, detailsOf(error).reason], [status.UNIMPLEMENTED, 'callback_unavailable']);
});

test('keys: none, a wrong one, and the right one in either place', async () => {
  const sha256 = (text) => crypto.createHash('sha256').update(text).digest('hex');
  const key = 'a-long-random-key-for-the-test';
  const server = await startServer({config: {grpc: {listen: ADDRESS}, server: {api_keys: [{name: 'shop', sha256: sha256(key)}]}}});
  const stub = client(server);
  const ask = (headers) => call(stub, 'Understand', {text: 'hello'}, {headers});
  for (const [headers, reason] of [[{}, 'api_key_missing'], [{authorization: 'Bearer nope'}, 'api_key_unknown'], [{'x-api-key': sha256(key)}, 'api_key_unknown']]) {
    const {error} = await ask(headers);
    assert.deepEqual([error.code, detailsOf(error).reason], [status.UNAUTHENTICATED, reason]);
  }
  assert.equal((await ask({authorization: `Bearer ${key}`})).error, null);
  assert.equal((await ask({'x-api-key': key})).error, null);
  const stream = new Stream(stub, 'Stream');
  assert.equal((await stream.finished()).code, status.UNAUTHENTICATED);
  // Probes have no key.
  assert.equal((await call(client(server, protos.grpc.health.v1.Health), 'Check', {})).answer.status, 'SERVING');
  await server.stop();
});

test('health: the server, its services, and one that there is not; a watcher hears of the drain first', async () => {
  const server = await startServer({config: {grpc: {listen: ADDRESS}}});
  const health = client(server, protos.grpc.health.v1.Health);
  for (const service of ['', 'loquat.v1.Understanding', 'loquat.v1.Inference']) {
    assert.equal((await call(health, 'Check', {service})).answer.status, 'SERVING');
  }
  assert.equal((await call(health, 'Check', {service: 'nobody'})).error.code, status.NOT_FOUND);
  const watch = new Stream(health, 'Watch', {message: {service: ''}});
  const unknown = new Stream(health, 'Watch', {message: {service: 'nobody'}});
  await watch.find('SERVING', (event) => event.status === 'SERVING');
  await unknown.find('SERVICE_UNKNOWN', (event) => event.status === 'SERVICE_UNKNOWN');
  server.signal('SIGTERM');
  assert.equal((await watch.finished()).code, status.UNAVAILABLE);
  assert.deepEqual(watch.events.map((event) => event.status), ['SERVING', 'NOT_SERVING']);
  assert.equal((await server.waitExit()).code, 0, server.output);
});

test('reflection lists the services and gives the files that describe them', async () => {
  const server = await shared.ready();
  const stub = client(server, protos.grpc.reflection.v1.ServerReflection);
  const stream = new Stream(stub, 'ServerReflectionInfo');
  stream.write({list_services: ''}).write({file_containing_symbol: 'loquat.v1.Understanding'}).write({file_containing_symbol: 'no.Such'});
  await stream.end({file_by_filename: 'loquat/v1/inference.proto'});
  const [list, file, none, other] = stream.events;
  const names = list.list_services_response.service.map((service) => service.name);
  for (const name of ['loquat.v1.Understanding', 'loquat.v1.Inference', 'grpc.health.v1.Health']) assert.ok(names.includes(name), name);
  assert.ok(file.file_descriptor_response.file_descriptor_proto[0].includes('UnderstandRequest'));
  assert.equal(none.error_response.error_code, status.NOT_FOUND);
  assert.ok(other.file_descriptor_response.file_descriptor_proto[0].includes('StreamInferRequest'));
  // Tools of before 2023 ask for v1alpha; the messages are the same.
  const alpha = await new Promise((resolve, reject) => {
    const type = protos.grpc.reflection.v1.ServerReflection.service.ServerReflectionInfo;
    const asked = stub.makeBidiStreamRequest('/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', type.requestSerialize, type.responseDeserialize);
    asked.on('data', resolve).on('error', reject);
    asked.end({list_services: ''}) ?? asked.end();
  });
  assert.equal(alpha.list_services_response.service.length, names.length);
});

test('TLS with the certificate of the HTTP server, and with one that clients must answer', async () => {
  const [certificate, key] = [scratchPath('cert.pem'), scratchPath('key.pem')];
  const made = await runProgram('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate]);
  assert.equal(made.code, 0, made.stderr);
  const [ca, pem] = [fs.readFileSync(certificate), fs.readFileSync(key)];
  const tls = {listen: ADDRESS, certificate, key};
  const server = await startServer({config: {server: {tls}, grpc: {listen: ADDRESS, tls: {}}}});
  const {answer} = await call(client(server, undefined, {credentials: grpc.credentials.createSsl(ca)}), 'Understand', {text: 'hello'});
  assert.equal(answer.frame.intent_ranking[0].name, 'greet');
  assert.notEqual((await call(client(server), 'Understand', {text: 'hello'}, {deadlineMs: 2000})).error, null);
  await server.stop();
  const mutual = await startServer({config: {grpc: {listen: ADDRESS, tls: {certificate, key, client_ca: certificate}}}});
  const ask = (credentials) => call(client(mutual, undefined, {credentials}), 'Understand', {text: 'hello'}, {deadlineMs: 5000});
  assert.notEqual((await ask(grpc.credentials.createSsl(ca))).error, null);
  assert.equal((await ask(grpc.credentials.createSsl(ca, pem, ca))).error, null);
  await mutual.stop();
});

test('what cannot be served is said at start', async () => {
  const server = await shared.ready();
  for (const [grpcOptions, words] of [[{listen: grpcAddress(server)}, /cannot serve gRPC on .*grpc\.listen/],
    [{listen: 'nowhere'}, /grpc\.listen/], [{listen: ADDRESS, tls: {}}, /grpc\.tls.*no certificate/],
    [{listen: ADDRESS, tls: {certificate: 'a.pem'}}, /go together/], [{listen: ADDRESS, tls: {certificate: '/no/a.pem', key: '/no/b.pem'}}, /\/no\/a\.pem/]]) {
    const failed = await startServer({config: {grpc: grpcOptions}, wait: false});
    const {code} = await failed.waitExit();
    assert.equal(code, 1, failed.output);
    assert.match(failed.stderr, words);
  }
});

test('one stream over grpc.streams_max is refused, and told when to come back', async () => {
  const server = await shared.ready();
  const stub = client(server);
  const open = [];
  for (let i = 0; i < 8; ++i) {
    open.push(new Stream(stub, 'Stream').write({open: {}}));
    await open.at(-1).find('opened', (event) => event.opened);
  }
  const refused = await new Stream(stub, 'Stream').finished();
  const details = detailsOf(refused);
  assert.deepEqual([refused.code, details.reason, details.retryMs], [status.RESOURCE_EXHAUSTED, 'too_many_streams', 1000]);
  assert.equal(refused.metadata.get('loquat-retry-after-ms')[0], '1000');
  assert.equal((await understand({text: 'hello'})).error, null);
  await Promise.all(open.map((stream) => stream.end()));
  await until('a place is free', async () => (await readMetrics(server))('loquat_grpc_active_calls', {method: 'loquat.v1.Understanding/Stream'}) === 0);
});

test('calls are counted by method and code, with their messages', async () => {
  const server = await shared.ready();
  const name = 'loquat.v1.Understanding/Understand';
  const read = async () => {
    const metrics = await readMetrics(server);
    return [metrics('loquat_grpc_calls_total', {method: name, code: 'ok'}) ?? 0, metrics('loquat_grpc_calls_total', {method: name, code: 'invalid_argument'}) ?? 0,
      metrics('loquat_grpc_messages_total', {method: name, direction: 'out'}), metrics('loquat_grpc_call_duration_seconds_count', {method: name})];
  };
  const before = await read();
  await understand({text: 'hello'});
  await understand({text: 'hello', session: ' '});
  const after = await read();
  assert.deepEqual(after.map((value, i) => value - before[i]), [1, 1, 1, 2]);
});

test('SIGTERM: an open stream is told, a new call is refused, the process ends with 0', async () => {
  const server = await startServer({config: {grpc: {listen: ADDRESS}}});
  const stub = client(server);
  const stream = new Stream(stub, 'Stream').write({open: {}}).write({final: {text: 'hello'}});
  await stream.find('the end of the turn', (event) => event.turn_end);
  server.signal('SIGTERM');
  const ended = await stream.finished();
  assert.deepEqual([ended.code, detailsOf(ended).reason], [status.UNAVAILABLE, 'draining']);
  assert.equal((await server.waitExit()).code, 0, server.output);
  assert.equal((await call(stub, 'Understand', {text: 'hello'})).error.code, status.UNAVAILABLE);
});
