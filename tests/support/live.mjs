// A client of /v1/stream on npm's ws: sends events, keeps what comes, waits for what a test needs.

import {WebSocket} from 'ws';
import {BOUND_MS, within} from './wait.mjs';

export class LiveClient {
  // `open`: the first event's fields; null: none is sent.
  static async connect(server, open = {}, {headers = {}, protocols = ['loquat.v1'], ...options} = {}) {
    const client = new LiveClient(new WebSocket(`${server.url.replace(/^http/, 'ws')}/v1/stream`, protocols, {headers, ...options}));
    await within('the WebSocket opens', client.opened);
    if (open !== null) client.send({type: 'open', ...open});
    return client;
  }

  constructor(socket) {
    this.socket = socket;
    this.events = [];
    this.waiting = [];
    this.opened = new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('unexpected-response', (_, response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text) => (body += text));
        response.on('end', () => reject(Object.assign(new Error(`refused with ${response.statusCode}`), {status: response.statusCode, headers: response.headers, body})));
      });
      socket.on('error', reject);
    });
    this.closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({code, reason: reason.toString()})));
    socket.on('message', (data, binary) => {
      this.events.push(binary ? data : JSON.parse(data.toString()));
      this.waiting = this.waiting.filter((check) => !check());
    });
    this.closed.then(() => this.waiting.forEach((check) => check(true)));
  }

  send(event) {
    this.socket.send(typeof event === 'string' ? event : JSON.stringify(event));
  }
  partial(text, utterance) {
    this.send({type: 'partial', text, utterance});
  }
  final(text, utterance) {
    this.send({type: 'final', text, utterance});
  }

  // The first event that matches: a type, or a predicate. Events before it stay in `events`.
  wait(wanted, ms = BOUND_MS) {
    const matches = typeof wanted === 'function' ? wanted : (event) => event.type === wanted;
    return within(`an event ${wanted}`, new Promise((resolve, reject) => {
      const check = (ended) => {
        const found = this.events.find(matches);
        if (found !== undefined) resolve(found);
        else if (ended) reject(new Error(`closed before an event ${wanted}; had ${JSON.stringify(this.events)}`));
        return found !== undefined || ended;
      };
      if (!check(this.socket.readyState === WebSocket.CLOSED)) this.waiting.push(check);
    }), ms);
  }
  // The event, and everything up to it is forgotten.
  async take(wanted, ms) {
    const found = await this.wait(wanted, ms);
    this.events.splice(0, this.events.indexOf(found) + 1);
    return found;
  }
  types() {
    return this.events.map((event) => event.type);
  }
  close(code = 1000) {
    this.socket.close(code);
    return within('the WebSocket closes', this.closed);
  }
  // As a network that fails: no closing handshake.
  drop() {
    this.socket.terminate();
    return this.closed;
  }
}
