// Models of the server on the main road: replies by a decoder, embeddings and labels by encoders.

import assert from 'node:assert/strict';
import http from 'node:http';
import {after, test} from 'node:test';
import {chatModel, classifierModel, encoderModel} from '../support/engine_models.mjs';
import {frameOf, request, understand} from '../support/http.mjs';
import {loquat} from '../support/process.mjs';
import {startServer} from '../support/server.mjs';
import {writeScratch} from '../support/paths.mjs';
import {until, within} from '../support/wait.mjs';

const FOREIGN = 'who won the war of 1812';
const WEATHER = '北京明天天气怎么样';

const paths = {
  chat: chatModel(),
  vectors: encoderModel(),
  // Says "play_music" of every text, surely.
  music: classifierModel('sequence', ['LABEL_0', 'LABEL_1', 'none'], [0, 8, 0]),
  // Says that every word goes on with a city.
  cities: classifierModel('token', ['O', 'B-LOC', 'I-LOC'], [0, 0, 6]),
};
const model = (name) => ({name, path: paths[name], threads: 1, ...(name === 'chat' ? {kv_bytes: '16MiB'} : {})});
const music = {labels: {LABEL_0: 'query_weather', LABEL_1: 'play_music'}, out_of_scope_labels: ['none']};
const reply = {model: 'chat', temperature: 0, tokens_max: 12};

const started = [];
const server = (config, options) => {
  const start = startServer({config, ...options}).then((made) => (started.push(made), made));
  return start;
};
after(async () => {
  for (const made of started) await made.stop();
});
const chatting = server({models: [model('chat'), model('vectors')], reply, encoders: {embedding: {model: 'vectors'}}});

// Each event as it comes, and when the stream is whole.
function events(to, body, {onEvent = () => {}, cut = () => false} = {}) {
  return within('the stream ends', new Promise((resolve, reject) => {
    const call = http.request({host: '127.0.0.1', port: to.port, method: 'POST', path: '/v1/understand', agent: false,
      headers: {accept: 'text/event-stream', 'content-type': 'application/json'}});
    call.on('error', reject);
    call.on('response', (response) => {
      const seen = [];
      let rest = '';
      response.setEncoding('utf8').on('data', (text) => {
        rest += text;
        for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
          const fields = Object.fromEntries(rest.slice(0, end).split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
          rest = rest.slice(end + 2);
          seen.push({type: fields.event, id: fields.id, data: JSON.parse(fields.data)});
          onEvent(seen.at(-1));
          if (cut(seen)) {
            call.destroy();
            resolve(seen);
          }
        }
      });
      response.on('error', (error) => (error.code === 'ECONNRESET' ? resolve(seen) : reject(error)));
      response.on('end', () => resolve(seen));
    });
    call.end(JSON.stringify(body));
  }));
}

const RUNNING = 'loquat_engine_running_sequences\\{model="chat"\\}';
const CANCELLED = 'loquat_engine_requests_total\\{model="chat",end="cancelled"\\}';
const metric = async (to, pattern) => Number(new RegExp(`^${pattern} (\\S+)`, 'm').exec((await request(to, 'GET', '/metrics')).text)?.[1] ?? 0);

test('what is out of scope is answered by the model, what is understood by the domain', async () => {
  const to = await chatting;
  const foreign = await frameOf(to, {text: FOREIGN, reply: true});
  assert.equal(foreign.out_of_scope, true);
  assert.equal(foreign.reply.source, 'model');
  assert.equal(foreign.reply.model, 'chat');
  assert.equal(foreign.reply.reason, 'out of scope');
  assert.ok(foreign.reply.text.length > 0);
  assert.ok(foreign.timings_us.response > 0);
  const known = await frameOf(to, {text: WEATHER, reply: true});
  assert.deepEqual(Object.keys(known.reply), ['text', 'source']);
  assert.equal(known.reply.source, 'template');
  assert.equal((await frameOf(to, {text: FOREIGN})).reply, undefined);
});

