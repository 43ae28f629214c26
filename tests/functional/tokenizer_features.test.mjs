// The parts of tokenizer.json as the families of models put them together, over small vocabularies trained here, beside
// npm @huggingface/tokenizers. What that leaves out of its oracle's text is what it does otherwise than the Rust
// library whose format this is.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {corpus, randomOf} from '../support/tokenizer_corpus.mjs';
import {SEED, TEXTS, assertSameIds, encodedBy, huggingFace, probe, saved} from '../support/tokenizer_oracles.mjs';
import {trainByteLevel, trainCharacters, unigramOf, wordPieceOf} from '../support/tokenizer_training.mjs';

const COUNT = Math.ceil(TEXTS / 3);
const SPACES_DIFFER = /[\u0085\ufeff\u180e\u017f]/;
const TRAINING = corpus(SEED + 100, 600);
const BYTES = trainByteLevel(TRAINING, 300);
const BYTE_TOKENS = Array.from({length: 256}, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const CHARACTERS = trainCharacters(TRAINING, 300, ['<unk>', '<s>', '</s>', ...BYTE_TOKENS]);

// Lists the tokens after those of the vocabulary.
function added(vocab, ...tokens) {
  let id = Math.max(...Object.values(vocab)) + 1;
  return tokens.map((token) => ({single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, id: vocab[token.content] ?? id++, ...token}));
}
const file = (parts) => ({version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...parts});
const sequence = (key, ...members) => ({type: 'Sequence', [key]: members});
const split = (Regex, behavior = 'Isolated') => ({type: 'Split', pattern: {Regex}, behavior, invert: false});
const byteLevel = (use_regex = false, add_prefix_space = false) => ({type: 'ByteLevel', add_prefix_space, trim_offsets: true, use_regex});
const replace = (pattern, content) => ({type: 'Replace', pattern: typeof pattern === 'string' ? {String: pattern} : {Regex: pattern.source}, content});
const metaspace = (prepend_scheme, cut) => ({type: 'Metaspace', replacement: '▁', prepend_scheme, split: cut});
const bpe = ({vocab, merges}, more) => ({type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges, ...more});
function template(tokens, single, pair) {
  const piece = (item) => (item.length === 1 ? {Sequence: {id: item, type_id: item === 'A' ? 0 : 1}} : {SpecialToken: {id: item, type_id: 0}});
  return {type: 'TemplateProcessing', single: single.map(piece), pair: pair.map(piece),
    special_tokens: Object.fromEntries(tokens.map(({content, id}) => [content, {id: content, ids: [id], tokens: [content]}]))};
}

const LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const TEKKEN = '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const DEEPSEEK3 = ['\\p{N}{1,3}', '[一-龥぀-ゟ゠-ヿ]+', "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"];

const byteTokens = added(BYTES.vocab, {content: '<s>'}, {content: '</s>'}, {content: '<mask>', lstrip: true}, {content: '<|end|>', rstrip: true}, {content: 'naïve', special: false});
const markTokens = added(BYTES.vocab, {content: '[gMASK]'}, {content: '<sop>'}, {content: '<|user|>'});
const wordTokens = added(CHARACTERS.vocab, {content: '<unk>'}, {content: '<s>'}, {content: '</s>', rstrip: true}, {content: '<|end|>', rstrip: true});
const plainTokens = added(CHARACTERS.vocab, {content: '<unk>'}, {content: '<s>'}, {content: '</s>'}, {content: '<mask>', lstrip: true});
const PIECES = wordPieceOf(CHARACTERS, ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']);
const pieceTokens = added(PIECES, {content: '[UNK]'}, {content: '[CLS]'}, {content: '[SEP]'}, {content: '[MASK]'});
const UNIGRAM = {type: 'Unigram', unk_id: 0, byte_fallback: false, vocab: unigramOf(CHARACTERS, randomOf(SEED))};
const ends = (tokens) => template(tokens, ['<s>', 'A', '</s>'], ['<s>', 'A', '</s>', '</s>', 'B', '</s>']);
const LLAMA_DECODER = sequence('decoders', replace('▁', ' '), {type: 'ByteFallback'}, {type: 'Fuse'}, {type: 'Strip', content: ' ', start: 1, stop: 0});
const fallback = {unk_token: '<unk>', fuse_unk: true, byte_fallback: true};

const FAMILIES = {
  'GPT-2 with a prefix space': {json: file({added_tokens: byteTokens, pre_tokenizer: byteLevel(true, true), decoder: byteLevel(true), model: bpe(BYTES, {merges: BYTES.merges.map((pair) => pair.join(' '))})})},
  RoBERTa: {oneType: true, json: file({added_tokens: byteTokens, pre_tokenizer: byteLevel(true), post_processor: {type: 'RobertaProcessing', sep: ['</s>', byteTokens[1].id], cls: ['<s>', byteTokens[0].id], trim_offsets: true, add_prefix_space: false}, decoder: byteLevel(), model: bpe(BYTES)})},
  'Llama 3': {json: file({added_tokens: byteTokens, pre_tokenizer: sequence('pretokenizers', split(LLAMA3), byteLevel()), post_processor: sequence('processors', byteLevel(true), template(byteTokens, ['<s>', 'A'], ['<s>', 'A', '<s>', 'B'])), decoder: byteLevel(), model: bpe(BYTES, {ignore_merges: true, merges: BYTES.merges.filter((pair, i) => i % 5 !== 4 || i < 200)})})},
  'GLM-4': {json: file({added_tokens: markTokens, pre_tokenizer: sequence('pretokenizers', split(LLAMA3), byteLevel()), post_processor: sequence('processors', byteLevel(), template(markTokens, ['[gMASK]', '<sop>', 'A'], ['[gMASK]', '<sop>', 'A', 'B'])), decoder: byteLevel(), model: bpe(BYTES)})},
  Tekken: {json: file({added_tokens: byteTokens, pre_tokenizer: sequence('pretokenizers', split(TEKKEN), byteLevel()), post_processor: template(byteTokens, ['<s>', 'A'], ['<s>', 'A', '<s>', 'B']), decoder: byteLevel(), model: bpe(BYTES, {ignore_merges: true})})},
  'DeepSeek V3': {json: file({added_tokens: byteTokens, pre_tokenizer: sequence('pretokenizers', ...DEEPSEEK3.map((pattern) => split(pattern)), byteLevel()), decoder: byteLevel(), model: bpe(BYTES)})},
  'StarCoder: digits before bytes': {skip: /[^\P{N}0-9]/u, json: file({added_tokens: byteTokens, pre_tokenizer: sequence('pretokenizers', {type: 'Digits', individual_digits: true}, byteLevel(true)), decoder: byteLevel(), model: bpe(BYTES)})},
  'BLOOM: a class in a class': {json: file({added_tokens: byteTokens, pre_tokenizer: sequence('pretokenizers', split(' ?[^(\\s|[.,!?…。，、।۔،])]+'), byteLevel()), decoder: byteLevel(), model: bpe(BYTES)})},
  'normalised added tokens': {skip: /Σ/, json: file({added_tokens: added(BYTES.vocab, {content: 'Hello', special: false, normalized: true}, {content: 'CAFÉ', special: false, normalized: true}), normalizer: sequence('normalizers', {type: 'NFC'}, {type: 'Lowercase'}), pre_tokenizer: byteLevel(true), decoder: byteLevel(), model: bpe(BYTES)}), undone: true},
  'Llama 2, Phi-3': {json: file({added_tokens: wordTokens, normalizer: sequence('normalizers', {type: 'Prepend', prepend: '▁'}, replace(' ', '▁')), post_processor: template(wordTokens, ['<s>', 'A'], ['<s>', 'A', '<s>', 'B']), decoder: LLAMA_DECODER, model: bpe(CHARACTERS, fallback)})},
  'Mistral: Metaspace at the beginning': {json: file({added_tokens: wordTokens, pre_tokenizer: metaspace('first', false), decoder: LLAMA_DECODER, model: bpe(CHARACTERS, fallback)})},
  Gemma: {json: file({added_tokens: wordTokens, normalizer: replace(' ', '▁'), pre_tokenizer: {type: 'Split', pattern: {String: ' '}, behavior: 'MergedWithPrevious', invert: false}, post_processor: template(wordTokens, ['<s>', 'A'], ['<s>', 'A', '<s>', 'B']), decoder: sequence('decoders', replace('▁', ' '), {type: 'ByteFallback'}, {type: 'Fuse'}), model: bpe(CHARACTERS, fallback)})},
  'BPE without a way out': {json: file({added_tokens: wordTokens, pre_tokenizer: metaspace('always', true), decoder: metaspace('always', true), model: bpe(CHARACTERS, {unk_token: '<unk>'})}), undone: true},
  'XLM-R': {json: file({added_tokens: plainTokens, normalizer: sequence('normalizers', {type: 'NFKC'}, replace(/ {2,}/, ' ')), pre_tokenizer: sequence('pretokenizers', {type: 'WhitespaceSplit'}, metaspace('always', true)), post_processor: ends(plainTokens), decoder: metaspace('always', true), model: UNIGRAM}), undone: true},
  ALBERT: {skip: /Σ/, json: file({added_tokens: plainTokens, normalizer: sequence('normalizers', replace('``', '"'), replace("''", '"'), {type: 'NFKD'}, {type: 'StripAccents'}, {type: 'Lowercase'}, {type: 'Strip', strip_left: true, strip_right: true}), pre_tokenizer: metaspace('always', false), post_processor: ends(plainTokens), decoder: metaspace('always', false), model: UNIGRAM}), undone: true},
  'punctuation in runs': {json: file({added_tokens: plainTokens, normalizer: {type: 'NFD'}, pre_tokenizer: sequence('pretokenizers', {type: 'WhitespaceSplit'}, {type: 'Punctuation', behavior: 'Contiguous'}, metaspace('always', false)), decoder: metaspace('always', false), model: UNIGRAM}), undone: true},
  'BERT, cased': {skip: /[\u{20000}-\u{2ffff}]/u, json: file({added_tokens: pieceTokens, normalizer: {type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: false}, pre_tokenizer: {type: 'BertPreTokenizer'}, post_processor: {type: 'BertProcessing', sep: ['[SEP]', pieceTokens[2].id], cls: ['[CLS]', pieceTokens[1].id]}, decoder: {type: 'WordPiece', prefix: '##', cleanup: false}, model: {type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 20, vocab: PIECES}}), undone: true},
  'DistilBERT without accents': {skip: /[Σ\u{20000}-\u{2ffff}]/u, json: file({added_tokens: pieceTokens, normalizer: {type: 'BertNormalizer', clean_text: true, handle_chinese_chars: false, strip_accents: false, lowercase: true}, pre_tokenizer: {type: 'BertPreTokenizer'}, post_processor: template(pieceTokens, ['[CLS]', 'A', '[SEP]'], ['[CLS]', 'A', '[SEP]', 'B', '[SEP]']), decoder: {type: 'WordPiece', prefix: '##', cleanup: false}, model: {type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab: PIECES}}), undone: true},
};

// Texts with the file's own added tokens in them.
function textsFor({json, skip}, seed) {
  const random = randomOf(seed);
  const contents = json.added_tokens.map(({content}) => content);
  return corpus(seed, COUNT).map((text) => {
    if (random.chance(0.6)) return text;
    const at = random.below(text.length + 1), gap = [' ', '', '\n', '  '];
    const cut = text.codePointAt(at - 1) > 0xffff ? at - 1 : at;
    return text.slice(0, cut) + gap[random.below(4)] + contents[random.below(contents.length)] + gap[random.below(4)] + text.slice(cut);
  }).filter((text) => !SPACES_DIFFER.test(text) && !skip?.test(text));
}

// Undone: normalisation does not come back from the tokens, so that decoding is not compared. One type: RoBERTa's second
// text is of the first type too, which the oracle does otherwise.
Object.entries(FAMILIES).forEach(([name, family], index) => {
  test(name, (t) => {
    const texts = textsFor(family, SEED + 200 + index);
    assert.ok(texts.length > COUNT / 4, `${texts.length} texts are left`);
    const oracle = huggingFace(family.json), folder = saved(family.json);
    const ours = probe(folder, texts);
    const tokens = assertSameIds(texts, ours, encodedBy(oracle));
    if (!family.undone) {
      texts.forEach((text, i) => {
        if (ours[i][0].length === 0) return;
        const decoded = oracle.decode(ours[i][0], {skip_special_tokens: true, clean_up_tokenization_spaces: false});
        assert.equal(ours[i][1], decoded, `seed ${SEED}, text ${i}: ${JSON.stringify(text)}`);
      });
    }
    const pairs = texts.slice(1, 200).map((text, i) => [texts[i], text]);
    probe(folder, pairs, '--special', '--pair').forEach(([ids, types], i) => {
      const wanted = oracle.encode(pairs[i][0], {text_pair: pairs[i][1], add_special_tokens: true, return_token_type_ids: true});
      assert.deepEqual(ids, [...wanted.ids], `seed ${SEED}, pair ${i}`);
      if (wanted.token_type_ids && !family.oneType) assert.deepEqual(types, [...wanted.token_type_ids], `seed ${SEED}, pair ${i}`);
    });
    t.diagnostic(`${texts.length} texts, ${tokens} tokens, ${Object.keys(family.json.model.vocab).length} in the vocabulary`);
  });
});
