// What the server leans on dies and comes back at random: Redis, the receiver of callbacks, clients of every protocol.
// Nothing that was accepted may be lost: every turn that was answered is in its session, every callback that was promised
// arrives, and memory stays flat.
//
// Usage: node tests/stress/companions.mjs [--seconds N] [--seed N]

import fs from 'node:fs';
import {parseArgs} from 'node:util';
import {Receiver, callbackConfig} from '../support/callbacks.mjs';
import {call, client as grpcClient} from '../support/grpc.mjs';
import {request, understand} from '../support/http.mjs';
import {LiveClient} from '../support/live.mjs';
import {Redis} from '../support/redis.mjs';
import {Random} from '../support/random_templates.mjs';
import {startServer} from '../support/server.mjs';
import {pause, until} from '../support/wait.mjs';

const TEXTS = ['play some jazz', '北京明天天气怎么样', 'wake me up at 7 tomorrow', '帮我订明天去上海的火车票'];
const HEAL_MS = 60_000;

// Turns of one session: those that were answered are certain, those that broke off may count or not.
class Account {
  constructor(session) {
    Object.assign(this, {session, answered: 0, open: 0});
  }
}

// Each client says one turn after the other until `world.going` ends; what it may not lose stands in its account.
const CLIENTS = {
  async http(world, account, random) {
    const answer = await understand(world.server, {text: random.pick(TEXTS), session: account.session, reply: true});
    if (answer.status !== 200) throw new Error(`http: ${answer.status} ${answer.text}`);
  },
  async sse(world, account, random) {
    const answer = await request(world.server, 'POST', '/v1/understand', {body: {text: random.pick(TEXTS), session: account.session}, headers: {accept: 'text/event-stream'}});
    if (!/^event: turn_end$/m.test(answer.text) || /^event: error$/m.test(answer.text)) throw new Error(`sse: ${answer.text}`);
  },
  async grpc(world, account, random) {
    const {error} = await call(world.grpc, 'Understand', {text: random.pick(TEXTS), session: account.session});
    if (error) throw new Error(`grpc: ${error.message}`);
  },
  async websocket(world, account, random) {
    account.live ??= await LiveClient.connect(world.server, {session: account.session, reply: true});
    const text = random.pick(TEXTS);
    for (let end = 1; end < text.length; end += 1 + random.below(4)) account.live.partial(text.slice(0, end));
    account.live.final(text);
    if (random.below(8) === 0) {  // The client dies in the middle.
      await account.live.drop();
      account.live = undefined;
      return false;
    }
    const end = await account.live.take('turn_end');
    if (end.reason !== 'final') throw new Error(`websocket: ${JSON.stringify(end)}`);
    return true;
  },
};

async function talk(world, kind, account, random) {
  while (world.going) {
    account.open += 1;
    try {
      const certain = await CLIENTS[kind](world, account, random);
      if (certain !== false) {
        account.answered += 1;
        account.open -= 1;
      }
    } catch (error) {
      world.failures.push(`${kind} ${account.session}: ${error.message}`);
      account.live = undefined;
    }
    await pause(random.below(30));
  }
  if (account.live) await account.live.close();
}

async function promiseCallbacks(world, random) {
  while (world.going) {
    const answer = await understand(world.server, {text: random.pick(TEXTS), delivery: 'callback', callback_url: world.receiver.url()});
    if (answer.status === 202) world.promised.add(answer.json.delivery.id);
    else if (answer.status !== 429) world.failures.push(`callback: ${answer.status} ${answer.text}`);
    await pause(random.below(40));
  }
}

// One companion dies, stays away for a while, and returns.
async function strike(world, random, log) {
  while (world.going) {
    await pause(500 + random.below(2500));
    const victim = random.pick(world.victims);
    log(`${victim.name} dies`);
    await victim.die();
    await pause(200 + random.below(3000));
    await victim.live();
    log(`${victim.name} is back`);
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

export async function run({seconds, seed, log = () => {}}) {
  const redis = await Redis.start();
  const receiver = await new Receiver().listen();
  const {port} = receiver;
  const config = {
    ...callbackConfig({retries: {attempts_max: 1000, backoff_max: '500ms'}}),
    grpc: {listen: '127.0.0.1:0'},
    sessions: {store: 'redis', redis: {address: redis.address}},
  };
  const server = await startServer({config});
  const world = {going: true, server, receiver, grpc: grpcClient(server), promised: new Set(), failures: [], victims: [
    {name: 'redis', die: () => redis.kill(), live: () => redis.restart()},
    {name: 'the receiver', die: () => receiver.close(), live: () => receiver.listen(port)},
  ]};
  const accounts = [];
  const resident = [];
  const work = Object.keys(CLIENTS).flatMap((kind, k) => [0, 1].map((n) => {
    accounts.push(new Account(`chaos-${seed}-${kind}-${n}`));
    return talk(world, kind, accounts.at(-1), new Random(seed * 100 + k * 10 + n));
  }));
  work.push(promiseCallbacks(world, new Random(seed * 100 + 90)), strike(world, new Random(seed * 100 + 91), log));
  const end = Date.now() + 1000 * seconds;
  while (Date.now() < end) {
    await pause(250);
    resident.push(server.memoryBytes());
  }
  world.going = false;
  await Promise.all(work);

  // Healed, everything that was promised must come true.
  await until('the callbacks arrive', () => [...world.promised].every((id) => receiver.callsOf(id).length > 0), {ms: HEAL_MS});
  await until('the sessions are in Redis again', async () => {
    const {text} = await request(server, 'GET', '/metrics');
    return /^loquat_sessions_fallback_active 0$/m.test(text) && /^loquat_sessions_owed 0$/m.test(text);
  }, {ms: HEAL_MS});
  const lost = [];
  for (const account of accounts) {
    const {turn} = (await request(server, 'GET', `/v1/sessions/${account.session}`)).json;
    if (!(turn >= account.answered && turn <= account.answered + account.open)) {
      lost.push(`${account.session}: ${account.answered} answered, ${account.open} broken off, ${turn} in the session`);
    }
  }
  const quarter = Math.max(1, resident.length >> 2);
  const result = {
    seed, turns: accounts.reduce((sum, account) => sum + account.answered, 0), callbacks: world.promised.size,
    callback_faults: receiver.faults.length, failures: world.failures, lost,
    resident_early: median(resident.slice(quarter, 2 * quarter)), resident_late: median(resident.slice(-quarter)),
  };
  await server.stop();
  await receiver.close();
  await redis.kill();
  return result;
}

if (process.argv[1] === fs.realpathSync(new URL(import.meta.url).pathname)) {
  const {values} = parseArgs({options: {seconds: {type: 'string', default: '600'}, seed: {type: 'string', default: String(Date.now() % 100_000)}}});
  const result = await run({seconds: Number(values.seconds), seed: Number(values.seed), log: (line) => console.log(new Date().toISOString(), line)});
  console.log(JSON.stringify(result, null, 1));
  process.exit(result.failures.length + result.lost.length + result.callback_faults > 0 ? 1 : 0);
}
