// Encoding by Qwen2's vocabulary: our tokenizer, npm js-tiktoken and npm @huggingface/tokenizers, on one core in one run.
// node bench/tokenizers.mjs QWEN2_FOLDER FILE… [rounds]
// QWEN2_FOLDER holds merges.txt; the files are text of any kind, cut into pieces of about 2,000 characters. Each side
// encodes all pieces in turn, its tokens are compared, and the median of the rounds counts: of
// processor time, so that what else the machine does is left out, as is reading files and JSON.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';
import {spawnSync} from 'node:child_process';
import {BINARY, ROOT} from '../tests/support/paths.mjs';
import {BYTE_CHARACTERS, QWEN2_PATTERN, byteLevelJson, fromMerges} from '../tests/support/tokenizer_files.mjs';
import {encodedBy, huggingFace, probe, saved} from '../tests/support/tokenizer_oracles.mjs';

const {Tiktoken} = createRequire(path.join(ROOT, 'tests/package.json'))('js-tiktoken/lite');
const PROBE = path.join(path.dirname(BINARY), 'src/text/tokenizer/tokenizer_probe');
const [folder, ...rest] = process.argv.slice(2);
const rounds = /^\d+$/.test(rest.at(-1)) ? Number(rest.pop()) : 5;

function piecesOf(text) {
  const pieces = [];
  for (let at = 0; at < text.length;) {
    const newline = text.indexOf('\n', at + 2000);
    const end = newline < 0 ? text.length : newline + 1;
    pieces.push(text.slice(at, end).normalize('NFC'));
    at = end;
  }
  return pieces;
}

// The same vocabulary as tiktoken stores it: [bytes in base64] by rank.
function tiktokenOf({vocab}) {
  const byteOf = new Map(BYTE_CHARACTERS.map((character, byte) => [character, byte]));
  const tokens = Object.entries(vocab).sort((a, b) => a[1] - b[1]).map(([token]) => Buffer.from([...token].map((c) => byteOf.get(c))).toString('base64'));
  return new Tiktoken({pat_str: QWEN2_PATTERN.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"), special_tokens: {}, bpe_ranks: `! 0 ${tokens.join(' ')}`});
}

const made = fromMerges(path.join(folder, 'merges.txt'));
const json = byteLevelJson({...made, pattern: QWEN2_PATTERN, normalizer: {type: 'NFC'}});
const place = saved(json);
const pieces = rest.flatMap((file) => piecesOf(fs.readFileSync(file, 'utf8')));
const megabytes = pieces.reduce((sum, piece) => sum + Buffer.byteLength(piece), 0) / 1e6;
const tiktoken = tiktokenOf(made), other = encodedBy(huggingFace(json));
const input = pieces.map((piece) => `${JSON.stringify(piece)}\n`).join('');

const ours = probe(place, pieces);
pieces.forEach((piece, i) => {
  assert.deepEqual(ours[i][0], tiktoken.encode(piece, [], []), `js-tiktoken differs in piece ${i}`);
  assert.deepEqual(ours[i][0], other(piece), `@huggingface/tokenizers differs in piece ${i}`);
});

function timed(encode) {
  const begin = process.cpuUsage();
  for (const piece of pieces) encode(piece);
  const {user, system} = process.cpuUsage(begin);
  return (user + system) / 1e6;
}
const sides = {
  loquat: () => JSON.parse(spawnSync(PROBE, [place, '--time'], {input, encoding: 'utf8'}).stdout)[1],
  'js-tiktoken': () => timed((piece) => tiktoken.encode(piece, [], [])),
  '@huggingface/tokenizers': () => timed(other),
};
const seconds = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
for (let round = 0; round < rounds; ++round) for (const [name, run] of Object.entries(sides)) seconds[name].push(run());
console.log(`${megabytes.toFixed(2)} MB in ${pieces.length} pieces, ${ours.reduce((sum, [ids]) => sum + ids.length, 0)} tokens, the same from all; ${rounds} rounds`);
for (const [name, times] of Object.entries(seconds)) {
  const median = times.sort((a, b) => a - b)[rounds >> 1];
  console.log(`${name.padEnd(24)} ${(megabytes / median).toFixed(2).padStart(8)} MB/s`);
}
