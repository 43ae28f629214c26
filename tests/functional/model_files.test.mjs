// Model files as a user meets them: `loquat model inspect` and `verify` on every kind of model, and on everything that is none;
// files cut at any place, tampered with, or of what is not supported; and a real model that tells its known story.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {request} from '../support/http.mjs';
import {ROOT, scratchPath, writeScratch} from '../support/paths.mjs';
import {loquat} from '../support/process.mjs';
import {startServer} from '../support/server.mjs';
import {storyModel, withStories} from '../support/story_model.mjs';

const SEED = Number(process.env.LOQUAT_SEED ?? 20261121);
const PYTHON = '/usr/bin/python3';

function makeModel(kind, out, ...words) {
  execFileSync(PYTHON, [path.join(ROOT, 'tools/make_model'), kind, ...words, '--set', '{"layers":1}', '--out', out], {stdio: 'ignore'});
  return out;
}
const made = new Map();
// Made once; tests that change one copy it.
function model(kind, ...words) {
  const key = [kind, ...words].join(' ');
  if (!made.has(key)) made.set(key, makeModel(kind, scratchPath(kind === 'gguf' ? 'model.gguf' : 'model'), ...words));
  return made.get(key);
}
const llama = () => model('gguf', '--arch', 'llama', '--type', 'q8_0');
const folder = () => model('huggingface', '--arch', 'bert', '--head', 'sequence', '--labels', 'no,yes', '--shards', '2');
function copyOfFolder() {
  const copy = scratchPath('folder');
  fs.cpSync(folder(), copy, {recursive: true});
  return copy;
}
const filesOf = (shards) => fs.readdirSync(shards).filter((name) => name.endsWith('.safetensors')).map((name) => path.join(shards, name));

async function inspect(file) {
  const {code, stdout, stderr} = await loquat(['model', 'inspect', file, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

async function accepts(file) {
  const {code, stdout, stderr} = await loquat(['model', 'verify', file]);
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /all numbers are finite/);
}

// verify ends with exit code 1 and one line that names `names` (the file itself, if nothing else) and matches each pattern.
async function refuses(file, patterns, names = file) {
  const {code, signal, stdout, stderr} = await loquat(['model', 'verify', file]);
  assert.equal(signal, null, `${file}: ${stderr}`);
  assert.equal(code, 1, `${file}: ${stdout}${stderr}`);
  assert.equal(stdout, '');
  assert.equal(stderr.trim().split('\n').length, 1, stderr);
  assert.ok(stderr.startsWith('loquat: ') && stderr.includes(names), stderr);
  for (const pattern of [patterns].flat()) assert.match(stderr, pattern);
}

// Where a tensor of a GGUF file is described.
function describedAt(bytes, name) {
  const at = bytes.indexOf(Buffer.concat([sized(name), Buffer.from([2, 0, 0, 0])]));
  assert.ok(at > 0, name);
  const dimensions = at + 8 + name.length + 4;
  return {dimensions, type: dimensions + 16, offset: dimensions + 20};
}
function sized(text) {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, Buffer.from(text)]);
}
// A copy of the llama with `change(bytes, place of blk.0.attn_k.weight)` done to it.
function tampered(change) {
  const bytes = fs.readFileSync(llama());
  return writeScratch('tampered.gguf', change(bytes, describedAt(bytes, 'blk.0.attn_k.weight')) ?? bytes);
}

test('every kind of model is described and found sound', async () => {
  const q4k = model('gguf', '--arch', 'qwen2', '--type', 'q4_k');
  const seen = await inspect(q4k);
  assert.deepEqual([seen.format, seen.gguf_version, seen.runs, seen.config.architecture, seen.config.layers], ['gguf', 3, true, 'qwen2', 1]);
  assert.equal(seen.tokenizer.tokens, 768);
  assert.match(seen.chat_template, /im_start/);
  assert.ok(seen.tensors.some(({name, type, shape}) => name === 'blk.0.ffn_down.weight' && type === 'q4_k' && shape.join() === '256,512'));
  await accepts(q4k);

  const second = tampered((bytes) => void bytes.writeUInt32LE(2, 4)); // Version 2 differs in the number alone.
  assert.equal((await inspect(second)).gguf_version, 2);
  await accepts(second);

  const split = scratchPath('split.gguf');
  makeModel('gguf', split, '--arch', 'chatglm', '--type', 'q5_1', '--parts', '3');
  const part = split.replace('.gguf', '-00002-of-00003.gguf');
  assert.equal((await inspect(part)).files.length, 3);
  await accepts(part);

  const sharded = await inspect(folder());
  assert.deepEqual([sharded.format, sharded.files.length, sharded.config.head, sharded.config.labels],
    ['huggingface', 2, 'sequence_classification', ['no', 'yes']]);
  await accepts(folder());
  await accepts(model('huggingface', '--arch', 'qwen3', '--type', 'bf16'));
});

