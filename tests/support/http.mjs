// HTTP clients: one that behaves, and one that writes whatever bytes a test wants.

import http from 'node:http';
import net from 'node:net';
import {BOUND_MS, within} from './wait.mjs';

// Resolves to {status, headers, text, json}. `body`: an object is sent as JSON, a string or Buffer as it is.
export function request(server, method, target, {body, headers = {}, agent, ms = BOUND_MS} = {}) {
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const done = new Promise((resolve, reject) => {
    const call = http.request({host: '127.0.0.1', port: server.port, method, path: target, agent: agent ?? false,
      headers: {...(bytes === undefined ? {} : {'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes)}), ...headers}});
    call.on('error', reject);
    call.on('response', (response) => {
      const chunks = [];
      response.on('data', (data) => chunks.push(data));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({status: response.statusCode, headers: response.headers, text, get json() { return JSON.parse(text); }});
      });
    });
    call.end(bytes);
  });
  return within(`${method} ${target}`, done, ms);
}

export const understand = (server, body, options) => request(server, 'POST', '/v1/understand', {body, ...options});

// The frame of a request that must succeed.
export async function frameOf(server, body, options) {
  const answer = await understand(server, body, options);
  if (answer.status !== 200) throw new Error(`status ${answer.status}: ${answer.text}`);
  return answer.json;
}

// A bare TCP connection.
export class RawConnection {
  constructor(socket) {
    this.socket = socket;
    this.received = Buffer.alloc(0);
    this.closed = false;
    socket.on('data', (data) => (this.received = Buffer.concat([this.received, data])));
    socket.on('error', (error) => (this.error = error));
    socket.on('close', () => (this.closed = true));
    socket.on('end', () => (this.ended = true));
  }

  static async open(port, options = {}) {
    const socket = net.connect({host: '127.0.0.1', port, allowHalfOpen: true, ...options});
    const connection = new RawConnection(socket);
    await within('connecting', new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    }));
    return connection;
  }

  write(bytes) {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }
  endWriting() {
    this.socket.end();
  }
  destroy() {
    this.socket.destroy();
  }
  text() {
    return this.received.toString('latin1');
  }
  // Waits for the peer's end of stream or a reset, and closes our side.
  async waitClosed(ms = BOUND_MS) {
    await within(`the server closes the connection; so far it said: ${this.text().slice(0, 300)}`, new Promise((resolve) => {
      if (this.closed || this.ended) return resolve();
      this.socket.once('end', resolve);
      this.socket.once('close', resolve);
    }), ms);
    this.destroy();
    return parseResponses(this.received);
  }
  // Waits until `count` complete responses have come.
  async responses(count = 1, ms = BOUND_MS) {
    await within(`${count} responses; so far: ${this.text().slice(0, 300)}`, new Promise((resolve) => {
      const check = () => {
        const complete = parseResponses(this.received).length >= count || this.closed || this.ended;
        if (complete) resolve();
        return complete;
      };
      if (check()) return;
      for (const event of ['data', 'end', 'close']) this.socket.on(event, check);
    }), ms);
    return parseResponses(this.received);
  }
}

// The complete responses at the beginning of `bytes`: [{status, headers, body}]. Chunked bodies are put together.
export function parseResponses(bytes) {
  const responses = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n', at);
    if (end < 0) return responses;
    const lines = bytes.subarray(at, end).toString('latin1').split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(lines[0])?.[1]);
    const headers = Object.fromEntries(lines.slice(1).map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
    at = end + 4;
    if (headers['transfer-encoding'] === 'chunked') {
      const parts = [];
      for (;;) {
        const lineEnd = bytes.indexOf('\r\n', at);
        if (lineEnd < 0) return responses;
        const size = parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16);
        if (bytes.length < lineEnd + 2 + size + 2) return responses;
        parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
        at = lineEnd + 2 + size + 2;
        if (size === 0) break;
      }
      responses.push({status, headers, body: Buffer.concat(parts).toString()});
      continue;
    }
    const length = Number(headers['content-length'] ?? 0);
    if (bytes.length < at + length) return responses;
    responses.push({status, headers, body: bytes.subarray(at, at + length).toString()});
    at += length;
  }
}

export function rawRequest(body, {method = 'POST', target = '/v1/understand', headers = []} = {}) {
  const bytes = Buffer.from(body ?? '');
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: localhost', ...headers];
  if (body !== undefined) lines.push('Content-Type: application/json', `Content-Length: ${bytes.length}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]);
}