test('a stream has the frame first, then the deltas, which are the reply', async () => {
  const to = await chatting;
  const seen = await events(to, {text: FOREIGN, reply: true, session: 'sse'});
  const types = seen.map((event) => event.type);
  assert.equal(types[0], 'frame');
  assert.deepEqual(types.slice(-2), ['reply', 'turn_end']);
  const deltas = seen.slice(1, -2);
  assert.ok(deltas.length > 0 && deltas.every((event) => event.type === 'reply_delta'));
  const said = seen.at(-2).data;
  assert.equal(deltas.map((event) => event.data.text).join(''), said.text);
  assert.equal(said.source, 'model');
  assert.deepEqual(seen.map((event) => Number(event.id.split('-').at(-1))), seen.map((_, i) => i + 1));
  assert.equal(seen.at(-1).data.session.turn, 1);
  // The same words without a stream: the model is greedy.
  assert.equal((await frameOf(to, {text: FOREIGN, reply: true})).reply.text, said.text);
});

test("the model's words are the assistant's turn, and the next prompt begins with them", async () => {
  const to = await chatting;
  const first = await frameOf(to, {text: FOREIGN, reply: true, session: 'window'});
  const kept = (await request(to, 'GET', '/v1/sessions/window')).json;
  assert.equal(kept.turns[0].reply, first.reply.text);
  const cached = 'loquat_engine_prefix_hit_tokens_total\\{model="chat"\\}';
  const before = await metric(to, cached);
  const second = await frameOf(to, {text: 'how tall is the tallest giraffe', reply: true, session: 'window'});
  assert.equal(second.reply.source, 'model');
  assert.ok((await metric(to, cached)) > before, 'the second turn finds the first one in the KV cache');
});

test('an embedding of length one comes on request, and the frame is the same beside it', async () => {
  const to = await chatting;
  const plain = await frameOf(to, {text: WEATHER});
  assert.equal(plain.embedding, undefined);
  const frame = await frameOf(to, {text: WEATHER, features: ['intent', 'slots', 'embedding']});
  assert.deepEqual(frame.intent_ranking, plain.intent_ranking);
  assert.deepEqual(frame.slots, plain.slots);
  assert.equal(frame.embedding.length, 256);
  assert.ok(Math.abs(Math.hypot(...frame.embedding) - 1) < 1e-5);
  const {data} = (await request(to, 'POST', '/v1/embeddings', {body: {model: 'vectors', input: WEATHER}})).json;
  data[0].embedding.forEach((value, i) => assert.ok(Math.abs(value - frame.embedding[i]) < 1e-6));
});

test('text that is too long for the encoder leaves the frame without its embedding, and says so', async () => {
  const frame = await frameOf(await chatting, {text: 'rain '.repeat(400), features: ['intent', 'embedding']});
  assert.equal(frame.embedding, undefined);
  assert.equal(frame.notes.length, 1);
  assert.equal(frame.notes[0].feature, 'embedding');
  assert.equal(frame.notes[0].reason, 'context_length_exceeded');
  assert.ok(frame.intent_ranking.length > 0);
});

test('a batch has replies by the model in their places', async () => {
  const {outputs} = (await understand(await chatting, {inputs: [{text: FOREIGN, reply: true}, {text: WEATHER, reply: true}]})).json;
  assert.deepEqual(outputs.map((output) => output.reply.source), ['model', 'template']);
});

test('a client that goes away cancels the generation; the session stays as it was', async () => {
  // Long enough to be cut in the middle, however quick the machine.
  const to = await server({models: [{...model('chat'), context: 2048}], reply: {...reply, tokens_max: 1500, instructions: '', timeout: '60s'}});
  let cancelled = 0;
  for (const [session, call] of [
    ['gone-sse', (session) => events(to, {text: FOREIGN, reply: true, session}, {cut: (seen) => seen.at(-1).type === 'reply_delta'})],
    ['gone-json', async (session) => {
      const running = http.request({host: '127.0.0.1', port: to.port, method: 'POST', path: '/v1/understand', agent: false});
      running.on('error', () => {});
      running.end(JSON.stringify({text: FOREIGN, reply: true, session}));
      await until('the model works', async () => (await metric(to, RUNNING)) > 0);
      running.destroy();
    }],
  ]) {
    await call(session);
    cancelled += 1;
    await until(`${session}: it is counted as cancelled`, async () => (await metric(to, CANCELLED)) === cancelled);
    assert.equal(await metric(to, RUNNING), 0);
    assert.equal((await request(to, 'GET', `/v1/sessions/${session}`)).status, 404, session);
  }
});

