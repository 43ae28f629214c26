// A Kafka cluster for a test (tests/support/kafka_cluster, librdkafka's mock brokers over TCP), and kafkajs as the client
// that shares no code with the server.

import {spawn} from 'node:child_process';
import path from 'node:path';
import readline from 'node:readline';
import {CompressionTypes, Kafka, logLevel} from 'kafkajs';
import {BINARY} from './paths.mjs';
import {pause, until, within} from './wait.mjs';

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';

const CLUSTER = path.join(path.dirname(BINARY), 'tests/support/kafka_cluster/kafka_cluster');
const running = new Set();
process.on('exit', () => {
  for (const child of running) process.kill(child.pid, 'SIGKILL');
});

export const textOf = (bytes) => (bytes === null || bytes === undefined ? null : bytes.toString());

export class KafkaCluster {
  static async start({brokers = 3, topics = {}} = {}) {
    const cluster = new KafkaCluster();
    cluster.size = brokers;
    cluster.child = spawn(CLUSTER, [String(brokers)], {stdio: ['pipe', 'pipe', 'inherit']});
    running.add(cluster.child);
    cluster.child.on('close', () => running.delete(cluster.child));
    cluster.answers = [];
    cluster.lines = [];
    readline.createInterface({input: cluster.child.stdout}).on('line', (line) => {
      const waiting = cluster.answers.shift();
      if (waiting) waiting(line);
      else cluster.lines.push(line);
    });
    cluster.brokers = (await cluster.line()).replace('ready ', '');
    for (const [name, partitions] of Object.entries(topics)) await cluster.tell(`topic ${name} ${partitions}`);
    cluster.clients = [];
    return cluster;
  }
  line() {
    const ready = this.lines.shift();
    if (ready !== undefined) return ready;
    return within('the cluster answers', new Promise((resolve) => this.answers.push(resolve)));
  }
  async tell(command) {
    const answer = this.line();
    this.child.stdin.write(`${command}\n`);
    const line = await answer;
    if (!line.startsWith('ok')) throw new Error(`the cluster says: ${line}`);
  }
  async tellAll(command) {
    for (let broker = 1; broker <= this.size; ++broker) await this.tell(`${command} ${broker}`);
  }

  kafka() {
    return new Kafka({clientId: 'test', brokers: this.brokers.split(','), logLevel: logLevel.NOTHING, retry: {retries: 30, initialRetryTime: 50, maxRetryTime: 500}});
  }
  async producer() {
    const producer = this.kafka().producer();
    await producer.connect();
    this.clients.push(producer);
    return producer;
  }
  // Records of a topic as they come, in `records`.
  async follow(topic) {
    const records = [];
    const consumer = this.kafka().consumer({groupId: `test-${topic}-${Math.random()}`, sessionTimeout: 30_000, maxWaitTimeInMs: 50});
    await consumer.connect();
    await consumer.subscribe({topic, fromBeginning: true});
    await consumer.run({eachMessage: async ({partition, message}) => {
      const headers = Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, Array.isArray(value) ? value.map(textOf) : textOf(value)]));
      const value = textOf(message.value);
      records.push({partition, offset: Number(message.offset), key: textOf(message.key), value, headers, get json() { return JSON.parse(value); },
        source: `${headers['loquat-source-partition']}/${headers['loquat-source-offset']}`});
    }});
    this.clients.push(consumer);
    return records;
  }
  // The committed offset of each partition of the input.
  async committed(group, topic) {
    const admin = this.kafka().admin();
    await admin.connect();
    try {
      const [offsets] = await admin.fetchOffsets({groupId: group, topics: [topic]});
      return Object.fromEntries(offsets.partitions.map(({partition, offset}) => [partition, Number(offset)]));
    } finally {
      await admin.disconnect();
    }
  }
  // How many records the topic has.
  async records(topic) {
    const admin = this.kafka().admin();
    await admin.connect();
    try {
      return (await admin.fetchTopicOffsets(topic)).reduce((sum, {high}) => sum + Number(high), 0);
    } finally {
      await admin.disconnect();
    }
  }
  async stop() {
    // A client whose broker is gone would wait for it.
    await Promise.race([Promise.all(this.clients.map((client) => client.disconnect().catch(() => {}))), pause(2000)]);
    const closed = new Promise((resolve) => (running.has(this.child) ? this.child.on('close', resolve) : resolve()));
    this.child.stdin.end();
    await within('the cluster ends', closed);
  }
}

export const TOPICS = {ask: 8, answers: 8, dead: 1};
export const kafkaConfig = (cluster, settings = {}) => ({kafka: {brokers: cluster.brokers, input: 'ask', output: 'answers', dead_letter: 'dead',
  retry_first: '10ms', retry_ceiling: '200ms', commit_interval: '50ms',
  // The mock group waits for a whole session's timeout where a member has left it.
  properties: {'session.timeout.ms': '3000', 'heartbeat.interval.ms': '200'}, ...settings}});

// `count` records over `sessions` sessions; the text says which is which, and the index is in the request id.
export const records = (count, sessions, {prefix = 's'} = {}) => Array.from({length: count}, (_, i) => {
  const session = `${prefix}-${i % sessions}`;
  return {key: session, value: JSON.stringify({text: `wake me up at ${i % 12 + 1}`, features: ['intent']}), headers: {'x-request-id': `${prefix}/${Math.floor(i / sessions)}/${session}`}};
});
export const sendAll = async (producer, messages, topic = 'ask') => {
  for (let i = 0; i < messages.length; i += 500) {
    await producer.send({topic, messages: messages.slice(i, i + 500), compression: CompressionTypes.None, acks: -1});
  }
};
export const arrive = (list, count, what = 'records') => until(`${count} ${what} arrive`, () => list.length >= count, {ms: 45_000});
