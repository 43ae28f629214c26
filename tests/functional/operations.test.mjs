// What operators look at: liveness, readiness, health, metrics, variables, logs.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import {test} from 'node:test';
import {frameOf, request, understand} from '../support/http.mjs';
import {scratchPath} from '../support/paths.mjs';
import {runProgram} from '../support/process.mjs';
import {sharedServer, startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const shared = sharedServer({config: {log: {level: 'debug', format: 'json'}}});

const metricsOf = async (server) => (await request(server, 'GET', '/metrics')).text;

// The value of one sample; labels in any order, all of those given. Undefined: there is no such sample.
function sample(text, name, labels = {}) {
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match?.[1] !== name) continue;
    if (Object.entries(labels).every(([key, value]) => match[2]?.includes(`${key}="${value}"`))) return Number(match[3]);
  }
  return undefined;
}

// Of many like lines in a second the log keeps some: asks until one with `mark` is there.
function loggedLine(server, mark, headers) {
  return until(`the log has ${mark}`, async () => {
    await understand(server, {text: 'hi'}, {headers});
    return server.stderr.split('\n').slice(0, -1).find((line) => line.includes(mark));
  }, {every: 100});
}

test('/livez and /readyz say so in a word', async () => {
  const server = await shared.ready();
  for (const [path, word] of [['/livez', 'alive\n'], ['/readyz', 'ready\n']]) {
    const answer = await request(server, 'GET', path);
    assert.deepEqual([answer.status, answer.text, answer.headers['content-type']], [200, word, 'text/plain; charset=utf-8']);
  }
});

test('vLLM #39863: health understands a canary on the road that requests take', async () => {
  const answer = await request(await shared.ready(), 'GET', '/healthz');
  assert.equal(answer.status, 200);
  const {status, ready, model, canary_us: canary} = answer.json;
  assert.deepEqual([status, ready, model], ['ok', true, 'assistant']);
  assert.ok(canary > 0);
});

test('vLLM #39863: a canary that cannot be done makes health fail while liveness stays', async () => {
  const server = await startServer({config: {understand: {tokens_max: 1, truncation: 'error'}}});
  try {
    const answer = await request(server, 'GET', '/healthz');
    assert.deepEqual([answer.status, answer.json.status], [503, 'failed']);
    assert.ok(answer.json.error.message);
    assert.equal((await request(server, 'GET', '/livez')).status, 200);
  } finally {
    await server.stop();
  }
});

test('Rasa #6319, Ollama #3144: Prometheus metrics that promtool finds nothing wrong with', async () => {
  const server = await shared.ready();
  await frameOf(server, {text: 'hello', session: 'm', reply: true});
  await understand(server, {text: 3});
  await request(server, 'GET', '/nothing');
  const answer = await request(server, 'GET', '/metrics');
  assert.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  const checked = await runProgram('promtool', ['check', 'metrics'], {input: answer.text});
  assert.deepEqual([checked.code, checked.stderr, checked.stdout], [0, '', '']);
});

test('llama.cpp #27011, Triton #7672: latency is a histogram, so that an objective can be watched', async () => {
  const server = await shared.ready();
  const route = {route: '/v1/understand'};
  const name = 'loquat_http_request_duration_seconds';
  const before = await metricsOf(server);
  for (let i = 0; i < 20; i++) await frameOf(server, {text: `hello ${i}`});
  const after = await metricsOf(server);
  const count = (text) => sample(text, `${name}_count`, route) ?? 0;
  assert.equal(count(after) - count(before), 20);
  assert.ok(sample(after, `${name}_sum`, route) > (sample(before, `${name}_sum`, route) ?? 0));
  const buckets = [...after.matchAll(new RegExp(`^${name}_bucket\\{.*route="/v1/understand".*le="([^"]+)".*\\} (\\d+)$`, 'gm'))];
  assert.ok(buckets.length >= 8, `${buckets.length} buckets`);
  const counts = buckets.map((bucket) => Number(bucket[2]));
  assert.deepEqual(counts, [...counts].sort((a, b) => a - b), 'buckets are cumulative');
  assert.deepEqual([buckets.at(-1)[1], counts.at(-1)], ['+Inf', count(after)]);
  assert.ok(Number(buckets[0][1]) <= 0.001, 'and fine enough for answers below a millisecond');
});

test('requests are counted by route, method and status, refusals by reason', async () => {
  const server = await shared.ready();
  const before = await metricsOf(server);
  await understand(server, {text: 'hi'});
  await understand(server, {text: 3});
  await request(server, 'GET', '/nothing/here');
  await request(server, 'DELETE', '/livez');
  const after = await metricsOf(server);
  const grown = (name, labels) => (sample(after, name, labels) ?? 0) - (sample(before, name, labels) ?? 0);
  const name = 'loquat_http_requests_total';
  assert.equal(grown(name, {route: '/v1/understand', method: 'POST', status: '200'}), 1);
  assert.equal(grown(name, {route: '/v1/understand', method: 'POST', status: '400'}), 1);
  assert.equal(grown(name, {route: 'none', method: 'GET', status: '404'}), 1);
  assert.equal(grown('loquat_http_refusals_total', {code: 'invalid_argument'}), 1);
  assert.equal(grown('loquat_http_refusals_total', {reason: 'no_route'}), 1);
  assert.equal(grown('loquat_http_refusals_total', {reason: 'method_not_allowed'}), 1);
});

