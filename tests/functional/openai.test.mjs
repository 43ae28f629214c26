// The OpenAI API through OpenAI's own client: every form of answer, and the fields that this server adds.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import OpenAI from 'openai';
import {randomModel} from '../support/generation.mjs';
import {request} from '../support/http.mjs';
import {sharedServer} from '../support/server.mjs';
import {hasStories, storyModel, withStories} from '../support/story_model.mjs';

const CONTEXT = 4096;
const shared = sharedServer({config: {models: [
  {name: 'tiny', path: randomModel('qwen2', {set: {context: CONTEXT}}), kv_bytes: '64MiB'},
  {name: 'encoder', path: randomModel('bert', {type: 'f32'})},
  {name: 'mean', path: randomModel('bert', {type: 'f32', set: {pooling: 'mean'}})},
  ...(hasStories ? [{name: 'stories', path: storyModel(), kv_bytes: '64MiB'}] : []),
]}});
const client = async () => new OpenAI({apiKey: 'none', baseURL: `${(await shared.ready()).url}/v1`, maxRetries: 0});
const chat = async (more = {}, options) => (await client()).chat.completions.create(
  {model: 'tiny', messages: [{role: 'user', content: 'hi'}], max_tokens: 12, temperature: 0, ...more}, options);
const complete = async (more = {}) => (await client()).completions.create({model: 'tiny', prompt: 'hi', max_tokens: 12, temperature: 0, ...more});

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
const choicesOf = (chunks, index = 0) => chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index);
const saidIn = (chunks, index = 0) => choicesOf(chunks, index).map((choice) => choice.delta?.content ?? choice.text ?? '').join('');

test('every model is listed with its context and what it can do', async () => {
  const {data} = await (await client()).models.list();
  assert.deepEqual(data.map((model) => model.id), ['tiny', 'encoder', 'mean', ...(hasStories ? ['stories'] : [])]);
  const [tiny, encoder] = data;
  assert.equal(tiny.object, 'model');
  assert.equal(tiny.context_length, CONTEXT);
  assert.deepEqual(tiny.capabilities, {completion: true, chat: true, embedding: false, classification: false});
  assert.equal(encoder.context_length, 128);
  assert.deepEqual(encoder.capabilities, {completion: false, chat: false, embedding: true, classification: false});
  assert.equal(encoder.dimensions, 256);
  assert.deepEqual(await (await client()).models.retrieve('encoder'), encoder);
});

test('a chat answer', async () => {
  const answer = await chat();
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.model, 'tiny');
  assert.match(answer.id, /^chatcmpl-\w+$/);
  const [{message, finish_reason: finish, index}] = answer.choices;
  assert.equal(message.role, 'assistant');
  assert.ok(message.content.length > 0);
  assert.deepEqual([finish, index, answer.choices.length], ['length', 0, 1]);
  const {prompt_tokens: prompt, completion_tokens: completion, total_tokens: total} = answer.usage;
  assert.deepEqual([completion, total], [12, prompt + 12]);
});

test('a stream has the role first, then what the whole answer says, why it ended, the usage and the end', async () => {
  const long = {max_tokens: 600, ignore_eos: true};
  const whole = await chat(long);
  const chunks = await collect(await chat({...long, stream: true, stream_options: {include_usage: true}}));
  assert.deepEqual(chunks[0].choices[0].delta, {role: 'assistant', content: ''});
  assert.equal(chunks.filter((chunk) => chunk.choices[0]?.delta.role).length, 1);
  assert.equal(saidIn(chunks), whole.choices[0].message.content);
  assert.ok(choicesOf(chunks).length >= 4, 'it comes in pieces');
  assert.deepEqual(chunks.at(-2).choices[0], {index: 0, delta: {}, logprobs: null, finish_reason: 'length'});
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.deepEqual(chunks.at(-1).usage.completion_tokens, 600);
  for (const chunk of chunks.slice(0, -1)) assert.equal(chunk.usage, null);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  for (const chunk of await collect(await chat({stream: true}))) assert.ok(!('usage' in chunk));
});

test('on the wire a stream is data lines that end with [DONE]', async () => {
  const answer = await request(await shared.ready(), 'POST', '/v1/chat/completions',
    {body: {model: 'tiny', messages: [{role: 'user', content: 'hi'}], max_tokens: 3, stream: true}});
  assert.equal(answer.headers['content-type'], 'text/event-stream');
  assert.match(answer.text, /^(data: \{.*\}\n\n)+data: \[DONE\]\n\n$/);
});

