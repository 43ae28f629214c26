// What tests of served models share: tiny random models, a client of OpenAI's streams, and a reader of /metrics.

import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import {request} from './http.mjs';
import {ROOT} from './paths.mjs';
import {BOUND_MS, until, within} from './wait.mjs';

const KEPT = path.join(ROOT, 'build/test-models');

// The path of a model of random weights, made by tools/make_model once for all test files. `options`: its arguments.
export function randomModel(arch, {shape = 'tiny', type = 'q8_0', seed = 1, set} = {}) {
  const name = [arch, shape, type, seed, ...Object.entries(set ?? {}).flat()].join('-');
  const file = path.join(KEPT, `${name}.gguf`);
  if (fs.existsSync(file)) return file;
  fs.mkdirSync(KEPT, {recursive: true});
  const draft = `${file}.${process.pid}`;
  execFileSync('/usr/bin/python3', [path.join(ROOT, 'tools/make_model'), 'gguf', '--arch', arch, '--shape', shape, '--type', type,
    '--seed', String(seed), ...(set ? ['--set', JSON.stringify(set)] : []), '--out', draft]);
  fs.renameSync(draft, file);
  return file;
}

// Tokens that stand for nothing special in the tiny models.
export function randomTokens(count, seed) {
  let state = seed >>> 0;
  return Array.from({length: count}, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % 256;
  });
}

// One streamed generation. `tokens`: ids of choice 0 as they came; `done`: [DONE] came; `error`: an error event did.
export class GenerationStream {
  constructor(server, target, body, {headers = {}, agent = false} = {}) {
    Object.assign(this, {status: undefined, headers: {}, events: [], tokens: [], text: '', done: false, error: undefined, refusal: ''});
    this.rest = '';
    const bytes = JSON.stringify({stream: true, return_token_ids: true, ...body});
    this.call = http.request({host: '127.0.0.1', port: server.port, method: 'POST', path: target, agent,
      headers: {'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes), ...headers}});
    this.ended = new Promise((resolve) => {
      const end = (failure) => {
        this.failure ??= failure;
        this.over = true;
        resolve(this);
      };
      this.call.on('error', (error) => end(error.message));
      this.call.on('close', () => end());
      this.call.on('response', (response) => {
        this.status = response.statusCode;
        this.headers = response.headers;
        response.setEncoding('utf8').on('data', (text) => (this.status === 200 ? this.push(text) : (this.refusal += text)));
        response.on('error', (error) => end(error.message));
        response.on('end', () => end());
      });
    });
    this.call.end(bytes);
  }
  push(text) {
    this.rest += text;
    for (let end = this.rest.indexOf('\n\n'); end >= 0; end = this.rest.indexOf('\n\n')) {
      const event = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + 2);
      const data = event.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart()).join('\n');
      if (data === '[DONE]') this.done = true;
      else if (data !== '') this.take(JSON.parse(data));
    }
  }
  take(event) {
    this.events.push(event);
    if (event.error) this.error = event.error;
    if (event.usage) this.usage = event.usage;
    for (const choice of event.choices ?? []) {
      if (choice.index !== 0) continue;
      this.tokens.push(...(choice.token_ids ?? []));
      this.text += choice.text ?? choice.delta?.content ?? '';
      this.finish = choice.finish_reason ?? this.finish;
    }
  }
  // Waits until so many tokens came.
  async atLeast(count, ms = BOUND_MS) {
    await until(`${count} tokens; so far ${this.tokens.length}, status ${this.status}, ${this.refusal}${this.failure ?? ''}`,
      () => this.tokens.length >= count, {ms, every: 1});
    return this;
  }
  end(ms = 6 * BOUND_MS) {
    return within('the stream ends', this.ended, ms);
  }
  // As a client that goes away.
  disconnect() {
    this.call.destroy();
  }
}

export const complete = (server, body, options) =>
  request(server, 'POST', '/v1/completions', {body: {return_token_ids: true, ...body}, ms: 6 * BOUND_MS, ...options});

// /metrics as a function of name and labels: the value of the first sample that has all of them, in any order.
export async function readMetrics(server) {
  const {text} = await request(server, 'GET', '/metrics', {ms: 3 * BOUND_MS});
  const samples = [];
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match) samples.push({name: match[1], labels: match[2] ?? '', value: Number(match[3])});
  }
  const metrics = (name, labels = {}) => samples.find((sample) => sample.name === name &&
    Object.entries(labels).every(([key, value]) => sample.labels.includes(`${key}="${value}"`)))?.value;
  return Object.assign(metrics, {text, samples});
}

// Nothing runs or waits, and every page is back. Gives the metrics.
export function untilIdle(server, models, ms = BOUND_MS) {
  let idle = 0;
  return until(`${models.join(', ')} come to rest`, async () => {
    const metrics = await readMetrics(server);
    const busy = models.some((model) => ['interactive', 'batch'].some((lane) => metrics('loquat_engine_queue_requests', {model, lane}) > 0) ||
      metrics('loquat_engine_running_sequences', {model}) > 0 || metrics('loquat_engine_kv_pages', {model, state: 'in_use'}) > 0);
    idle = busy ? 0 : idle + 1;
    return idle < 2 ? undefined : metrics;  // The figures are those of the step before: once may be too early.
  }, {ms, every: 50});
}