test('the text form shows what a user asks first', async () => {
  const {code, stdout} = await loquat(['model', 'inspect', llama()]);
  assert.equal(code, 0);
  for (const line of [/format +GGUF version 3, 1 file/, /model +llama /, /shape +1 layers of 256/, /context +2048 tokens, vocabulary 768/,
    /q8_0 +\d+ tensors/, /tokenizer +byte_level_bpe/, /general\.architecture \(string\) = llama/, /^chat template$/m]) {
    assert.match(stdout, line);
  }
});

test('what is no model is refused with what to do', async () => {
  const safetensors = filesOf(folder())[0];
  const empty = scratchPath('empty');
  fs.mkdirSync(empty);
  const pickled = copyOfFolder();
  for (const file of [...filesOf(pickled), path.join(pickled, 'model.safetensors.index.json')]) fs.rmSync(file);
  fs.writeFileSync(path.join(pickled, 'pytorch_model.bin'), '');
  const renamed = scratchPath('alone.gguf');
  makeModel('gguf', renamed, '--arch', 'llama', '--parts', '2');
  const part = renamed.replace('.gguf', '-00001-of-00002.gguf');
  fs.renameSync(part, renamed);
  await Promise.all([
    refuses(scratchPath('none.gguf'), /No such file/),
    refuses('/dev/null', /not a regular file/),
    refuses(writeScratch('empty.gguf', ''), /no GGUF file/),
    refuses(writeScratch('note.txt', 'Dear model,'), [/does not begin with "GGUF"/, /a folder with config\.json and \*\.safetensors/]),
    refuses(safetensors, /a folder with config\.json/),
    refuses(empty, [/config\.json: No such file/, /a model is a \.gguf file, or a folder/], path.join(empty, 'config.json')),
    refuses(pickled, /pytorch_model\.bin is not read: save the model as safetensors/),
    refuses(renamed, /is a part of a split model and was renamed/),
    refuses(renamed.replace('.gguf', '-00002-of-00002.gguf'), /part 1 of 2 of the model: .*No such file/, part),
    refuses(tampered((bytes) => void bytes.writeUInt32LE(1, 4)), /GGUF version 1; versions 2 and 3/),
    refuses(tampered((bytes) => void bytes.writeUInt32BE(3, 4)), /big-endian/),
  ]);
});

test('a GGUF file that contradicts itself is refused by the tensor at fault', async () => {
  await Promise.all([
    refuses(tampered((bytes, at) => void bytes.writeBigUInt64LE(0n, at.offset)), [/'blk\.0\.attn_k\.weight'/, /same bytes|overlap/]),
    refuses(tampered((bytes, at) => void bytes.writeBigUInt64LE(1n << 62n, at.offset)), [/'blk\.0\.attn_k\.weight'/, /past the end of the file/]),
    refuses(tampered((bytes, at) => void bytes.writeBigUInt64LE(33n, at.offset)), /'blk\.0\.attn_k\.weight'.*align/),
    refuses(tampered((bytes, at) => void bytes.writeBigUInt64LE((1n << 63n) - 1n, at.dimensions)), /'blk\.0\.attn_k\.weight'/),
    refuses(tampered((bytes, at) => void bytes.writeBigUInt64LE(0n, at.dimensions)), /'blk\.0\.attn_k\.weight'/),
    refuses(tampered((bytes, at) => void bytes.writeBigUInt64LE(128n, at.dimensions)), [/'blk\.0\.attn_k\.weight'/, /\[128, 128\].*asks for \[128, 256\]/]),
    refuses(tampered((bytes, at) => void bytes.writeUInt32LE(999, at.type)), [/unknown type 999/, /supported: f32, .*q6_k/]),
    refuses(tampered((bytes, at) => void bytes.writeUInt32LE(20, at.type)), [/'blk\.0\.attn_k\.weight'.*type iq4_nl/, /supported: f32, .*q6_k/]),
    refuses(tampered((bytes) => void bytes.writeBigUInt64LE(1n << 40n, 8)), /1099511627776 tensors; at most/),
    refuses(tampered((bytes) => void bytes.writeBigUInt64LE(1n << 40n, 16)), /1099511627776 metadata entries; at most/),
    refuses(tampered((bytes) => void bytes.writeUInt8('x'.charCodeAt(0), bytes.indexOf('blk.0.attn_k.weight'))),
      [/'blk\.0\.attn_k\.weight' is missing/]),
  ]);
});

