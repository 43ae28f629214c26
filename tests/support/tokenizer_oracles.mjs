// Our tokenizer and npm's @huggingface/tokenizers over the same texts.

import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {Tokenizer} from '@huggingface/tokenizers';
import {BINARY, scratchPath} from './paths.mjs';

const PROBE = process.env.LOQUAT_TOKENIZER_PROBE ?? path.join(path.dirname(BINARY), 'src/text/tokenizer/tokenizer_probe');
export const SEED = Number(process.env.LOQUAT_SEED ?? 20240611);
export const TEXTS = Number(process.env.LOQUAT_TEXTS ?? 3000);
const OUTPUT_BYTES_MAX = 1 << 30;

// For each text what tokenizer_probe answers, with its options.
export function probe(file, texts, ...options) {
  const input = texts.map((text) => `${JSON.stringify(text)}\n`).join('');
  const {status, stdout, stderr} = spawnSync(PROBE, [file, ...options], {input, encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX});
  assert.equal(status, 0, stderr);
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

// What is said of a tokenizer that cannot be used.
export function refusal(file) {
  const {status, stderr} = spawnSync(PROBE, [file], {input: '"a"\n', encoding: 'utf8'});
  assert.equal(status, 1, stderr);
  return stderr;
}

// A folder with the file in it, or the file itself where it is no JSON.
export function saved(json, name = 'tokenizer.json') {
  const folder = scratchPath('tokenizer');
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, name), Buffer.isBuffer(json) ? json : JSON.stringify(json));
  return name.endsWith('.json') ? folder : path.join(folder, name);
}

// Every text, with the first one that differs shown. Returns the number of tokens.
export function assertSameIds(texts, ours, theirs) {
  let tokens = 0;
  texts.forEach((text, i) => {
    const wanted = theirs(text);
    tokens += wanted.length;
    assert.deepEqual(ours[i][0], wanted, `seed ${SEED}, text ${i}: ${JSON.stringify(text)}`);
  });
  return tokens;
}

export const huggingFace = (json) => new Tokenizer(json, {});
export const encodedBy = (oracle, options = {add_special_tokens: false}) => (text) => [...oracle.encode(text, options).ids];
