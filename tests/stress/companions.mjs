// What the server leans on dies and comes back at random: Redis, etcd, the brokers of Kafka, the receiver of callbacks,
// clients of every protocol; and its files change under it. Nothing that was accepted may be lost: each request is
// answered, each answered turn is in its session, each record has its result and each promised callback arrives; the last
// valid configuration is in force; and memory, descriptors and threads stay where they were.
//
// Usage: node tests/stress/companions.mjs [--seconds N] [--seed N]; LOQUAT_BINARY names the program.

import fs from 'node:fs';
import {parseArgs} from 'node:util';
import {callbackConfig} from '../support/callbacks.mjs';
import {request} from '../support/http.mjs';
import {kafkaConfig} from '../support/kafka.mjs';
import {testModel} from '../support/model.mjs';
import {Random} from '../support/random_templates.mjs';
import {Redis} from '../support/redis.mjs';
import {startServer} from '../support/server.mjs';
import {pause, until} from '../support/wait.mjs';
import {settleAll, talkAll} from './companions/conversations.mjs';
import {Promises} from './companions/promises.mjs';
import {Records} from './companions/records.mjs';
import {Resources} from './companions/resources.mjs';
import {Settings} from './companions/settings.mjs';

const HEAL_MS = 90_000;
const CALM_MS = 8000;
const FAILURES_SHOWN = 40;
const OUTPUT_SHOWN = 10_000;

async function startWorld(seed, env) {
  const [redis, promises, records, settings] = await Promise.all(
    [Redis.start(), new Promises().start(), new Records().start(seed), testModel().then((model) => new Settings().start(model))]);
  const {cluster} = records;
  const config = {
    // Deliveries that have ended are forgotten soon, or they would look like a leak until there are finished_max.
    ...callbackConfig({retention: '5s', retries: {attempts_max: 1000, backoff_max: '500ms'}}),
    ...kafkaConfig(cluster),
    etcd: settings.config(),
    grpc: {listen: '127.0.0.1:0'},
    sessions: {store: 'redis', redis: {address: redis.address}},
  };
  const server = await startServer({config, model: settings.model, env});
  const companions = [
    {name: 'redis', die: () => redis.kill(), live: () => redis.restart()},
    {name: 'etcd', die: () => settings.etcd.kill(), live: () => settings.etcd.restart()},
    {name: 'the receiver', die: () => promises.die(), live: () => promises.live()},
    {name: 'kafka', die: () => cluster.tellAll('down'), live: () => cluster.tellAll('up')},
  ];
  return {server, config, redis, promises, records, settings, companions, going: false, failures: [], strikes: 0,
    accounts: new Set(), turns: {answered: 0, open: 0, sessions: 0}};
}

// One companion dies, stays away for a while, and returns; each at times of its own.
async function strike(world, {name, die, live}, random, log) {
  while (world.going) {
    await pause(1000 + random.below(6000));
    log(`${name} dies`);
    await die();
    world.strikes += 1;
    await pause(200 + random.below(3500));
    await live();
    log(`${name} is back`);
  }
}

// Everybody works for a while; then their last requests have been answered.
async function work(world, seed, ms, others) {
  world.going = true;
  const {promises, records, settings, config} = world;
  const random = (n) => new Random(seed * 100 + 80 + n);
  const all = [...talkAll(world, seed), promises.ask(world, random(0)), records.flow(world, random(1)), settings.changeEtcd(world, random(2)),
    settings.changeFile(world, random(3), config), settings.changeDomain(world, random(4)), settings.probe(world), ...others(random)];
  // Who cannot go on ends it for all.
  const ended = Promise.all(all.map((one) => one.catch((error) => {
    world.failures.push(error.message);
    world.going = false;
  })));
  const end = Date.now() + ms;
  while (world.going && !world.server.ended && Date.now() < end) await pause(100);
  world.going = false;
  await ended;
  if (world.server.ended) throw new Error(`the server ended: ${world.server.output.slice(-OUTPUT_SHOWN)}; before: ${world.failures.slice(0, FAILURES_SHOWN).join('\n')}`);
}