test('a model that is late is given up: the reply is the domain\'s and says why', async () => {
  const to = await server({models: [model('chat')], reply: {...reply, tokens_max: 1500, timeout: '30ms'}});
  const frame = await frameOf(to, {text: FOREIGN, reply: true, session: 'late'});
  assert.equal(frame.reply.source, 'template');
  assert.ok(frame.reply.text.length > 0);
  assert.equal(frame.reply.failed.code, 'deadline_exceeded');
  assert.equal((await request(to, 'GET', '/v1/sessions/late')).json.turns[0].reply, frame.reply.text);
  const seen = await events(to, {text: FOREIGN, reply: true});
  assert.equal(seen[0].type, 'frame');
  assert.equal(seen.at(-2).data.source, 'template');
});

test('the policy is reloaded: threshold, intents, and a model that is not there', async () => {
  const base = {models: [model('chat')]};
  const to = await server(base);
  const source = async (text) => (await frameOf(to, {text, reply: true})).reply.source;
  assert.equal(await source(FOREIGN), 'template', 'without a policy every reply is the domain\'s');
  to.writeConfig({...base, reply});
  await until('the model answers', async () => (await source(FOREIGN)) === 'model');
  assert.equal(await source(WEATHER), 'template');
  to.writeConfig({...base, reply: {...reply, intents: ['query_weather'], out_of_scope: false}});
  await until('the listed intent is answered', async () => (await source(WEATHER)) === 'model');
  assert.equal(await source(FOREIGN), 'template');
  to.writeConfig({...base, reply: {...reply, confidence_min: 1, out_of_scope: false}});
  await until('the unsure are answered', async () => (await source(FOREIGN)) === 'model');
  to.writeConfig(`models: [{name: chat, path: "${paths.chat}", threads: 1, kv_bytes: 16MiB}]\nreply:\n  model: other\n`);
  await to.waitLog(/configuration not reloaded.*:3:\d+: reply\.model: there is no model \\?"other\\?".*chat/);
  assert.equal(await source(FOREIGN), 'model', 'the old policy holds');
  to.writeConfig({...base, reply: {...reply, intents: ['no_such_intent']}});
  await to.waitLog(/configuration not reloaded.*reply\.intents.*no_such_intent/);
  assert.equal(await source(FOREIGN), 'model');
});

test('a classifier ranks intents and another marks slots, alone', async () => {
  const to = await server({models: [model('music'), model('cities')], encoders: {intent_order: ['music'], slot_order: ['cities'],
    classifiers: {music, cities: {labels: {LOC: 'city.from'}}}}});
  const text = '  😀 fly, 去 New-York  ';
  const frame = await frameOf(to, {text});
  const odds = Math.exp(8) / (Math.exp(8) + 2);
  assert.deepEqual(frame.intent, {name: 'play_music', confidence: Number(odds.toFixed(4))});
  assert.equal(frame.out_of_scope, false);
  assert.deepEqual(frame.intent_ranking.map((entry) => entry.name), ['play_music', 'query_weather']);
  assert.equal(frame.slots.length, 1);
  const [slot] = frame.slots;
  assert.deepEqual([slot.name, slot.entity, slot.role, slot.value], ['from', 'city', 'from', text.trim()]);
  assert.equal(slot.confidence, Number((Math.exp(6) / (Math.exp(6) + 2)).toFixed(4)));
  const {span} = slot;
  assert.equal(Buffer.from(text).subarray(...span.byte).toString(), slot.value);
  assert.equal([...text].slice(...span.codepoint).join(''), slot.value);
  assert.equal(text.slice(...span.utf16), slot.value);
  const empty = await frameOf(to, {text: ' '});
  assert.deepEqual([empty.intent, empty.out_of_scope, empty.slots], [null, true, []]);
});

