// What the OpenAI API refuses, as OpenAI's own client sees it, and that the server serves on afterwards.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import OpenAI from 'openai';
import {randomModel, readMetrics, untilIdle} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {ROOT, scratchPath} from '../support/paths.mjs';
import {loquat} from '../support/process.mjs';
import {sharedServer, startServer} from '../support/server.mjs';
import {until, within} from '../support/wait.mjs';

const CONTEXT = 65_536;
// Four loops of 100,000 rounds within each other: no bound but the server's own ends it.
const LOOP = `${'{% for i in range(100000) %}'.repeat(4)}${'{% endfor %}'.repeat(4)}`;

// A Hugging Face folder whose chat template is the one given.
function modelWithTemplate(template) {
  const folder = scratchPath('templated');
  execFileSync('/usr/bin/python3', [path.join(ROOT, 'tools/make_model'), 'huggingface', '--arch', 'qwen2', '--type', 'f32', '--out', folder],
    {stdio: 'ignore'});
  const file = path.join(folder, 'tokenizer_config.json');
  fs.writeFileSync(file, JSON.stringify({...JSON.parse(fs.readFileSync(file)), chat_template: template}));
  return folder;
}

const long = randomModel('qwen2', {set: {context: CONTEXT}});
const shared = sharedServer({config: {models: [
  {name: 'tiny', path: long, kv_bytes: '80MiB', context: 1024},
  {name: 'narrow', path: long, kv_bytes: '80MiB', sequences_max: 1, queue_max: 1},
  {name: 'encoder', path: randomModel('bert')},
  {name: 'short', path: randomModel('bert'), context: 32},
  {name: 'looping', path: modelWithTemplate(LOOP), kv_bytes: '16MiB'},
  {name: 'refusing', path: modelWithTemplate("{{ raise_exception('only cats may speak') }}"), kv_bytes: '16MiB'},
]}});
const client = async (more = {}) => new OpenAI({apiKey: 'none', baseURL: `${(await shared.ready()).url}/v1`, maxRetries: 0, ...more});
const chat = async (more = {}, options) => (await client()).chat.completions.create(
  {model: 'tiny', messages: [{role: 'user', content: 'hi'}], max_tokens: 4, temperature: 0, ...more}, options);
const complete = async (more = {}, options) => (await client()).completions.create({model: 'tiny', prompt: 'hi', max_tokens: 4, ...more}, options);
const endless = {model: 'narrow', ignore_eos: true, max_tokens: 60_000};

// Rejects with the status, the parameter and the words; then the server still answers.
async function refused(promise, status, param, words = /./) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.deepEqual([error.status, error.param], [status, param], error.message);
    assert.match(error.message, words);
    return true;
  });
  assert.equal((await chat()).choices.length, 1);
}

const UNSUPPORTED = {
  tools: [{type: 'function', function: {name: 'f'}}], tool_choice: 'auto', parallel_tool_calls: true, functions: [{name: 'f'}], function_call: 'auto',
  response_format: {type: 'json_object'}, audio: {voice: 'alloy', format: 'mp3'}, prediction: {type: 'content', content: 'x'}, reasoning_effort: 'low',
  web_search_options: {}, store: true, verbosity: 'low', colour: 'red',
};
for (const [field, value] of Object.entries(UNSUPPORTED)) {
  test(`${field} is refused by name, not ignored`, () => refused(chat({[field]: value}), 400, field, new RegExp(field)));
}
test('fields of the older form that are not supported', async () => {
  await refused(complete({suffix: 'x'}), 400, 'suffix');
  await refused(complete({echo: true}), 400, 'echo');
  await refused(complete({best_of: 3}), 400, 'best_of');
});
test('parts of a message that are not text', async () => {
  const content = [{type: 'text', text: 'what is this?'}, {type: 'image_url', image_url: {url: 'data:image/png;base64,'}}];
  await refused(chat({messages: [{role: 'user', content}]}), 400, 'messages[0].content[1].type');
  await refused(chat({messages: [{role: 'tool', tool_call_id: 'x', content: 'y'}]}), 400, 'messages[0].role');
});

test('Ollama: an unknown model is 404 with the list of those there are', async () => {
  const names = /"nobody".*tiny, narrow, encoder, short, looping, refusing/;
  await refused(chat({model: 'nobody'}), 404, 'model', names);
  await refused(complete({model: 'nobody'}), 404, 'model', names);
  await refused((await client()).embeddings.create({model: 'nobody', input: 'x'}), 404, 'model', names);
  await refused((await client()).models.retrieve('nobody'), 404, 'model', names);
});

