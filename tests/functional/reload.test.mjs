// The configuration file changes while the server runs.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import {test} from 'node:test';
import {frameOf, request, understand} from '../support/http.mjs';
import {LiveClient} from '../support/live.mjs';
import {testModel} from '../support/model.mjs';
import {scratchPath} from '../support/paths.mjs';
import {configText, startServer} from '../support/server.mjs';
import {until} from '../support/wait.mjs';

const withRanking = (n) => ({understand: {ranking_max: n}});
const rankingOf = async (server) => (await frameOf(server, {text: 'play some jazz'})).intent_ranking.length;
const reloads = async (server, result) =>
  Number(new RegExp(`^loquat_config_reloads_total\\{result="${result}"\\} (\\d+)`, 'm').exec((await request(server, 'GET', '/metrics')).text)?.[1] ?? 0);

async function withServer(options, body) {
  const server = await startServer(options);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

test('an edit in place is taken over, and the log names the keys', () => withServer({config: withRanking(2)}, async (server) => {
  assert.equal(await rankingOf(server), 2);
  server.writeConfig(withRanking(4));
  await until('the new ranking is in force', async () => (await rankingOf(server)) === 4);
  await server.waitLog(/configuration reloaded.*understand\.ranking_max/);
  assert.equal(await reloads(server, 'changed'), 1);
}));

test('a file renamed over the old one is taken over', () => withServer({config: withRanking(2)}, async (server) => {
  for (const n of [3, 1, 4]) {
    fs.writeFileSync(`${server.configFile}.new`, configText(withRanking(n)));
    fs.renameSync(`${server.configFile}.new`, server.configFile);
    await until(`a ranking of ${n}`, async () => (await rankingOf(server)) === n);
  }
}));

test('stop words are reloaded: a wake word stops mattering', () => withServer({config: {}}, async (server) => {
  const confidence = async (text) => (await frameOf(server, {text})).intent_ranking[0].confidence;
  const bare = await confidence('play some jazz');
  assert.notEqual(await confidence('hey loquat play some jazz'), bare);
  server.writeConfig({understand: {stop_words: {en: ['hey loquat']}}});
  await until('the wake word is left out', async () => (await confidence('hey loquat play some jazz')) === bare);
  const {slots} = await frameOf(server, {text: 'hey loquat play some jazz'});
  assert.deepEqual(slots.map((slot) => [slot.name, slot.value]), [['genre', 'jazz']]);
}));

test('the delivery policy is reloaded: threshold and callback intents', () => withServer({config: {}}, async (server) => {
  const say = () => understand(server, {text: 'play some jazz'});
  server.writeConfig({delivery: {sync_confidence_min: 0.1}});
  await until('the threshold is in the reason', async () => (await say()).json.delivery.reason.endsWith('>= 0.10'));
  server.writeConfig({delivery: {callback_intents: ['play_music']}});
  const refused = await until('the intent wants a callback', async () => {
    const answer = await say();
    return answer.status === 400 && answer;
  });
  assert.equal(refused.json.error.reason, 'callback_url_missing');
}));

const BAD_FILES = [
  ['not YAML', 'understand: [', /:\d+/],
  ['an unknown key', 'understand:\n  rankng_max: 3\n', /:2:.*rankng_max/],
  ['a duplicate key', 'understand:\n  ranking_max: 3\n  ranking_max: 4\n', /:3:.*ranking_max/],
  ['a wrong type', 'understand:\n  ranking_max: many\n', /:2:.*ranking_max/],
  ['out of range', 'understand:\n  ranking_max: 0\n', /:2:.*ranking_max.*1/],
  ['empty', '', /empty/],
];
test('a bad file keeps the old configuration and says so: log, metric', () => withServer({config: withRanking(2)}, async (server) => {
  let failed = 0;
  for (const [name, text, pattern] of BAD_FILES) {
    const from = server.stderr.length;
    server.writeConfig(text);
    failed += 1;
    await until(`the failure is counted: ${name}`, async () => (await reloads(server, 'failed')) >= failed);
    const line = await until(`the failure is logged: ${name}`, () => /^.*configuration not reloaded.*$/m.exec(server.stderr.slice(from))?.[0]);
    assert.match(line, pattern, name);
    assert.equal(await rankingOf(server), 2, name);
    assert.match((await request(server, 'GET', '/metrics')).text, /^loquat_config_last_reload_success 0$/m);
  }
  server.writeConfig(withRanking(3));
  await until('a good file is taken over again', async () => (await rankingOf(server)) === 3);
  assert.match((await request(server, 'GET', '/metrics')).text, /^loquat_config_last_reload_success 1$/m);
}));

test('a key that is read at start alone waits for the restart and the log says so', () => withServer({config: {}}, async (server) => {
  server.writeConfig({server: {connections_max: 77}, understand: {ranking_max: 1}});
  await until('the other key is in force', async () => (await rankingOf(server)) === 1);
  await server.waitLog(/wait for a restart.*server\.connections_max/);
}));

test('what the command line and the environment set stays set when the file changes', () => withServer(
  {config: withRanking(4), args: ['--set', 'understand.ranking_max=2'], env: {LOQUAT_UNDERSTAND_TOKENS_MAX: '4'}}, async (server) => {
    const truncated = async () => (await frameOf(server, {text: 'one two three four five six'})).truncated_tokens;
    assert.deepEqual([await rankingOf(server), await truncated()], [2, 2]);
    server.writeConfig({understand: {ranking_max: 3, tokens_max: 5}, delivery: {sync_confidence_min: 0.1}});
    await until('the file is read again', async () => (await frameOf(server, {text: 'play some jazz'})).delivery.reason.endsWith('>= 0.10'));
    assert.deepEqual([await rankingOf(server), await truncated()], [2, 2]);
  }));

test('the log level is reloaded', () => withServer({config: {log: {level: 'warn'}}}, async (server) => {
  await understand(server, {text: 'hi'}, {headers: {'x-request-id': 'before-debug'}});
  server.writeConfig({log: {level: 'debug'}});
  let n = 0;
  await until('requests are logged', async () => {
    await understand(server, {text: 'hi'}, {headers: {'x-request-id': `debug-${++n}`}});
    return /debug-\d+/.test(server.stderr);
  });
  assert.ok(!server.stderr.includes('before-debug'));
}));

// Clients that never stop asking until told to; counts what they got.
function load(server, clients) {
  const agent = new http.Agent({keepAlive: true, maxSockets: clients});
  const seen = {answers: 0, failures: []};
  let going = true;
  const work = Array.from({length: clients}, async (_, i) => {
    while (going) {
      try {
        const answer = await understand(server, {text: 'play some jazz', session: `load-${i}`, reply: true}, {agent});
        if (answer.status === 200) seen.answers++;
        else seen.failures.push(answer.text);
      } catch (error) {
        seen.failures.push(error.message);
      }
    }
  });
  return {seen, stop: async () => {
    going = false;
    await Promise.all(work);
    agent.destroy();
    return seen;
  }};
}

test('Rasa #3910: a reload under load fails no request, and endpoints answer while it happens', () => withServer({config: {server: {io_threads: 3}, ...withRanking(1)}}, async (server) => {
  const clients = load(server, 8);
  try {
    for (let i = 0; i < 15; i++) {
      const n = 1 + (i % 5);
      if (i % 3 === 2) server.writeConfig('understand: [');
      server.writeConfig({server: {io_threads: 3}, ...withRanking(n)});
      await until(`a ranking of ${n} under load`, async () => (await rankingOf(server)) === n);
      assert.equal((await request(server, 'GET', '/healthz')).status, 200);
    }
  } finally {
    const seen = await clients.stop();
    assert.deepEqual(seen.failures, []);
    assert.ok(seen.answers > 100, `${seen.answers} answers`);
  }
}));

test('the words of domain.yml follow the file under load, and a bad file changes nothing', async () => {
  const model = scratchPath('model');
  fs.cpSync(await testModel(), model, {recursive: true});
  const file = `${model}/domain.yml`;
  const before = fs.readFileSync(file, 'utf8');
  const say = (words) => before.replace(/^ {2}greet:\n(?: {4}.*\n)+/m, `  greet: {en: ["${words}"], zh: ["${words}"]}\n`);
  assert.notEqual(say('x'), before, 'the domain greets');
  await withServer({model}, async (server) => {
    const live = await LiveClient.connect(server, {reply: true});
    let going = true;
    const failures = [];
    const load = Promise.all([0, 1, 2, 3].map(async () => {
      while (going && failures.length === 0) {
        const answer = await understand(server, {text: 'hello', reply: true}).catch((error) => ({text: error.message}));
        if (answer.status !== 200) failures.push(answer.text);
      }
    }));
    for (const words of ['First words.', 'Second words.']) {
      fs.writeFileSync(file, say(words));
      await until(`"${words}" over HTTP`, async () => (await frameOf(server, {text: 'hello', reply: true})).reply.text === words);
      live.final('hello');
      assert.equal((await live.take('reply')).text, words);
    }
    fs.writeFileSync(file, 'version: "1"\nintents:\n  greet: {kind: sunny}\n');
    await server.waitLog(/the domain stays as it was.*domain\.yml:3/);
    assert.equal((await frameOf(server, {text: 'hello', reply: true})).reply.text, 'Second words.');
    going = false;
    await load;
    assert.deepEqual(failures, []);
    await live.close();
    const metrics = (await request(server, 'GET', '/metrics')).text;
    assert.match(metrics, /^loquat_domain_reloads_total\{outcome="error"\} 1$/m);
  });
});
