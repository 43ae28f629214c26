// Kafka while brokers go, leaders move, members come and die: nothing is lost, and sessions keep their order.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {request} from '../support/http.mjs';
import {KafkaCluster, TOPICS, arrive, records, sendAll} from '../support/kafka.mjs';
import {assertInputAnswered, assertNothingLost, assertOrder, begin, beginBehind, committedAll, health, keep, metric, serve, sources} from '../support/kafka_cases.mjs';
import {until} from '../support/wait.mjs';

test('brokers that are away at the start are waited for, and those that go come back', async () => {
  const cluster = keep(await KafkaCluster.start({topics: TOPICS}));
  await cluster.tellAll('down');
  const server = await serve(cluster);
  await until('it says that Kafka is away', async () => (await health(server)).error?.reason === 'kafka_away');
  assert.equal((await request(server, 'GET', '/readyz')).status, 200, 'the rest of the server works');
  await server.waitLog(/no Kafka broker can be reached/);
  assert.equal(server.stderr.match(/no Kafka broker can be reached/g).length, 1, 'said once');
  await cluster.tellAll('up');
  const producer = await cluster.producer();
  const sent = records(3000, 60);
  await sendAll(producer, sent.slice(0, 1000));
  await until('the first ones are answered', async () => (await metric(server, 'loquat_kafka_results_total')) === 1000);
  await until('it is well', async () => (await health(server)).status === 'ok');
  const half = sendAll(producer, sent.slice(1000));
  for (const broker of [1, 2, 3]) {
    await cluster.tell(`down ${broker}`);
    await until(`some answers pass without broker ${broker}, or none can`, async () => (await metric(server, 'loquat_kafka_brokers_up')) < 6);
    await cluster.tell(`up ${broker}`);
  }
  await half;
  console.log(`# copies: ${await assertInputAnswered(cluster, {atLeast: sent.length / 2})}`);
  await server.stop();
});

test('leaders move and requests fail on the way; nothing is lost and sessions keep their order', async () => {
  const {cluster, server, producer} = await begin({follow: false});
  const sent = records(4800, 80);
  for (let step = 0; step < 12; ++step) {
    const sending = sendAll(producer, sent.slice(400 * step, 400 * (step + 1)));
    for (const partition of [step % 8, (step + 3) % 8]) {
      for (const topic of ['ask', 'answers']) await cluster.tell(`leader ${topic} ${partition} ${1 + step % 3}`);
    }
    if (step === 6) {
      // NOT_ENOUGH_REPLICAS of Produce, OFFSET_NOT_AVAILABLE of Fetch, COORDINATOR_LOAD_IN_PROGRESS of OffsetCommit.
      for (const errors of ['errors 0 3 19', 'errors 1 2 78', 'errors 8 2 14']) await cluster.tell(errors);
    }
    await sending;
    await until('more results come', async () => (await metric(server, 'loquat_kafka_results_total')) >= 300 * (step + 1), {ms: 30_000});
  }
  assert.equal(await assertInputAnswered(cluster, {atLeast: sent.length / 2}), 0, 'what our producer sends anew arrives once');
  await server.stop();
});

test('two members: partitions change hands with records in flight, and one is killed; nothing is lost', async () => {
  const {cluster, server, answers, producer} = await begin();
  const sent = records(6000, 120);
  const sending = sendAll(producer, sent);
  await arrive(answers, 200);
  const other = await serve(cluster);
  await until('both have partitions', async () => (await metric(other, 'loquat_kafka_assigned_partitions')) === 4 && (await metric(server, 'loquat_kafka_assigned_partitions')) === 4, {ms: 30_000});
  await sending;
  const more = records(3000, 60, {prefix: 'm'});
  const sendingMore = sendAll(producer, more);
  await until('the other one works', async () => (await metric(other, 'loquat_kafka_results_total')) > 20, {ms: 30_000});
  await other.kill();
  await sendingMore;
  const all = [...sent, ...more];
  await until('all are answered', () => new Set(answers.map((record) => record.headers['x-request-id'])).size === all.length, {ms: 40_000});
  const copies = assertNothingLost(answers, all);
  assertOrder(answers);
  await committedAll(cluster, all.length);
  console.log(`# copies after a handover and a kill: ${copies}`);
  await server.stop();
});

test('SIGTERM in the middle: what is in flight is finished and committed, the rest is left to the next', async () => {
  const {cluster, answers, sent, serve: start} = await beginBehind(4000, {in_flight_max: 100});
  const server = await start();
  await arrive(answers, 300);
  await server.stop();
  const offsets = await cluster.committed('loquat', 'ask');
  const committed = Object.values(offsets).reduce((sum, offset) => sum + Math.max(offset, 0), 0);
  await until('what was committed is there', () => sources(answers).size >= committed);
  assert.equal(sources(answers).size, committed, 'everything answered is committed');
  assert.ok(committed < sent.length, 'it stopped in the middle');
  const before = sources(answers);
  const next = await start();
  await until('the rest is answered', () => sources(answers).size === sent.length, {ms: 30_000});
  assertNothingLost(answers, sent);
  assert.equal(answers.filter((record) => before.has(record.source)).length, before.size, 'a clean stop makes no copies');
  assertOrder(answers);
  await next.stop();
});
