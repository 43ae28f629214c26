// `loquat train` and `loquat eval`: what they print, warn of and refuse.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {smallModel} from '../support/model.mjs';
import {TEST_INTENTS, nluYaml} from '../support/nlu.mjs';
import {scratchPath, writeScratch} from '../support/paths.mjs';
import {loquat} from '../support/process.mjs';

const nlu = (...intents) => `version: "3.1"\nnlu:\n${intents.map(([name, ...examples]) => `- intent: ${name}\n  examples: |\n${examples.map((e) => `    - ${e}\n`).join('')}`).join('')}`;
const GREET = ['greet', 'hello', 'hi there', 'good morning', 'hey'];
const BYE = ['goodbye', 'bye', 'see you', 'good night', 'farewell'];

test('train prints plain progress lines where there is no terminal, and a summary', async () => {
  const out = scratchPath('model');
  const {code, stdout, stderr} = await loquat(['train', writeScratch('nlu.yml', nlu(GREET, BYE)), '--out', out]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^ *\d+ % {2}intents {2}\d+ s$/m);
  assert.match(stderr, /^100 % {2}\w+ {2}\d+ s$/m);
  assert.ok(!/[\r\u001b]/.test(stderr), 'no carriage returns and no escapes');
  assert.match(stdout, /^trained 2 intents and 0 slots on 8 examples/);
  assert.deepEqual(fs.readdirSync(out).sort(), ['manifest.json', 'weights.bin'].sort());
});

