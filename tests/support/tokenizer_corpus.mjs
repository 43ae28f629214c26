// Text to tokenize: every script, emoji sequences, white space, controls, code; the same from the same seed.

import {spawnSync} from 'node:child_process';

// mulberry32 (Ettinger): small and good enough to pick test text.
export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {below: (bound) => Math.floor(next() * bound), chance: (p) => next() < p};
}

const RANGES = [
  [0x20, 0x7e], [0x20, 0x7e], [0x61, 0x7a], [0x61, 0x7a], [0x41, 0x5a], [0x30, 0x39], [0xa1, 0xac], [0xae, 0x24f], [0x370, 0x377], [0x391, 0x3a1],
  [0x3b1, 0x3c9], [0x400, 0x52f], [0x561, 0x587], [0x5d0, 0x5ea], [0x620, 0x669], [0x905, 0x939], [0x966, 0x96f], [0x985, 0x98c], [0xb95, 0xb95],
  [0xe01, 0xe3a], [0xe40, 0xe5b], [0xf40, 0xf47], [0x10d0, 0x10fa], [0x1200, 0x1248], [0x1780, 0x17b3], [0x1e00, 0x1eff], [0x2010, 0x2027],
  [0x2030, 0x205e], [0x2070, 0x2071], [0x20a0, 0x20bf], [0x2150, 0x218b], [0x2190, 0x21ff], [0x2460, 0x24ff], [0x2600, 0x26ff], [0x3041, 0x3096], [0x30a1, 0x30ff],
  [0x4e00, 0x9fa5], [0x4e00, 0x4fff], [0xac00, 0xd7a3], [0xff01, 0xff5e], [0x1d400, 0x1d454], [0x1f300, 0x1f5ff], [0x1f600, 0x1f64f], [0x1f900, 0x1f9ff],
  [0x20000, 0x2a6d6]];

const PIECES = [
  '👨‍👩‍👧‍👦', '🇨🇳', '👍🏽', '1️⃣', '❤️', 'é', 'ё', 'q̣̇', 'नि', 'กำ', 'שָׁלוֹם', '각', '한글', '東京都', '中文分词', 'ﬁ', '½', 'Ⅷ', '₂', '①',
  ' ', '  ', '   ', '        ', '\n', '\n\n', '\r\n', '\r\n\r\n', '\t', '\t\t', ' \n', '\n  ', '  \n\n  ', '\u00a0', '\u3000', '\u2003', '\u2028', '\v', '\f', '\u0001', '\u001b', '\u007f',
  "don't", "I'll", "we've", "you're", "he'd", "it's", "I'm", "DON'T", "'S", "'LL x", "'", "''", '"', 'Hello', ' world', ' the', 'The quick brown fox', 'naïve café',
  '1', '12', '123', '1234', '12345', '3.14159', '1,000,000', '2024-01-31', '10:30', 'x = y + 1;', 'for (int i = 0; i < n; ++i) {', '\treturn a[i];', '}', '</div>', '=>', '!==', '...', '????', '!!!', '-----', '=====',
  'https://example.org/a?b=c&d=%20', 'user@example.com', '#include <vector>', '$100', '50%', '__init__', 'camelCaseWord', 'SCREAMING_CASE', '🙂🙂🙂', 'aaaaaaaaaaaaaaaa', 'الحمد لله', 'привет мир', 'Ελλάδα', 'ありがとう', 'สวัสดี', 'Straße', 'Å', 'ǅ', 'ÀÉÎÕÜ'];

// Engines carry different versions of Unicode. Characters that version 14, that of Debian 12's Python, puts into the same
// general category as node's newer one mean the same to all: {category: characters}.
const KNOWN_TO_ALL = `
import json, unicodedata
known = {}
for code in range(0x20, 0x32000):
    known.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
print(json.dumps({category: ''.join(characters) for category, characters in known.items() if category not in ('Cn', 'Cs', 'Co')}))`;
const SCRIPTS = ('Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid ' +
  'Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Dogra Duployan Egyptian_Hieroglyphs ' +
  'Elbasan Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanunoo Hebrew Hiragana Imperial_Aramaic Inherited Javanese ' +
  'Kaithi Kannada Katakana Kayah_Li Kharoshthi Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Malayalam Mandaic ' +
  'Manichaean Marchen Meetei_Mayek Mende_Kikakui Meroitic_Cursive Miao Modi Mongolian Mro Multani Myanmar Nabataean New_Tai_Lue Newa Nko Nushu Ogham Ol_Chiki ' +
  'Old_Hungarian Old_Italic Old_Persian Old_Turkic Oriya Osage Osmanya Pahawh_Hmong Phags_Pa Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham ' +
  'SignWriting Sinhala Sora_Sompeng Soyombo Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangut Telugu Thaana Thai Tibetan ' +
  'Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square').split(' ');

let scripts;
// [script] -> its characters.
function charactersOfScripts() {
  if (scripts === undefined) {
    const {stdout, status} = spawnSync('/usr/bin/python3', ['-c', KNOWN_TO_ALL], {encoding: 'utf8', maxBuffer: 1 << 24});
    if (status !== 0) throw new Error('python3 does not tell which characters it knows');
    const known = Object.entries(JSON.parse(stdout)).map(([category, characters]) => characters.replace(new RegExp(`\\P{${category}}`, 'gu'), '')).join('');
    scripts = SCRIPTS.map((script) => [...known.matchAll(new RegExp(`\\p{Script=${script}}`, 'gu'))].map(([character]) => character));
  }
  return scripts;
}

// `skip`: a regular expression; what it matches is left out.
export function corpus(seed, count, {skip} = {}) {
  const random = randomOf(seed);
  const all = charactersOfScripts();
  const texts = [];
  while (texts.length < count) {
    let text = '';
    for (let pieces = 1 + random.below(random.chance(0.1) ? 60 : 12); pieces > 0; --pieces) {
      if (random.chance(0.15)) {
        const characters = all[random.below(all.length)];
        for (let run = 1 + random.below(7); run > 0; --run) text += characters[random.below(characters.length)];
      } else if (random.chance(0.5)) {
        text += PIECES[random.below(PIECES.length)];
      } else {
        const [first, last] = RANGES[random.below(RANGES.length)];
        for (let run = 1 + random.below(5); run > 0; --run) text += String.fromCodePoint(first + random.below(last - first + 1));
      }
      if (random.chance(0.3)) text += ' ';
    }
    if (/\p{Cn}/u.test(text) || (skip && skip.test(text))) continue;
    texts.push(text);
  }
  return texts;
}

// Bytes that are not all UTF-8, each as a character up to U+00FF: texts of the corpus, cut and with any bytes put in.
export function illFormed(seed, count) {
  const random = randomOf(seed);
  return corpus(seed, count).map((text) => {
    let bytes = [...Buffer.from(text)];
    for (let changes = 1 + random.below(4); changes > 0; --changes) {
      const at = random.below(bytes.length + 1);
      if (random.chance(0.5)) bytes.splice(at, 0, ...Array.from({length: 1 + random.below(3)}, () => 0x80 + random.below(0x80)));
      else bytes.splice(at, 1 + random.below(2));
    }
    return Buffer.from(bytes).toString('latin1');
  });
}
