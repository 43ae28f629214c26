// Debian's redis-server for a test: on a free port, without files, stopped by its process id. And a small client that
// speaks RESP2, so that tests look at Redis with eyes of their own.

import {spawn} from 'node:child_process';
import net from 'node:net';
import {scratchFolder} from './paths.mjs';
import {until, within} from './wait.mjs';

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject).listen(0, '127.0.0.1', () => {
      const {port} = server.address();
      server.close(() => resolve(port));
    });
  });
}

const running = new Set();
process.on('exit', () => {
  for (const child of running) {
    process.kill(child.pid, 'SIGCONT');
    process.kill(child.pid, 'SIGKILL');
  }
});

export class Redis {
  // Options: password; tls {cert, key}: then `port` speaks TLS and nothing else is open.
  static async start(options = {}) {
    const redis = new Redis();
    redis.options = options;
    redis.port = await freePort();
    await redis.restart();
    return redis;
  }

  get address() {
    return `127.0.0.1:${this.port}`;
  }

  async restart() {
    const {password, tls} = this.options;
    const ports = tls
      ? ['--port', '0', '--tls-port', this.port, '--tls-cert-file', tls.cert, '--tls-key-file', tls.key, '--tls-auth-clients', 'no']
      : ['--port', this.port];
    this.child = spawn('redis-server', [...ports.map(String), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
      '--dir', scratchFolder(), '--enable-debug-command', 'yes', ...(password ? ['--requirepass', password] : [])],
    {stdio: ['ignore', 'pipe', 'pipe']});
    running.add(this.child);
    const {child} = this;
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (said += text));
    this.exited = new Promise((resolve) => child.on('close', () => {
      running.delete(child);
      resolve();
    }));
    await until('redis-server is ready', () => {
      if (!running.has(child)) throw new Error(`redis-server ended: ${said}`);
      return said.includes('Ready to accept connections');
    });
  }

  signal(name) {
    process.kill(this.child.pid, name);
  }
  async kill() {
    if (running.has(this.child)) this.signal('SIGKILL');
    await within('redis-server ends', this.exited);
  }

  // One command on a connection of its own; the reply's bytes, of which a test looks for parts.
  command(...args) {
    const bytes = `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(String(arg))}\r\n${arg}\r\n`).join('')}`;
    const {password} = this.options;
    const login = password ? `*2\r\n$4\r\nAUTH\r\n$${password.length}\r\n${password}\r\n` : '';
    const done = new Promise((resolve, reject) => {
      const socket = net.connect(this.port, '127.0.0.1');
      let reply = '';
      socket.setEncoding('utf8').on('data', (text) => (reply += text));
      socket.on('error', reject).on('close', () => resolve(login ? reply.slice('+OK\r\n'.length) : reply));
      socket.end(`${login}${bytes}*1\r\n$4\r\nQUIT\r\n`);
    });
    return within(`redis ${args[0]}`, done);
  }
}
