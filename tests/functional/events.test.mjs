// POST /v1/understand as a stream of server-sent events.

import assert from 'node:assert/strict';
import http from 'node:http';
import {test} from 'node:test';
import {understand} from '../support/http.mjs';
import {sharedServer} from '../support/server.mjs';
import {within} from '../support/wait.mjs';

const shared = sharedServer();

// Reads the stream as it comes, by the rules of the HTML standard (event, data, id; an empty line ends an event).
class EventReader {
  constructor() {
    this.events = [];
    this.rest = '';
    this.event = {};
  }
  push(text) {
    this.rest += text;
    for (let end = this.rest.indexOf('\n'); end >= 0; end = this.rest.indexOf('\n')) {
      this.line(this.rest.slice(0, end).replace(/\r$/, ''));
      this.rest = this.rest.slice(end + 1);
    }
  }
  line(line) {
    if (line === '') {
      if (this.event.data !== undefined) this.events.push({type: this.event.event, id: this.event.id, data: JSON.parse(this.event.data)});
      this.event = {};
    } else if (!line.startsWith(':')) {
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
      this.event[field] = field === 'data' && this.event.data !== undefined ? `${this.event.data}\n${value}` : value;
    }
  }
}

function stream(server, body) {
  return within('the stream ends', new Promise((resolve, reject) => {
    const call = http.request({host: '127.0.0.1', port: server.port, method: 'POST', path: '/v1/understand', agent: false,
      headers: {accept: 'text/event-stream', 'content-type': 'application/json'}});
    call.on('error', reject);
    call.on('response', (response) => {
      const reader = new EventReader();
      response.setEncoding('utf8').on('data', (text) => reader.push(text));
      response.on('error', reject);
      response.on('end', () => resolve({status: response.statusCode, headers: response.headers, events: reader.events, rest: reader.rest}));
    });
    call.end(JSON.stringify(body));
  }));
}

test('a turn comes as frame, reply and turn_end', async () => {
  const {status, headers, events, rest} = await stream(await shared.ready(), {text: '北京明天天气怎么样', session: `sse-${process.pid}`, reply: true});
  assert.equal(status, 200);
  assert.match(headers['content-type'], /^text\/event-stream/);
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(rest, '', 'the stream ends with a whole event');
  assert.deepEqual(events.map((event) => event.type), ['frame', 'reply', 'turn_end']);
  const name = events[0].id.replace(/-1$/, '');
  assert.match(name, /^[0-9a-z]{26}$/);
  assert.deepEqual(events.map((event) => event.id), [`${name}-1`, `${name}-2`, `${name}-3`]);
  assert.deepEqual(events.map((event) => [event.data.type, event.data.event_id]), events.map((event) => [event.type, event.id]));
  const [frame, reply, end] = events.map((event) => event.data);
  assert.equal(frame.intent.name, 'query_weather');
  assert.equal(frame.slots.length, 2);
  assert.equal(frame.final, true);
  assert.equal(frame.id, headers['x-request-id']);
  assert.deepEqual(frame.stable, {intent: true, out_of_scope: true, locale: true, slots: [true, true], intent_risk: 0});
  assert.ok(reply.text.includes('北京') && reply.source === 'template');
  assert.equal(end.session.turn, 1);
  assert.deepEqual(end.delivery, {mode: 'stream', reason: 'the client reads a stream of events'});
  assert.ok(end.timings_us.total > 0);
});

test('without a reply there is no reply event', async () => {
  const {events} = await stream(await shared.ready(), {text: 'play some jazz'});
  assert.deepEqual(events.map((event) => event.type), ['frame', 'turn_end']);
  assert.ok(!('session' in events[1].data));
});

test('line breaks inside of the text do not break the events', async () => {
  const text = 'weather\n\nin Paris\r\ndata: x\n\nevent: y\ntomorrow';
  const {events} = await stream(await shared.ready(), {text});
  assert.equal(events[0].data.text, text);
  assert.equal(events.length, 2);
});

test('a bad body is refused as JSON before any event', async () => {
  const server = await shared.ready();
  const answer = await understand(server, {txt: 'a'}, {headers: {accept: 'text/event-stream'}});
  assert.equal(answer.status, 400);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.json.error.param, '/text');
});

test('delivery "stream" is asked for with text/event-stream alone', async () => {
  const server = await shared.ready();
  const {events} = await stream(server, {text: 'play some jazz', delivery: 'stream'});
  assert.deepEqual(events.at(-1).data.delivery, {mode: 'stream', reason: 'asked for by the request'});
  const refused = await understand(server, {text: 'play some jazz', delivery: 'stream'});
  assert.deepEqual([refused.status, refused.json.error.param], [400, '/delivery']);
});

test('a connection serves on after a stream', async () => {
  const server = await shared.ready();
  const agent = new http.Agent({keepAlive: true, maxSockets: 1});
  const ports = new Set();
  for (const accept of ['text/event-stream', 'application/json', 'text/event-stream']) {
    const answer = await understand(server, {text: 'hello'}, {agent, headers: {accept}});
    assert.equal(answer.status, 200);
    ports.add(Object.values(agent.freeSockets).flat()[0]?.localPort ?? Object.values(agent.sockets).flat()[0]?.localPort);
  }
  agent.destroy();
  assert.equal(ports.size, 1, 'all three went over one connection');
});
