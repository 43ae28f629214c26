// Tokenizers as files, made from what other programs carry: GGUF vocabularies, GPT-2's merges, tiktoken's ranks.

import fs from 'node:fs';

export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
export const QWEN2_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// GPT-2's printable stand-ins, [byte] -> character; and the order in which its vocabulary lists the bytes.
export const BYTE_ORDER = [];
export const BYTE_CHARACTERS = (() => {
  const characters = [];
  const plain = (byte) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  for (let byte = 0; byte < 256; ++byte) if (plain(byte)) BYTE_ORDER.push(byte);
  for (let byte = 0, next = 256; byte < 256; ++byte) {
    if (!plain(byte)) BYTE_ORDER.push(byte);
    characters.push(String.fromCodePoint(plain(byte) ? byte : next++));
  }
  return characters;
})();

const added = (id, content, special = true) => ({id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special});

export function byteLevelJson({vocab, merges, pattern, normalizer = null, specials = {}, ignoreMerges = false}) {
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: Object.entries(specials).map(([content, id]) => added(id, content)),
    normalizer,
    pre_tokenizer: {type: 'Sequence', pretokenizers: [
      {type: 'Split', pattern: {Regex: pattern}, behavior: 'Isolated', invert: false},
      {type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false}]},
    post_processor: {type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false},
    decoder: {type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false},
    model: {type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false,
      ignore_merges: ignoreMerges, vocab, merges},
  };
}

// merges.txt of a vocabulary in which byte b is the token BYTE_ORDER.indexOf(b) and merge k the token 256 + k.
export function fromMerges(file) {
  const merges = fs.readFileSync(file, 'utf8').split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
  const vocab = {};
  BYTE_ORDER.forEach((byte, id) => { vocab[BYTE_CHARACTERS[byte]] = id; });
  merges.forEach((merge, k) => { vocab[merge.replace(' ', '')] = 256 + k; });
  return {vocab, merges};
}

// tiktoken's table: a token's rank is its id, and it is made of the two tokens that merging up to its rank leaves.
export function fromTiktoken({bpe_ranks, special_tokens, pat_str}) {
  const ranks = new Map();
  for (const line of bpe_ranks.split('\n')) {
    if (line === '') continue;
    const [, offset, ...tokens] = line.split(' ');
    tokens.forEach((token, i) => ranks.set(Buffer.from(token, 'base64').toString('latin1'), Number(offset) + i));
  }
  const stored = (latin1) => [...latin1].map((c) => BYTE_CHARACTERS[c.codePointAt(0)]).join('');
  const vocab = {};
  const merges = [];
  for (const [token, rank] of [...ranks].sort((a, b) => a[1] - b[1])) {
    vocab[stored(token)] = rank;
    if (token.length < 2) continue;
    const parts = [...token];
    for (;;) {
      let best = Infinity, at = -1;
      for (let i = 0; i + 1 < parts.length; ++i) {
        const merged = ranks.get(parts[i] + parts[i + 1]);
        if (merged !== undefined && merged < best && merged < rank) [best, at] = [merged, i];
      }
      if (at < 0) break;
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
    if (parts.length === 2) merges.push([stored(parts[0]), stored(parts[1])]);
  }
  return {vocab, merges, pattern: pat_str, specials: special_tokens};
}

// The metadata of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): {key: value}.
export function ggufMetadata(file) {
  const bytes = fs.readFileSync(file);
  let at = 0;
  const size = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8};
  const take = (type) => {
    const begin = at;
    at += size[type];
    switch (type) {
      case 0: case 7: return bytes.readUInt8(begin);
      case 1: return bytes.readInt8(begin);
      case 2: return bytes.readUInt16LE(begin);
      case 3: return bytes.readInt16LE(begin);
      case 4: return bytes.readUInt32LE(begin);
      case 5: return bytes.readInt32LE(begin);
      case 6: return bytes.readFloatLE(begin);
      case 12: return bytes.readDoubleLE(begin);
      default: return Number(bytes.readBigUInt64LE(begin));
    }
  };
  const text = () => {
    const length = take(10);
    at += length;
    return bytes.toString('utf8', at - length, at);
  };
  const value = (type) => {
    if (type === 8) return text();
    if (type !== 9) return take(type);
    const item = take(4), count = take(10);
    return Array.from({length: count}, () => value(item));
  };
  at = 4 + 4 + 8;
  const count = take(10), metadata = {};
  for (let i = 0; i < count; ++i) {
    const key = text();
    metadata[key] = value(take(4));
  }
  return metadata;
}

export function gpt2FromGguf(metadata) {
  const tokens = metadata['tokenizer.ggml.tokens'], kinds = metadata['tokenizer.ggml.token_type'];
  const vocab = {}, specials = {};
  tokens.forEach((token, id) => { (kinds[id] === 3 ? specials : vocab)[token] = id; });
  return byteLevelJson({vocab, merges: metadata['tokenizer.ggml.merges'], pattern: GPT2_PATTERN, specials});
}

