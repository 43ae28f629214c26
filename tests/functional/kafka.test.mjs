// Kafka end to end: records in, results and dead letters out, over TCP, also where nobody takes them.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {request} from '../support/http.mjs';
import {arrive, kafkaConfig, records, sendAll} from '../support/kafka.mjs';
import {assertNothingLost, assertOrder, begin, beginBehind, committedAll, health, metric} from '../support/kafka_cases.mjs';
import {startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

test('results arrive with the key, the source and the trace; sessions keep their order', async () => {
  const {cluster, server, answers, dead, producer} = await begin();
  await producer.send({topic: 'ask', messages: [
    {key: 'talk', value: JSON.stringify({text: 'wake me up at 7 tomorrow', session: 'talk', reply: true}),
      headers: {'x-request-id': 'req-1', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b', 'content-type': 'application/json; charset=utf-8'}},
    {key: 'talk', value: JSON.stringify({text: 'wake me up at 8'})},
    {key: null, value: JSON.stringify({text: 'play some jazz'})},
    {key: null, value: JSON.stringify({text: 'play some jazz', session: 'named'})}]});
  await arrive(answers, 4);
  const first = answers.find((record) => record.headers['x-request-id'] === 'req-1');
  assert.equal(first.key, 'talk');
  assert.equal(first.json.id, 'req-1');
  assert.ok(first.json.intent.name && first.json.reply.text);
  assert.match(first.headers.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)/);
  assert.deepEqual([first.headers.tracestate, first.headers['content-type'], first.headers['loquat-source-topic']], ['a=b', 'application/json', 'ask']);
  const talk = answers.filter((record) => record.key === 'talk');
  assert.deepEqual(talk.map((record) => record.json.session.turn), [1, 2]);
  assert.deepEqual(answers.filter((record) => record.key === null).map((record) => record.json.session?.id).sort(), ['named', undefined]);

  const sent = records(2000, 40);
  await sendAll(producer, sent);
  await arrive(answers, 2004);
  const many = answers.filter((record) => record.key?.startsWith('s-'));
  assert.equal(assertNothingLost(many, sent), 0);
  assertOrder(many);
  for (const record of many) assert.equal(record.json.session.turn, Number(record.headers['x-request-id'].split('/')[1]) + 1, record.key);
  await committedAll(cluster, 2004);
  assert.equal(dead.length, 0);
  assert.equal(await metric(server, 'loquat_kafka_results_total'), 2004);
  await server.stop();
  assert.equal(answers.length, 2004);
});

test('poison is a dead letter with its reason, and hurts nothing else', async () => {
  const {cluster, server, answers, dead, producer} = await begin({settings: {record_bytes_max: '64KiB'}});
  const good = {key: 'ok', value: JSON.stringify({text: 'play some jazz'}), headers: {'x-request-id': 'good'}};
  const poison = [
    ['record_null', {key: 'k', value: null}],
    ['invalid_argument', {key: 'k', value: '{"text": '}],
    ['invalid_argument', {key: 'k', value: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])}],
    ['invalid_argument', {key: 'k', value: ''}],
    ['invalid_argument', {key: 'k', value: '{"txet": "hi"}'}],
    ['too_deep', {key: 'k', value: '['.repeat(1000)}],
    ['record_key', {key: 'k', value: JSON.stringify({text: 'hi', session: 'other'})}],
    ['record_key', {key: 'a b\n', value: JSON.stringify({text: 'hi'})}],
    ['record_batch', {key: 'k', value: JSON.stringify({inputs: [{text: 'hi'}]})}],
    ['text_too_large', {key: 'k', value: JSON.stringify({text: 'x'.repeat(20_000)})}],
    ['record_too_large', {key: 'k', value: JSON.stringify({text: 'x'.repeat(70_000)})}],
    ['record_too_large', {key: 'k', value: 'x'.repeat(500_000)}],
    ['record_headers', {key: 'k', value: JSON.stringify({text: 'hi'}), headers: {'x-request-timeout-ms': 'soon'}}],
    ['record_headers', {key: 'k', value: JSON.stringify({text: 'hi'}), headers: {'x-priority': 'urgent'}}],
    ['content_type', {key: 'k', value: JSON.stringify({text: 'hi'}), headers: {'content-type': 'text/plain'}}],
    ['no_embedding_model', {key: 'k', value: JSON.stringify({text: 'hi', features: ['embedding']})}],
    ['deadline_exceeded', {key: 'k', value: JSON.stringify({text: 'hi'}), headers: {'x-request-deadline-ms': '1'}}],
  ];
  for (const [index, [, message]] of poison.entries()) {
    message.headers = {...message.headers, 'x-request-id': `p-${index}`, mine: 'kept', 'loquat-error-code': 'of an earlier life'};
    await producer.send({topic: 'ask', messages: [message, good]});
  }
  await arrive(dead, poison.length, 'dead letters');
  await arrive(answers, poison.length);
  for (const [index, [reason, message]] of poison.entries()) {
    const letter = dead.find((record) => record.headers['x-request-id'] === `p-${index}`);
    assert.ok(letter, `p-${index}`);
    assert.equal(letter.headers['loquat-error-reason'], reason, `p-${index}: ${letter.headers['loquat-error-message']}`);
    assert.ok(letter.headers['loquat-error-message'].length > 10);
    assert.match(letter.headers['loquat-error-code'], /^(invalid_argument|resource_exhausted|failed_precondition|deadline_exceeded)$/);
    assert.deepEqual([letter.headers['loquat-source-topic'], letter.headers['loquat-attempts']], ['ask', index < 15 ? '0' : '1']);
    if (message.value !== null && message.value.length > 100_000) {
      // More than its topic takes: the position says where the whole of it is.
      assert.deepEqual([letter.value, letter.headers.mine], [null, undefined]);
      assert.ok(Number(letter.headers['loquat-dropped-bytes']) > 500_000);
    } else {
      assert.deepEqual([letter.key, letter.value, letter.headers.mine], [message.key, message.value === null ? null : Buffer.from(message.value).toString(), 'kept']);
    }
  }
  assert.equal(answers.length, poison.length);
  await committedAll(cluster, 2 * poison.length);
  assert.equal(await metric(server, 'loquat_kafka_dead_letters_total{reason="record_key"}'), 2);
  assert.equal((await health(server)).status, 'ok');
  await server.stop();
});

