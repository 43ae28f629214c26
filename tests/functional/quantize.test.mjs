// `loquat model quantize` and `compare` as a user meets them: every kind of model in every type, served afterwards; a real model
// before and after; and what is refused, stopped or runs out of room leaves nothing behind.

import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {BINARY, ROOT, scratchPath, writeScratch} from '../support/paths.mjs';
import {cleanEnvironment, loquat, runProgram} from '../support/process.mjs';
import {complete} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {startServer} from '../support/server.mjs';
import {storyModel, withStories} from '../support/story_model.mjs';
import {until} from '../support/wait.mjs';

const TYPES = ['q8_0', 'q4_0', 'q4_1'];

function makeModel(kind, ...words) {
  const out = scratchPath(kind === 'gguf' ? 'model.gguf' : 'model');
  execFileSync('/usr/bin/python3', [path.join(ROOT, 'tools/make_model'), kind, ...words, '--out', out], {stdio: 'ignore'});
  return out;
}
let tinyLlama;
const llama = () => (tinyLlama ??= makeModel('gguf', '--arch', 'llama'));

async function quantize(input, type, ...words) {
  const out = scratchPath('quantized.gguf');
  const {code, stdout, stderr} = await loquat(['model', 'quantize', input, out, '--type', type, '--json', ...words]);
  assert.equal(code, 0, stderr);
  return {out, report: JSON.parse(stdout), stderr};
}

// The command fails with this exit code and says so in a way that matches each pattern; no file is made.
async function refuses(args, code, patterns) {
  const ended = await loquat(['model', ...args]);
  assert.equal(ended.code, code, `${args.join(' ')}: ${ended.stdout}${ended.stderr}`);
  for (const pattern of [patterns].flat()) assert.match(ended.stderr, pattern);
  return ended;
}

// A folder of its own for a file, so that what is left there can be seen.
function emptyFolder() {
  const folder = scratchPath('out');
  fs.mkdirSync(folder);
  return folder;
}

async function completes(server, model) {
  const answer = await complete(server, {model, prompt: [5, 6, 7], max_tokens: 8, temperature: 0, ignore_eos: true});
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.usage.completion_tokens, 8);
}

for (const kind of ['gguf', 'huggingface']) {
  test(`models from ${kind} in every type are sound and answer when they are served`, async () => {
    const models = [];
    for (const arch of ['llama', 'qwen2', 'qwen3', 'chatglm']) {
      const input = makeModel(kind, '--arch', arch, '--type', arch === 'qwen2' ? 'bf16' : 'f32');
      const type = TYPES[models.length % TYPES.length];
      const {out, report} = await quantize(input, type);
      assert.ok(report.tensors.some(({name, to}) => name === 'blk.0.ffn_up.weight' && to === type));
      assert.equal(report.file_bytes, fs.statSync(out).size);
      const verified = await loquat(['model', 'verify', out]);
      assert.equal(verified.code, 0, verified.stderr);
      const seen = JSON.parse((await loquat(['model', 'inspect', out, '--json'])).stdout);
      assert.deepEqual([seen.runs, seen.config.architecture, seen.files.length], [true, arch, 1]);
      for (const {name, to, shape} of report.tensors) {
        const tensor = seen.tensors.find((it) => it.name === name);
        assert.deepEqual([tensor.type, tensor.shape], [to, shape], name);
      }
      models.push({name: arch, path: out});
    }
    const encoder = (await quantize(makeModel(kind, '--arch', 'bert'), 'q4_0')).out;
    const server = await startServer({config: {models: [...models, {name: 'bert', path: encoder}]}});
    for (const {name} of models) await completes(server, name);
    const embedded = await request(server, 'POST', '/v1/embeddings', {body: {model: 'bert', input: 'the little girl'}});
    assert.equal(embedded.status, 200, embedded.text);
    assert.equal(embedded.json.data[0].embedding.length, 256);
    await server.stop();
  });
}

test('the report says what became of each tensor, and --keep changes it', async () => {
  const {report} = await quantize(llama(), 'q4_0');
  const named = Object.fromEntries(report.tensors.map((tensor) => [tensor.name, tensor]));
  assert.deepEqual([named['blk.0.ffn_up.weight'].from, named['blk.0.ffn_up.weight'].to, named['blk.0.ffn_up.weight'].bits], ['f32', 'q4_0', 4.5]);
  assert.deepEqual([named['output.weight'].to, named['output.weight'].reason], ['q8_0', 'embedding or output']);
  assert.deepEqual([named['blk.1.attn_v.weight'].to, named['output_norm.weight'].to], ['q8_0', 'f32']);
  assert.equal(named['output_norm.weight'].relative_error, 0);
  for (const {to, relative_error: error, cosine} of report.tensors) {
    const most = {f32: 0, q8_0: 0.007, q4_0: 0.1}[to];
    assert.ok(error <= most && cosine >= 1 - most ** 2, `${to} ${error} ${cosine}`);
  }
  assert.ok(report.bits > 4.5 && report.bits < 8 && report.bits_before === 32);

  const kept = (await quantize(llama(), 'q4_0', '--keep', 'output.weight=f16', '--keep', 'blk.*.attn_?.weight=q4_1')).report;
  const types = Object.fromEntries(kept.tensors.map(({name, to}) => [name, to]));
  assert.deepEqual([types['output.weight'], types['blk.0.attn_q.weight'], types['blk.1.attn_v.weight'], types['blk.1.attn_output.weight']],
    ['f16', 'q4_1', 'q4_1', 'q4_0']);

  const text = await loquat(['model', 'quantize', llama(), scratchPath('text.gguf'), '--type', 'q8_0']);
  assert.match(text.stdout, /blk\.0\.ffn_up\.weight +\[512, 256\] +f32 > q8_0 +8\.50/);
  assert.match(text.stderr, /plan: 21 tensors: /);
});

