// What the tests of Kafka have in common: the clusters and servers of a test, and what must hold of its answers.

import assert from 'node:assert/strict';
import {afterEach} from 'node:test';
import {request} from './http.mjs';
import {KafkaCluster, TOPICS, kafkaConfig, records, sendAll} from './kafka.mjs';
import {startServer} from './server.mjs';
import {until} from './wait.mjs';

// Of one test: servers first, then the clusters under them.
let started = [];
afterEach(async () => {
  const mine = started;
  started = [];
  for (const one of mine) if (one.kill) await one.kill();
  for (const one of mine) if (!one.kill) await one.stop();
});

export async function metric(server, name) {
  const text = (await request(server, 'GET', '/metrics')).text;
  const escaped = name.replace(/[{}]/g, '\\$&');
  return Number(new RegExp(`^${escaped} (\\S+)`, 'm').exec(text)?.[1] ?? 0);
}
export const health = async (server) => (await request(server, 'GET', '/healthz')).json;

// Stopped with the test.
export function keep(one) {
  started.push(one);
  return one;
}

export async function serve(cluster, settings = {}) {
  const server = await startServer({config: {...kafkaConfig(cluster, settings), server: {drain_timeout: '15s'}}});
  started.push(server);
  return server;
}
// A cluster, its clients and a server that has its partitions.
export async function begin({topics = TOPICS, settings = {}, follow = true} = {}) {
  const cluster = await KafkaCluster.start({topics});
  started.push(cluster);
  const server = await serve(cluster, settings);
  const [answers, dead, producer] = await Promise.all([follow && cluster.follow('answers'), follow && cluster.follow('dead'), cluster.producer()]);
  await until('the server has its partitions', async () => (await metric(server, 'loquat_kafka_assigned_partitions')) === topics.ask);
  return {cluster, server, answers, dead, producer};
}
export const sources = (list) => new Set(list.map((record) => record.source));
// Every record sent is answered; what is answered twice is the same source twice. Returns how many were.
export function assertNothingLost(list, sent) {
  assert.deepEqual([...new Set(list.map((record) => record.headers['x-request-id']))].sort(), sent.map((record) => record.headers['x-request-id']).sort());
  assert.equal(sources(list).size, sent.length, 'one answer for each source, or copies of it');
  return list.length - sent.length;
}
// Of each session the answers come in the order of its records; a copy may come later again.
export function assertOrder(list) {
  const next = new Map();
  const seen = new Set();
  for (const record of list) {
    const id = record.headers['x-request-id'];
    if (seen.has(id)) continue;
    seen.add(id);
    const turn = Number(id.split('/')[1]);
    assert.equal(turn, next.get(record.key) ?? 0, `the session ${record.key}`);
    next.set(record.key, turn + 1);
  }
}
export const committedAll = (cluster, sent, topic = 'ask') => until('everything is committed', async () => {
  const offsets = await cluster.committed('loquat', topic);
  return Object.values(offsets).reduce((sum, offset) => sum + Math.max(offset, 0), 0) === sent;
}, {ms: 40_000});
// For brokers that went while kafkajs was sending: it then sends again what had arrived, or skips a partition for good. What
// lies in the input counts: all of it is committed and answered, in each session's order. Returns how many answers are copies.
// The topics are read by consumers that start now, since kafkajs also reads no further where a broker went under it.
export async function assertInputAnswered(cluster, {atLeast}) {
  const ends = await cluster.records('ask');
  assert.ok(ends >= atLeast, `${ends} records arrived in the input`);
  await committedAll(cluster, ends);
  const [asked, answers] = await Promise.all([cluster.follow('ask'), cluster.follow('answers')]);
  await until('all are there', () => asked.length === ends && sources(answers).size === ends, {ms: 30_000});
  const idOf = new Map(asked.map((record) => [`${record.partition}/${record.offset}`, record.headers['x-request-id']]));
  const seen = new Set();
  const last = new Map();
  for (const {key, headers, source} of answers) {
    assert.equal(headers['x-request-id'], idOf.get(source));
    if (seen.has(source)) continue;
    seen.add(source);
    const offset = Number(headers['loquat-source-offset']);
    assert.ok(offset > (last.get(key) ?? -1), `the session ${key} at ${offset}`);
    last.set(key, offset);
  }
  return answers.length - ends;
}

// Records that lie in the topic before the server comes: nothing but the server produces from then on.
export async function beginBehind(count, settings, {follow = true} = {}) {
  const cluster = await KafkaCluster.start({topics: TOPICS});
  started.push(cluster);
  const [answers, dead, producer] = await Promise.all([follow && cluster.follow('answers'), follow && cluster.follow('dead'), cluster.producer()]);
  const sent = records(count, 20);
  await sendAll(producer, sent);
  return {cluster, answers, dead, producer, sent, serve: () => serve(cluster, settings)};
}