test('an output that refuses us: records wait, readiness says so, and all come when we are let in', async () => {
  const {cluster, answers, dead, sent, serve: start} = await beginBehind(300, {produce_timeout: '1s', in_flight_max: 50});
  await cluster.tell('errors 0 100000 29');  // TOPIC_AUTHORIZATION_FAILED of Produce.
  const server = await start();
  const refused = await until('readiness says it', async () => {
    const ready = await request(server, 'GET', '/readyz');
    return ready.status === 503 && ready.json.error;
  });
  assert.equal(refused.reason, 'kafka_output_refused');
  assert.match(refused.message, /answers/);
  await until('the partitions stand still', async () => (await metric(server, 'loquat_kafka_paused_partitions')) === 8);
  assert.ok((await metric(server, 'loquat_kafka_in_flight')) <= 300);
  assert.equal((await request(server, 'POST', '/v1/understand', {body: {text: 'hi'}})).status, 200);
  assert.deepEqual(Object.values(await cluster.committed('loquat', 'ask')).filter((offset) => offset > 0), []);
  assert.equal(answers.length, 0);
  await cluster.tell('errors 0 0 0');
  await arrive(answers, sent.length);
  assertNothingLost(answers, sent);
  assertOrder(answers);
  await until('it is ready again', async () => (await request(server, 'GET', '/readyz')).status === 200);
  await committedAll(cluster, sent.length);
  assert.equal(dead.length, 0);
  await server.stop();
});

test('a result that its topic does not take is a dead letter', async () => {
  const {cluster, answers, dead, sent, serve: start} = await beginBehind(1);
  await cluster.tell('errors 0 1 10');  // MSG_SIZE_TOO_LARGE
  const server = await start();
  await arrive(dead, 1, 'dead letters');
  assert.deepEqual([dead[0].headers['loquat-error-reason'], dead[0].value, dead[0].key], ['result_rejected', sent[0].value, sent[0].key]);
  await committedAll(cluster, 1);
  assert.equal(answers.length, 0);
  await server.stop();
});

test('a dead letter that its topic does not take comes without its value', async () => {
  const {cluster, answers, dead, producer, serve: start} = await beginBehind(0);
  await producer.send({topic: 'ask', messages: [{key: 'k', value: 'no JSON', headers: {mine: '1'}}]});
  await cluster.tell('errors 0 1 10');
  const server = await start();
  await arrive(dead, 1, 'dead letters');
  assert.deepEqual([dead[0].key, dead[0].value, dead[0].headers.mine, dead[0].headers['loquat-dropped-bytes']], [null, null, undefined, '13']);
  await committedAll(cluster, 1);
  assert.equal(answers.length, 0);
  await server.stop();
});

test('a dead-letter topic that we may not even see: its records wait, readiness says so', async () => {
  const {cluster, sent, producer, serve: start} = await beginBehind(20, {produce_timeout: '1s'}, {follow: false});
  await producer.send({topic: 'ask', messages: [{key: 'k', value: 'no JSON'}]});
  await cluster.tell('topic_error dead 29');  // In its metadata: what is produced is never sent.
  const server = await start();
  const refused = await until('readiness says it', async () => {
    const ready = await request(server, 'GET', '/readyz');
    return ready.status === 503 && ready.json.error;
  });
  assert.equal(refused.reason, 'kafka_output_refused');
  await until('the others are answered', async () => (await metric(server, 'loquat_kafka_results_total')) === sent.length);
  assert.equal(await metric(server, 'loquat_kafka_dead_letters_total{reason="invalid_argument"}'), 0);
  await cluster.tell('topic_error dead 0');
  await until('it is ready again', async () => (await request(server, 'GET', '/readyz')).status === 200);
  await committedAll(cluster, sent.length + 1);
  await arrive(await cluster.follow('dead'), 1, 'dead letters');
  await server.stop();
});

test('settings that would break what is promised are refused by name', async () => {
  const cluster = {brokers: '127.0.0.1:1'};
  for (const [settings, words] of [
    [{properties: {'enable.auto.commit': 'true'}}, /enable\.auto\.commit.*committed by this server/],
    [{properties: {acks: '1'}}, /acks.*idempotent/],
    [{properties: {'no.such.thing': '1'}}, /no\.such\.thing.*librdkafka/],
    [{properties: {'sasl.password': 'hunter2'}}, /sasl\.password.*kafka\.secrets/],
    [{properties: {'fetch.wait.max.ms': 'soon'}}, /fetch\.wait\.max\.ms/],
    [{output: 'ask'}, /kafka\.output.*read as records again/],
    [{output: ''}, /kafka\.output.*three topics/],
    [{dead_letter: 'answers'}, /kafka\.dead_letter.*topic of their own/],
  ]) {
    const server = await startServer({config: kafkaConfig(cluster, settings), wait: false});
    const {code} = await server.waitExit();
    assert.equal(code, 1, JSON.stringify(settings));
    assert.match(server.stderr, words);
    assert.doesNotMatch(server.stderr, /hunter2/);
  }
});