test('a model is asked for what it cannot do', async () => {
  await refused(chat({model: 'encoder'}), 400, 'model', /does not generate/);
  await refused((await client()).embeddings.create({model: 'tiny', input: 'x'}), 400, 'model', /no embeddings/);
});

const CONTRADICTIONS = [
  [{temperature: 0, top_k: 5}, 'top_k'], [{temperature: 0, min_p: 0.1}, 'min_p'], [{temperature: 0, n: 2}, 'n'], [{temperature: -1}, 'temperature'],
  [{temperature: 1, top_p: 0}, 'top_p'], [{temperature: 1, top_p: 1.5}, 'top_p'], [{presence_penalty: 3}, 'presence_penalty'],
  [{max_tokens: 3, max_completion_tokens: 4}, 'max_tokens'], [{top_logprobs: 3}, 'top_logprobs'], [{logprobs: true, top_logprobs: 21}, 'top_logprobs'],
  [{stream_options: {include_usage: true}}, 'stream_options'], [{session: 's', n: 2, temperature: 1}, 'session'], [{session: 'a b'}, 'session'],
  [{logit_bias: {99999: 1}}, 'logit_bias[99999]'], [{logit_bias: {1: 101}}, 'logit_bias[1]'], [{n: 1000}, 'n'], [{seed: 1.5}, 'seed'], [{max_tokens: 0}, 'max_tokens'],
];
for (const [options, param] of CONTRADICTIONS) {
  test(`options that contradict or go too far: ${JSON.stringify(options)}`, () => refused(chat(options), 400, param));
}

test('10,000 stop strings', () => refused(chat({stop: Array(10_000).fill('x')}), 400, 'stop', /64/));

test('Ollama #17889: a prompt over the context is refused with both numbers, never cut', async () => {
  const prompt = 'a'.repeat(2000);
  await refused(complete({prompt}), 400, 'prompt', /2000 tokens.*1024/);
  await refused(complete({prompt: prompt.slice(0, 1020), max_tokens: 5}), 400, 'prompt', /1020 tokens and 5 more.*1024/);
  assert.equal((await complete({prompt: prompt.slice(0, 1020), max_tokens: 4, ignore_eos: true})).usage.total_tokens, 1024);
  await refused(chat({messages: [{role: 'user', content: prompt}]}), 400, 'messages', /1024/);
  await refused(complete({prompt: [1, 99_999]}), 400, 'prompt', /99999/);
  await refused(complete({prompt: ''}), 400, 'prompt', /empty/);
});

test('llama.cpp #12836: embedding input over the context is refused by its place', async () => {
  const embed = async (input) => (await client()).embeddings.create({model: 'encoder', input});
  await refused(embed(['short', 'word '.repeat(500)]), 400, 'input[1]', /tokens.*128/);
  await refused(embed([[5], Array(129).fill(5)]), 400, 'input[1]', /129 tokens.*128/);
  await refused((await client()).embeddings.create({model: 'short', input: [Array(33).fill(5)]}), 400, 'input', /33 tokens.*32/);
  assert.equal((await (await client()).embeddings.create({model: 'short', input: [Array(32).fill(5)]})).usage.prompt_tokens, 32);
  await refused(embed(['a', [5]]), 400, 'input[1]', /another kind/);
  await refused(embed([]), 400, 'input');
  await refused(embed(Array(2049).fill('x')), 400, 'input', /2048/);
});

test('a chat template that loops for ever ends by its bound', () => refused(chat({model: 'looping'}), 400, 'messages', /chat template, line 1: .*(steps|long)/));
test('what a chat template refuses is told in its words', () => refused(chat({model: 'refusing'}), 400, 'messages', /only cats may speak/));

test('bodies that are no request', async () => {
  const server = await shared.ready();
  for (const body of ['', '{', '[]', 'null', '{"model":"tiny"}', '{"model":"tiny","messages":[{"role":"user","content":"\\ud800"}]}', '['.repeat(100_000)]) {
    const answer = await request(server, 'POST', '/v1/chat/completions', {body});
    assert.equal(answer.status, 400, body.slice(0, 80));
    assert.equal(answer.json.error.type, 'invalid_request_error');
    assert.ok(answer.json.error.message.length > 10);
  }
  assert.equal((await chat()).choices.length, 1);
});