test('a completion, whole and streamed', async () => {
  const whole = await complete();
  assert.equal(whole.object, 'text_completion');
  assert.match(whole.id, /^cmpl-\w+$/);
  const chunks = await collect(await complete({stream: true}));
  assert.equal(saidIn(chunks), whole.choices[0].text);
  assert.equal(choicesOf(chunks).at(-1).finish_reason, 'length');
});

test('several prompts and choices come in order, also in a stream', async () => {
  const options = {n: 2, temperature: 1, seed: 5};
  const prompt = ['hi', 'go on'];
  const texts = (answer) => answer.choices.map((choice) => choice.text);
  const answer = await complete({...options, prompt});
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2, 3]);
  assert.deepEqual(texts(answer), [...texts(await complete({...options, prompt: 'hi'})), ...texts(await complete({...options, prompt: 'go on'}))]);
  const chunks = await collect(await complete({...options, prompt, stream: true}));
  for (let index = 0; index < 4; ++index) assert.equal(saidIn(chunks, index), answer.choices[index].text);
});

test('the same seed gives the same answer, alone or among others, whole or streamed', async () => {
  const wild = {temperature: 1.5, seed: 42, max_tokens: 40};
  const first = (await chat(wild)).choices[0].message.content;
  const busy = Array.from({length: 6}, (_, i) => chat({temperature: 1, seed: i, max_tokens: 60}));
  assert.equal((await chat(wild)).choices[0].message.content, first);
  assert.equal(saidIn(await collect(await chat({...wild, stream: true}))), first);
  assert.notEqual((await chat({...wild, seed: 43})).choices[0].message.content, first);
  const choices = (await chat({...wild, n: 3})).choices.map((choice) => choice.message.content);
  assert.equal(new Set(choices).size, 3, 'choices of one seed differ');
  assert.deepEqual((await chat({...wild, n: 3})).choices.map((choice) => choice.message.content), choices);
  await Promise.all(busy);
});

test('an answer ends before a stop string, also where it spans tokens', async () => {
  const {choices: [{text}]} = await complete({max_tokens: 30});
  const stop = text.slice(9, 12);
  const at = text.indexOf(stop);
  for (const given of [stop, ['never said', stop]]) {
    const cut = await complete({max_tokens: 30, stop: given});
    assert.equal(cut.choices[0].text, text.slice(0, at));
    assert.equal(cut.choices[0].finish_reason, 'stop');
  }
  const chunks = await collect(await complete({max_tokens: 30, stop, stream: true}));
  assert.equal(saidIn(chunks), text.slice(0, at));
  assert.equal(choicesOf(chunks).at(-1).finish_reason, 'stop');
});

test('log-probabilities in the chat form', async () => {
  const {choices: [choice]} = await chat({logprobs: true, top_logprobs: 3, max_tokens: 5});
  const {content} = choice.logprobs;
  assert.equal(content.length, 5);
  assert.equal(Buffer.from(content.flatMap((token) => token.bytes)).toString(), choice.message.content);
  for (const token of content) {
    assert.equal(token.top_logprobs.length, 3);
    assert.equal(token.top_logprobs[0].logprob, token.logprob, 'greedy takes the likeliest');
    assert.ok(token.logprob <= 0 && !Object.is(token.logprob, -0));
    const sorted = token.top_logprobs.map((other) => other.logprob);
    assert.deepEqual(sorted, sorted.toSorted((a, b) => b - a));
    assert.ok(sorted.reduce((sum, logprob) => sum + Math.exp(logprob), 0) <= 1.0001);
  }
  const chunks = await collect(await chat({logprobs: true, top_logprobs: 3, max_tokens: 5, stream: true}));
  assert.deepEqual(choicesOf(chunks).flatMap((piece) => piece.logprobs?.content ?? []), content);
});

