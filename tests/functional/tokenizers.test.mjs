// Tokenizers beside other implementations, token for token: npm js-tiktoken with its own vocabularies, and npm
// @huggingface/tokenizers with those in the folder that LOQUAT_DATA names (llama_vocab/, qwen2_tokenizer/).

import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {Tokenizer} from '@huggingface/tokenizers';
import {Tiktoken} from 'js-tiktoken/lite';
import {BINARY, scratchPath} from '../support/paths.mjs';
import {corpus} from '../support/tokenizer_corpus.mjs';
import {QWEN2_PATTERN, BYTE_CHARACTERS, bertFromGguf, byteLevelJson, fromMerges, fromTiktoken, ggufMetadata, gpt2FromGguf, llamaFromGguf, sentencePieceFromGguf} from '../support/tokenizer_files.mjs';

const PROBE = process.env.LOQUAT_TOKENIZER_PROBE ?? path.join(path.dirname(BINARY), 'src/text/tokenizer/tokenizer_probe');
const DATA = process.env.LOQUAT_DATA;
const SEED = Number(process.env.LOQUAT_SEED ?? 20240611);
const TEXTS = Number(process.env.LOQUAT_TEXTS ?? 4000);
const OUTPUT_BYTES_MAX = 1 << 30;

const withData = (folder) => ({skip: !(DATA && fs.existsSync(path.join(DATA, folder))) && `LOQUAT_DATA names no folder with ${folder}/`});
const data = (...parts) => path.join(DATA, ...parts);

function probe(file, texts, ...options) {
  const input = texts.map((text) => `${JSON.stringify(text)}\n`).join('');
  const {status, stdout, stderr} = spawnSync(PROBE, [file, ...options], {input, encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX});
  assert.equal(status, 0, stderr);
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

function saved(json, name = 'tokenizer.json') {
  const folder = scratchPath('tokenizer');
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, name), Buffer.isBuffer(json) ? json : JSON.stringify(json));
  return name.endsWith('.json') ? folder : path.join(folder, name);
}

// Every text, with the first one that differs shown.
function assertSameIds(texts, ours, theirs) {
  let tokens = 0;
  texts.forEach((text, i) => {
    const wanted = theirs(text);
    tokens += wanted.length;
    assert.deepEqual(ours[i][0], wanted, `seed ${SEED}, text ${i}: ${JSON.stringify(text)}`);
  });
  return tokens;
}

const huggingFace = (json) => new Tokenizer(json, {});
const encodedBy = (oracle, options = {add_special_tokens: false}) => (text) => [...oracle.encode(text, options).ids];

for (const name of ['gpt2', 'cl100k_base', 'o200k_base']) {
  test(`${name} is what js-tiktoken makes of it`, async (t) => {
    const {default: table} = await import(`js-tiktoken/ranks/${name}`);
    const tiktoken = new Tiktoken(table);
    const texts = corpus(SEED, TEXTS, {skip: /[\u0085\ufeff\u180e\u017f]/});
    const made = fromTiktoken(table);
    const ours = probe(saved(byteLevelJson(made)), texts);
    const tokens = assertSameIds(texts, ours, (text) => tiktoken.encode(text, [], []));
    texts.forEach((text, i) => assert.equal(ours[i][1], text));
    t.diagnostic(`${texts.length} texts, ${tokens} tokens`);
  });
}

test('special tokens in a text are found, or left as text', async () => {
  const {default: table} = await import('js-tiktoken/ranks/cl100k_base');
  const tiktoken = new Tiktoken(table);
  const folder = saved(byteLevelJson(fromTiktoken(table)));
  const texts = ['a<|endoftext|>b', '<|endoftext|>', '<|endoftext|><|fim_prefix|> x', '<|endoftext', 'x <|endofprompt|>\n'];
  assertSameIds(texts, probe(folder, texts), (text) => tiktoken.encode(text, 'all'));
  assertSameIds(texts, probe(folder, texts, '--plain'), (text) => tiktoken.encode(text, [], []));
});

test('Qwen2: tokenizer.json and vocab.json with merges.txt', withData('qwen2_tokenizer'), async (t) => {
  const made = fromMerges(data('qwen2_tokenizer', 'merges.txt'));
  const specials = JSON.parse(fs.readFileSync(data('qwen2_tokenizer', 'added_tokens.json'), 'utf8'));
  const json = byteLevelJson({...made, pattern: QWEN2_PATTERN, normalizer: {type: 'NFC'}, specials});
  const texts = corpus(SEED + 1, TEXTS, {skip: /[\u0085\ufeff\u180e\u017f]/}).map((text, i) => (i % 9 === 0 ? `<|im_start|>user\n${text}<|im_end|>` : text));
  const oracle = encodedBy(huggingFace(json));
  const tokens = assertSameIds(texts, probe(saved(json), texts), oracle);
  const folder = scratchPath('qwen2');
  fs.mkdirSync(folder);
  for (const file of ['merges.txt', 'added_tokens.json', 'tokenizer_config.json', 'special_tokens_map.json']) fs.copyFileSync(data('qwen2_tokenizer', file), path.join(folder, file));
  fs.writeFileSync(path.join(folder, 'vocab.json'), JSON.stringify(made.vocab));
  assertSameIds(texts, probe(folder, texts), oracle);
  t.diagnostic(`${texts.length} texts, ${tokens} tokens`);
});