test('hostile methods and paths cannot make the number of time series grow without bound', async () => {
  const server = await shared.ready();
  const before = (await metricsOf(server)).split('\n').length;
  for (let i = 0; i < 300; i++) await request(server, `M${i}`, `/path/${i}`);
  const after = (await metricsOf(server)).split('\n').length;
  assert.ok(after - before < 150, `${before} lines became ${after}`);
  const checked = await runProgram('promtool', ['check', 'metrics'], {input: await metricsOf(server)});
  assert.equal(checked.code, 0, checked.stderr + checked.stdout);
});

test('connections, bytes, memory and open files are measured', async () => {
  const text = await metricsOf(await shared.ready());
  for (const name of ['loquat_connections_open', 'loquat_network_read_bytes_total', 'loquat_network_written_bytes_total',
    'process_resident_memory_bytes', 'process_open_fds', 'process_cpu_seconds_total', 'process_start_time_seconds']) {
    assert.ok(sample(text, name) > 0, name);
  }
});

test('/debug/vars shows what runs', async () => {
  const server = await shared.ready();
  await frameOf(server, {text: 'hello', session: 'vars'});
  const answer = await request(server, 'GET', '/debug/vars');
  assert.equal(answer.headers['content-type'], 'application/json');
  const vars = answer.json;
  assert.ok(vars.uptime_seconds > 0 && vars.start_ms > 0);
  assert.equal(vars.model.name, 'assistant');
  assert.ok(vars.model.intents >= 9);
  assert.ok(vars.sessions.count >= 1 && vars.sessions.bytes > 0);
  assert.ok(vars.connections >= 1 && vars.requests_in_flight >= 1, 'at least the one that asks');
  const latency = vars.latency_us['/v1/understand'];
  assert.ok(latency.count > 0 && latency.p50 <= latency.p99 && latency.p99 <= latency.max);
});

test('the structured log has one JSON object a line with trace, request id, route and status', async () => {
  const server = await shared.ready();
  const headers = {'x-request-id': 'look-for-me', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'};
  const line = await loggedLine(server, 'look-for-me', headers);
  const entry = JSON.parse(line);
  assert.equal(entry.route, '/v1/understand');
  assert.equal(entry.method, 'POST');
  assert.equal(entry.status, 200);
  assert.equal(entry.tenant, 'anonymous');
  assert.ok(JSON.stringify(entry).includes('4bf92f3577b34da6a3ce929d0e0e4736'), line);
  for (const other of server.stderr.split('\n').slice(0, -1)) JSON.parse(other);
});

test('a hostile request cannot forge a line of the log', async () => {
  const server = await shared.ready();
  const {RawConnection} = await import('../support/http.mjs');
  const connection = await RawConnection.open(server.port);
  await connection.write('GET /forged\u001b[31m{"level":"error"} HTTP/1.1\r\nHost: x\r\n\r\n');
  await connection.waitClosed();
  await understand(server, {text: 'hi', session: 'x"\n{"forged":true}'});
  await loggedLine(server, 'after-the-forgery', {'x-request-id': 'after-the-forgery'});
  for (const line of server.stderr.split('\n').slice(0, -1)) assert.equal('forged' in JSON.parse(line), false);
});

test('Rasa #10194: from start to ready in a moment, and the server says how long it took', async () => {
  const server = await startServer();
  try {
    const milliseconds = Number(/ready in (\d+) ms/.exec(server.stdout)[1]);
    // The measured figure belongs to the benchmark; here it only must not be seconds.
    assert.ok(milliseconds < 5000, `${milliseconds} ms`);
    assert.match(server.stdout, /curl -s http:\/\/127\.0\.0\.1:\d+\/v1\/understand -d '/);
    const line = /curl -s .*$/m.exec(server.stdout)[0];
    const pasted = await runProgram('bash', ['-c', line]);
    assert.equal(pasted.code, 0, pasted.stderr);
    assert.equal(JSON.parse(pasted.stdout).intent.name, 'book_train');
  } finally {
    await server.stop();
  }
});

test('the log goes to a file, too, if the configuration names one', async () => {
  const file = scratchPath('loquat.log');
  const server = await startServer({config: {log: {level: 'debug', file: {path: file}}}});
  try {
    await understand(server, {text: 'hi'}, {headers: {'x-request-id': 'in-the-file'}});
    const line = await until('the line is in the file', () => fs.readFileSync(file, 'utf8').split('\n').find((l) => l.includes('in-the-file')));
    assert.equal(JSON.parse(line).status, 200);
  } finally {
    await server.stop();
  }
});
