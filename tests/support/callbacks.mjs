// A receiver of callbacks that behaves as a test wants, and checks every signature with the reference library of
// Standard Webhooks.

import http from 'node:http';
import {Webhook} from 'standardwebhooks';
import {understand} from './http.mjs';
import {scratchPath} from './paths.mjs';

export const secretOf = (byte) => `whsec_${Buffer.alloc(24, byte).toString('base64')}`;
export const SECRET = secretOf(7);

export const journalPath = () => scratchPath('callbacks.journal');

// Settings under which a receiver on loopback may be called, and retries are quick.
export function callbackConfig(callbacks = {}, delivery = {}) {
  const {targets, retries, ...rest} = callbacks;
  return {delivery: {...delivery, callbacks: {
    journal: journalPath(), secrets: [SECRET],
    targets: {allow_http: true, allow_networks: ['127.0.0.0/8'], ports: [], ...targets},
    retries: {backoff_first: '20ms', backoff_max: '50ms', attempt_timeout: '2s', ...retries}, ...rest}}};
}

export class Receiver {
  // `answer(call, response)` runs for each call; default: 204. Without a signature of `secrets` a call is a failure.
  constructor(answer = undefined, {secrets = [SECRET]} = {}) {
    this.answer = answer ?? ((_, response) => response.writeHead(204).end());
    this.webhooks = secrets.map((secret) => new Webhook(secret));
    this.calls = [];
    this.faults = [];
    this.sockets = new Set();
    this.server = http.createServer((request, response) => this.receive(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  receive(request, response) {
    const chunks = [];
    response.on('error', () => {});
    request.on('error', () => {});
    request.on('data', (data) => chunks.push(data));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const call = {at: Date.now(), url: request.url, method: request.method, headers: request.headers, text, id: request.headers['webhook-id']};
      try {
        call.body = JSON.parse(text);
        for (const webhook of this.webhooks) webhook.verify(text, request.headers);
      } catch (error) {
        this.faults.push(`${error.message}: ${text.slice(0, 200)}`);
      }
      call.number = this.calls.filter((other) => other.id === call.id).length + 1;
      this.calls.push(call);
      this.answer(call, response);
    });
  }

  async listen(port = 0) {
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }
  url(target = '/hook') {
    return `http://127.0.0.1:${this.port}${target}`;
  }
  async close() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
  callsOf(id) {
    return this.calls.filter((call) => call.id === id);
  }
}

// Asks for a callback; the id of the delivery.
export async function promise(server, url, body = {}) {
  const answer = await understand(server, {text: 'play some jazz', delivery: 'callback', callback_url: url, ...body});
  if (answer.status !== 202) throw new Error(`status ${answer.status}: ${answer.text}`);
  return answer.json.delivery.id;
}
