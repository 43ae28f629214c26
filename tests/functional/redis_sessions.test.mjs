// Sessions in Debian's redis-server: shared by two servers, through kills, silence, lost data and wrong settings.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {after, test} from 'node:test';
import {request, understand} from '../support/http.mjs';
import {scratchPath} from '../support/paths.mjs';
import {Redis} from '../support/redis.mjs';
import {startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const started = [];
after(async () => {
  for (const one of started) await (one instanceof Redis ? one.kill() : one.kill());
});

async function startRedis(options) {
  const redis = await Redis.start(options);
  started.push(redis);
  return redis;
}
async function serve(redis, settings = {}) {
  const server = await startServer({config: {sessions: {store: 'redis', redis: {address: redis.address, ...settings}}}});
  started.push(server);
  return server;
}
const say = (server, session, text = 'hello') => understand(server, {text, session});
async function turnsOf(server, session) {
  const answer = await request(server, 'GET', `/v1/sessions/${session}`);
  return answer.status === 200 ? answer.json.turn : 0;
}
const health = async (server) => (await request(server, 'GET', '/healthz')).json;
const untilWell = (server) => until('the server is well again', async () => (await health(server)).status === 'ok');
async function metric(server, name) {
  const line = (await request(server, 'GET', '/metrics')).text.split('\n').find((text) => text.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
}

// `lanes` clients that each say `count` things, one after the other; gives the statuses.
async function hammer(servers, session, {lanes, count}) {
  const statuses = [];
  await Promise.all(Array.from({length: lanes}, async (_, lane) => {
    for (let i = 0; i < count; ++i) {
      statuses.push((await say(servers[(lane + i) % servers.length], session(lane, i), `turn ${lane} ${i}`)).status);
    }
  }));
  return statuses;
}

test('two servers share a session, and of racing turns none is lost', async () => {
  const redis = await startRedis();
  const servers = [await serve(redis), await serve(redis)];
  const statuses = await hammer(servers, () => 'shared', {lanes: 12, count: 40});
  assert.deepEqual(statuses.filter((status) => status !== 200), []);
  assert.equal(await turnsOf(servers[0], 'shared'), 12 * 40);
  assert.equal(await turnsOf(servers[1], 'shared'), 12 * 40);
  assert.equal(await metric(servers[0], 'loquat_sessions_local_saves_total'), 0);

  // Look, fork and delete go through Redis as well.
  const fork = await request(servers[1], 'POST', '/v1/sessions/shared/fork', {body: {id: 'forked'}});
  assert.equal(fork.status, 201);
  assert.equal(await turnsOf(servers[0], 'forked'), 12 * 40);
  assert.equal((await request(servers[0], 'POST', '/v1/sessions/shared/fork', {body: {id: 'forked'}})).status, 409);
  assert.equal((await request(servers[0], 'DELETE', '/v1/sessions/forked')).status, 204);
  assert.equal((await request(servers[1], 'GET', '/v1/sessions/forked')).status, 404);
  assert.equal((await request(servers[1], 'DELETE', '/v1/sessions/forked')).status, 404);
  const left = Number(/:(\d+)/.exec(await redis.command('PTTL', 'loquat:session:shared'))[1]);
  assert.ok(left > 29 * 60_000 && left <= 30 * 60_000, `time to live ${left}`);

  // A server that starts later finds the conversation.
  await servers[1].stop();
  const third = await serve(redis);
  assert.equal((await say(third, 'shared')).json.session.turn, 12 * 40 + 1);
});

test('killed under load, restarted empty: no request fails, no turn is lost, and it heals', async () => {
  const redis = await startRedis();
  const servers = [await serve(redis), await serve(redis)];
  let stop = false;
  const said = new Map();
  const failed = [];
  const lanes = Array.from({length: 8}, async (_, lane) => {
    for (let i = 0; !stop; ++i) {
      // Some sessions belong to one server, some are shared by both.
      const session = lane < 4 ? `own-${lane}` : `both-${lane % 2}`;
      const answer = await say(servers[lane < 4 ? lane % 2 : i % 2], session, `turn ${lane} ${i}`);
      if (answer.status === 200) said.set(session, (said.get(session) ?? 0) + 1);
      else failed.push(answer.text);
    }
  });
  for (let round = 0; round < 3; ++round) {
    const before = await metric(servers[0], 'loquat_sessions_local_saves_total');
    await until('turns are taken in Redis', async () => (await health(servers[0])).status === 'ok');
    await redis.kill();
    await until('turns are taken in memory', async () => (await metric(servers[0], 'loquat_sessions_local_saves_total')) > before + 20);
    assert.equal((await health(servers[0])).status, 'degraded');
    assert.equal((await request(servers[0], 'GET', '/readyz')).status, 200);
    assert.equal(await metric(servers[0], 'loquat_sessions_fallback_active'), 1);
    await redis.restart();
  }
  await until('both heal under load', async () => (await health(servers[0])).status === 'ok' && (await health(servers[1])).status === 'ok');
  stop = true;
  await Promise.all(lanes);
  assert.deepEqual(failed, []);
  await Promise.all(servers.map(untilWell));
  for (const [session, turns] of said) {
    for (const server of servers) assert.equal(await turnsOf(server, session), turns, session);
  }
  assert.ok((await metric(servers[0], 'loquat_sessions_merged_total')) + (await metric(servers[1], 'loquat_sessions_merged_total')) > 0);
  // Not a line for each request.
  for (const server of servers) assert.ok(server.stderr.match(/Redis is away/g).length <= 3, server.stderr);
});

test('Redis that stands still is away after its timeout, and nobody else waits', async () => {
  const redis = await startRedis();
  const server = await serve(redis, {command_timeout: '300ms'});
  assert.equal((await say(server, 's')).status, 200);
  redis.signal('SIGSTOP');
  const slow = say(server, 's');
  assert.equal((await understand(server, {text: 'hello'})).status, 200);
  assert.equal((await slow).json.session.turn, 2);
  // Now that it is known to be away no turn waits: a hundred in a row take less than two timeouts would.
  const waited = await metric(server, 'loquat_redis_commands_total{outcome="timeout"}');
  for (let i = 0; i < 100; ++i) assert.equal((await say(server, 's')).status, 200);
  assert.equal(await metric(server, 'loquat_redis_commands_total{outcome="timeout"}'), waited);
  redis.signal('SIGCONT');
  await untilWell(server);
  assert.match(await redis.command('GET', 'loquat:session:s'), /"turn_count":102,/);
});

test('without fallback requests with a session are refused while Redis is away', async () => {
  const redis = await startRedis();
  const server = await serve(redis, {fallback: false});
  assert.equal((await say(server, 's')).status, 200);
  await redis.kill();
  const refused = await say(server, 's');
  assert.equal(refused.status, 503);
  assert.equal(refused.json.error.reason, 'session_store_away');
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal((await request(server, 'GET', '/v1/sessions/s')).status, 503);
  assert.equal((await understand(server, {text: 'hello'})).status, 200);
  const ready = await request(server, 'GET', '/readyz');
  assert.deepEqual([ready.status, ready.json.error.reason], [503, 'session_store_away']);
  await redis.restart();
  await untilWell(server);
  assert.equal((await say(server, 's')).json.session.turn, 1);
});

test('with a password, and with a wrong one', async () => {
  const redis = await startRedis({password: 'open sesame'});
  const server = await serve(redis, {password: 'open sesame', database: 2, prefix: 'elsewhere:'});
  assert.equal((await say(server, 's')).status, 200);
  await untilWell(server);
  assert.match(await redis.command('INFO', 'keyspace'), /db2:keys=2/);
  const locked = await serve(redis, {password: 'wrong', fallback: false});
  assert.equal((await say(locked, 's')).status, 503);
  await locked.waitLog(/Redis is away.*WRONGPASS/);
  assert.ok(!locked.stderr.includes('open sesame'));
  const falling = await serve(redis, {password: 'wrong'});
  assert.equal((await say(falling, 's')).status, 200);
  assert.equal((await health(falling)).status, 'degraded');
});

test('over TLS, with a certificate that is checked', async () => {
  const [cert, key] = [scratchPath('redis.pem'), scratchPath('redis.key')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert], {stdio: 'ignore'});
  const redis = await startRedis({tls: {cert, key}});
  const address = `localhost:${redis.port}`;
  const server = await serve(redis, {address, tls: {ca_file: cert}});
  assert.equal((await say(server, 's')).status, 200);
  assert.equal((await say(server, 's')).json.session.turn, 2);
  await untilWell(server);
  assert.equal(await metric(server, 'loquat_sessions_local_saves_total'), 0);
  const distrusting = await serve(redis, {address, tls: {}, fallback: false});
  assert.equal((await say(distrusting, 's')).status, 503);
  await distrusting.waitLog(/Redis is away.*certificate verify failed/);
});

test('what something else has written is an error of that session alone', async () => {
  const redis = await startRedis();
  const server = await serve(redis);
  await redis.command('SET', 'loquat:session:garbage', '{"user": 7}');
  await redis.command('SET', 'loquat:session:cut', 'LQS1 3 {"id":"cut","turns":[');
  await redis.command('RPUSH', 'loquat:session:list', 'a');
  for (const session of ['garbage', 'cut', 'list']) {
    const answer = await say(server, session);
    assert.equal(answer.status, 500, answer.text);
    assert.equal(answer.json.error.reason, 'session_unreadable');
    assert.ok(answer.json.error.message.includes(`loquat:session:${session}`), answer.text);
    assert.equal((await request(server, 'GET', `/v1/sessions/${session}`)).status, 500);
  }
  assert.equal((await say(server, 'fine')).status, 200);
  assert.equal((await health(server)).status, 'ok');
  assert.equal((await request(server, 'DELETE', '/v1/sessions/garbage')).status, 204);
  assert.equal((await say(server, 'garbage')).json.session.turn, 1);
  // A script cache that was emptied is filled again.
  await redis.command('SCRIPT', 'FLUSH');
  assert.equal((await say(server, 'fine')).json.session.turn, 2);
  assert.equal(await metric(server, 'loquat_sessions_local_saves_total'), 0);
});