test('log-probabilities in the older form', async () => {
  // Letters alone, whose tokens are their bytes.
  const letters = Object.fromEntries(Array.from({length: 26}, (_, i) => [97 + i, 100]));
  const {choices: [{text, logprobs}]} = await complete({logprobs: 20, max_tokens: 6, logit_bias: letters, temperature: 1});
  assert.match(text, /^[a-z]{6}$/);
  assert.deepEqual(logprobs.tokens, [...text]);
  assert.deepEqual(logprobs.text_offset, [0, 1, 2, 3, 4, 5]);
  assert.equal(logprobs.token_logprobs.length, 6);
  assert.equal((await complete({logprobs: 0})).choices[0].logprobs.top_logprobs, null);
  const greedy = (await complete({logprobs: 2, max_tokens: 6})).choices[0].logprobs;
  greedy.top_logprobs.forEach((top, i) => assert.equal(top[greedy.tokens[i]], greedy.token_logprobs[i]));
});

test('logit_bias forces a token and forbids one', async () => {
  const ids = (answer) => answer.choices[0].token_ids;
  const free = ids(await complete({return_token_ids: true, ignore_eos: true}));
  const forced = free[0] === 100 ? 101 : 100;
  assert.deepEqual(ids(await complete({return_token_ids: true, ignore_eos: true, logit_bias: {[forced]: 100}})), Array(12).fill(forced));
  assert.ok(!ids(await complete({return_token_ids: true, ignore_eos: true, logit_bias: {[free[0]]: -100}})).includes(free[0]));
});

test('the length is max_completion_tokens, max_tokens, or what the context leaves', async () => {
  const tokens = async (more) => (await chat({max_tokens: undefined, ignore_eos: true, ...more})).usage.completion_tokens;
  assert.equal(await tokens({max_completion_tokens: 7}), 7);
  assert.equal(await tokens({max_completion_tokens: 7, max_tokens: 7}), 7);
  const {usage} = await chat({max_tokens: undefined, ignore_eos: true});
  assert.equal(usage.total_tokens, CONTEXT);
});

test('ignore_eos goes on after the end token', async () => {
  // The template ends a message with the token that ends an answer.
  const special = (await chat({return_token_ids: true})).prompt_token_ids.filter((id) => id > 255);
  const forced = async (token, more) => {
    const answer = await complete({logit_bias: {[token]: 100}, max_tokens: 3, ...more});
    return [answer.choices[0].finish_reason, answer.usage.completion_tokens];
  };
  const ends = [];
  for (const token of new Set(special)) if ((await forced(token))[0] === 'stop') ends.push(token);
  assert.equal(ends.length, 1);
  assert.deepEqual(await forced(ends[0]), ['stop', 1]);
  assert.deepEqual(await forced(ends[0], {ignore_eos: true}), ['length', 3]);
});

test('token ids of prompt and answer, whole and streamed', async () => {
  const whole = await chat({return_token_ids: true});
  assert.equal(whole.prompt_token_ids.length, whole.usage.prompt_tokens);
  assert.equal(whole.choices[0].token_ids.length, 12);
  const chunks = await collect(await chat({return_token_ids: true, stream: true}));
  assert.deepEqual(choicesOf(chunks)[0].prompt_token_ids, whole.prompt_token_ids);
  assert.deepEqual(choicesOf(chunks).flatMap((choice) => choice.token_ids ?? []), whole.choices[0].token_ids);
  const again = await complete({prompt: whole.prompt_token_ids, return_token_ids: true});
  assert.deepEqual(again.choices[0].token_ids, whole.choices[0].token_ids, 'the ids are a prompt of their own');
});

test('a session prefills only what is new', async () => {
  const prompt = Array.from({length: 300}, (_, i) => (i * 7) % 250);
  const options = {session: 'functional-1', return_token_ids: true, ignore_eos: true, max_tokens: 50};
  const first = await complete({...options, prompt});
  assert.ok(first.usage.prompt_tokens_details.cached_tokens < 10);
  const second = await complete({...options, prompt: [...prompt, ...first.choices[0].token_ids, 5, 6, 7]});
  assert.equal(second.usage.prompt_tokens, 353);
  // All but the last token of the answer, whose keys and values nobody needed, and the three new ones.
  assert.ok(second.usage.prompt_tokens_details.cached_tokens >= 349, JSON.stringify(second.usage));
  const without = await complete({...options, session: undefined, prompt: [...prompt, ...first.choices[0].token_ids, 5, 6, 7]});
  assert.deepEqual(second.choices[0].token_ids, without.choices[0].token_ids, 'the answer is the same without the cache');
});

