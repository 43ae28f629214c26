// The API description is the authority: every path in it answers, and every answer fits its schema.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {randomModel} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {ROOT} from '../support/paths.mjs';
import {SchemaChecker} from '../support/schema.mjs';
import {sharedServer} from '../support/server.mjs';
import {parseYaml} from '../support/yaml.mjs';

// The queue is as short as can be: a request of several prompts does not fit.
const shared = sharedServer({config: {models: [
  {name: 'tiny', path: randomModel('qwen2'), kv_bytes: '16MiB', queue_max: 1},
  {name: 'encoder', path: randomModel('bert')},
]}});
const file = fs.readFileSync(path.join(ROOT, 'openapi/loquat.yaml'), 'utf8');
const document = parseYaml(file);
const checker = new SchemaChecker(document);

const CALLS = [
  ['POST', '/v1/understand', {text: '帮我订明天去上海的火车票', session: 'o-1', reply: true}, 200],
  ['POST', '/v1/understand', {text: 'wake me up at 7 tomorrow', features: ['intent', 'slots']}, 200],
  ['POST', '/v1/understand', {text: 'play some jazz', features: ['slots']}, 200],
  ['POST', '/v1/understand', {text: ''}, 200],
  ['POST', '/v1/understand', {text: 'hi', resume: true}, 200],
  ['GET', '/v1/stream', undefined, 426],
  ['GET', '/v1/sagas/none', undefined, 404],
  ['POST', '/v1/understand', {text: `${'very '.repeat(900)}nice`}, 200],
  ['POST', '/v1/understand', {inputs: [{text: '上海天气'}, {text: 'play some jazz', session: 'o-1'}]}, 200],
  ['POST', '/v1/understand', {inputs: [{text: 'hi', delivery: 'callback', callback_url: 'http://example.com'}]}, 200],
  ['POST', '/v1/understand', {text: 3}, 400],
  ['POST', '/v1/understand', {text: 'x'.repeat(20_000)}, 413],
  ['POST', '/v1/understand', {text: 'hi', delivery: 'callback', callback_url: 'http://example.com'}, 501],
  ['GET', '/v1/deliveries', undefined, 200],
  ['GET', '/v1/deliveries/none', undefined, 404],
  ['GET', '/v1/sessions/o-1', undefined, 200],
  ['GET', '/v1/sessions/none', undefined, 404],
  ['GET', '/v1/sessions/a%20b', undefined, 400],
  ['POST', '/v1/sessions/o-1/fork', {id: 'o-2'}, 201],
  ['POST', '/v1/sessions/o-1/fork', {id: 'o-2'}, 409],
  ['POST', '/v1/sessions/none/fork', undefined, 404],
  ['POST', '/v1/sessions/o-1/fork', {id: ''}, 400],
  ['DELETE', '/v1/sessions/o-2', undefined, 204],
  ['DELETE', '/v1/sessions/o-2', undefined, 404],
  ['DELETE', '/v1/sessions/a%20b', undefined, 400],
  ['POST', '/v1/chat/completions', {model: 'tiny', messages: [{role: 'user', content: 'hi'}], max_tokens: 4}, 200],
  ['POST', '/v1/chat/completions', {model: 'tiny', messages: [{role: 'system', content: [{type: 'text', text: 'be brief'}]}, {role: 'user', content: 'hi'}],
    max_completion_tokens: 3, n: 2, logprobs: true, top_logprobs: 2, return_token_ids: true, stop: ['zzz'], logit_bias: {7: -100}, seed: 1}, 200],
  ['POST', '/v1/chat/completions', {model: 'tiny', messages: [{role: 'user', content: 'hi'}], max_tokens: 4, stream: true}, 200],
  ['POST', '/v1/chat/completions', {model: 'tiny', messages: [{role: 'user', content: 'hi'}], tools: []}, 400],
  ['POST', '/v1/chat/completions', {model: 'none', messages: [{role: 'user', content: 'hi'}]}, 404],
  ['POST', '/v1/completions', {model: 'tiny', prompt: 'hi', logprobs: 2, return_token_ids: true, session: 's-1'}, 200],
  ['POST', '/v1/completions', {model: 'tiny', prompt: 'hi', logprobs: 0, max_tokens: 2}, 200],
  ['POST', '/v1/completions', {model: 'tiny', prompt: [1, 2, 3], stream: true}, 200],
  ['POST', '/v1/completions', {model: 'tiny', prompt: [1, 2, 1_000_000]}, 400],
  ['POST', '/v1/completions', {model: 'tiny', prompt: Array(100).fill('hi')}, 429],
  ['POST', '/v1/completions', {model: 'none', prompt: 'hi'}, 404],
  ['POST', '/v1/embeddings', {model: 'encoder', input: ['a', 'b'], user: 'u'}, 200],
  ['POST', '/v1/embeddings', {model: 'encoder', input: 'word '.repeat(300), truncation: 'tail', normalize: false, encoding_format: 'base64'}, 200],
  ['POST', '/v1/embeddings', {model: 'encoder', input: 'word '.repeat(300)}, 400],
  ['POST', '/v1/embeddings', {model: 'none', input: 'a'}, 404],
  ['GET', '/v1/models', undefined, 200],
  ['GET', '/v1/models/tiny', undefined, 200],
  ['GET', '/v1/models/none', undefined, 404],
  ['GET', '/livez', undefined, 200],
  ['GET', '/readyz', undefined, 200],
  ['GET', '/healthz', undefined, 200],
  ['GET', '/metrics', undefined, 200],
  ['GET', '/debug/vars', undefined, 200],
  ['GET', '/openapi.yaml', undefined, 200],
  ['GET', '/console', undefined, 200],
];

