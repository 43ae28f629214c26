// What one utterance turns into: intent, slots, spans, scope, timings.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {frameOf, understand} from '../support/http.mjs';
import {hasBundledModel} from '../support/paths.mjs';
import {sharedServer, startServer} from '../support/server.mjs';

const shared = sharedServer();
const REFERENCE = Date.UTC(2026, 10, 21, 1);  // 09:00 in Shanghai on a Saturday.

// Text, intent, {slot name: what the user said}.
const UTTERANCES = [
  ['帮我订明天去上海的火车票', 'book_train', {date: '明天', to: '上海'}],
  ['买北京到广州的火车票', 'book_train', {from: '北京', to: '广州'}],
  ['北京明天天气怎么样', 'query_weather', {city: '北京', date: '明天'}],
  ['早上七点叫我起床', 'set_alarm', {time: '早上七点'}],
  ['你好', 'greet', {}],
  ['book a train to London tomorrow', 'book_train', {to: 'London', date: 'tomorrow'}],
  ["what's the weather in Paris tomorrow", 'query_weather', {city: 'Paris', date: 'tomorrow'}],
  ['wake me up at 7 am', 'set_alarm', {time: '7 am'}],
  ['play some jazz', 'play_music', {genre: 'jazz'}],
  ['thank you', 'thank', {}],
];

for (const [text, intent, slots] of UTTERANCES) {
  test(`understands "${text}"`, async () => {
    const frame = await frameOf(await shared.ready(), {text});
    assert.equal(frame.intent.name, intent);
    assert.deepEqual(Object.fromEntries(frame.slots.map((slot) => [slot.name, slot.value])), slots);
    assert.equal(frame.text, text);
    assert.equal(frame.locale, /[\u4e00-\u9fff]/.test(text) ? 'zh' : 'en');
    assert.equal(frame.out_of_scope, false);
  });
}

// Each slot's span has to cut the text at the same place in all three units.
function checkSpans(frame) {
  const bytes = Buffer.from(frame.text);
  const points = [...frame.text];
  for (const {span} of frame.slots) {
    const byUtf16 = frame.text.slice(...span.utf16);
    assert.equal(bytes.subarray(...span.byte).toString(), byUtf16);
    assert.equal(points.slice(...span.codepoint).join(''), byUtf16);
    assert.ok(byUtf16.length > 0);
  }
}

const SPANNED = [
  '帮我订明天去上海的火车票', '😀😀 帮我订明天去上海的火车票 🚄', '👨‍👩‍👧‍👦北京明天天气怎么样👍🏽', 'e\u0301 book a train to London tomorrow',
  '🇨🇳北京🇨🇳明天天气怎么样', 'wake me up at 7 am ☕️', "what's the weather in Paris 🗼 tomorrow", '𠮷野家 北京明天天气怎么样',
  'Cafe\u0301 — weather in Paris tomorrow', '\u202bשלום\u202c weather in Paris tomorrow', '北京　明天　天气', 'ＷＨＡＴ weather in Paris tomorrow',
];

test('Exact spans: bytes, code points and UTF-16 units slice the same words out of the text', async () => {
  const server = await shared.ready();
  let slots = 0;
  for (const text of SPANNED) {
    const frame = await frameOf(server, {text});
    assert.equal(frame.text, text, 'the text comes back as it was sent');
    checkSpans(frame);
    slots += frame.slots.length;
  }
  assert.ok(slots >= SPANNED.length, `only ${slots} slots were found to check`);
});

test('an emoji before a slot moves its offsets by 4 bytes, 1 code point and 2 UTF-16 units', async () => {
  const server = await shared.ready();
  const plain = await frameOf(server, {text: '北京明天天气怎么样'});
  const moved = await frameOf(server, {text: '😀北京明天天气怎么样'});
  const city = (frame) => frame.slots.find((slot) => slot.value === '北京').span;
  assert.deepEqual(city(plain), {byte: [0, 6], codepoint: [0, 2], utf16: [0, 2]});
  assert.deepEqual(city(moved), {byte: [4, 10], codepoint: [1, 3], utf16: [2, 4]});
});

