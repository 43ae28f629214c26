// Configuration that changes under load: keys in etcd, which dies and returns, the configuration file, and the model's
// domain.yml. Among the values are bad ones, of which nothing may ever be seen; what was valid last must be in force.

import fs from 'node:fs';
import {Etcd} from '../../support/etcd.mjs';
import {Stream, call, client as grpcClient} from '../../support/grpc.mjs';
import {understand} from '../../support/http.mjs';
import {LiveClient} from '../../support/live.mjs';
import {scratchPath} from '../../support/paths.mjs';
import {pause, until} from '../../support/wait.mjs';

const RANKING = 'understand/ranking_max';
const THRESHOLD = 'delivery/sync_confidence_min';
const GOOD = {[RANKING]: (random) => 1 + random.below(5), [THRESHOLD]: (random) => (5 + random.below(60)) / 100};
const BAD = {[RANKING]: ['0', 'many', '[3'], [THRESHOLD]: ['7', '1.01', 'high']};
// Valid in itself, but only ever sent together with what is not.
const FORBIDDEN_RANKING = 7;
const BAD_FILES = ['understand: [', 'understand: {rankng_max: 3}', 'understand:\n  tokens_max: many\n'];
const PUT_BOUND_MS = 60_000;
const LONG = 200;  // Words of the text that shows understand.tokens_max.

export class Settings {
  constructor() {
    this.expected = {[RANKING]: 5, [THRESHOLD]: 0.92};
    this.seen = {[RANKING]: new Set([5]), [THRESHOLD]: new Set(['0.92'])};
    this.counts = {good: 0, bad: 0, files: 0, domains: 0, probes: 0};
  }
  // A copy of the model, whose domain is written anew.
  async start(model) {
    this.etcd = await Etcd.start();
    this.model = scratchPath('model');
    fs.cpSync(model, this.model, {recursive: true});
    this.domain = fs.readFileSync(this.domainFile, 'utf8');
    this.words = /^ {2}greet:\n(?: {4}.*\n)+/m;
    this.replies = new Set(JSON.parse(/^ {4}en: (\[.*\])$/m.exec(this.words.exec(this.domain)[0])[1]));
    return this;
  }
  get domainFile() {
    return `${this.model}/domain.yml`;
  }
  config() {
    return {endpoints: [this.etcd.address], retry_first: '20ms', retry_max: '200ms'};
  }

  // An etcd that dies may or may not have taken the change: it is sent until it is acknowledged.
  write(values) {
    return until(`etcd takes ${JSON.stringify(values)}`, () => this.etcd.transaction(values).then(() => true), {ms: PUT_BOUND_MS, every: 100});
  }
  async writeGood(values) {
    for (const [key, value] of Object.entries(values)) this.seen[key].add(key === THRESHOLD ? value.toFixed(2) : value);
    await this.write(values);
    Object.assign(this.expected, values);
    this.counts.good += 1;
  }
  async changeEtcd(world, random) {
    while (world.going) {
      const key = random.pick([RANKING, THRESHOLD]);
      const kind = random.below(6);
      if (kind === 0) {
        // Alone it stays until another value of its key comes.
        await this.write({[key]: random.pick(BAD[key])});
      } else if (kind === 1) {
        // Nothing of a revision counts where a part of it is bad; then both are mended.
        await this.write({[RANKING]: FORBIDDEN_RANKING, [THRESHOLD]: random.pick(BAD[THRESHOLD])});
        await this.writeGood({[RANKING]: GOOD[RANKING](random), [THRESHOLD]: GOOD[THRESHOLD](random)});
      } else {
        await this.writeGood({[key]: GOOD[key](random)});
      }
      if (kind < 2) this.counts.bad += 1;
      await pause(100 + random.below(700));
    }
  }

  async changeFile(world, random, config) {
    const file = world.server.configFile;
    while (world.going) {
      this.tokens = 20 + random.below(100);
      if (random.below(4) === 0) world.server.writeConfig(random.pick(BAD_FILES));
      world.server.writeConfig({...config, understand: {tokens_max: this.tokens}});
      if (random.below(2) === 0) {
        fs.copyFileSync(file, `${file}.new`);
        fs.renameSync(`${file}.new`, file);
      }
      this.counts.files += 1;
      await pause(500 + random.below(3000));
    }
  }

