// Small vocabularies, trained on text: byte pair merges, and what other models make of the tokens they lead to.

import {BYTE_CHARACTERS} from './tokenizer_files.mjs';

const bytesOf = (word) => [...Buffer.from(word)].map((byte) => BYTE_CHARACTERS[byte]);

// The most frequent pair of neighbours, again and again (Sennrich et al. 2016). `words`: [[symbol, …], …].
function trainMerges(words, count) {
  const frequencies = new Map();
  for (const symbols of words) {
    const key = JSON.stringify(symbols);
    frequencies.set(key, (frequencies.get(key) ?? 0) + 1);
  }
  let distinct = [...frequencies].map(([key, frequency]) => ({symbols: JSON.parse(key), frequency}));
  const merges = [];
  while (merges.length < count) {
    const pairs = new Map();
    for (const {symbols, frequency} of distinct) {
      for (let i = 0; i + 1 < symbols.length; ++i) {
        const pair = JSON.stringify([symbols[i], symbols[i + 1]]);
        pairs.set(pair, (pairs.get(pair) ?? 0) + frequency);
      }
    }
    let best;
    for (const entry of pairs) if (best === undefined || entry[1] > best[1]) best = entry;
    if (best === undefined || best[1] < 2) break;
    const [left, right] = JSON.parse(best[0]);
    merges.push([left, right]);
    distinct = distinct.map(({symbols, frequency}) => {
      const joined = [];
      for (let i = 0; i < symbols.length; ++i) {
        const whole = symbols[i] === left && symbols[i + 1] === right;
        joined.push(whole ? left + right : symbols[i]);
        if (whole) ++i;
      }
      return {symbols: joined, frequency};
    });
  }
  return merges;
}

const numbered = (tokens) => Object.fromEntries([...new Set(tokens)].map((token, id) => [token, id]));

// {vocab, merges} over bytes, of texts cut at spaces.
export function trainByteLevel(texts, count) {
  const merges = trainMerges(texts.flatMap((text) => text.match(/ ?[^ ]+/g) ?? []).map(bytesOf), count);
  return {vocab: numbered([...BYTE_CHARACTERS, ...merges.map((pair) => pair.join(''))]), merges};
}

// {vocab, merges} over characters with ▁ for spaces; the first tokens are `first`; rare characters are left out.
export function trainCharacters(texts, count, first) {
  const words = texts.flatMap((text) => text.replaceAll(' ', '▁').match(/▁?[^▁]+/g) ?? []).map((word) => [...word]);
  const seen = new Map();
  for (const character of words.flat()) seen.set(character, (seen.get(character) ?? 0) + 1);
  const known = new Set([...seen].filter(([, times]) => times > 3).map(([character]) => character));
  const merges = trainMerges(words.filter((word) => word.every((character) => known.has(character))), count);
  return {vocab: numbered([...first, '▁', ...known, ...merges.map((pair) => pair.join(''))]), merges};
}

// [[token, score], …]: scores in steps of 1/64, which sum up exactly in any floating point.
export function unigramOf({vocab}, random) {
  const tokens = Object.keys(vocab).sort((a, b) => vocab[a] - vocab[b]);
  return tokens.map((token) => [token, token.startsWith('<') && token.length > 1 ? 0 : -(random.below(640) + 64 * (8 - Math.min(7, token.length))) / 64]);
}

// {token: id}: each token as it is, and as what goes on with a word.
export function wordPieceOf({vocab}, first) {
  const plain = Object.keys(vocab).map((token) => token.replaceAll('▁', '')).filter((token) => token !== '' && !token.startsWith('<'));
  return numbered([...first, ...plain, ...plain.filter((token, i) => i % 3 !== 0).map((token) => `##${token}`)]);
}
