// The WebSocket server of the protocol tests, clients of npm ws that record what they see, and a client that writes
// whatever frames a test wants.

import {spawn} from 'node:child_process';
import crypto from 'node:crypto';
import path from 'node:path';
import {WebSocket} from 'ws';
import {RawConnection} from './http.mjs';
import {BINARY, ROOT} from './paths.mjs';
import {cleanEnvironment} from './process.mjs';
import {until, within} from './wait.mjs';

const PROGRAM = path.join(path.dirname(BINARY), 'tests/support/websocket_server/websocket_server');

// `settings`: {'websocket.message_bytes_max': '1KiB', …}. Its standard input is its life: stop() drains it.
export class WebSocketServer {
  static async start(settings = {}) {
    const args = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    const server = new WebSocketServer();
    server.child = spawn(PROGRAM, args, {cwd: ROOT, env: cleanEnvironment(), stdio: ['pipe', 'pipe', 'pipe']});
    server.output = '';
    for (const stream of [server.child.stdout, server.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (server.output += text));
    }
    server.exited = new Promise((resolve) => server.child.on('close', (code, signal) => resolve({code, signal})));
    server.exited.then(() => (server.ended = true));
    server.child.stdin.on('error', () => {});
    await until('the WebSocket server is ready', () => server.ended || server.output.includes('ready'));
    if (server.ended) throw new Error(`the WebSocket server did not start: ${server.output}`);
    server.port = Number(/port (\d+)/.exec(server.output)[1]);
    server.tlsPort = Number(/tls (\d+)/.exec(server.output)?.[1]);
    return server;
  }

  url(target = '/echo') {
    return `ws://127.0.0.1:${this.port}${target}`;
  }
  // The value of one metric, labels as in the page: 'loquat_websockets_open', 'x_total{reason="y"}'. 0 where it is not.
  async metric(name) {
    const page = await (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text();
    const line = page.split('\n').find((text) => text.startsWith(`${name} `));
    return line === undefined ? 0 : Number(line.slice(name.length + 1));
  }
  beginStop() {
    this.child.stdin.end();
  }
  async stop() {
    this.beginStop();
    const {code, signal} = await within(`the WebSocket server ends; ${this.output}`, this.exited);
    if (code !== 0) throw new Error(`the WebSocket server ended with ${signal ?? code}: ${this.output}`);
  }
}

// A client of npm ws: `messages` as strings or Buffers, `closed` as {code, reason}.
export class Client {
  static async open(url, options = {}, protocols = []) {
    const client = new Client();
    client.messages = [];
    client.socket = new WebSocket(url, protocols, options);
    client.socket.on('message', (data, binary) => client.messages.push(binary ? data : data.toString()));
    client.socket.on('error', (error) => (client.error = error));
    client.closed = new Promise((resolve) => {
      client.socket.on('close', (code, reason) => resolve({code, reason: reason.toString()}));
    });
    client.closed.then((closed) => (client.ended = closed));
    await within(`opening ${url}`, new Promise((resolve, reject) => {
      client.socket.on('open', resolve);
      client.socket.on('error', reject);
    }));
    return client;
  }

  send(data, options = {}) {
    this.socket.send(data, options);
  }
  // The next message that was not taken yet.
  async next(ms) {
    await until('a message comes', () => this.messages.length > 0 || this.ended !== undefined, {ms, every: 2});
    if (this.messages.length === 0) throw new Error(`closed with ${JSON.stringify(this.ended)} instead of a message`);
    return this.messages.shift();
  }
  async close(code = 1000) {
    this.socket.close(code);
    return within('closing', this.closed);
  }
}

// The status, headers and body of a handshake that is refused.
export function refusal(url, options = {}, protocols = []) {
  return within(`a refusal of ${url}`, new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols, options);
    socket.on('open', () => reject(new Error('it was accepted')));
    socket.on('error', reject);
    socket.on('unexpected-response', (_, response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (data) => (text += data));
      response.on('end', () => resolve({status: response.statusCode, headers: response.headers, text}));
    });
  }));
}

// A frame of a client. `first`: FIN, reserved bits and opcode; `length`: a lie about it.
export function frame(first, payload = '', {masked = true, length} = {}) {
  const body = Buffer.from(payload);
  const size = length ?? body.length;
  const mask = masked ? crypto.randomBytes(4) : Buffer.alloc(0);
  const head = [first];
  if (size < 126) head.push((masked ? 0x80 : 0) | size);
  else if (size < 65536) head.push((masked ? 0x80 : 0) | 126, size >> 8, size & 0xff);
  else head.push((masked ? 0x80 : 0) | 127, 0, 0, 0, 0, (size >>> 24) & 0xff, (size >> 16) & 0xff, (size >> 8) & 0xff, size & 0xff);
  const sent = masked ? body.map((byte, i) => byte ^ mask[i % 4]) : body;
  return Buffer.concat([Buffer.from(head), mask, sent]);
}

// A connection that has done the handshake and then writes frames of its own making.
export class RawWebSocket {
  static async open(port, target = '/echo', headers = []) {
    const raw = new RawWebSocket();
    raw.connection = await RawConnection.open(port);
    await raw.connection.write([`GET ${target} HTTP/1.1`, 'Host: x', 'Upgrade: websocket', 'Connection: Upgrade',
      'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}`, ...headers, '', ''].join('\r\n'));
    await until('the handshake is answered', () => raw.connection.received.includes('\r\n\r\n'), {every: 2});
    const end = raw.connection.received.indexOf('\r\n\r\n') + 4;
    raw.head = raw.connection.received.subarray(0, end).toString();
    raw.at = end;
    return raw;
  }

  write(bytes) {
    return this.connection.write(bytes);
  }
  // {first, payload} of the server's next frame; undefined at the end of the connection.
  async next() {
    let found;
    await until('a frame comes', () => {
      const bytes = this.connection.received.subarray(this.at);
      const ended = this.connection.closed || this.connection.ended;
      if (bytes.length >= 2) {
        const short = bytes[1] & 0x7f;
        const head = short === 127 ? 10 : short === 126 ? 4 : 2;
        if (bytes.length >= head) {
          const size = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
          if (bytes.length >= head + size) {
            found = {first: bytes[0], payload: bytes.subarray(head, head + size)};
            this.at += head + size;
            return true;
          }
        }
      }
      return ended;
    }, {every: 2});
    return found;
  }
  // The code of the Close frame that comes, over whatever comes before it; undefined when none does.
  async closeCode() {
    for (;;) {
      const got = await this.next();
      if (got === undefined) return undefined;
      if (got.first === 0x88) return got.payload.length >= 2 ? got.payload.readUInt16BE(0) : 1005;
    }
  }
  destroy() {
    this.connection.socket.destroy();
  }
}