test('on a terminal train draws one bar that it redraws', async () => {
  const {runProgram} = await import('../support/process.mjs');
  const {BINARY} = await import('../support/paths.mjs');
  const command = [BINARY, 'train', writeScratch('nlu.yml', nlu(GREET, BYE)), '--out', scratchPath('model')].join(' ');
  const {code, stdout} = await runProgram('script', ['-qec', command, '/dev/null']);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /\r\u001b\[K\[=+.*100 %/);
});

test('train --json gives the summary to scripts; the manifest has the labels, the metrics and the hash of the data', async () => {
  const out = scratchPath('model');
  const {code, stdout, stderr} = await loquat(['train', writeScratch('nlu.yml', nluYaml()), '--out', out, '--json']);
  assert.equal(code, 0, stderr);
  const summary = JSON.parse(stdout);
  assert.equal(summary.model, out);
  assert.equal(summary.intents, TEST_INTENTS.length);
  assert.ok(summary.examples > 300 && summary.out_of_scope_examples > 50 && summary.slot_names >= 8 && summary.model_bytes > 10_000);
  assert.ok(summary.metrics.intent_accuracy > 0.8 && summary.metrics.slot_f1 > 0.8);
  const manifest = JSON.parse(fs.readFileSync(path.join(out, 'manifest.json'), 'utf8'));
  assert.deepEqual([...manifest.intents].sort(), TEST_INTENTS);
  assert.ok(manifest.slots.includes('city:to') || manifest.slots.includes('to'));
  assert.match(manifest.training_data_sha256, /^[0-9a-f]{64}$/);
  assert.ok('intent_ece' in manifest.metrics, 'the calibration is in the metadata');
});

test('the same data and seed give the same files bit for bit, on one core and on two', async () => {
  const data = writeScratch('nlu.yml', nluYaml());
  const folders = [];
  for (const threads of ['1', '2']) {
    const out = scratchPath('model');
    folders.push(out);
    const {code, stderr} = await loquat(['train', data, '--out', out, '--threads', threads]);
    assert.equal(code, 0, stderr);
  }
  for (const file of fs.readdirSync(folders[0])) {
    assert.ok(fs.readFileSync(path.join(folders[0], file)).equals(fs.readFileSync(path.join(folders[1], file))), file);
  }
});

test('train warns of an intent with one example and of an example under two intents, with file and line', async () => {
  const data = writeScratch('warn.yml', nlu(['greet', 'hello', 'hi there', 'morning'], ['goodbye', 'bye', 'see you', 'morning'], ['lonely', 'only me']));
  const {code, stderr} = await loquat(['train', data, '--out', scratchPath('model')]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /warning: .*warn\.yml:15: the intent "lonely" has one example/);
  assert.match(stderr, /warning: .*warn\.yml:12: "morning" is an example of both "greet" \(.*warn\.yml:7\) and "goodbye"/);
});

// Name, text of nlu.yml, what standard error has to say.
const BAD_DATA = [
  ['an annotation without an end', nlu(GREET, ['go', 'to [Paris](city', 'go']), /bad\.yml:11:/],
  ['an annotation without an entity', nlu(GREET, ['go', 'to [Paris]()', 'go']), /bad\.yml:11:/],
  ['an annotation with bad JSON', nlu(GREET, ['go', 'to [Paris]{"entity": }', 'go']), /bad\.yml:11:/],
  ['an annotation with an unknown key', nlu(GREET, ['go', 'to [Paris]{"entity": "city", "roll": "to"}', 'go']), /bad\.yml:11:.*roll/],
  ['an empty annotation', nlu(GREET, ['go', 'to [](city)', 'go']), /bad\.yml:11:/],
  ['no intent at all', 'version: "3.1"\nnlu: []\n', /nothing to learn|no example/],
  ['one intent only', nlu(GREET), /nothing to learn.*two intents/],
  ['a file that is not YAML', 'nlu: [', /bad\.yml:\d+/],
  ['an unknown section', `${nlu(GREET, BYE)}- mood: x\n  examples: |\n    - y\n`, /bad\.yml:15:.*mood|bad\.yml:15:/],
  ['a duplicate key', 'version: "3.1"\nversion: "3.1"\nnlu: []\n', /bad\.yml:2:/],
  ['an empty file', '', /bad\.yml/],
];
for (const [name, text, pattern] of BAD_DATA) {
  test(`bad training data: ${name}`, async () => {
    const out = scratchPath('model');
    const {code, stderr} = await loquat(['train', writeScratch('bad.yml', text), '--out', out]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, pattern);
    assert.match(stderr, /^loquat: /);
    assert.ok(!fs.existsSync(out), 'nothing is written');
  });
}

test('invalid UTF-8 in training data names the file and the line', async () => {
  const text = Buffer.concat([Buffer.from(nlu(GREET, BYE)), Buffer.from('- intent: x\n  examples: |\n    - a \xff\n', 'latin1')]);
  const {code, stderr} = await loquat(['train', writeScratch('bad.yml', text), '--out', scratchPath('model')]);
  assert.equal(code, 1);
  assert.match(stderr, /bad\.yml.*UTF-8/);
});

test('a file that is missing, of an unknown kind, or a folder without data is said', async () => {
  const empty = scratchPath('empty');
  fs.mkdirSync(empty);
  const cases = [['/nonexistent.yml', /nonexistent\.yml.*(No such file|cannot)/], [writeScratch('x.csv', 'a,b'), /x\.csv.*unknown kind/], [empty, /no file in this folder/]];
  for (const [file, pattern] of cases) {
    const {code, stderr} = await loquat(['train', file, '--out', scratchPath('model')]);
    assert.equal(code, 1);
    assert.match(stderr, pattern);
  }
});

test('JSONL is read as well, and a bad line is named', async () => {
  const lines = [...GREET.slice(1).map((text) => ({text, intent: 'greet'})), ...BYE.slice(1).map((text) => ({text, intent: 'goodbye'}))].map((line) => JSON.stringify(line));
  const good = await loquat(['train', writeScratch('data.jsonl', `${lines.join('\n')}\n`), '--out', scratchPath('model')]);
  assert.equal(good.code, 0, good.stderr);
  const bad = await loquat(['train', writeScratch('data.jsonl', `${lines.join('\n')}\n{"text": 3}\n`), '--out', scratchPath('model')]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /data\.jsonl:9/);
});

test('a folder that cannot be written is said', async () => {
  const {code, stderr} = await loquat(['train', writeScratch('nlu.yml', nlu(GREET, BYE)), '--out', '/proc/nowhere']);
  assert.equal(code, 1);
  assert.match(stderr, /\/proc\/nowhere/);
});

test('eval --json: accuracy, F1 of classes and slots, calibration, out-of-scope, confusions', async () => {
  const model = await smallModel();
  const data = writeScratch('test.yml', nluYaml({first: 1, step: 5}));
  const foreign = writeScratch('foreign.txt', '# not for us\nwho invented the train\n恐龙是怎么灭绝的\nexplain black holes\n');
  const {code, stdout, stderr} = await loquat(['eval', '--model', model, '--out-of-scope', foreign, data, '--json']);
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout);
  assert.ok(report.examples > 100);
  assert.ok(report.intent.accuracy > 0.9 && report.intent.accuracy <= 1, `${report.intent.accuracy}`);
  assert.ok(report.intent.ece >= 0 && report.intent.ece < 0.2);
  assert.ok(report.slots.f1 > 0.9 && report.slots.gold > 50);
  assert.ok(report.out_of_scope.gold >= 3 && report.out_of_scope.recall > 0.6);
  assert.deepEqual(report.intent.classes.map((c) => c.name).filter((name) => name !== 'out_of_scope').sort(), TEST_INTENTS);
  // F1 is what its own counts say.
  for (const {precision, recall, f1, gold, found, correct} of [...report.intent.classes, ...report.slots.labels]) {
    assert.ok(Math.abs(precision - (found ? correct / found : 0)) < 1e-5 && Math.abs(recall - (gold ? correct / gold : 0)) < 1e-5);
    assert.ok(Math.abs(f1 - (correct ? (2 * precision * recall) / (precision + recall) : 0)) < 1e-4);
  }
});

