// Clients that hold conversations over every protocol and now and then die in the middle of a turn. Each keeps the account
// of its sessions: a turn that was answered must be in the session, one that broke off may be.

import http from 'node:http';
import {Stream, call, client as grpcClient} from '../../support/grpc.mjs';
import {request, understand} from '../../support/http.mjs';
import {LiveClient} from '../../support/live.mjs';
import {Random} from '../../support/random_templates.mjs';
import {pause} from '../../support/wait.mjs';

export const TEXTS = ['play some jazz', '北京明天天气怎么样', 'wake me up at 7 tomorrow', '帮我订明天去上海的火车票'];
const CLIENTS_OF_A_KIND = 2;
const TURNS_OF_A_SESSION = 300;
// One turn in so many breaks off.
const DEATH_ODDS = 8;

class Account {
  constructor(session) {
    Object.assign(this, {session, answered: 0, open: 0});
  }
}

// A request whose client is gone before, while or after it is answered.
function abandon(server, random, body, headers = {}) {
  const bytes = JSON.stringify(body);
  return new Promise((resolve) => {
    const sent = http.request({host: '127.0.0.1', port: server.port, method: 'POST', path: '/v1/understand', agent: false,
      headers: {'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes), ...headers}});
    sent.on('error', () => {}).on('response', (response) => response.on('error', () => {}).resume()).on('close', resolve);
    sent.end(bytes);
    setTimeout(() => sent.destroy(), random.below(6));
  });
}

const SSE = {accept: 'text/event-stream'};

// Each says one turn: true once it is answered, false where the client died of itself. What goes wrong is thrown.
const KINDS = {
  http: class {
    constructor(world) {
      this.server = world.server;
    }
    async turn(session, random) {
      const body = {text: random.pick(TEXTS), session, reply: true};
      if (random.below(DEATH_ODDS) === 0) return abandon(this.server, random, body).then(() => false);
      const answer = await understand(this.server, body);
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
      return true;
    }
  },

  sse: class {
    constructor(world) {
      this.server = world.server;
    }
    async turn(session, random) {
      const body = {text: random.pick(TEXTS), session};
      if (random.below(DEATH_ODDS) === 0) return abandon(this.server, random, body, SSE).then(() => false);
      const answer = await request(this.server, 'POST', '/v1/understand', {body, headers: SSE});
      if (!/^event: turn_end$/m.test(answer.text) || /^event: error$/m.test(answer.text)) throw new Error(answer.text);
      return true;
    }
  },

  grpc: class {
    constructor(world) {
      this.stub = grpcClient(world.server);
    }
    async turn(session, random) {
      const message = {text: random.pick(TEXTS), session, reply: true};
      if (random.below(DEATH_ODDS) === 0) {
        await new Promise((resolve) => {
          const running = this.stub.Understand(message, () => {});
          running.on('status', resolve);
          setTimeout(() => running.cancel(), random.below(6));
        });
        return false;
      }
      const {error} = await call(this.stub, 'Understand', message);
      if (error) throw new Error(error.message);
      return true;
    }
    close() {
      this.stub.close();
    }
  },

  grpc_stream: class {
    constructor(world) {
      this.stub = grpcClient(world.server);
    }
    async turn(session, random) {
      const stream = new Stream(this.stub, 'Stream');
      const text = random.pick(TEXTS);
      stream.write({open: {request: {session, reply: true}}});
      for (let end = 1; end < text.length; end += 1 + random.below(6)) stream.write({partial: {text: text.slice(0, end)}});
      stream.write({final: {text}});
      if (random.below(DEATH_ODDS) === 0) {
        await pause(random.below(6));
        return stream.cancel().then(() => false);
      }
      const {code, details} = await stream.end();
      const reason = stream.events.find((event) => event.turn_end)?.turn_end.reason;
      if (code !== 0 || reason !== 'TURN_END_REASON_FINAL') throw new Error(`${code} ${details}: ${JSON.stringify(stream.events)}`);
      return true;
    }
    close() {
      this.stub.close();
    }
  },

  websocket: class {
    constructor(world) {
      this.server = world.server;
    }
    async turn(session, random) {
      if (this.session !== session) await this.close();
      this.session = session;
      this.live ??= await LiveClient.connect(this.server, {session, reply: true, resume: true});
      const text = random.pick(TEXTS);
      for (let end = 1; end < text.length; end += 1 + random.below(4)) this.live.partial(text.slice(0, end));
      this.live.final(text);
      const fate = random.below(DEATH_ODDS);
      if (fate === 0) {  // It dies, and what it said may not even have left.
        await this.live.drop();
        this.live = undefined;
        return false;
      }
      // It dies when the turn is the server's, and comes back for what it missed.
      if (fate === 1) await this.resume(session);
      const end = await this.live.take('turn_end');
      if (end.reason !== 'final') throw new Error(JSON.stringify(end));
      return true;
    }
    async resume(session) {
      const last = await this.live.take((event) => event.type === 'frame' && event.final);
      await this.live.drop();
      this.live = await LiveClient.connect(this.server, {session, reply: true, resume: true, last_event_id: last.event_id});
      const {resumed} = await this.live.take('opened');
      if (!resumed) throw new Error(`nothing was kept behind event ${last.event_id}`);
    }
    async close() {
      const {live} = this;
      this.live = undefined;
      if (live) await live.close();
    }
  },
};

async function talk(world, kind, name, random) {
  const client = new KINDS[kind](world);
  let account;
  let sessions = 0;
  while (world.going) {
    if (account === undefined) {
      account = new Account(`${name}-${++sessions}`);
      world.accounts.add(account);
    }
    account.open += 1;
    try {
      if (await client.turn(account.session, random)) {
        account.answered += 1;
        account.open -= 1;
      }
    } catch (error) {
      world.failures.push(`${kind} ${account.session}: ${error.message}`);
      if (kind === 'websocket') client.live = undefined;
    }
    if (account.answered >= TURNS_OF_A_SESSION) {
      await settleAccount(world, account).catch((error) => world.failures.push(error.message));
      account = undefined;
    }
    await pause(random.below(30));
  }
  await client.close?.();
}

// Nobody speaks any more in the session: what it says of itself is compared, and it is deleted.
async function settleAccount(world, account) {
  const {session, answered, open} = account;
  const answer = await request(world.server, 'GET', `/v1/sessions/${session}`);
  const turn = answer.status === 404 ? 0 : answer.json.turn;
  if (!(turn >= answered && turn <= answered + open)) {
    world.failures.push(`session ${session}: ${answered} answered, ${open} broken off, ${turn} in the session: ${answer.text}`);
  }
  const {status, text} = await request(world.server, 'DELETE', `/v1/sessions/${session}`);
  if (status !== 204) world.failures.push(`session ${session}: deleted with ${status} ${text}`);
  world.accounts.delete(account);
  world.turns.answered += answered;
  world.turns.open += open;
  world.turns.sessions += 1;
}

// All of them, until `world.going` ends.
export const talkAll = (world, seed) => Object.keys(KINDS).flatMap((kind, k) => Array.from({length: CLIENTS_OF_A_KIND}, (_, n) =>
  talk(world, kind, `chaos-${seed}-${kind}-${n}`, new Random(seed * 100 + k * 10 + n))));

export async function settleAll(world) {
  for (const account of [...world.accounts]) await settleAccount(world, account);
}