test('the file is the same for any number of threads and whatever is split', async () => {
  const whole = await quantize(llama(), 'q4_1', '--threads', '1');
  assert.deepEqual(fs.readFileSync((await quantize(llama(), 'q4_1', '--threads', '3')).out), fs.readFileSync(whole.out));
  const split = makeModel('gguf', '--arch', 'llama', '--parts', '3').replace('.gguf', '-00002-of-00003.gguf');
  assert.deepEqual(fs.readFileSync((await quantize(split, 'q4_1')).out), fs.readFileSync(whole.out));
});

test('what cannot be done is refused with what to do', async () => {
  const folder = emptyFolder();
  const out = path.join(folder, 'out.gguf');
  const quantized = makeModel('gguf', '--arch', 'llama', '--type', 'q5_0');
  const there = writeScratch('there.gguf', 'mine');
  await Promise.all([
    refuses(['quantize', llama(), out, '--type', 'q3_k'], 2, /'q3_k' is no type that can be made; known: q8_0, q4_0, q4_1/),
    refuses(['quantize', llama(), out], 2, /--type is required/),
    refuses(['quantize', llama(), out, '--type', 'q8_0', '--keep', 'output.weight'], 2, /PATTERN=TYPE/),
    refuses(['quantize', llama(), out, '--type', 'q8_0', '--keep', 'blk.9.*=f16'], 1, /no tensor is left for the rule 'blk\.9\.\*'/),
    refuses(['quantize', llama(), there, '--type', 'q8_0'], 1, [/already there/, /--force/]),
    refuses(['quantize', llama(), llama(), '--type', 'q8_0', '--force'], 1, /is the model that is read/),
    refuses(['quantize', llama(), folder, '--type', 'q8_0', '--force'], 1, /no regular file/),
    refuses(['quantize', llama(), path.join(folder, 'none', 'out.gguf'), '--type', 'q8_0'], 1, /No such file/),
    refuses(['quantize', quantized, out, '--type', 'q4_0'], 1, [/quantized already/, /q5_0/, /--requantize/]),
    refuses(['quantize', path.join(folder, 'none.gguf'), out, '--type', 'q8_0'], 1, /No such file/),
    refuses(['quantize', llama(), out, '--type', 'q8_0', '--calibrate', path.join(folder, 'none.txt')], 1, /none\.txt/),
    refuses(['quantize', llama(), out, '--type', 'q8_0', '--evaluate', writeScratch('empty.txt', '')], 1, /the text has no two tokens/),
    refuses(['quantize', makeModel('huggingface', '--arch', 'bert', '--head', 'token'), out, '--type', 'q8_0'], 1, /labels tokens/),
    refuses(['compare', llama(), makeModel('gguf', '--arch', 'bert'), '--text', writeScratch('t.txt', 'a b c d')], 1, /cannot be compared/),
  ]);
  assert.deepEqual(fs.readdirSync(folder), []);
  assert.equal(fs.readFileSync(there, 'utf8'), 'mine');

  const again = await quantize(quantized, 'q4_0', '--requantize');
  assert.match(again.stderr, /warning: weights that were rounded once/);
  const replaced = await loquat(['model', 'quantize', llama(), there, '--type', 'q8_0', '--force']);
  assert.equal(replaced.code, 0, replaced.stderr);
  assert.equal((await loquat(['model', 'verify', there])).code, 0);
});

test('a weight that is no number is named, and nothing is written', async () => {
  const bytes = fs.readFileSync(llama());
  bytes.writeFloatLE(NaN, bytes.length - 4 * 1000);
  const folder = emptyFolder();
  await refuses(['quantize', writeScratch('nan.gguf', bytes), path.join(folder, 'out.gguf'), '--type', 'q4_0'], 1,
    /the tensor '[^']+' has nan at index \d+/);
  assert.deepEqual(fs.readdirSync(folder), []);
});

