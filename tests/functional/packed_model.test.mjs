// Packed model files as a user meets them: made by `loquat model pack`, served like any other, with the same answers; and
// refused, each by its reason, when they are damaged, foreign or newer.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {classifierModel} from '../support/engine_models.mjs';
import {randomModel} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {BINARY, ROOT, scratchPath, writeScratch} from '../support/paths.mjs';
import {loquat, runProgram} from '../support/process.mjs';
import {startServer} from '../support/server.mjs';

const HEADER = {byteOrder: 8, version: 12, weightsOffset: 40};
const q8 = () => randomModel('llama');

async function pack(from, ...words) {
  const out = scratchPath('model.packed');
  const {code, stdout, stderr} = await loquat(['model', 'pack', from, out, ...words]);
  assert.equal(code, 0, stderr);
  assert.ok(stdout.includes(out), stdout);
  return out;
}
const packed = new Map();
// Packed once; tests that change one copy it.
async function packedOf(from) {
  if (!packed.has(from)) packed.set(from, await pack(from));
  return packed.get(from);
}
async function inspect(file) {
  const {code, stdout, stderr} = await loquat(['model', 'inspect', file, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}
async function refused(words, patterns, options) {
  const {code, signal, stdout, stderr} = await loquat(words, options);
  assert.equal(signal, null, stderr);
  assert.equal(code, 1, `${words.join(' ')}: ${stdout}`);
  assert.ok(stderr.startsWith('loquat: ') && stderr.trim().split('\n').length === 1, stderr);
  for (const pattern of [patterns].flat()) assert.match(stderr, pattern);
}
// A copy with `change(bytes, where its weights begin)` done to it.
async function changed(change, from = q8()) {
  const bytes = fs.readFileSync(await packedOf(from));
  return writeScratch('changed.packed', change(bytes, Number(bytes.readBigUInt64LE(HEADER.weightsOffset))) ?? bytes);
}
const flipped = (at) => changed((bytes, weights) => void (bytes[at(weights, bytes.length)] ^= 0x10));

const PROMPTS = ['The river was high that spring', ' and the  people\n\n of 你好 <|im_start|>user'];
async function answers(server, model) {
  const all = [];
  for (const prompt of PROMPTS) {
    const {status, json, text} = await request(server, 'POST', '/v1/completions',
      {body: {model, prompt, max_tokens: 24, temperature: 0, ignore_eos: true, logprobs: 3, return_token_ids: true}});
    assert.equal(status, 200, text);
    all.push({ids: json.choices[0].token_ids, logprobs: json.choices[0].logprobs.token_logprobs, usage: json.usage.prompt_tokens});
  }
  return all;
}

test('every kind of model is packed, described and found sound', async () => {
  const split = scratchPath('split.gguf');
  execFileSync('/usr/bin/python3', [path.join(ROOT, 'tools/make_model'), 'gguf', '--arch', 'chatglm', '--type', 'q5_1', '--parts', '2', '--out', split]);
  const kinds = [[q8(), 15], [randomModel('qwen2', {type: 'q4_0'}), 15], [randomModel('qwen3', {type: 'bf16'}), 15],
    [split.replace('.gguf', '-00001-of-00002.gguf'), 9], [classifierModel('sequence', ['no', 'yes']), 14]];
  for (const [from, panels] of kinds) {
    const out = await packedOf(from);
    const [before, after] = [await inspect(from), await inspect(out)];
    assert.deepEqual([after.format, after.runs, after.files.length], ['packed', true, 1]);
    assert.deepEqual(after.config, before.config);
    assert.equal(after.chat_template, before.chat_template);
    assert.deepEqual(after.metadata, before.metadata);
    if (before.tokenizer.kind !== 'tokenizer.json') assert.deepEqual(after.tokenizer, before.tokenizer);
    const shapes = (seen) => seen.tensors.map(({name, type, shape}) => `${name} ${type} ${shape}`).sort();
    assert.deepEqual(shapes(after), shapes(before));
    assert.equal(after.tensors.filter(({order}) => order === 'panels').length, panels, from);
    assert.equal(after.tuned_for, panels > 0 ? 'avx2' : undefined);
    const {code, stdout, stderr} = await loquat(['model', 'verify', out]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /all numbers are finite/);
  }
});

test('the same model packed twice is the same file', async () => {
  assert.ok(fs.readFileSync(await pack(q8())).equals(fs.readFileSync(await packedOf(q8()))));
});

test('a packed model answers as the file that it was made from', async () => {
  const q4 = randomModel('qwen2', {type: 'q4_0'});
  const classifier = classifierModel('sequence', ['no', 'yes']);
  const server = await startServer({config: {models: [
    {name: 'plain8', path: q8(), kv_bytes: '16MiB'}, {name: 'packed8', path: await packedOf(q8()), kv_bytes: '16MiB'},
    {name: 'plain4', path: q4, kv_bytes: '16MiB'}, {name: 'packed4', path: await packedOf(q4), kv_bytes: '16MiB', verify: 'full'},
    {name: 'plain-texts', path: classifier}, {name: 'packed-texts', path: await packedOf(classifier), memory: {huge_pages: true}},
  ]}});
  assert.deepEqual(await answers(server, 'packed8'), await answers(server, 'plain8'));
  assert.deepEqual(await answers(server, 'packed4'), await answers(server, 'plain4'));
  const embed = async (model) => (await request(server, 'POST', '/v1/embeddings', {body: {model, input: PROMPTS}})).json.data;
  assert.deepEqual(await embed('packed-texts'), await embed('plain-texts'));
  const chat = async (model) => {
    const {json, text} = await request(server, 'POST', '/v1/chat/completions',
      {body: {model, messages: [{role: 'user', content: 'Hello'}], max_tokens: 12, temperature: 0}});
    assert.ok(json.choices, text);
    return [json.choices[0].message.content, json.usage];
  };
  assert.deepEqual(await chat('packed4'), await chat('plain4'));
  assert.doesNotMatch(server.stderr, /slower than it could/);
  await server.stop();
});

const flags = new Set(fs.readFileSync('/proc/cpuinfo', 'utf8').match(/^flags\s*:(.*)$/m)[1].split(' '));
for (const isa of ['avx2', 'avx_vnni'].filter((name) => flags.has(name))) {
  test(`on ${isa} a packed model's panels are used as they lie`, async () => {
    const server = await startServer({env: {LOQUAT_FORCE_ISA: isa}, config: {models: [
      {name: 'plain', path: q8(), kv_bytes: '16MiB'}, {name: 'packed', path: await packedOf(q8()), kv_bytes: '16MiB'}]}});
    assert.deepEqual(await answers(server, 'packed'), await answers(server, 'plain'));
    await server.stop();
    assert.doesNotMatch(server.stderr, /slower than it could/);
  });
}

for (const isa of flags.has('avx512bw') ? ['scalar', 'avx512'] : ['scalar']) {
  test(`on ${isa}, for which it was not made, a packed model runs, and the log says so once`, async () => {
    const server = await startServer({env: {LOQUAT_FORCE_ISA: isa}, config: {models: [
      {name: 'plain', path: q8(), kv_bytes: '16MiB'}, {name: 'packed', path: await packedOf(q8()), kv_bytes: '16MiB'}]}});
    assert.deepEqual(await answers(server, 'packed'), await answers(server, 'plain'));
    await server.stop();
    const lines = server.stderr.split('\n').filter((line) => line.includes('slower than it could'));
    assert.equal(lines.length, 1, server.stderr);
    assert.match(lines[0], /packed for avx2, computed with/);
  });
}

test('damaged, cut, foreign and newer files are each refused by their reason', async () => {
  const verify = (file, ...patterns) => refused(['model', 'verify', file], [...patterns, /changed\.packed/]);
  await verify(await flipped(() => 60), /its header .* does not have the hash/, /copy the file again.*or pack the model again/);
  await verify(await flipped((weights) => weights - 5000), /what lies before its weights .* does not have the hash/);
  await verify(await flipped((weights) => weights + 12345), /chunk 0 of 1 of its weights .*does not have the hash/);
  await verify(await flipped((_, size) => size - 1), /chunk 0 of 1/);
  await verify(await changed((bytes, weights) => bytes.subarray(0, weights + 1000)), /it ends after \d+ of \d+ bytes.*number 0 on are missing/);
  await verify(await changed((bytes) => bytes.subarray(0, 100)), /within its header/);
  await verify(await changed((bytes) => Buffer.concat([bytes, Buffer.from('x')])), /its header says/);
  await verify(await changed((bytes) => void bytes.writeUInt32LE(2, HEADER.version)), /version 2 of the packed form; this program reads up to 1/);
  await verify(await changed((bytes) => void bytes.writeUInt32BE(bytes.readUInt32LE(HEADER.byteOrder), HEADER.byteOrder)), /other byte order \(big-endian\)/);
  await verify(await changed((bytes) => void bytes.write('X', 0)), /no GGUF file.*or a file that loquat model pack made/);
});

test('a damaged chunk shows at the start, at the first answer, or not, as configured', async () => {
  const damaged = await flipped((weights) => weights + 54321);
  const at = (verify) => ({models: [{name: 'damaged', path: damaged, kv_bytes: '16MiB', verify}, {name: 'sound', path: q8(), kv_bytes: '16MiB'}]});
  const full = await startServer({config: at('full'), wait: false});
  assert.equal((await full.waitExit()).code, 1);
  assert.match(full.stderr, /model damaged .*chunk 0 of 1/);

  const lazy = await startServer({config: at('lazy')});
  for (let i = 0; i < 2; ++i) {
    const {status, json} = await request(lazy, 'POST', '/v1/completions', {body: {model: 'damaged', prompt: 'a', max_tokens: 4}});
    assert.equal(status, 500);
    assert.match(JSON.stringify(json.error), /chunk 0 of 1 of its weights/);
  }
  assert.equal((await answers(lazy, 'sound')).length, PROMPTS.length, 'the other model answers');
  await lazy.stop();

  const none = await startServer({config: at('none')});
  assert.equal((await answers(none, 'damaged')).length, PROMPTS.length);
  await none.stop();
});

test('memory options are for packed files, and do what they say', async () => {
  const file = await packedOf(q8());
  const server = await startServer({config: {models: [{name: 'm', path: file, kv_bytes: '16MiB', memory: {populate: true, lock: true}}]}, wait: false});
  // What a process may lock is its machine's to say.
  const ready = await server.waitReady().then(() => true, () => false);
  if (ready) {
    const status = fs.readFileSync(`/proc/${server.pid}/status`, 'utf8');
    assert.ok(Number(/VmLck:\s+(\d+)/.exec(status)[1]) * 1024 > fs.statSync(file).size * 0.9, status);
    await server.stop();
  } else {
    assert.match(server.stderr, /lock .* bytes.*raise the limit/);
  }
  for (const more of [{memory: {populate: true}}, {verify: 'full'}]) {
    const plain = await startServer({config: {models: [{name: 'm', path: q8(), kv_bytes: '16MiB', ...more}]}, wait: false});
    assert.equal((await plain.waitExit()).code, 1);
    assert.match(plain.stderr, /for packed files alone; make one with: loquat model pack/);
  }
});

test('what is there is not replaced unasked, and a full disk leaves nothing behind', async () => {
  const out = writeScratch('precious.packed', 'precious');
  await refused(['model', 'pack', q8(), out], [/is already there; replace it with --force/]);
  assert.equal(fs.readFileSync(out, 'utf8'), 'precious');
  const {code} = await loquat(['model', 'pack', q8(), out, '--force', '--json']);
  assert.equal(code, 0);
  assert.ok(fs.readFileSync(out).equals(fs.readFileSync(await packedOf(q8()))));
  await refused(['model', 'pack', out, scratchPath('again.packed')], /is packed already/);
  await refused(['model', 'pack', q8(), path.join(scratchPath('nowhere'), 'x.packed')], /No such file/);

  const folder = scratchPath('full');
  fs.mkdirSync(folder);
  const limited = await runProgram('prlimit', ['--fsize=100000', BINARY, 'model', 'pack', q8(), path.join(folder, 'm.packed')]);
  assert.equal(limited.code, 1, limited.stderr);
  assert.match(limited.stderr, /m\.packed: File too large; nothing was left behind: make room/);
  assert.deepEqual(fs.readdirSync(folder), []);
});

test('a pack that is killed leaves nothing behind, or the whole file', async () => {
  const folder = scratchPath('killed');
  fs.mkdirSync(folder);
  const out = path.join(folder, 'm.packed');
  const from = randomModel('llama');
  for (let ms = 0; ms <= 40; ms += 4) {
    const {code, signal} = await runProgram('timeout', ['--signal=KILL', String((ms + 1) / 1000), BINARY, 'model', 'pack', from, out]);
    assert.ok(code === 0 || code === 137 || signal === 'SIGKILL', `${code} ${signal}`);
    const left = fs.readdirSync(folder);
    assert.ok(left.every((name) => name === 'm.packed'), left.join());
    if (left.length === 0) continue;
    assert.ok(fs.readFileSync(out).equals(fs.readFileSync(await packedOf(from))));
    fs.rmSync(out);
  }
});

test('a file that is replaced while it is served stays as it was for those who have it open', async () => {
  const file = scratchPath('served.packed');
  fs.copyFileSync(await packedOf(q8()), file);
  const server = await startServer({config: {models: [{name: 'm', path: file, kv_bytes: '16MiB'}]}});
  const before = await answers(server, 'm');
  const {code} = await loquat(['model', 'pack', randomModel('llama', {seed: 2}), file, '--force']);
  assert.equal(code, 0);
  assert.deepEqual(await answers(server, 'm'), before);
  await server.stop();
});