test('what is not asked for is not in the answer', async () => {
  const server = await shared.ready();
  const intent = await frameOf(server, {text: '北京明天天气怎么样', features: ['intent']});
  assert.ok(intent.intent && !('slots' in intent));
  const slots = await frameOf(server, {text: '北京明天天气怎么样', features: ['slots']});
  assert.ok(slots.slots.length > 0 && !('intent' in slots) && !('intent_ranking' in slots));
});

test('the ranking is sorted, starts with the intent and is no longer than configured', async () => {
  const frame = await frameOf(await shared.ready(), {text: 'play some jazz'});
  assert.deepEqual(frame.intent_ranking[0], frame.intent);
  assert.ok(frame.intent_ranking.length > 1 && frame.intent_ranking.length <= 5);
  const confidences = frame.intent_ranking.map((score) => score.confidence);
  assert.deepEqual(confidences, [...confidences].sort((a, b) => b - a));
  assert.ok(confidences.every((c) => c >= 0 && c <= 1) && confidences.reduce((a, b) => a + b) <= 1.001);
});

test('dates count from the reference time in the time zone of the user', async () => {
  const server = await shared.ready();
  const date = async (more) => {
    const frame = await frameOf(server, {text: '北京明天天气怎么样', reference_time_ms: REFERENCE, ...more});
    return frame.slots.find((slot) => slot.entity === 'date').normalized;
  };
  assert.equal(await date({utc_offset_minutes: 480}), '2026-11-22');
  // 17:30 UTC on the 21st is already the 22nd in Shanghai.
  const evening = Date.UTC(2026, 10, 21, 17, 30);
  assert.equal(await date({utc_offset_minutes: 480, reference_time_ms: evening}), '2026-11-23');
  assert.equal(await date({utc_offset_minutes: 0, reference_time_ms: evening}), '2026-11-22');
});

test('Rasa #387, #1026, #10102: text that no intent covers is called out of scope, not given high confidence', async () => {
  const server = await shared.ready();
  const foreign = ['who invented the train', 'explain quantum physics', '谁发明了火车', '恐龙是怎么灭绝的', 'who wrote hamlet', '给我讲讲量子力学'];
  const verdicts = [];
  for (const text of foreign) verdicts.push((await frameOf(server, {text})).out_of_scope);
  assert.ok(verdicts.filter(Boolean).length >= 5, `${foreign.map((text, i) => `${text}: ${verdicts[i]}`)}`);
});

test('empty, blank and all-emoji texts are answered, with no intent made up for nothing', async () => {
  const server = await shared.ready();
  for (const text of ['', '   ', '\t\n']) {
    const frame = await frameOf(server, {text});
    assert.equal(frame.text, text);
    assert.deepEqual(frame.slots, []);
    assert.equal(frame.out_of_scope || frame.intent === null, true, JSON.stringify(frame));
  }
  const emoji = await frameOf(server, {text: '😀🎉👨‍👩‍👧‍👦🏳️‍🌈🇨🇳'});
  assert.equal(emoji.out_of_scope || emoji.intent === null, true);
});

test('a NUL, control characters and private-use characters are text like any other', async () => {
  const server = await shared.ready();
  for (const text of ['a\u0000b', '\u0001\u0002\u001f', '\ue000\uf8ff', '\ufffe\uffff', '\ufeff北京明天天气怎么样']) {
    const frame = await frameOf(server, {text});
    assert.equal(frame.text, text);
    checkSpans(frame);
  }
});

test('Ollama #17889: text past the token bound is never cut in silence', async () => {
  const long = `${'very '.repeat(40)}nice weather in Paris tomorrow`;
  for (const truncation of ['head', 'tail', 'middle']) {
    const server = await startServer({config: {understand: {tokens_max: 16, truncation}}});
    try {
      const frame = await frameOf(server, {text: long});
      assert.ok(frame.truncated_tokens >= 20, `${truncation}: ${frame.truncated_tokens}`);
      checkSpans(frame);
      const short = await frameOf(server, {text: 'weather in Paris'});
      assert.ok(!('truncated_tokens' in short));
    } finally {
      await server.stop();
    }
  }
  const strict = await startServer({config: {understand: {tokens_max: 16, truncation: 'error'}}});
  try {
    const refused = await understand(strict, {text: long});
    assert.deepEqual([refused.status, refused.json.error.reason, refused.json.error.param], [400, 'text_too_long', '/text'], refused.text);
    const batch = await frameOf(strict, {inputs: [{text: 'weather in Paris'}, {text: long}]});
    assert.deepEqual([batch.outputs[0].intent.name, batch.outputs[1].error.param], ['query_weather', '/inputs/1/text']);
  } finally {
    await strict.stop();
  }
});