test('an architecture that is not supported is named, and still described', async () => {
  const mamba = tampered((bytes) => {
    const key = Buffer.concat([sized('general.architecture'), Buffer.from([8, 0, 0, 0])]);
    const at = bytes.indexOf(key) + key.length;
    bytes.write('mamba', at + 8); // As long as "llama".
  });
  await refuses(mamba, /the architecture 'mamba' is not supported; supported: bert, llama, qwen2, qwen3, chatglm/);
  const seen = await inspect(mamba);
  assert.equal(seen.runs, false);
  assert.match(seen.problem, /'mamba' is not supported/);
  assert.ok(seen.tensors.length > 0);
});

test('a folder that contradicts itself is refused by the file at fault', async () => {
  const edited = (name, change) => {
    const copy = copyOfFolder();
    const file = path.join(copy, name);
    fs.writeFileSync(file, JSON.stringify(change(JSON.parse(fs.readFileSync(file, 'utf8')))));
    return [copy, file];
  };
  const refusesEdited = ([copy, file], patterns) => refuses(copy, patterns, file);
  const index = 'model.safetensors.index.json';
  const shard = path.basename(filesOf(folder())[0]);
  const missing = copyOfFolder();
  fs.rmSync(path.join(missing, shard));
  await Promise.all([
    refuses(missing, /index\.json names it: .*No such file/, path.join(missing, shard)),
    refusesEdited(edited(index, (it) => ({...it, weight_map: {...it.weight_map, more: shard}})), /'more' is in .*, which lacks it/),
    refusesEdited(edited(index, (it) => ({...it, weight_map: {x: '../../secret.safetensors'}})), /must name a \.safetensors file of this folder/),
    refusesEdited(edited('config.json', (it) => ({...it, model_type: 'mamba'})), /'mamba' is not supported; supported: bert, /),
    refusesEdited(edited('config.json', (it) => ({...it, hidden_act: 'swish'})), /hidden_act.*'swish' is not supported; supported: gelu/),
    refusesEdited(edited('config.json', (it) => ({...it, num_hidden_layers: 1e9})), /num_hidden_layers/),
    refusesEdited(edited('config.json', (it) => ({...it, hidden_size: -1})), /hidden_size/),
    refuses(edited('config.json', (it) => ({...it, hidden_size: 512}))[0], /shape \[\d+, 256\]; its config asks for \[\d+, 512\]/, 'tensor'),
    refuses(edited('config.json', (it) => ({...it, num_hidden_layers: 2}))[0], /'blk\.1\..*' is missing/, 'tensor'),
    refuses(edited('tokenizer.json', (it) => ({...it, model: {...it.model, type: 'Magic'}}))[0], /Magic/, 'tokenizer'),
  ]);
});

test('tensors of a safetensors file that share bytes or point outside are refused', async () => {
  const rewritten = (change) => {
    const copy = copyOfFolder();
    const file = filesOf(copy)[0];
    const bytes = fs.readFileSync(file);
    const size = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + size));
    change(header, Object.keys(header).filter((name) => name !== '__metadata__'));
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    fs.writeFileSync(file, Buffer.concat([length, text, bytes.subarray(8 + size)]));
    return [copy, file];
  };
  const cases = [
    [(header, [a, b]) => (header[b].data_offsets = header[a].data_offsets.map(Number), header[b].shape = header[a].shape), /lie on the same bytes|belong to no/],
    [(header, [a]) => (header[a].data_offsets = [0, 1e15]), /do not lie within/],
    [(header, [a]) => (header[a].shape = [2 ** 53 - 1, 2 ** 53 - 1]), /larger than any file/],
    [(header, [a]) => (header[a].dtype = 'F4'), /unknown type 'F4'; supported: F32, F16, BF16/],
    [(header, [a]) => (header[a].dtype = 'I32'), /is of type I32; supported: F32, F16, BF16/],
  ];
  await Promise.all(cases.map(([change, pattern]) => {
    const [copy, file] = rewritten(change);
    return refuses(copy, pattern, file);
  }));
});