test('a disk without room is said, and nothing is left', async () => {
  const folder = emptyFolder();
  const args = ['model', 'quantize', llama(), path.join(folder, 'out.gguf'), '--type', 'q8_0'];
  const ended = await runProgram('bash', ['-c', 'ulimit -f 256; exec "$0" "$@"', BINARY, ...args]);
  assert.equal(ended.code, 1, `${ended.signal} ${ended.stderr}`);
  assert.match(ended.stderr, /out\.gguf: File too large; nothing was left behind: make room/);
  assert.deepEqual(fs.readdirSync(folder), []);
});

test('Ctrl-C in the middle leaves nothing', async () => {
  const large = makeModel('gguf', '--arch', 'llama', '--type', 'f16', '--set', '{"layers":2,"width":2048,"ffn":8192,"heads":32,"kv_heads":8}');
  const folder = emptyFolder();
  const child = spawn(BINARY, ['model', 'quantize', large, path.join(folder, 'out.gguf'), '--type', 'q4_1', '--threads', '1'],
    {env: cleanEnvironment(), stdio: ['ignore', 'ignore', 'pipe']});
  let stderr = '';
  child.stderr.on('data', (data) => (stderr += data));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => resolve({code, signal})));
  await until('the first progress', () => / %  blk/.test(stderr));
  child.kill('SIGINT');
  assert.deepEqual(await ended, {code: 130, signal: null}, stderr);
  assert.match(stderr, /stopped; nothing was written/);
  assert.deepEqual(fs.readdirSync(folder), []);
});

const STORY = `Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her mom. One day, she saw a
big red ball under a tree. "Look, mom! A ball!" she said. Her mom smiled and said, "You can play with it, but you have to share." Lily was
happy. She ran to the ball and kicked it very high. The ball went over the fence and into the garden. A little dog was in the garden. The dog
took the ball and ran away. Lily was sad and started to cry. Then a boy named Tim came and said, "Do not be sad. I can help you." They ran
after the dog and found the ball. Lily said, "Thank you, Tim!" They played with the ball all day and became good friends.
One day, Tom and his friend Sam went to the park. They saw a big slide and a swing. Tom wanted to go on the slide first. "Let us take turns,"
said Sam. They went up and down the slide many times. It was so much fun. Then they saw a little bird on the ground. The bird could not fly.
Tom and Sam were careful. They gave the bird some water and some bread. The next day, the bird was strong and could fly again. They were happy.
`;

test('a real model keeps its story: before and after by the same text', withStories, async () => {
  const text = writeScratch('story.txt', STORY);
  const seen = {};
  for (const type of TYPES) {
    const {out, report: {comparison}} = await quantize(storyModel(), type, '--evaluate', text);
    const {code, stdout} = await loquat(['model', 'compare', storyModel(), out, '--text', text, '--json']);
    assert.equal(code, 0);
    const {before, after, ...compared} = JSON.parse(stdout);
    assert.deepEqual([before, after], [storyModel(), out]);
    assert.deepEqual(compared, comparison);
    seen[type] = comparison;
  }
  // Perplexity of the model itself is that of a fluent reader of such stories; see docs/quantization.md for what was measured.
  assert.ok(seen.q8_0.perplexity_before > 2 && seen.q8_0.perplexity_before < 8, JSON.stringify(seen.q8_0));
  assert.ok(seen.q8_0.divergence_mean < 0.003 && seen.q8_0.same_first > 0.97, JSON.stringify(seen.q8_0));
  assert.ok(seen.q4_1.divergence_mean < 0.06 && seen.q4_1.same_first > 0.85, JSON.stringify(seen.q4_1));
  assert.ok(seen.q4_0.divergence_mean < 0.09 && seen.q4_0.same_first > 0.8, JSON.stringify(seen.q4_0));
  for (const {perplexity_before: was, perplexity_after: is} of Object.values(seen)) assert.ok(is < 1.1 * was, JSON.stringify(seen));

  const calibrated = (await quantize(storyModel(), 'q8_0', '--calibrate', text, '--evaluate', text)).report;
  assert.ok(calibrated.tensors.find(({name}) => name === 'blk.0.attn_q.weight').calibrated);
  assert.ok(calibrated.comparison.divergence_mean < seen.q8_0.divergence_mean, 'calibrated on what it is judged by');
  const itself = JSON.parse((await loquat(['model', 'compare', storyModel(), storyModel(), '--text', text, '--json'])).stdout);
  assert.deepEqual([itself.divergence_max, itself.same_first], [0, 1]);
});

test('encoders are compared by their embeddings', async () => {
  const encoder = makeModel('huggingface', '--arch', 'bert');
  const text = writeScratch('lines.txt', 'the little girl\n\nshe saw a ball\na dog ran away\n');
  const cosines = {};
  for (const type of TYPES) {
    const {comparison} = (await quantize(encoder, type, '--calibrate', text, '--evaluate', text)).report;
    assert.equal(comparison.texts, 3);
    assert.ok(comparison.cosine_min <= comparison.cosine_mean);
    cosines[type] = comparison.cosine_mean;
  }
  assert.ok(cosines.q8_0 > 0.999 && cosines.q4_0 > 0.95 && cosines.q4_1 > 0.95, JSON.stringify(cosines));
});