// The way Hugging Face's converter gets merges from scores: every way to cut a token into two, by the token's score.
export function llamaFromGguf(metadata) {
  const tokens = metadata['tokenizer.ggml.tokens'], scores = metadata['tokenizer.ggml.scores'], kinds = metadata['tokenizer.ggml.token_type'];
  const vocab = {};
  tokens.forEach((token, id) => { vocab[token] = id; });
  const merges = [];
  tokens.forEach((token, id) => {
    if (kinds[id] !== 1) return;
    const local = [];
    const characters = [...token];
    for (let cut = 1; cut < characters.length; ++cut) {
      const left = characters.slice(0, cut).join(''), right = characters.slice(cut).join('');
      if (left in vocab && right in vocab) local.push([left, right, id]);
    }
    local.sort((a, b) => vocab[a[0]] - vocab[b[0]] || vocab[a[1]] - vocab[b[1]]);
    merges.push(...local);
  });
  merges.sort((a, b) => scores[b[2]] - scores[a[2]]);
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: tokens.flatMap((token, id) => (kinds[id] === 3 || kinds[id] === 2 ? [added(id, token)] : [])),
    normalizer: {type: 'Sequence', normalizers: [{type: 'Prepend', prepend: '▁'}, {type: 'Replace', pattern: {String: ' '}, content: '▁'}]},
    pre_tokenizer: null,
    post_processor: {type: 'TemplateProcessing', single: [{SpecialToken: {id: '<s>', type_id: 0}}, {Sequence: {id: 'A', type_id: 0}}],
      pair: [{SpecialToken: {id: '<s>', type_id: 0}}, {Sequence: {id: 'A', type_id: 0}}, {SpecialToken: {id: '<s>', type_id: 1}}, {Sequence: {id: 'B', type_id: 1}}],
      special_tokens: {'<s>': {id: '<s>', ids: [1], tokens: ['<s>']}}},
    decoder: {type: 'Sequence', decoders: [{type: 'Replace', pattern: {String: '▁'}, content: ' '}, {type: 'ByteFallback'}, {type: 'Fuse'}, {type: 'Strip', content: ' ', start: 1, stop: 0}]},
    model: {type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true,
      ignore_merges: false, vocab, merges: merges.map(([left, right]) => [left, right])},
  };
}

// The same vocabulary as SentencePiece would store it (sentencepiece_model.proto), without rules and extra-space removal.
export function sentencePieceFromGguf(metadata) {
  const tokens = metadata['tokenizer.ggml.tokens'], scores = metadata['tokenizer.ggml.scores'], kinds = metadata['tokenizer.ggml.token_type'];
  const varint = (n) => {
    const out = [];
    for (; n >= 128; n = Math.floor(n / 128)) out.push((n % 128) | 128);
    return [...out, n];
  };
  const message = (number, bytes) => Buffer.concat([Buffer.from([number * 8 + 2, ...varint(bytes.length)]), bytes]);
  const flag = (number, value) => Buffer.from([...varint(number * 8), value]);
  const pieces = tokens.map((token, id) => {
    const score = Buffer.alloc(5);
    score[0] = 2 * 8 + 5;
    score.writeFloatLE(scores[id], 1);
    return message(1, Buffer.concat([message(1, Buffer.from(token)), score, flag(3, kinds[id])]));
  });
  return Buffer.concat([...pieces, message(2, Buffer.concat([flag(3, 2), flag(35, 1)])), message(3, Buffer.concat([flag(3, 1), flag(4, 0)]))]);
}

// GGUF writes the beginnings of words with ▁; BERT's own files write what goes on with ##.
export function bertFromGguf(metadata) {
  const vocab = {}, specials = [];
  metadata['tokenizer.ggml.tokens'].forEach((token, id) => {
    const bracketed = /^\[.*\]$/.test(token);
    const stored = token.startsWith('▁') ? token.slice(1) : bracketed ? token : `##${token}`;
    vocab[stored] = id;
    if (/^\[(PAD|UNK|CLS|SEP|MASK)\]$/.test(token)) specials.push(added(id, token));
  });
  const piece = (id, type_id) => ({SpecialToken: {id, type_id}});
  const text = (id, type_id) => ({Sequence: {id, type_id}});
  return {
    version: '1.0', truncation: null, padding: null, added_tokens: specials,
    normalizer: {type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true},
    pre_tokenizer: {type: 'BertPreTokenizer'},
    post_processor: {type: 'TemplateProcessing', single: [piece('[CLS]', 0), text('A', 0), piece('[SEP]', 0)],
      pair: [piece('[CLS]', 0), text('A', 0), piece('[SEP]', 0), text('B', 1), piece('[SEP]', 1)],
      special_tokens: {'[CLS]': {id: '[CLS]', ids: [vocab['[CLS]']], tokens: ['[CLS]']}, '[SEP]': {id: '[SEP]', ids: [vocab['[SEP]']], tokens: ['[SEP]']}}},
    decoder: {type: 'WordPiece', prefix: '##', cleanup: true},
    model: {type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab},
  };
}
