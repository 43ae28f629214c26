// Configuration from Debian's etcd-server, written by etcdctl: changes, bad values, kills, compaction, lost data, starts
// without it, passwords, TLS, and reloads under load.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import {after, test} from 'node:test';
import {Etcd} from '../support/etcd.mjs';
import {frameOf, request, understand} from '../support/http.mjs';
import {LiveClient} from '../support/live.mjs';
import {scratchPath} from '../support/paths.mjs';
import {startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const started = [];
after(() => Promise.all(started.map((one) => one.kill())));

async function startEtcd(options) {
  const etcd = await Etcd.start(options);
  started.push(etcd);
  return etcd;
}
const fast = {retry_first: '20ms', retry_max: '200ms', start_timeout: '400ms'};
const configOf = (etcd, settings = {}, rest = {}) => ({etcd: {endpoints: [etcd.address], ...fast, ...settings}, ...rest});
async function serve(etcd, settings = {}, rest = {}, options = {}) {
  const server = await startServer({config: configOf(etcd, settings, rest), ...options});
  started.push(server);
  return server;
}
const rankingOf = async (server) => (await frameOf(server, {text: 'play some jazz'})).intent_ranking.length;
const untilRanking = (server, n) => until(`a ranking of ${n}`, async () => (await rankingOf(server)) === n);
const health = async (server) => (await request(server, 'GET', '/healthz')).json;
const untilWell = (server) => until('the server is well', async () => (await health(server)).status === 'ok');
const untilError = (server, pattern) => until(`/healthz says ${pattern}`, async () => {
  const {status, error} = await health(server);
  return status === 'degraded' && pattern.test(error.message) && error;
});
async function metric(server, name) {
  const line = (await request(server, 'GET', '/metrics')).text.split('\n').find((text) => text.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
}
const reloads = (server, outcome) => metric(server, `loquat_etcd_reloads_total{outcome="${outcome}"}`);
const restarts = (server, reason) => metric(server, `loquat_etcd_watch_restarts_total{reason="${reason}"}`);

test('etcd lies between the file and the environment, and its changes apply', async () => {
  const etcd = await startEtcd();
  await etcd.put('understand/ranking_max', 3);
  await etcd.put('understand/tokens_max', 5);
  const server = await serve(etcd, {}, {understand: {ranking_max: 1, tokens_max: 4}}, {env: {LOQUAT_UNDERSTAND_TOKENS_MAX: '2'}});
  assert.equal(await rankingOf(server), 3);
  assert.equal((await frameOf(server, {text: 'one two three four five six'})).truncated_tokens, 4);
  await untilWell(server);
  assert.equal(await metric(server, 'loquat_etcd_connected'), 1);
  await etcd.put('understand/ranking_max', 2);
  await untilRanking(server, 2);
  await server.waitLog(/configuration reloaded.*etcd.*understand\.ranking_max/);
  // A whole section, over which the deeper key stands.
  await etcd.put('understand', 'ranking_max: 9\nearly_risk_max: 0.5\n');
  await until('it is seen', async () => (await metric(server, 'loquat_etcd_revision')) === await etcd.revision());
  assert.equal(await rankingOf(server), 2);
  await etcd.del('understand/ranking_max');
  await until('the section counts', async () => (await rankingOf(server)) > 3);
  await etcd.del('understand');
  await untilRanking(server, 1);
  assert.equal(await reloads(server, 'refused'), 0);
  await server.stop();
});

test('a bad value changes nothing, nor does what came with it, and it is said everywhere', async () => {
  const etcd = await startEtcd();
  await etcd.put('understand/ranking_max', 3);
  const server = await serve(etcd);
  await untilWell(server);
  const bad = [
    [{'understand/ranking_max': 2, 'delivery/sync_timeout': '2m'}, /etcd key \/loquat\/config\/delivery\/sync_timeout:1:1: delivery\.sync_timeout: got "2m".*\(revision \d+/],
    [{'understand/ranking_max': 2, understand: 'tokens_max: 5\ntokens_max: 6'}, /etcd key \/loquat\/config\/understand:2:1: /],
    [{'understand/ranking_max': 2, 'understand/rankingmax': 2}, /etcd key \/loquat\/config\/understand\/rankingmax: unknown key; did you mean understand\/ranking_max\?/],
    [{'understand/ranking_max': 2, 'etcd/prefix': '/x/'}, /etcd key \/loquat\/config\/etcd\/prefix: `etcd` says how to reach this source/],
    [{'understand/ranking_max': 2, 'delivery/sync_timeout': 'x'.repeat(300 * 1024)}, /delivery\/sync_timeout: the value has 307200 bytes; at most 262144/],
  ];
  let refused = 0;
  for (const [values, pattern] of bad) {
    await etcd.transaction(values);
    const error = await untilError(server, pattern);
    assert.equal(error.reason, 'bad_config');
    assert.match(server.stderr, /configuration change refused, what was before it stays/);
    assert.equal(await rankingOf(server), 3);
    assert.equal(await reloads(server, 'refused'), ++refused);
    assert.equal(await metric(server, 'loquat_config_last_reload_success'), 0);
    assert.equal((await request(server, 'GET', '/readyz')).status, 200);
    // Another transaction is not held up by it.
    await etcd.put('understand/early_risk_max', refused / 100);
    await until('the other one is seen', async () => (await metric(server, 'loquat_etcd_revision')) === await etcd.revision());
    assert.equal(await reloads(server, 'refused'), ++refused);
    const mended = Object.fromEntries(Object.keys(values).map((key) => [key, key === 'understand/ranking_max' ? 3 : undefined]));
    await etcd.transaction(mended);
    await untilWell(server);
  }
  assert.equal(server.stderr.match(/configuration change refused/g).length, bad.length, 'each once');
  // A good start beside a bad value: what is good is in force.
  await etcd.put('understand/tokens_max', 'many');
  const second = await serve(etcd);
  assert.equal(await rankingOf(second), 3);
  await untilError(second, /understand\.tokens_max: got "many"/);
  await Promise.all([server.stop(), second.stop()]);
});

test('a key that is read at start waits for the restart and says so once', async () => {
  const etcd = await startEtcd();
  const server = await serve(etcd);
  await untilWell(server);
  await etcd.transaction({'server/connections_max': 77, 'understand/ranking_max': 2});
  await untilRanking(server, 2);
  await server.waitLog(/wait for a restart.*etcd.*server\.connections_max/);
  await etcd.put('understand/ranking_max', 3);
  await untilRanking(server, 3);
  assert.equal(server.stderr.match(/wait for a restart/g).length, 1);
  await server.stop();
});

test('etcd is killed and comes back: with its data, and without', async () => {
  const etcd = await startEtcd();
  await etcd.put('understand/ranking_max', 3);
  const server = await serve(etcd);
  await untilWell(server);
  await etcd.kill();
  const error = await untilError(server, /etcd at 127\.0\.0\.1/);
  assert.equal(error.reason, 'etcd_away');
  assert.equal(await metric(server, 'loquat_etcd_connected'), 0);
  assert.equal(await rankingOf(server), 3);
  assert.equal((await request(server, 'GET', '/readyz')).status, 200);
  await etcd.restart();
  await untilWell(server);
  await etcd.put('understand/ranking_max', 2);
  await untilRanking(server, 2);
  // As after a lost disk.
  await etcd.kill();
  await etcd.restart({loseData: true});
  await server.waitLog(/etcd has lost its data/);
  assert.equal(await rankingOf(server), 2);
  await etcd.put('understand/ranking_max', 4);
  await untilRanking(server, 4);
  await untilWell(server);
  assert.ok((await restarts(server, 'data_lost')) >= 1);
  await server.stop();
});

test('etcd that stands still is noticed, and one of several members that lives is enough', async () => {
  const [still, lives] = [await startEtcd(), await startEtcd()];
  await still.put('understand/ranking_max', 3);
  const server = await serve(still, {keepalive: '200ms', call_timeout: '300ms'});
  await untilWell(server);
  still.signal('SIGSTOP');
  await untilError(server, /no sign of life|call_timeout|Deadline|silent/i);
  assert.equal(await rankingOf(server), 3);
  still.signal('SIGCONT');
  await untilWell(server);
  await still.put('understand/ranking_max', 2);
  await untilRanking(server, 2);
  // Not a cluster: it only shows that the next address is tried.
  await lives.put('understand/ranking_max', 4);
  await still.kill();
  const second = await serve(still, {endpoints: [still.address, lives.address], start_timeout: '20s'});
  assert.equal(await rankingOf(second), 4);
  await Promise.all([server.stop(), second.stop()]);
});

test('history that was compacted away while the server was not connected', async () => {
  const etcd = await startEtcd();
  await etcd.transaction({'understand/ranking_max': 3, 'understand/tokens_max': 4});
  // A gate that the server reaches etcd through.
  const net = await import('node:net');
  const sockets = new Set();
  let open = true;
  const gate = net.createServer((socket) => {
    const peer = net.connect(etcd.port, '127.0.0.1');
    for (const one of [socket, peer]) {
      sockets.add(one);
      one.on('error', () => {}).on('close', () => (socket.destroy(), peer.destroy()));
    }
    if (!open) return socket.destroy();
    socket.pipe(peer).pipe(socket);
  });
  await new Promise((resolve) => gate.listen(0, '127.0.0.1', resolve));
  try {
    const server = await serve(etcd, {endpoints: [`127.0.0.1:${gate.address().port}`]});
    await untilWell(server);
    open = false;
    for (const socket of sockets) socket.destroy();
    await untilError(server, /etcd at/);
    await etcd.transaction({'understand/ranking_max': 2, 'understand/tokens_max': undefined});
    for (let i = 0; i < 5; ++i) await etcd.ctl(['put', '/other', String(i)]);
    await etcd.compact();
    assert.equal(await rankingOf(server), 3);
    open = true;
    await untilRanking(server, 2);
    await untilWell(server);
    assert.equal(await restarts(server, 'compacted'), 1);
    assert.equal((await frameOf(server, {text: 'one two three four five six'})).truncated_tokens, undefined, 'the deleted key is gone');
    await etcd.put('understand/ranking_max', 4);
    await untilRanking(server, 4);
    await server.stop();
  } finally {
    for (const socket of sockets) socket.destroy();
    gate.close();
  }
});

test('a start without etcd: from the snapshot, without it, or not at all', async () => {
  const etcd = await startEtcd();
  await etcd.put('understand/ranking_max', 3);
  const snapshot = scratchPath('etcd.snapshot');
  const first = await serve(etcd, {snapshot});
  await untilWell(first);
  await until('the snapshot is written', () => fs.existsSync(snapshot) && fs.readFileSync(snapshot, 'utf8').includes('ranking_max'));
  await etcd.put('understand/ranking_max', 'nonsense');
  await untilError(first, /nonsense/);
  assert.ok(!fs.readFileSync(snapshot, 'utf8').includes('nonsense'), 'only what stands is kept');
  assert.equal(fs.statSync(snapshot).mode & 0o777, 0o600);
  assert.ok((await metric(first, 'loquat_etcd_snapshot_age_seconds')) >= 0);
  await first.stop();
  await etcd.kill();

  const second = await serve(etcd, {snapshot, required: true}, {understand: {ranking_max: 1}});
  assert.equal(await rankingOf(second), 3);
  await second.waitLog(/started from the snapshot of \d{4}-\d\d-\d\d .*, revision 2/);
  assert.equal((await health(second)).error.reason, 'etcd_away');
  await etcd.restart();
  await untilError(second, /nonsense/);
  await etcd.put('understand/ranking_max', 2);
  await untilRanking(second, 2);
  await until('the snapshot follows', () => fs.readFileSync(snapshot, 'utf8').includes('"text":"2"'));
  await second.stop();
  await etcd.kill();

  const bytes = fs.readFileSync(snapshot, 'utf8');
  fs.writeFileSync(snapshot, bytes.replace('"text":"2"', '"text":"4"'));
  const third = await serve(etcd, {snapshot}, {understand: {ranking_max: 1}});
  assert.equal(await rankingOf(third), 1);
  await third.waitLog(/the snapshot is damaged: its checksum does not fit/);
  await third.waitLog(/started without what etcd has, as etcd\.required is false/);
  await third.stop();
  const refused = await startServer({config: configOf(etcd, {snapshot, required: true}), wait: false});
  assert.equal((await refused.waitExit()).code, 1);
  assert.match(refused.stderr, /etcd at 127\.0\.0\.1:\d+: .*there is no snapshot to start from.*checksum does not fit/);
});

test('user and password, TLS; nothing shows the password', async () => {
  const [cert, key] = [scratchPath('cert.pem'), scratchPath('key.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], {stdio: 'ignore'});
  const etcd = await startEtcd({tls: {cert, key}});
  await etcd.put('understand/ranking_max', 3);
  await etcd.ctl(['user', 'add', 'root:root-word']);
  await etcd.ctl(['user', 'add', 'loquat:pass-word']);
  await etcd.ctl(['role', 'add', 'reader']);
  await etcd.ctl(['role', 'grant-permission', 'reader', '--prefix=true', 'read', '/loquat/config/']);
  await etcd.ctl(['user', 'grant-role', 'loquat', 'reader']);
  await etcd.ctl(['user', 'grant-role', 'root', 'root']);
  await etcd.ctl(['auth', 'enable']);
  etcd.login = ['--user', 'root:root-word'];
  const server = await serve(etcd, {username: 'loquat', password: 'pass-word', tls: {ca_file: cert}});
  assert.equal(await rankingOf(server), 3);
  await untilWell(server);
  await etcd.put('understand/ranking_max', 2);
  await untilRanking(server, 2);
  // Tokens of etcd do not outlive it.
  await etcd.kill();
  await untilError(server, /etcd at/);
  await etcd.restart();
  await untilWell(server);
  await etcd.put('understand/ranking_max', 4);
  await untilRanking(server, 4);
  await server.stop();
  for (const [settings, pattern] of [
    [{username: 'loquat', password: 'wrong-word', tls: {ca_file: cert}}, /login as loquat: .*authentication failed/],
    [{tls: {ca_file: cert}}, /user name is empty|invalid auth token|permission denied/],
    [{username: 'loquat', password: 'pass-word', tls: {}}, /etcd at /],
    [{username: 'loquat', password: 'pass-word'}, /etcd at /],
  ]) {
    const refused = await startServer({config: configOf(etcd, {...settings, required: true}), wait: false});
    assert.equal((await refused.waitExit()).code, 1, refused.output);
    assert.match(refused.stderr, pattern);
    assert.ok(!/wrong-word|pass-word/.test(refused.output + server.output), refused.output);
  }
});

test('edits of the file and changes in etcd at the same time lose neither', async () => {
  const etcd = await startEtcd();
  const config = (sync) => configOf(etcd, {}, {delivery: {sync_confidence_min: sync}});
  const server = await serve(etcd, {}, {delivery: {sync_confidence_min: 0.5}});
  await untilWell(server);
  const reason = async () => (await frameOf(server, {text: 'play some jazz'})).delivery.reason;
  for (let i = 1; i <= 8; ++i) {
    const wanted = (0.1 + i / 100).toFixed(2);
    const put = etcd.put('understand/ranking_max', 1 + (i % 4));
    server.writeConfig(config(Number(wanted)));
    await put;
    await untilRanking(server, 1 + (i % 4));
    await until(`a threshold of ${wanted}`, async () => (await reason()).endsWith(`>= ${wanted}`));
  }
  // A bad file does not hold up etcd, nor the other way round.
  server.writeConfig('understand: [');
  await untilError(server, /loquat\.yml:1/);
  await etcd.put('understand/ranking_max', 3);
  await untilRanking(server, 3);
  await etcd.put('understand/tokens_max', 'many');
  await until('it is refused', async () => (await reloads(server, 'refused')) === 1);
  server.writeConfig(config(0.3));
  await until('the file counts', async () => (await reason()).endsWith('>= 0.30'));
  await untilError(server, /etcd key .*tokens_max/);
  await etcd.del('understand/tokens_max');
  await untilWell(server);
  assert.deepEqual([await rankingOf(server), (await reason()).endsWith('>= 0.30')], [3, true]);
  await server.stop();
});

// The events of one answer by server-sent events.
function streamed(server, text) {
  return new Promise((resolve, reject) => {
    const call = http.request({host: '127.0.0.1', port: server.port, method: 'POST', path: '/v1/understand', agent: false,
      headers: {accept: 'text/event-stream', 'content-type': 'application/json'}});
    call.on('error', reject).on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part) => (body += part)).on('error', reject).on('end', () => resolve({status: response.statusCode, body}));
    });
    call.end(JSON.stringify({text}));
  });
}

test('reloads under load, by file and by etcd: on HTTP, SSE and WebSocket no request fails, and the new values hold', async () => {
  const etcd = await startEtcd();
  const server = await serve(etcd, {}, {server: {io_threads: 2}});
  await untilWell(server);
  const done = {http: 0, sse: 0, ws: 0};
  const failed = [];
  let going = true;
  const lane = (kind, turn) => (async () => {
    while (going) {
      try {
        await turn();
        ++done[kind];
      } catch (error) {
        failed.push(`${kind}: ${error.message}`);
      }
    }
  })();
  const talk = async (i) => {
    const client = await LiveClient.connect(server, {session: `load-${i}`});
    let turn = 0;
    await lane('ws', async () => {
      const utterance = `u${++turn}`;
      client.partial('play some', utterance);
      client.final('play some jazz', utterance);
      const end = await client.take((event) => event.type === 'error' || (event.type === 'turn_end' && event.utterance === utterance));
      if (end.type !== 'turn_end') throw new Error(JSON.stringify(end));
    });
    await client.close();
  };
  const lanes = [
    ...[0, 1, 2].map((i) => lane('http', async () => frameOf(server, {text: 'play some jazz', session: `http-${i}`}))),
    ...[0, 1].map(() => lane('sse', async () => {
      const {status, body} = await streamed(server, 'play some jazz');
      if (status !== 200 || !/^event: ?frame$/m.test(body) || /^event: ?error$/m.test(body)) throw new Error(`${status} ${body}`);
    })),
    ...[0, 1].map(talk),
  ];
  const fileConfig = (i) => configOf(etcd, {}, {server: {io_threads: 2}, delivery: {sync_confidence_min: 0.1 + i / 100, sync_timeout: `${900 + i}ms`},
    stream: {turns_waiting_max: 8 + i}, websocket: {connections_max: 100 + i}});
  try {
    for (let i = 1; i <= 8; ++i) {
      server.writeConfig(fileConfig(i));
      await etcd.transaction({'understand/ranking_max': 1 + (i % 4), 'stream/turns_waiting_max': 20 + i, 'delivery/callback_timeout': `${50 + i}s`});
      await untilRanking(server, 1 + (i % 4));
      await until('the file counts', async () => (await frameOf(server, {text: 'play some jazz'})).delivery.reason.endsWith(`>= ${(0.1 + i / 100).toFixed(2)}`));
    }
    const before = {...done};
    await until('work went on', () => Object.keys(done).every((kind) => done[kind] > before[kind]));
  } finally {
    going = false;
    await Promise.all(lanes);
  }
  assert.deepEqual(failed, []);
  assert.ok(done.http > 20 && done.sse > 20 && done.ws > 20, JSON.stringify(done));
  for (const key of ['delivery.sync_timeout', 'stream.turns_waiting_max', 'websocket.connections_max', 'understand.ranking_max']) {
    assert.ok(server.stderr.includes(key), key);
  }
  // The limits hold from now on: by etcd, then by file.
  const held = await LiveClient.connect(server);
  await held.take('opened');
  await etcd.put('websocket/connections_max', 1);
  const untilRefused = () => until('one more WebSocket is refused', async () => {
    try {
      await (await LiveClient.connect(server)).close();
      return undefined;
    } catch (error) {
      return error;
    }
  });
  assert.equal((await untilRefused()).status, 503);
  await etcd.del('websocket/connections_max');
  const another = await until('a second one is let in', () => LiveClient.connect(server));
  server.writeConfig({...fileConfig(9), websocket: {connections_max: 2}});
  assert.equal((await untilRefused()).status, 503);
  await another.close();
  await held.close();
  assert.equal((await understand(server, {text: 'play some jazz'})).status, 200);
  await server.stop();
});