// Cuts of a file: at its first bytes, around every power of two, before its last byte, and at random places.
function cutsOf(size) {
  let state = SEED >>> 0;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const cuts = new Set([0, 1, 3, 4, 7, 8, 15, 16, 23, 24, size - 1]);
  for (let n = 32; n < size; n *= 4) cuts.add(n - 1).add(n);
  while (cuts.size < 40) cuts.add(Math.floor(random() * size));
  return [...cuts].filter((cut) => cut < size);
}

async function inTurns(items, work, at_once = 4) {
  const left = [...items];
  await Promise.all(Array.from({length: at_once}, async () => {
    while (left.length > 0) await work(left.shift());
  }));
}

test(`a GGUF file cut anywhere is refused (seed ${SEED})`, async () => {
  const bytes = fs.readFileSync(llama());
  await inTurns(cutsOf(bytes.length), async (cut) => {
    const file = writeScratch('cut.gguf', bytes.subarray(0, cut));
    await refuses(file, cut < 4 ? /no GGUF file/ : /copy (it|the file) again/);
    fs.rmSync(file);
  });
});

test(`a folder with any file cut anywhere is refused (seed ${SEED})`, async () => {
  const copy = copyOfFolder();
  const whole = [...filesOf(copy), ...['config.json', 'model.safetensors.index.json', 'tokenizer.json'].map((name) => path.join(copy, name))];
  for (const file of whole) {
    const bytes = fs.readFileSync(file);
    // A cut that leaves out white space alone would leave the JSON whole.
    const size = file.endsWith('.json') ? bytes.toString().trimEnd().length : bytes.length;
    for (const cut of cutsOf(size).filter((_, i) => i % 4 === 0)) {
      fs.writeFileSync(file, bytes.subarray(0, cut));
      await refuses(copy, /./, file.endsWith('tokenizer.json') ? 'tokenizer' : file);
    }
    fs.writeFileSync(file, bytes);
  }
  await accepts(copy);
});

test('a number that cannot be is found where it stands', async () => {
  const bytes = fs.readFileSync(model('gguf', '--arch', 'llama', '--type', 'f32'));
  bytes.writeFloatLE(NaN, bytes.length - 4);
  const file = writeScratch('nan.gguf', bytes);
  const {code, stdout} = await loquat(['model', 'verify', file, '--json']);
  const report = JSON.parse(stdout);
  assert.equal(code, 1);
  assert.deepEqual([report.ok, report.fault_count, report.faults[0].what], [false, 1, 'is not finite']);
  assert.equal(report.faults[0].element, 768 * 256 - 1, 'the last weight of output.weight');
});

test('a server is not started with a model that cannot run', async () => {
  const cut = writeScratch('cut.gguf', fs.readFileSync(llama()).subarray(0, 5000));
  const {code, stderr} = await loquat(['serve', '--listen', '127.0.0.1:0', '--model', `broken=${cut}`]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`model broken \\(${cut}\\): .*the file ends within`));
});

// https://huggingface.co/karpathy/tinyllamas: what llama2.c's own program prints for stories260K at temperature 0.
const STORY = `Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. \
She wanted to play with it, but it was too high.
Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know what to do. She said, "I want to play with your ball, but I \
can't find it."
Lily was sad and didn't know what to do. She said, "I'm sorry, Lily. I didn't know what to do."
Lily didn't want to help her mom, so she said, "I'm sorry, mom. I didn't know what to do." Her mom said, "Don't worry, Lily. We can help you.`;

test('a checkpoint of llama2.c, converted, tells its known story', withStories, async (t) => {
  await accepts(storyModel());
  const server = await startServer({args: ['--model', `stories=${storyModel()}`]});
  t.after(() => server.stop());
  for (const prompt of ['', 'Once upon a time', STORY.slice(0, STORY.indexOf(' One day'))]) {
    const {status, json} = await request(server, 'POST', '/v1/completions',
      {body: {model: 'stories', prompt, max_tokens: 256, temperature: 0}});
    assert.equal(status, 200);
    assert.equal((prompt + json.choices[0].text).trimStart().slice(0, STORY.length), STORY, `after ${JSON.stringify(prompt)}`);
  }
});
