// The other commands: understand, config check, bench server; help and usage errors of all.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {smallModel} from '../support/model.mjs';
import {writeScratch} from '../support/paths.mjs';
import {loquat} from '../support/process.mjs';
import {sharedServer} from '../support/server.mjs';

const shared = sharedServer();

const COMMANDS = [['serve'], ['understand'], ['train'], ['eval'], ['config'], ['config', 'check'], ['bench'], ['bench', 'server'], ['bench', 'machine']];

test('--help explains itself and each command, with exit code 0', async () => {
  const all = await loquat(['--help']);
  assert.equal(all.code, 0);
  for (const [command] of COMMANDS) assert.ok(all.stdout.includes(command), command);
  for (const command of COMMANDS) {
    const {code, stdout, stderr} = await loquat([...command, '--help']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(stdout.length > 100, stdout);
  }
});

test('--version is a version', async () => {
  const {code, stdout} = await loquat(['--version']);
  assert.equal(code, 0);
  assert.match(stdout, /\d+\.\d+\.\d+/);
});

const USAGE_ERRORS = [
  [], ['brew'], ['serve', '--port', '80'], ['train'], ['train', 'x.yml'], ['train', '--out', 'x'], ['eval'], ['config'], ['config', 'check'], ['config', 'brew'],
  ['bench'], ['bench', 'machine', '--buffer', '1'], ['bench', 'server', '--rate', 'fast'], ['bench', 'server', '--connections', '0'], ['bench', 'server', '--seconds', '-1'], ['train', 'x.yml', '--out', 'y', '--threads', 'many'],
  ['serve', '--model', 'path-without-name'], ['serve', '--model', 'a=b', '--model', 'a=c'],
];
for (const args of USAGE_ERRORS) {
  test(`usage error: loquat ${args.join(' ')}`, async () => {
    const {code, stdout, stderr} = await loquat(args);
    assert.equal(code, 2, stderr);
    assert.equal(stdout, '');
    assert.ok(stderr.length > 10);
  });
}

test('understand: one utterance as text for people', async () => {
  const {code, stdout, stderr} = await loquat(['understand', '帮我订明天去上海的火车票', '--model', await smallModel()]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^帮我订明天去上海的火车票\n {2}intent {2}book_train \d\.\d\d\n/);
  assert.match(stdout, /^ {2}slot {4}to = 上海/m);
});

test('understand --json: one frame a line, for each line of standard input', async () => {
  const lines = ['北京明天天气怎么样', 'play some jazz', '', '😀', 'wake me up at 7 am'];
  const {code, stdout, stderr} = await loquat(['understand', '-', '--json', '--model', await smallModel()], {input: `${lines.join('\r\n')}\n`});
  assert.equal(code, 0, stderr);
  const frames = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(frames.map((frame) => frame.text), lines);
  assert.deepEqual([0, 1, 4].map((i) => frames[i].intent.name), ['query_weather', 'play_music', 'set_alarm']);
  const [city] = frames[0].slots;
  assert.deepEqual(city.span, {byte: [0, 6], codepoint: [0, 2], utf16: [0, 2]});
});

test('understand without an argument reads standard input; no line, no output', async () => {
  const {code, stdout} = await loquat(['understand', '--model', await smallModel()], {input: ''});
  assert.deepEqual([code, stdout], [0, '']);
});

test('understand: a line that is not UTF-8 fails, the others are answered', async () => {
  const input = Buffer.concat([Buffer.from('hello\n'), Buffer.from([0xff, 0xfe, 0x0a]), Buffer.from('你好\n')]);
  const {code, stdout, stderr} = await loquat(['understand', '-', '--json', '--model', await smallModel()], {input});
  assert.equal(code, 1);
  assert.match(stderr, /UTF-8/);
  assert.deepEqual(stdout.trimEnd().split('\n').map((line) => JSON.parse(line).text), ['hello', '你好']);
});

test('understand: a bad reference time is refused with its form', async () => {
  const model = await smallModel();
  for (const time of ['yesterday', '2026-13-01T00:00:00Z', '2026-11-21', '2026-11-21T25:00:00+08:00']) {
    const {code, stderr} = await loquat(['understand', 'hi', '--model', model, '--reference-time', time]);
    assert.notEqual(code, 0, time);
    assert.match(stderr, /\d{4}-\d\d-\d\dT/, `${time}: ${stderr}`);
  }
  const good = await loquat(['understand', 'hi', '--model', model, '--reference-time', '2026-11-21T09:00:00+08:00']);
  assert.equal(good.code, 0, good.stderr);
});

test('config check prints the effective configuration, which is itself valid and the same again', async () => {
  const first = await loquat(['config', 'check', writeScratch('c.yml', 'understand:\n  ranking_max: 3\n'), '--set', 'server.connections_max=77'], {env: {LOQUAT_SERVER_LISTEN: '127.0.0.1:9999'}});
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^ {2}ranking_max: 3$/m);
  assert.match(first.stdout, /^ {2}connections_max: 77$/m);
  assert.match(first.stdout, /^ {2}listen: "?127\.0\.0\.1:9999/m);
  assert.match(first.stdout.replace(/\n\s*#/g, ''), /From \S*c\.yml:2/);
  assert.match(first.stdout, /^ {2}body_bytes_max: /m);
  const again = await loquat(['config', 'check', writeScratch('dump.yml', first.stdout)]);
  assert.equal(again.code, 0, again.stderr);
  const values = (text) => text.split('\n').filter((line) => !/^\s*#/.test(line));
  assert.deepEqual(values(again.stdout), values(first.stdout));
});

const BAD_CONFIGS = [
  ['an unknown key', 'server:\n  port: 80\n', /c\.yml:2.*port/],
  ['an unknown section', 'srver: {}\n', /c\.yml:1.*srver/],
  ['a duplicate key', 'log:\n  level: info\n  level: warn\n', /c\.yml:3.*level/],
  ['a wrong type', 'understand:\n  batch_max: [1]\n', /c\.yml:2.*batch_max/],
  ['text for a number', 'understand:\n  batch_max: lots\n', /c\.yml:2.*batch_max/],
  ['out of range', 'understand:\n  batch_max: 5000\n', /c\.yml:2.*batch_max.*4096/],
  ['an unknown word', 'log:\n  level: loud\n', /c\.yml:2.*level.*(debug|info)/],
  ['a duration without a unit', 'sessions:\n  ttl: 30\n', /c\.yml:2.*ttl.*duration/],
  ['a bad address', 'server:\n  listen: here\n', /c\.yml:2.*listen.*HOST:PORT/],
  ['a TLS section without its key', 'server:\n  tls:\n    listen: 127.0.0.1:0\n    certificate: a.pem\n', /server\.tls\.key|key/],
  ['no YAML', 'server: [', /c\.yml:\d/],
  ['a list at the top', '- a\n', /c\.yml:1/],
];
for (const [name, text, pattern] of BAD_CONFIGS) {
  test(`config check: ${name} is refused with file, line, key and what is allowed`, async () => {
    const {code, stdout, stderr} = await loquat(['config', 'check', writeScratch('c.yml', text)]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, pattern);
  });
}

// Arguments, environment, what standard error has to say.
const BAD_STARTS = [
  [['--config', '/nonexistent.yml'], {}, /nonexistent\.yml/],
  [['--set', 'server.port=80'], {}, /server\.port/],
  [['--set', 'server.connections_max=none'], {}, /server\.connections_max.*none/],
  [['--set', 'nothing'], {}, /nothing/],
  [[], {LOQUAT_SERVER_CONNECTIONS_MAX: 'many'}, /LOQUAT_SERVER_CONNECTIONS_MAX.*many/],
  [['--listen', '127.0.0.1:99999'], {}, /99999/],
  [['--listen', '300.0.0.1:80'], {}, /300\.0\.0\.1/],
];
for (const [args, env, pattern] of BAD_STARTS) {
  test(`serve does not start with ${JSON.stringify([...args, env])}`, async () => {
    const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
    const {code, stdout, stderr} = await loquat(['serve', '--model', `a=${await smallModel()}`, ...listen, ...args], {env});
    assert.deepEqual([code !== 0, stdout], [true, '']);
    assert.match(stderr, pattern);
  });
}

test('config check says all faults at once', async () => {
  const {code, stderr} = await loquat(['config', 'check', writeScratch('c.yml', 'understand:\n  batch_max: 0\n  ranking_max: 0\nlog:\n  level: loud\n')]);
  assert.equal(code, 1);
  for (const key of ['batch_max', 'ranking_max', 'level']) assert.ok(stderr.includes(key), stderr);
});

test('bench machine --json: what memory and registers can do, a number a round', async () => {
  const {code, stdout} = await loquat(['bench', 'machine', '--buffer', '16', '--rounds', '2', '--threads', '1', '--json']);
  assert.equal(code, 0);
  const result = JSON.parse(stdout);
  assert.equal(result.threads, 1);
  for (const series of [result.read_gb_per_second, result.f32_gflop_per_second]) {
    assert.equal(series.rounds.length, 2);
    assert.ok(series.median > 0);
  }
});

test('bench server --json: open-loop load with a latency histogram, no error', async () => {
  const server = await shared.ready();
  const {code, stdout, stderr} = await loquat(['bench', 'server', '--url', server.url, '--rate', '200', '--seconds', '2', '--connections', '4', '--json']);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout);
  assert.deepEqual([result.errors, Object.keys(result.statuses), result.connections], [0, ['200'], 4]);
  assert.ok(result.requests > 0 && result.requests <= 400, `${result.requests}`);
  assert.ok(result.latency_us.p50 > 0 && result.latency_us.p50 <= result.latency_us.p99 && result.latency_us.p99 <= result.latency_us.max);
  // From the planned send time, latency cannot be shorter than from the real one.
  assert.ok(result.latency_us.mean >= result.service_us.mean * 0.99);
  assert.match(stderr, /^ *\d+ % {2}\d+ answered/m);
});

test('bench server: as text, without sessions, one text, as fast as can be', async () => {
  const server = await shared.ready();
  const {code, stdout, stderr} = await loquat(['bench', 'server', '--url', server.url, '--rate', '0', '--seconds', '1', '--no-sessions', '--text', '你好']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^\d+ requests in \d+\.\d s: \d+ a second over 16 connections/);
  assert.match(stdout, /p99 /);
});

test('bench server where nobody listens fails and says so', async () => {
  const {code, stdout, stderr} = await loquat(['bench', 'server', '--url', 'http://127.0.0.1:1', '--seconds', '1']);
  assert.equal(code, 1, stdout);
  assert.match(stdout + stderr, /refused|connect/i);
  const secure = await loquat(['bench', 'server', '--url', 'ftp://127.0.0.1']);
  assert.equal(secure.code, 1);
});

// What happens to a good model folder, and what the program says about it.
const DAMAGES = [
  ['a flipped bit in the weights', (folder) => flip(path.join(folder, 'weights.bin'), 0.5), /damaged|SHA-256/],
  ['a flipped bit at the end of the weights', (folder) => flip(path.join(folder, 'weights.bin'), 1), /damaged|SHA-256|zero/],
  ['a flipped bit in the manifest', (folder) => flip(path.join(folder, 'manifest.json'), 0.5), /manifest\.json is damaged/],
  ['weights cut short', (folder) => fs.truncateSync(path.join(folder, 'weights.bin'), 1000), /weights\.bin has 1000 bytes/],
  ['weights that go on', (folder) => fs.appendFileSync(path.join(folder, 'weights.bin'), 'x'), /weights\.bin has \d+ bytes/],
  ['no weights', (folder) => fs.rmSync(path.join(folder, 'weights.bin')), /weights\.bin is missing/],
  ['no manifest', (folder) => fs.rmSync(path.join(folder, 'manifest.json')), /manifest\.json is missing/],
  ['an empty manifest', (folder) => fs.writeFileSync(path.join(folder, 'manifest.json'), ''), /manifest\.json is damaged/],
  ['a newer version', (folder) => edit(folder, 'manifest.json', /"format_version":\d+/, '"format_version":99'), /format version 99.*update the program/],
  ['another kind of model', (folder) => edit(folder, 'manifest.json', /"kind":"[^"]*"/, '"kind":"cake"'), /kind 'cake'/],
  ['a broken domain.yml', (folder) => fs.writeFileSync(path.join(folder, 'domain.yml'), 'intents: ['), /domain\.yml:?\d*/],
];

function flip(file, where) {
  const bytes = fs.readFileSync(file);
  bytes[Math.min(bytes.length - 1, Math.floor(bytes.length * where))] ^= 1;
  fs.writeFileSync(file, bytes);
}

function edit(folder, file, from, to) {
  const text = fs.readFileSync(path.join(folder, file), 'utf8');
  fs.writeFileSync(path.join(folder, file), text.replace(from, to));
}

for (const [name, damage, pattern] of DAMAGES) {
  test(`a model folder with ${name} is refused by understand, eval and serve with what to do`, async () => {
    const {scratchPath} = await import('../support/paths.mjs');
    const folder = scratchPath('model');
    fs.cpSync(await smallModel(), folder, {recursive: true});
    damage(folder);
    const runs = [['understand', 'hi', '--model', folder], ['serve', '--listen', '127.0.0.1:0', '--model', `assistant=${folder}`]];
    if (!name.includes('domain')) runs.push(['eval', writeScratch('t.yml', 'version: "3.1"\nnlu:\n- intent: greet\n  examples: |\n    - hi\n'), '--model', folder]);
    for (const args of runs) {
      const {code, stdout, stderr} = await loquat(args);
      assert.equal(code, 1, `${args[0]}: ${stdout}`);
      assert.match(stderr, pattern, args[0]);
      assert.match(stderr, /^loquat: /);
    }
  });
}