const templateOf = (target) => Object.keys(document.paths).find((template) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(target));
const operationOf = (method, target) => document.paths[templateOf(target)]?.[method.toLowerCase()];

test('the server gives out the document of the repository', async () => {
  const answer = await request(await shared.ready(), 'GET', '/openapi.yaml');
  assert.equal(answer.headers['content-type'], 'application/yaml');
  assert.equal(answer.text, file);
});

for (const [method, target, body, status] of CALLS) {
  test(`${method} ${target} ${body ? JSON.stringify(body).slice(0, 60) : ''} answers ${status} as described`, async () => {
    const answer = await request(await shared.ready(), method, target, {body});
    assert.equal(answer.status, status, answer.text.slice(0, 500));
    const taken = operationOf(method, target).requestBody?.content['application/json'].schema;
    if (taken && body && status === 200) assert.deepEqual(checker.faults(taken, body), []);
    const response = checker.resolve(operationOf(method, target).responses[status] ?? assert.fail(`${status} is not described`));
    const described = response.content ?? {};
    const type = answer.headers['content-type']?.split(';')[0];
    if (Object.keys(described).length === 0) {
      assert.equal(answer.text, '');
      return;
    }
    assert.ok(type in described, `${type} is not described`);
    if (type === 'application/json') assert.deepEqual(checker.faults(described[type].schema, answer.json), []);
    assert.ok(answer.headers['x-request-id'] && answer.headers.traceparent);
  });
}

test('every operation of the document was called', () => {
  const called = new Set(CALLS.map(([method, target]) => `${method} ${templateOf(target)}`));
  const methods = ['get', 'post', 'put', 'delete', 'patch', 'head', 'options'];
  for (const [template, item] of Object.entries(document.paths)) {
    for (const method of methods.filter((m) => m in item)) assert.ok(called.has(`${method.toUpperCase()} ${template}`), `${method} ${template}`);
  }
});

test('every operation that wants a key says what happens without one', () => {
  for (const [template, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item).filter(([, o]) => o.responses)) {
      const open = operation.security?.length === 1 && Object.keys(operation.security[0]).length === 0;
      assert.equal('401' in operation.responses, !open, `${method} ${template}`);
    }
  }
});

test('every body that the document gives as an example is understood', async () => {
  const server = await shared.ready();
  const {schema, examples} = document.paths['/v1/understand'].post.requestBody.content['application/json'];
  for (const [name, {value}] of Object.entries(examples)) {
    assert.deepEqual(checker.faults(schema, value), [], name);
    const answer = await request(server, 'POST', '/v1/understand', {body: value});
    assert.equal(answer.status, 200, answer.text);
  }
});

test('the request schema and the server refuse the same bodies', async () => {
  const server = await shared.ready();
  const {schema} = document.paths['/v1/understand'].post.requestBody.content['application/json'];
  const bodies = [{}, {text: 1}, {text: 'a', x: 1}, {text: 'a', locale: 'fr'}, {text: 'a', features: []}, {text: 'a', features: ['x']}, {inputs: []},
    {text: 'a', session: ''}, {text: 'a', delivery: 'x'}, {text: 'a', callback_url: ''}, {text: 'a', reply: 1}, {text: 'a', reference_time_ms: -1},
    {text: 'a', utc_offset_minutes: 900}, {text: 'a', utc_offset_minutes: 0.5}];
  for (const body of bodies) {
    assert.notDeepEqual(checker.faults(schema, body), [], JSON.stringify(body));
    assert.equal((await request(server, 'POST', '/v1/understand', {body})).status, 400, JSON.stringify(body));
  }
  for (const body of [{text: ''}, {text: 'a', utc_offset_minutes: -840, reference_time_ms: 0, session: 'x', locale: 'auto', features: ['slots'], delivery: 'sync', reply: true}]) {
    assert.deepEqual(checker.faults(schema, body), []);
    assert.equal((await request(server, 'POST', '/v1/understand', {body})).status, 200);
  }
});