test('stage timings are there for each stage and add up to no more than the total', async () => {
  const frame = await frameOf(await shared.ready(), {text: '北京明天天气怎么样', session: 'timed', reply: true});
  const {total, ...stages} = frame.timings_us;
  assert.ok(['tokenize', 'intent', 'slots', 'context'].every((stage) => stages[stage] > 0), JSON.stringify(frame.timings_us));
  const sum = Object.values(stages).reduce((a, b) => a + b);
  assert.ok(sum <= total * 1.01 + 1, `${sum} of ${total}`);
});

test('TEI #749, vLLM #5898: the same text alone, in a batch and under load gives the same frame', async () => {
  const server = await shared.ready();
  const stable = ({id, timings_us, ...frame}) => frame;
  const bodies = UTTERANCES.map(([text]) => ({text, reference_time_ms: REFERENCE}));
  const alone = [];
  for (const body of bodies) alone.push(stable(await frameOf(server, body)));
  const together = await Promise.all(bodies.map((body) => frameOf(server, body)));
  assert.deepEqual(together.map(stable), alone);
  const batch = await frameOf(server, {inputs: bodies});
  assert.deepEqual(batch.outputs.map(stable), alone);
});

test('Rasa #7979: a hundred clients at once each get the answer to their own text', async () => {
  const server = await shared.ready();
  const asked = Array.from({length: 400}, (_, i) => UTTERANCES[i % UTTERANCES.length]);
  const frames = await Promise.all(asked.map(([text], i) => frameOf(server, {text, session: `crowd-${i % 100}`})));
  frames.forEach((frame, i) => {
    assert.equal(frame.text, asked[i][0]);
    assert.equal(frame.intent.name, asked[i][1]);
    assert.equal(frame.session.id, `crowd-${i % 100}`);
  });
});

test('Rasa #3259, #8857: one model serves two languages, and the text or the request says which', async () => {
  const server = await shared.ready();
  const locale = async (text, asked) => (await frameOf(server, {text, ...(asked ? {locale: asked} : {})})).locale;
  assert.deepEqual([await locale('play some jazz'), await locale('播放周杰伦'), await locale('播放 Coldplay 的歌')], ['en', 'zh', 'zh']);
  assert.deepEqual([await locale('play some jazz', 'zh'), await locale('播放周杰伦', 'en')], ['zh', 'en']);
  assert.deepEqual([await locale('😀', 'zh'), await locale('', 'en')], ['zh', 'en']);
});

test('the delivery mode and its reason are in each answer', async () => {
  const server = await shared.ready();
  const sure = await frameOf(server, {text: 'play some jazz'});
  assert.equal(sure.delivery.mode, 'sync');
  assert.match(sure.delivery.reason, /^confidence \d\.\d\d (>=|<) 0\.92/);
  const asked = await frameOf(server, {text: 'play some jazz', delivery: 'sync'});
  assert.deepEqual(asked.delivery, {mode: 'sync', reason: 'asked for by the request'});
});

test('values are normalised', {skip: !hasBundledModel() && 'the bundled model is not built'}, async () => {
  const server = await shared.ready();
  const cases = [
    ['早上七点半叫我起床', 'time', '07:30'], ['wake me up at 7 am', 'time', '07:00'],
    ['设一个十分钟的倒计时', 'duration', 'PT10M'], ['set a timer for two and a half hours', 'duration', 'PT2H30M'],
  ];
  for (const [text, entity, normalized] of cases) {
    const frame = await frameOf(server, {text, reference_time_ms: REFERENCE, utc_offset_minutes: 480});
    const slot = frame.slots.find((s) => s.entity === entity);
    assert.equal(slot?.normalized, normalized, `${text}: ${JSON.stringify(frame.slots)}`);
  }
});
