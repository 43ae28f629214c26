// Every field of a request with a bad value, and bodies that are no requests at all: the right code, the right pointer,
// and a server that serves on.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {frameOf, understand} from '../support/http.mjs';
import {sharedServer} from '../support/server.mjs';

const shared = sharedServer();

// Field, bad values; the pointer is /field unless the value's own pointer follows it.
const BAD_FIELDS = [
  ['text', [3, true, [], {}, ['a'], 1.5]],
  ['session', ['', 'a b', 7, [], {}, true, 'x'.repeat(129), '会话']],
  ['locale', ['fr', 'ZH', 'zh-CN', '', 1, [], true]],
  ['features', ['intent', {}, [], 1, Array.from({length: 9}, () => 'intent')]],
  ['features/0', [['mood'], [1], [null], [''], [[]]]],
  ['features/1', [['intent', 'Intent'], ['slots', 2]]],
  ['delivery', ['later', '', 1, {}, []]],
  ['callback_url', [1, {}, [], '', 'example.com', 'ftp://example.com/', 'http://', `http://example.com/${'x'.repeat(2048)}`]],
  ['reply', ['yes', 1, 0, 'true', [], {}]],
  ['reference_time_ms', [-1, 1.5, '0', 7258118400000, 1e300, [], true]],
  ['utc_offset_minutes', [-841, 841, 1.5, '480', [], {}, 1e18]],
];

for (const [pointer, values] of BAD_FIELDS) {
  const field = pointer.split('/')[0];
  test(`bad values of ${pointer} are refused with its JSON pointer`, async () => {
    const server = await shared.ready();
    for (const value of values) {
      const answer = await understand(server, {text: 'hi', [field]: value});
      const shown = `${JSON.stringify(value).slice(0, 60)}: ${answer.text}`;
      assert.equal(answer.status, 400, shown);
      assert.equal(answer.json.error.code, 'invalid_argument', shown);
      assert.equal(answer.json.error.param, `/${pointer}`, shown);
      assert.equal(answer.json.error.request_id, answer.headers['x-request-id'], shown);
      assert.ok(answer.json.error.message.length > 10, shown);
    }
  });
}

test('good values at the edges of each bound are taken', async () => {
  const server = await shared.ready();
  const edges = [{reference_time_ms: 0}, {reference_time_ms: 7258118399999}, {utc_offset_minutes: -840}, {utc_offset_minutes: 840},
    {session: 'x'.repeat(128)}, {features: Array.from({length: 8}, () => 'intent')}, {locale: 'auto'}, {locale: 'zh'}, {locale: 'en'},
    {reply: false}, {callback_url: 'http://example.com/'.padEnd(2048, 'x')}, {delivery: 'auto'}, {session: null}, {locale: null}, {callback_url: null}];
  for (const edge of edges) {
    const answer = await understand(server, {text: '明天', ...edge});
    assert.equal(answer.status, 200, `${JSON.stringify(edge).slice(0, 80)}: ${answer.text}`);
  }
});

const BAD_BODIES = [
  ['nothing', ''],
  ['not JSON', 'hello'],
  ['half a document', '{"text": "a'],
  ['two documents', '{"text": "a"}{"text": "b"}'],
  ['a trailing comma', '{"text": "a",}'],
  ['single quotes', "{'text': 'a'}"],
  ['a comment', '{"text": "a"} // why'],
  ['NaN', '{"text": "a", "utc_offset_minutes": NaN}'],
  ['a bare control character', '{"text": "a\u0001"}'],
  ['half a surrogate pair', '{"text": "\\ud83d"}'],
  ['a surrogate pair the wrong way round', '{"text": "\\ude00\\ud83d"}'],
  ['an unknown escape', '{"text": "\\x41"}'],
  ['nested 100,000 deep', '['.repeat(100_000)],
  ['nested 100,000 deep inside of the text', `{"text": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
  ['binary garbage', Buffer.from(Array.from({length: 4096}, (_, i) => (i * 167 + 13) % 256))],
  ['UTF-16', Buffer.from('{"text": "a"}', 'utf16le')],
];
for (const [name, body] of BAD_BODIES) {
  test(`llama.cpp #24644: a body that is ${name} is refused with 400, never 500`, async () => {
    const server = await shared.ready();
    const answer = await understand(server, undefined, {body});
    assert.deepEqual([answer.status, answer.json.error.code], [400, 'invalid_argument'], answer.text);
    assert.equal((await frameOf(server, {text: 'hello'})).intent.name, 'greet', 'and the server serves on');
  });
}