test('a deadline in mid-stream is an error event, and the client throws it', async () => {
  const stream = await complete({...endless, prompt: 'a', stream: true}, {headers: {'x-request-timeout-ms': '400'}});
  let chunks = 0;
  await assert.rejects(async () => {
    for await (const chunk of stream) chunks += chunk.choices.length;
  }, (error) => error instanceof OpenAI.APIError && /deadline/.test(JSON.stringify(error.error ?? error.message)));
  assert.ok(chunks > 0);
  await untilIdle(await shared.ready(), ['narrow']);
});

test('a client that aborts ends the work, streaming or not', async () => {
  const server = await shared.ready();
  const count = (metrics) => metrics('loquat_engine_requests_total', {model: 'narrow', end: 'cancelled'}) ?? 0;
  const cancelled = (expected) => until(`${expected} are cancelled`, async () => count(await readMetrics(server)) === expected);
  const running = () => until('it runs', async () => (await readMetrics(server))('loquat_engine_running_sequences', {model: 'narrow'}) > 0, {every: 5});
  const before = count(await untilIdle(server, ['narrow']));
  const stream = await complete({...endless, prompt: 'b', stream: true});
  for await (const chunk of stream) {
    if (chunk.choices[0].text) break;  // Leaving the loop aborts the request.
  }
  await cancelled(before + 1);
  const abort = new AbortController();
  const whole = complete({...endless, prompt: 'c'}, {signal: abort.signal});
  await running();
  abort.abort();
  await assert.rejects(whole, OpenAI.APIUserAbortError);
  await cancelled(before + 2);
  assert.equal(count(await untilIdle(server, ['narrow'])), before + 2);
});

test('no 429 under load: what does not fit into the queue is refused at once, with the time to come back', async () => {
  const server = await shared.ready();
  const abort = new AbortController();
  const streams = [];
  const metric = async (name, labels) => (await readMetrics(server))(name, {model: 'narrow', ...labels});
  streams.push(await complete({...endless, prompt: 'd', stream: true}, {signal: abort.signal}));
  const waiting = complete({...endless, prompt: 'e', stream: true}, {signal: abort.signal});
  waiting.catch(() => {});
  await until('one waits', async () => (await metric('loquat_engine_queue_requests', {lane: 'interactive'})) === 1, {every: 5});
  await assert.rejects(complete({...endless, prompt: 'f'}), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError, String(error));
    assert.equal(error.code, 'queue_full');
    assert.ok(Number(error.headers.get('retry-after')) >= 1);
    return true;
  });
  assert.ok((await metric('loquat_engine_refusals_total', {reason: 'queue_full'})) >= 1);
  assert.equal((await chat()).choices.length, 1, 'other models are not touched');
  abort.abort();
  await assert.rejects(waiting, OpenAI.APIUserAbortError);
  await untilIdle(server, ['narrow']);
});

test('keys are asked for in the form that the client knows', async () => {
  const server = await startServer({config: {server: {api_keys: [{name: 'shop', sha256: crypto.createHash('sha256').update('secret').digest('hex')}]}, models: [{name: 'tiny', path: long, kv_bytes: '16MiB'}]}});
  const asked = (apiKey) => new OpenAI({apiKey, baseURL: `${server.url}/v1`, maxRetries: 0}).models.list();
  await assert.rejects(asked('wrong'), OpenAI.AuthenticationError);
  assert.equal((await asked('secret')).data.length, 1);
  await server.stop();
});

const startFails = (args) => within('the server gives up', loquat(['serve', '--listen', '127.0.0.1:0', ...args]), 20_000);

test('memory that does not suffice is said before anything is loaded', async () => {
  const {code, stderr} = await startFails(['--set', `models=[{name: big, path: ${JSON.stringify(long)}, kv_bytes: 16384GiB}]`]);
  assert.equal(code, 1);
  assert.match(stderr, /model big \(.*\): it needs \d+ MiB for its weights and 16777216 MiB for keys and values \(kv_bytes\), but this machine has \d+ MiB left/);
});

test('names of models differ, and a file that is none is named', async () => {
  const twice = await startFails(['--model', `a=${long}`, '--model', 'a=other.gguf']);
  assert.deepEqual([twice.code, /names "a" more than once/.test(twice.stderr)], [2, true]);
  const missing = await startFails(['--model', 'a=/nowhere/none.gguf']);
  assert.deepEqual([missing.code, /model a \(\/nowhere\/none\.gguf\)/.test(missing.stderr)], [1, true], missing.stderr);
  const wide = await startFails(['--set', `models=[{name: a, path: ${JSON.stringify(long)}, context: 100000}]`]);
  assert.equal(wide.code, 1);
  assert.match(wide.stderr, /100000.*65536/);
});