test('models in an order: the first that is sure ranks, the earlier slots stand', async () => {
  const to = await server({models: [model('music'), model('cities')], encoders: {intent_order: ['assistant', 'music'], slot_order: ['assistant', 'cities'],
    sure_at: 0.6, classifiers: {music, cities: {labels: {LOC: 'city'}}}}});
  const sure = await frameOf(to, {text: WEATHER});
  assert.equal(sure.intent.name, 'query_weather');
  assert.deepEqual(sure.slots.filter((slot) => slot.confidence > 0.995).map((slot) => slot.value).slice(0, 1), ['北京']);
  const handed = await frameOf(to, {text: FOREIGN});
  assert.equal(handed.intent.name, 'play_music');
  assert.equal(handed.out_of_scope, false);
  assert.deepEqual(handed.slots.map((slot) => slot.value), [FOREIGN]);
});

// [what, configuration, what the start says]
const CLASSIFIERS = {models: [model('music'), model('cities'), model('chat'), model('vectors')]};
const BAD = [
  ['a reply by a model that is not there', {reply: {model: 'other'}}, /loquat\.yml:\d+:\d+: reply\.model: there is no model "other" among `models`: music, cities, chat, vectors/],
  ['a reply by an encoder', {reply: {model: 'vectors'}}, /loquat\.yml:\d+:\d+: reply\.model: vectors is an encoder/],
  ['an intent that nobody knows', {reply: {model: 'chat', intents: ['fly']}}, /loquat\.yml:\d+:\d+: reply\.intents: .*no intent "fly"/],
  ['a field that nobody fills', {reply: {model: 'chat', instructions: 'Hi {name}'}}, /reply\.instructions: .*'name'.*\{missing\}/],
  ['triggers without a model', {reply: {intents: ['query_weather']}}, /reply: the policy asks|reply.*names none/],
  ['a reply longer than the context', {reply: {model: 'chat', tokens_max: 2048}}, /reply\.tokens_max: 2048 tokens leave no room/],
  ['an embedding by a classifier that is not there', {encoders: {embedding: {model: 'x'}}}, /loquat\.yml:\d+:\d+: encoders\.embedding\.model: there is no model "x"/],
  ['labels that are no intents', {encoders: {intent_order: ['music']}}, /encoders\.classifiers\.music\.labels: model music: the label "LABEL_0"/],
  ['labels that are no entities', {encoders: {slot_order: ['cities']}}, /encoders\.classifiers\.cities\.labels: model cities: the label "B-LOC"/],
  ['a decoder in the order', {encoders: {intent_order: ['chat']}}, /encoders\.intent_order: chat is no sequence classifier/],
  ['a classifier that nobody asks', {encoders: {classifiers: {music}}}, /encoders\.classifiers\.music: .*neither/],
  ['a model twice in an order', {encoders: {slot_order: ['assistant', 'assistant']}}, /encoders\.slot_order: .*stands twice/],
];
for (const [what, config, pattern] of BAD) {
  test(`a start is refused with its reason: ${what}`, async () => {
    const refused = await startServer({config: {...CLASSIFIERS, ...config}, wait: false});
    const {code} = await refused.waitExit();
    assert.equal(code, 1, refused.output);
    assert.match(refused.stderr, pattern);
  });
}

test('config check finds a name that is not there, with its line', async () => {
  const file = writeScratch('check.yml', 'reply:\n  tokens_max: 8\n  model: ghost\n');
  const {code, stderr} = await loquat(['config', 'check', file]);
  assert.equal(code, 1);
  assert.match(stderr, /check\.yml:3:\d+: reply\.model: there is no model "ghost" among `models`, which is empty/);
});

test('an embedding without an encoder is refused', async () => {
  const to = await server({});
  const answer = await understand(to, {text: 'hi', features: ['embedding']});
  assert.deepEqual([answer.status, answer.json.error.reason, answer.json.error.param], [400, 'no_embedding_model', '/features']);
});
