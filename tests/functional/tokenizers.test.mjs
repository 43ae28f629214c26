// Tokenizers beside other implementations, token for token: npm js-tiktoken with its own vocabularies, and npm
// @huggingface/tokenizers with those of the shared data folder (llama_vocab/, qwen2_tokenizer/).
// LOQUAT_TEXTS and LOQUAT_SEED: more texts, or others, than those of every day.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {Tiktoken} from 'js-tiktoken/lite';
import {SHARED_DATA, scratchPath} from '../support/paths.mjs';
import {corpus, illFormed} from '../support/tokenizer_corpus.mjs';
import {QWEN2_PATTERN, BYTE_CHARACTERS, bertFromGguf, byteLevelJson, fromMerges, fromTiktoken, ggufMetadata, gpt2FromGguf, llamaFromGguf, sentencePieceFromGguf} from '../support/tokenizer_files.mjs';
import {SEED, TEXTS, assertSameIds, encodedBy, huggingFace, probe, refusal, saved} from '../support/tokenizer_oracles.mjs';

const withData = (folder) => ({skip: !fs.existsSync(path.join(SHARED_DATA, folder)) && `${SHARED_DATA} has no folder ${folder}/`});
const data = (...parts) => path.join(SHARED_DATA, ...parts);

// Left out, since the oracle differs there from the Rust library whose format this is: a final sigma (that lowers
// characters one by one), and ideographs past U+FFFF (of which the oracle looks at the first surrogate alone).
const BERT_DIFFERS = /[\u0085\ufeff\u180eΣ\u{20000}-\u{2ffff}]/u;

const qwen2Json = () => byteLevelJson({
  ...fromMerges(data('qwen2_tokenizer', 'merges.txt')), pattern: QWEN2_PATTERN, normalizer: {type: 'NFC'},
  specials: JSON.parse(fs.readFileSync(data('qwen2_tokenizer', 'added_tokens.json'), 'utf8'))});

const tables = new Map();
// A table of tiktoken's as {oracle, made: what fromTiktoken makes of it, folder: with a tokenizer.json}; made once.
async function tableOf(name) {
  if (!tables.has(name)) {
    const {default: table} = await import(`js-tiktoken/ranks/${name}`);
    const made = fromTiktoken(table);
    tables.set(name, {oracle: new Tiktoken(table), made, folder: saved(byteLevelJson(made))});
  }
  return tables.get(name);
}

for (const name of ['gpt2', 'cl100k_base', 'o200k_base']) {
  test(`${name} is what js-tiktoken makes of it`, async (t) => {
    const {oracle, folder} = await tableOf(name);
    const texts = corpus(SEED, TEXTS, {skip: /[\u0085\ufeff\u180e\u017f]/});
    const ours = probe(folder, texts);
    const tokens = assertSameIds(texts, ours, (text) => oracle.encode(text, [], []));
    texts.forEach((text, i) => assert.equal(ours[i][1], text));
    t.diagnostic(`${texts.length} texts, ${tokens} tokens`);
  });
}

test('special tokens in a text are found, or left as text', async () => {
  const {oracle, folder} = await tableOf('cl100k_base');
  const texts = ['a<|endoftext|>b', '<|endoftext|>', '<|endoftext|><|fim_prefix|> x', '<|endoftext', 'x <|endofprompt|>\n'];
  assertSameIds(texts, probe(folder, texts), (text) => oracle.encode(text, 'all'));
  assertSameIds(texts, probe(folder, texts, '--plain'), (text) => oracle.encode(text, [], []));
});

test('any bytes come back from their tokens', async () => {
  const {made, folder} = await tableOf('cl100k_base');
  const stored = new Map(Object.entries(made.vocab).map(([token, id]) => [id, token]));
  const byteOf = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));
  const texts = illFormed(SEED + 6, TEXTS);
  probe(folder, texts, '--bytes', '--plain').forEach(([ids, decoded], i) => {
    const bytes = Buffer.from(ids.flatMap((id) => [...stored.get(id)].map((character) => byteOf.get(character))));
    assert.equal(bytes.toString('latin1'), texts[i], `seed ${SEED}, text ${i}`);
    assert.equal(decoded, new TextDecoder('utf-8', {ignoreBOM: true}).decode(bytes));
  });
});

// A tokenizer that normalises reads U+FFFD, as a decoder of the web does, before its oracle sees the text.
for (const [name, folder, json, skip] of [
  ['Qwen2', 'qwen2_tokenizer', () => qwen2Json(), /[\u0085\ufeff\u180e\u017f]/],
  ['Llama 2', 'llama_vocab', () => llamaFromGguf(ggufMetadata(data('llama_vocab', 'ggml-vocab-llama-spm.gguf'))), undefined],
  ['BERT', 'llama_vocab', () => bertFromGguf(ggufMetadata(data('llama_vocab', 'ggml-vocab-bert-bge.gguf'))), BERT_DIFFERS]]) {
  test(`${name}: bytes that are not UTF-8 are read as a browser reads them`, withData(folder), () => {
    const read = (latin1) => new TextDecoder('utf-8', {ignoreBOM: true}).decode(Buffer.from(latin1, 'latin1'));
    const texts = illFormed(SEED + 7, TEXTS / 4).filter((text) => !skip?.test(read(text)) && !/\p{Cn}/u.test(read(text)));
    assert.ok(texts.length > TEXTS / 10);
    const made = json(), oracle = encodedBy(huggingFace(made));
    assertSameIds(texts, probe(saved(made), texts, '--bytes'), (text) => oracle(read(text)));
  });
}

test('Qwen2: tokenizer.json and vocab.json with merges.txt', withData('qwen2_tokenizer'), async (t) => {
  const json = qwen2Json();
  const texts = corpus(SEED + 1, TEXTS, {skip: /[\u0085\ufeff\u180e\u017f]/}).map((text, i) => (i % 9 === 0 ? `<|im_start|>user\n${text}<|im_end|>` : text));
  const oracle = encodedBy(huggingFace(json));
  const tokens = assertSameIds(texts, probe(saved(json), texts), oracle);
  const folder = scratchPath('qwen2');
  fs.mkdirSync(folder);
  for (const file of ['merges.txt', 'added_tokens.json', 'tokenizer_config.json', 'special_tokens_map.json']) fs.copyFileSync(data('qwen2_tokenizer', file), path.join(folder, file));
  fs.writeFileSync(path.join(folder, 'vocab.json'), JSON.stringify(json.model.vocab));
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
  const texts = corpus(SEED + 4, TEXTS, {skip: BERT_DIFFERS});
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
    [(json) => { json.pre_tokenizer.pretokenizers[0].pattern.Regex = '[a&&b]'; }, /pattern has an intersection of classes at character 2/],
    [(json) => { json.model.merges = [['a', 'zz']]; }, /merge 0 .* needs the token 'zz'/],
  ];
  for (const [change, message] of cases) {
    const json = byteLevelJson({vocab, merges: [], pattern: QWEN2_PATTERN});
    change(json);
    assert.match(refusal(saved(json)), message);
  }
});