  async changeDomain(world, random) {
    while (world.going) {
      this.reply = `Words number ${++this.counts.domains}.`;
      this.replies.add(this.reply);
      const text = this.domain.replace(this.words, `  greet: {en: ["${this.reply}"], zh: ["${this.reply}"]}\n`);
      if (random.below(4) === 0) fs.writeFileSync(this.domainFile, text.replaceAll(this.reply, 'Never said.').replace('intents:', 'intents:\n  greet: {kind: sunny}'));
      if (random.below(2) === 0) {
        fs.writeFileSync(this.domainFile, text);
      } else {
        fs.writeFileSync(`${this.domainFile}.new`, text);
        fs.renameSync(`${this.domainFile}.new`, this.domainFile);
      }
      await pause(500 + random.below(3000));
    }
  }

  // Somebody who looks at what is in force, over each protocol by turns.
  async probe(world) {
    const protocols = new Protocols(world.server);
    while (world.going) {
      for (const ask of Object.values(protocols.asks)) {
        try {
          const fault = this.fault(await ask('hello'));
          if (fault) world.failures.push(`settings: ${fault}`);
        } catch (error) {
          world.failures.push(`settings: ${error.message}`);
        }
        this.counts.probes += 1;
        await pause(10);
      }
    }
    await protocols.close();
  }
  // What of an answer no valid value gives.
  fault(answer) {
    if (!this.seen[RANKING].has(answer.ranking)) return `a ranking of ${answer.ranking} is in force`;
    if ('threshold' in answer && !this.seen[THRESHOLD].has(answer.threshold)) return `a threshold of ${answer.threshold} is in force`;
    if (!this.replies.has(answer.reply)) return `the reply is "${answer.reply}"`;
    return undefined;
  }

  // The last valid values are in force, on every protocol.
  async settle(server, random, ms) {
    await this.write({[RANKING]: random.pick(BAD[RANKING])});
    await this.writeGood({[THRESHOLD]: GOOD[THRESHOLD](random)});
    const protocols = new Protocols(server);
    const wanted = {ranking: this.expected[RANKING], threshold: this.expected[THRESHOLD].toFixed(2), reply: this.reply};
    try {
      for (const [name, ask] of Object.entries(protocols.asks)) {
        let last;
        const same = async () => {
          last = await ask('hello');
          return Object.keys(last).every((key) => wanted[key] === last[key]);
        };
        await until('the settings', same, {ms}).catch((error) => {
          throw new Error(`${error.message}; over ${name} ${JSON.stringify(last)} is in force instead of ${JSON.stringify(wanted)}`);
        });
      }
      const cut = async () => (await understand(server, {text: 'word '.repeat(LONG)})).json.truncated_tokens === LONG - this.tokens;
      await until(`tokens_max of ${this.tokens}`, cut, {ms});
    } finally {
      await protocols.close();
    }
  }
}

// What an answer shows of the settings. Who asks by a stream is answered on it, whatever the threshold.
const shown = (ranking, reply) => ({ranking: ranking.length, reply: reply?.text});
const threshold = (delivery) => ({threshold: />= (\S+)/.exec(delivery.reason)?.[1]});

// One question over each protocol; none of them has a session.
class Protocols {
  constructor(server) {
    this.stub = grpcClient(server);
    this.asks = {
      http: async (text) => {
        const {status, text: body, json} = await understand(server, {text, reply: true});
        if (status !== 200) throw new Error(`http: ${status} ${body}`);
        return {...shown(json.intent_ranking, json.reply), ...threshold(json.delivery)};
      },
      grpc: async (text) => {
        const {error, answer} = await call(this.stub, 'Understand', {text, reply: true});
        if (error) throw new Error(`grpc: ${error.message}`);
        return {...shown(answer.frame.intent_ranking, answer.reply), ...threshold(answer.delivery)};
      },
      grpc_stream: async (text) => {
        const stream = new Stream(this.stub, 'Stream').write({open: {request: {reply: true}}});
        const {code, details} = await stream.end({final: {text}});
        if (code !== 0) throw new Error(`grpc stream: ${details}`);
        const find = (name) => stream.events.find((event) => event[name])?.[name];
        return shown(find('frame').frame.intent_ranking, find('reply').reply);
      },
      websocket: async (text) => {
        this.live ??= await LiveClient.connect(server, {reply: true});
        this.live.final(text);
        const frame = await this.live.take((event) => event.type === 'frame' && event.final);
        const reply = await this.live.take('reply');
        await this.live.take('turn_end');
        return shown(frame.intent_ranking, reply);
      },
    };
  }
  async close() {
    this.stub.close();
    if (this.live) await this.live.close();
  }
}