test('GPT-2 from GGUF', withData('llama_vocab'), async (t) => {
  const json = gpt2FromGguf(ggufMetadata(data('llama_vocab', 'ggml-vocab-gpt-2.gguf')));
  const texts = corpus(SEED + 2, TEXTS, {skip: /[\u0085\ufeff\u180e]/});
  const tokens = assertSameIds(texts, probe(saved(json), texts), encodedBy(huggingFace(json)));
  t.diagnostic(`${texts.length} texts, ${tokens} tokens`);
});

test('Llama 2: by merges and by scores', withData('llama_vocab'), async (t) => {
  const metadata = ggufMetadata(data('llama_vocab', 'ggml-vocab-llama-spm.gguf'));
  const json = llamaFromGguf(metadata);
  const texts = corpus(SEED + 3, TEXTS);
  const oracle = encodedBy(huggingFace(json));
  const byMerges = probe(saved(json), texts);
  const tokens = assertSameIds(texts, byMerges, oracle);
  assertSameIds(texts, probe(saved(sentencePieceFromGguf(metadata), 'tokenizer.model'), texts), oracle);
  texts.forEach((text, i) => assert.equal(byMerges[i][1], text));
  assertSameIds(texts.slice(0, 50), probe(saved(json), texts.slice(0, 50), '--special'), encodedBy(huggingFace(json), {add_special_tokens: true}));
  t.diagnostic(`${texts.length} texts, ${tokens} tokens`);
});

test('BERT: single texts and pairs', withData('llama_vocab'), async (t) => {
  const json = bertFromGguf(ggufMetadata(data('llama_vocab', 'ggml-vocab-bert-bge.gguf')));
  // Left out, since the oracle differs there from the Rust library whose format this is: a final sigma (that lowers
  // characters one by one), and ideographs past U+FFFF (of which the oracle looks at the first surrogate alone).
  const texts = corpus(SEED + 4, TEXTS, {skip: /[\u0085\ufeff\u180eΣ\u{20000}-\u{2ffff}]/u});
  const oracle = huggingFace(json), folder = saved(json);
  const tokens = assertSameIds(texts, probe(folder, texts, '--special'), encodedBy(oracle, {add_special_tokens: true}));
  const pairs = texts.slice(1).map((text, i) => [texts[i], text]);
  const ours = probe(folder, pairs, '--special', '--pair');
  pairs.forEach(([first, second], i) => {
    const {ids, token_type_ids: types} = oracle.encode(first, {text_pair: second, add_special_tokens: true, return_token_type_ids: true});
    assert.deepEqual(ours[i], [[...ids], [...types]], `seed ${SEED}, pair ${i}`);
  });
  t.diagnostic(`${texts.length} texts, ${tokens} tokens`);
});

test('what is not supported is refused by name and place', () => {
  const vocab = Object.fromEntries(BYTE_CHARACTERS.map((character, byte) => [character, byte]));
  const cases = [
    [(json) => { json.normalizer = {type: 'Nmt'}; }, /\/normalizer: the normalizer 'Nmt' is not supported/],
    [(json) => { json.pre_tokenizer.pretokenizers[0] = {type: 'UnicodeScripts'}; }, /\/pre_tokenizer\/pretokenizers\/0: the pre-tokenizer 'UnicodeScripts'/],
    [(json) => { json.post_processor = {type: 'Other'}; }, /\/post_processor: the post-processor 'Other'/],
    [(json) => { json.decoder = {type: 'CTC'}; }, /\/decoder: the decoder 'CTC'/],
    [(json) => { json.model.type = 'WordLevel'; }, /\/model: .*WordLevel/],
    [(json) => { json.model.end_of_word_suffix = '</w>'; }, /\/model\/end_of_word_suffix/],
    [(json) => { json.model.dropout = 0.1; }, /\/model\/dropout/],
    [(json) => { json.pre_tokenizer.pretokenizers[0].pattern.Regex = '[a&&b]'; }, /class inside of a class/],
    [(json) => { json.model.merges = [['a', 'zz']]; }, /merge 0 .* needs the token 'zz'/],
  ];
  for (const [change, message] of cases) {
    const json = byteLevelJson({vocab, merges: [], pattern: QWEN2_PATTERN});
    change(json);
    const {status, stderr} = spawnSync(PROBE, [saved(json)], {input: '"a"\n', encoding: 'utf8'});
    assert.equal(status, 1, stderr);
    assert.match(stderr, message);
  }
});