test('eval prints a table for people', async () => {
  const {code, stdout, stderr} = await loquat(['eval', writeScratch('test.yml', nluYaml({first: 2, step: 6})), '--model', await smallModel()]);
  assert.equal(code, 0, stderr);
  for (const pattern of [/^intent accuracy +\d+\.\d+%/m, /^slot F1 +\d+\.\d+%/m, /^intent ECE +\d/m]) assert.match(stdout, pattern);
});

test('eval --incremental types the examples: times, how early, promises taken back, ends of turns', async () => {
  const data = writeScratch('test.yml', nluYaml({first: 2, step: 6}));
  const model = await smallModel();
  const {code, stdout, stderr} = await loquat(['eval', '--incremental', '--early-risk', '0.3', '--json', '--model', model, data]);
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout);
  assert.ok(report.knows_stability && report.updates > 5 * report.utterances);
  assert.ok(report.update_us.p50 > 0 && report.update_us.p99 >= report.update_us.p50 && report.from_scratch_us.p50 > 0);
  assert.ok(report.settled_at > 0 && report.settled_at <= report.stable_at && report.stable_at < 1, 'early, though not earlier than it could be');
  for (const field of ['intent', 'out_of_scope', 'locale', 'slots', 'any']) {
    assert.equal(report[field].taken_back.total, report.utterances, field);
    assert.ok(report[field].taken_back.count <= report.any.taken_back.count && report[field].updates_taking_back.share < 0.05, field);
  }
  assert.ok(report.turn_end.after_pause.every((p) => p.recall >= 0 && p.recall <= 1));
  const text = await loquat(['eval', '--incremental', '--model', model, data]);
  assert.equal(text.code, 0, text.stderr);
  for (const pattern of [/^intent settled at +\d/m, /^ +any +\d/m, /^ +text alone +\d/m]) assert.match(text.stdout, pattern);
  const lone = await loquat(['eval', '--early-risk', '0.3', '--model', model, data]);
  assert.equal(lone.code, 2, 'the risk goes with --incremental');
});

test('eval with a missing file or model fails with what to do', async () => {
  const missing = await loquat(['eval', '/nonexistent.yml', '--model', await smallModel()]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /nonexistent\.yml/);
  const model = await loquat(['eval', writeScratch('t.yml', nlu(GREET, BYE)), '--model', '/nonexistent']);
  assert.equal(model.code, 1);
  assert.match(model.stderr, /no model in '\/nonexistent'.*loquat train --out/);
});
