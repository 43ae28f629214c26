// Records that flow into Kafka while its brokers go down and come back: each must have a result, those of a session in
// their order and with its turns counted on. Copies are allowed, and counted.

import {request} from '../../support/http.mjs';
import {KafkaCluster, sendAll} from '../../support/kafka.mjs';
import {pause, until} from '../../support/wait.mjs';
import {TEXTS} from './conversations.mjs';

const SESSIONS = 64;
// The mock brokers forget the oldest records of a partition beyond 5 MiB: the results are spread wide, and are small, so that
// all of them can be read in the end.
const TOPICS = {ask: 8, answers: 64, dead: 1};
const BATCH_MAX = 20;
const PAUSE_MS = 200;
const SEND_TRIES = 20;

const sumOf = (values) => [...values].reduce((sum, value) => sum + value, 0);

export class Records {
  async start(seed) {
    this.seed = seed;
    this.cluster = await KafkaCluster.start({topics: TOPICS});
    this.producer = await this.cluster.producer();
    this.sent = 0;
    this.indices = new Map();   // Records sent, by session.
    this.answered = new Map();  // Their results so far: how many, the last one's turn.
    this.offsets = new Map();   // Next offset of each partition of the results.
    this.sources = new Map();   // Results for each position of the input.
    this.positions = new Map(); // Positions of each record: more than one where kafkajs sent it again.
    this.wrong = [];
    return this;
  }

  // Until `world.going` ends; then all that was sent is acknowledged.
  async flow(world, random) {
    while (world.going) {
      const batch = Array.from({length: 1 + random.below(BATCH_MAX)}, () => {
        const key = `records-${this.seed}-${random.below(SESSIONS)}`;
        const index = this.indices.get(key) ?? 0;
        this.indices.set(key, index + 1);
        return {key, value: JSON.stringify({text: random.pick(TEXTS), features: ['intent']}), headers: {'x-request-id': `${key}/${index}`}};
      });
      await this.send(batch);
      this.sent += batch.length;
      await pause(random.below(PAUSE_MS));
    }
  }
  // Whoever fills a topic tries again: what is not in it was never accepted.
  async send(batch) {
    for (let attempt = 1;; ++attempt) {
      try {
        return await sendAll(this.producer, batch);
      } catch (error) {
        if (attempt === SEND_TRIES) throw error;
      }
    }
  }

  judge({partition, offset, key, headers, source, json}) {
    const next = this.offsets.get(partition) ?? 0;
    if (offset < next) return;  // kafkajs reads some again.
    if (offset > next) this.wrong.push(`results ${next} to ${offset - 1} of partition ${partition} are not to be had any more`);
    this.offsets.set(partition, offset + 1);
    const before = this.sources.get(source) ?? 0;
    this.sources.set(source, before + 1);
    const id = headers['x-request-id'];
    const positions = this.positions.get(id) ?? new Set();
    const first = positions.size === 0;
    this.positions.set(id, positions.add(source));
    const session = this.answered.get(key) ?? {count: 0, turn: 0};
    this.answered.set(key, session);
    if (before > 0) return;
    if (first && id !== `${key}/${session.count}`) this.wrong.push(`result of ${id} where ${session.count} is next`);
    if (first) session.count += 1;
    // A turn that is counted twice would be one that is lost.
    if (!(json.session?.turn > session.turn)) this.wrong.push(`result of ${id}: turn ${json.session?.turn} after ${session.turn}`);
    session.turn = json.session?.turn ?? session.turn;
  }

  // Everything is said to be answered.
  async settle(server, ms) {
    const end = await this.cluster.records('ask');
    await until('everything is committed', async () => {
      const offsets = Object.values(await this.cluster.committed('loquat', 'ask'));
      return sumOf(offsets.map((offset) => Math.max(offset, 0))) === end;
    }, {ms, every: 200}).catch(async (error) => {
      throw new Error(`${error.message}; ${await this.state(server)}`);
    });
  }
  // What stands in the topics now is judged.
  async read(server, ms) {
    const [resultsEnd, deadEnd] = await Promise.all(['answers', 'dead'].map((topic) => this.cluster.records(topic)));
    const [results, dead] = await Promise.all([this.cluster.follow('answers'), this.cluster.follow('dead')]);
    await until('the results are read', () => {
      for (const result of results.splice(0)) this.judge(result);
      return sumOf(this.offsets.values()) >= resultsEnd && dead.length >= deadEnd;
    }, {ms, every: 200}).catch((error) => this.wrong.push(error.message));
    for (const {headers} of dead) this.wrong.push(`dead letter for ${headers['x-request-id']}: ${headers['loquat-error-message']}`);
    const missing = [...this.indices].filter(([key, count]) => count > (this.answered.get(key)?.count ?? 0));
    if (missing.length > 0) this.wrong.push(`results are missing of ${missing.map(([key, count]) => `${key}: ${count}`).join(', ')}; ${await this.state(server)}`);
  }
  // Where it stands, for whoever must find out why.
  async state(server) {
    const metrics = (await request(server, 'GET', '/metrics')).text.match(/^loquat_kafka_(records|results|lag|in_flight|paused|assigned|abandoned|errors).*$/gm);
    const [asked, answered] = await Promise.all(['ask', 'answers'].map((topic) => this.cluster.records(topic)));
    return `${asked} records and ${answered} results in their topics, ${sumOf(this.offsets.values())} results read; ${metrics.join(', ')}`;
  }
  async wrongSessions(server) {
    const wrong = [];
    for (const [key, {count, turn}] of this.answered) {
      const held = (await request(server, 'GET', `/v1/sessions/${key}`)).json.turn;
      if (!(held >= turn && held >= count)) wrong.push(`session ${key}: ${count} records, the last result is turn ${turn}, ${held} in the session`);
    }
    return wrong;
  }
  // Results beyond the first: of positions that were answered twice, and of records that kafkajs had put in twice.
  copies() {
    return {
      of_results: sumOf(this.sources.values()) - this.sources.size,
      of_records: sumOf([...this.positions.values()].map((positions) => positions.size)) - this.positions.size,
    };
  }
}