test('characters that span tokens come whole', async () => {
  const {choices: [{prompt_token_ids: bytes}]} = await complete({prompt: '你', return_token_ids: true});
  assert.equal(bytes.length, 3, 'a token a byte');
  // Nothing but the three bytes of the character, in any order: most of what comes out is damaged, some of it is not.
  const options = {logit_bias: Object.fromEntries(bytes.map((id) => [id, 100])), temperature: 2, seed: 7, max_tokens: 400, return_token_ids: true};
  const {text, token_ids: ids} = (await complete(options)).choices[0];
  const byteOf = new Map(bytes.map((id, i) => [id, Buffer.from('你')[i]]));
  assert.equal(text, Buffer.from(ids.map((id) => byteOf.get(id))).toString(), 'as any decoder of UTF-8 reads these bytes');
  assert.ok(text.includes('你'));
  const chunks = await collect(await complete({...options, stream: true}));
  assert.equal(saidIn(chunks), text);
});

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

test('embeddings as numbers and as base64, of texts and of tokens', async () => {
  const embed = async (more) => (await client()).embeddings.create({model: 'encoder', ...more});
  const texts = ['hello world', 'a much longer text about the sea and the sky', 'hello world'];
  // The client asks for base64 by itself unless told otherwise.
  const base64 = await embed({input: texts});
  const floats = await embed({input: texts, encoding_format: 'float'});
  assert.deepEqual(base64.data.map((item) => item.index), [0, 1, 2]);
  for (let i = 0; i < 3; ++i) {
    assert.equal(floats.data[i].embedding.length, 256);
    floats.data[i].embedding.forEach((value, j) => assert.equal(Math.fround(value), base64.data[i].embedding[j]));
    assert.ok(Math.abs(dot(floats.data[i].embedding, floats.data[i].embedding) - 1) < 1e-4, 'of length one');
  }
  assert.deepEqual(floats.data[2].embedding, floats.data[0].embedding);
  assert.ok(dot(floats.data[0].embedding, floats.data[1].embedding) < 0.9999);
  assert.equal((await embed({input: 'hello world', encoding_format: 'float'})).data[0].embedding.join(), floats.data[0].embedding.join());
  assert.ok(floats.usage.prompt_tokens > 0 && floats.usage.total_tokens === floats.usage.prompt_tokens);
  const tokens = await embed({input: [[5, 6, 7], [5, 6, 7, 8]], encoding_format: 'float'});
  assert.equal(tokens.usage.prompt_tokens, 7);
  assert.deepEqual((await embed({input: [5, 6, 7], encoding_format: 'float'})).data[0].embedding, tokens.data[0].embedding);
});

test('vectors are pooled as the file says, and left as they are on request', async () => {
  const embed = async (model, normalize) => (await (await client()).embeddings.create(
    {model, input: 'hello world', encoding_format: 'float', normalize})).data[0].embedding;
  const [first, mean] = [await embed('encoder', true), await embed('mean', true)];
  assert.ok(dot(first, mean) < 0.999, 'the same weights, but another pooling');
  const raw = await embed('mean', false);
  const length = Math.sqrt(dot(raw, raw));
  assert.ok(Math.abs(length - 1) > 1e-3);
  raw.forEach((value, i) => assert.ok(Math.abs(value / length - mean[i]) < 1e-5));
});

test('an embedding of a text that is too long is refused, or cut where that is asked for', async () => {
  const long = 'word '.repeat(300);
  const embed = async (more) => (await client()).embeddings.create({model: 'encoder', input: ['short', long], encoding_format: 'float', ...more});
  await assert.rejects(embed({}), (error) => error.status === 400 && error.code === 'context_length_exceeded' && error.param === 'input[1]' &&
    /\b\d+ tokens\b.*\b128\b/.test(error.message));
  for (const truncation of ['head', 'tail', 'middle']) {
    const {data: [short, cut], usage} = await embed({truncation});
    assert.ok(!('truncated_tokens' in short));
    assert.ok(cut.truncated_tokens > 100);
    assert.ok(usage.prompt_tokens > 128 && usage.prompt_tokens < 256);
  }
  await assert.rejects(embed({truncation: 'error'}), (error) => error.status === 400);
});

test('the stories model tells its story', withStories, async () => {
  const answer = await complete({model: 'stories', prompt: 'Once upon a time', max_tokens: 40});
  assert.equal(answer.choices[0].text, ', there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball.');
  await assert.rejects(chat({model: 'stories'}), (error) => error.status === 400 && error.code === 'no_chat_template');
});