// Healed, everything that was promised must come true.
async function settle(world, random) {
  const {server, promises, records, settings} = world;
  const healed = await Promise.allSettled([
    until('the callbacks arrive', () => promises.broken().length === 0, {ms: HEAL_MS, every: 200}),
    records.settle(server, HEAL_MS),
    until('the sessions are in Redis again', async () => {
      const {text} = await request(server, 'GET', '/metrics');
      return /^loquat_sessions_fallback_active 0$/m.test(text) && /^loquat_sessions_owed 0$/m.test(text);
    }, {ms: HEAL_MS}),
    settings.settle(server, random, HEAL_MS),
  ]);
  world.failures.push(...healed.filter(({reason}) => reason).map(({reason}) => reason.message));
}

async function stopWorld({server, redis, promises, records, settings, failures}) {
  await server.stop().catch((error) => failures.push(error.message.slice(-OUTPUT_SHOWN)));
  await Promise.all([promises.die(), records.cluster.stop(), redis.kill(), settings.etcd.kill()]);
}

function report({strikes, turns, promises, records, settings}, resources, calm, after) {
  const {early, late} = resources.growth();
  const mib = (bytes) => Math.round(bytes / 2 ** 20 * 10) / 10;
  const tenths = Array.from({length: 10}, (_, i) => mib(resources.part(i + 1, 10, 'bytes')));
  const counts = (what) => ({calm: calm[what], loaded: resources.part(4, 4, what), after: after[what]});
  return {
    strikes, turns: turns.answered, broken_off: turns.open, sessions: turns.sessions,
    callbacks: promises.promised.size, callback_copies: promises.copies,
    records: records.sent, record_copies: records.copies(), settings: settings.counts,
    resident_mib: {calm: mib(calm.bytes), second_quarter: mib(early), last_quarter: mib(late), after: mib(after.bytes), by_tenths: tenths.join(' ')},
    descriptors: counts('files'), threads: counts('threads'),
  };
}

export async function run({seconds, seed, env = {}, log = () => {}}) {
  const world = await startWorld(seed, env);
  const {server, promises, records, failures} = world;
  const resources = new Resources(server);
  const last = new Random(seed * 100 + 99);
  // First with nobody dying: what such a server holds at rest is what it must come back to.
  await work(world, seed, CALM_MS, () => []);
  await settle(world, last);
  const calm = await resources.rest(HEAL_MS);
  log(`calm: ${JSON.stringify(calm)}`);
  await work(world, seed + 1, 1000 * seconds, (random) => [resources.watch(world), ...world.companions.map((one, n) => strike(world, one, random(10 + n), log))]);
  log('everybody is back');
  await settle(world, last);
  const after = await resources.rest(HEAL_MS, calm);
  await settleAll(world);
  await records.read(server, HEAL_MS);
  failures.push(...await records.wrongSessions(server), ...records.wrong,
    ...promises.receiver.faults.map((fault) => `callback: ${fault}`), ...resources.faults(calm, after));
  const result = {seed, seconds, ...report(world, resources, calm, after), failures};
  await stopWorld(world);
  return result;
}

if (process.argv[1] === fs.realpathSync(new URL(import.meta.url).pathname)) {
  const {values} = parseArgs({options: {seconds: {type: 'string', default: '600'}, seed: {type: 'string', default: String(Date.now() % 100_000)}}});
  console.log(`seed ${values.seed}`);
  // What was started ends with this process.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  // What a sanitizer is told goes to the server.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(ASAN|UBSAN|TSAN|LSAN)_OPTIONS$/.test(name)));
  const result = await run({seconds: Number(values.seconds), seed: Number(values.seed), env, log: (line) => console.log(new Date().toISOString(), line)});
  console.log(JSON.stringify({...result, failures: result.failures.length}, null, 1));
  for (const failure of result.failures.slice(0, FAILURES_SHOWN)) console.error(`FAILED ${failure}`);
  process.exit(result.failures.length > 0 ? 1 : 0);
}
