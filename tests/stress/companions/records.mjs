// Records that flow into Kafka while its brokers go down and come back: each must have a result, those of a session in
// their order and with its turns counted on. Copies are allowed, and counted.

import {request} from '../../support/http.mjs';
import {KafkaCluster, TOPICS, sendAll} from '../../support/kafka.mjs';
import {pause, until} from '../../support/wait.mjs';
import {TEXTS} from './conversations.mjs';

const SESSIONS = 16;
const BATCH_MAX = 20;
const PAUSE_MS = 200;
const SEND_TRIES = 20;

export class Records {
  async start(seed) {
    this.seed = seed;
    this.cluster = await KafkaCluster.start({topics: TOPICS});
    [this.results, this.dead, this.producer] = await Promise.all([this.cluster.follow('answers'), this.cluster.follow('dead'), this.cluster.producer()]);
    this.sent = 0;
    this.indices = new Map();   // Records sent, by session.
    this.answered = new Map();  // Their results so far: how many, the last one's turn.
    this.offsets = new Map();   // Next offset of each partition of the results; kafkajs may read some again.
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
        return {key, value: JSON.stringify({text: random.pick(TEXTS)}), headers: {'x-request-id': `${key}/${index}`}};
      });
      await this.send(batch);
      this.sent += batch.length;
      this.take();
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

  // Looks at what has come, and forgets it.
  take() {
    for (const result of this.results.splice(0)) this.judge(result);
    for (const letter of this.dead.splice(0)) this.wrong.push(`dead letter for ${letter.headers['x-request-id']}: ${letter.headers['loquat-error-message']}`);
  }
  judge({partition, offset, key, headers, source, json}) {
    if (offset < (this.offsets.get(partition) ?? 0)) return;
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

  missing() {
    this.take();
    return [...this.indices].reduce((sum, [key, count]) => sum + count - (this.answered.get(key)?.count ?? 0), 0);
  }
  // Everything is answered, and said to be.
  async settle(ms) {
    await until('each record has its result', () => this.missing() === 0, {ms, every: 200});
    const end = await this.cluster.records('ask');
    await until('everything is committed', async () => {
      const offsets = Object.values(await this.cluster.committed('loquat', 'ask'));
      return offsets.reduce((sum, offset) => sum + Math.max(offset, 0), 0) === end;
    }, {ms, every: 200});
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
    const again = [...this.sources.values()].reduce((sum, count) => sum + count - 1, 0);
    const twice = [...this.positions.values()].reduce((sum, positions) => sum + positions.size - 1, 0);
    return {of_results: again, of_records: twice};
  }
}