for (const [type, body] of [['an array', '[]'], ['a string', '"text"'], ['a number', '7'], ['null', 'null'], ['true', 'true']]) {
  test(`a body that is ${type} is no object`, async () => {
    const answer = await understand(await shared.ready(), undefined, {body});
    assert.equal(answer.status, 400);
    assert.match(answer.json.error.message, /object/);
  });
}

test('invalid UTF-8 in the text is refused, not replaced', async () => {
  const server = await shared.ready();
  const broken = ['ff', 'c3', 'c328', 'e28c', 'eda080', 'f4908080', 'c080', 'f0808080', 'e4bda0e5'];
  for (const hex of broken) {
    const body = Buffer.concat([Buffer.from('{"text": "'), Buffer.from(hex, 'hex'), Buffer.from('"}')]);
    const answer = await understand(server, undefined, {body});
    assert.deepEqual([answer.status, answer.json.error.code], [400, 'invalid_argument'], `${hex}: ${answer.text}`);
    assert.match(answer.json.error.message, /UTF-8/);
  }
});

test('unknown keys, duplicate keys and a missing text name their place', async () => {
  const server = await shared.ready();
  const cases = [
    ['{}', '/text'], ['{"text": null}', '/text'], ['{"Text": "a", "text": "b"}', '/Text'], ['{"text": "a", "a/b~c": 1}', '/a~1b~0c'],
    ['{"text": "a", "text": "b"}', '/text'], ['{"text": "a", "reply": true, "reply": false}', '/reply'], ['{"text": "a", "": 1}', '/'],
  ];
  for (const [body, pointer] of cases) {
    const answer = await understand(server, undefined, {body});
    assert.deepEqual([answer.status, answer.json.error.param], [400, pointer], `${body}: ${answer.text}`);
  }
});

test('TEI #50, llama.cpp #12836: a text of 1 MB and a body past the limit are refused with 413', async () => {
  const server = await shared.ready();
  const text = await understand(server, {text: 'x'.repeat(1_000_000)});
  assert.deepEqual([text.status, text.json.error.code, text.json.error.reason, text.json.error.param],
    [413, 'resource_exhausted', 'text_too_large', '/text']);
  const body = await understand(server, {text: 'x'.repeat(1_200_000)});
  assert.deepEqual([body.status, body.json.error.code, body.json.error.reason], [413, 'resource_exhausted', 'body_too_large']);
  assert.equal((await understand(server, {text: '京'.repeat(16 * 1024 / 3)})).status, 200, 'one byte below 16 KiB is taken');
  assert.equal((await understand(server, {text: `${'京'.repeat(16 * 1024 / 3)}ab`})).status, 413);
});

test('callback delivery is refused with the reason where none is configured', async () => {
  const server = await shared.ready();
  const without = await understand(server, {text: 'hi', delivery: 'callback'});
  assert.deepEqual([without.status, without.json.error.code, without.json.error.reason, without.json.error.param],
    [400, 'failed_precondition', 'callback_url_missing', '/callback_url']);
  const withUrl = await understand(server, {text: 'hi', delivery: 'callback', callback_url: 'http://example.com/'});
  assert.deepEqual([withUrl.status, withUrl.json.error.code, withUrl.json.error.reason], [501, 'unimplemented', 'callback_unavailable']);
});

test('ten thousand keys and a megabyte of escapes are refused without harm', async () => {
  const server = await shared.ready();
  const keys = Object.fromEntries(Array.from({length: 10_000}, (_, i) => [`k${i}`, i]));
  assert.equal((await understand(server, {text: 'a', ...keys})).status, 400);
  const escapes = await understand(server, undefined, {body: `{"text": "${'\\u0041'.repeat(150_000)}"}`});
  assert.equal(escapes.status, 413);
  const number = await understand(server, undefined, {body: `{"text": "a", "utc_offset_minutes": ${'9'.repeat(100_000)}}`});
  assert.equal(number.status, 400);
});
