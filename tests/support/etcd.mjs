// Debian's etcd-server for a test: on free ports, with its data in a scratch folder, stopped by its process id; and
// etcdctl as a client that is not ours.

import {spawn} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import {scratchPath} from './paths.mjs';
import {runProgram} from './process.mjs';
import {freePort} from './redis.mjs';
import {until, within} from './wait.mjs';

const running = new Set();
process.on('exit', () => {
  for (const child of running) {
    process.kill(child.pid, 'SIGCONT');
    process.kill(child.pid, 'SIGKILL');
  }
});

export const PREFIX = '/loquat/config/';

export class Etcd {
  // Options: tls {cert, key}: clients speak TLS.
  static async start(options = {}) {
    const etcd = new Etcd();
    etcd.options = options;
    etcd.port = await freePort();
    etcd.peerPort = await freePort();
    etcd.data = scratchPath('etcd');
    etcd.login = [];
    await etcd.restart();
    return etcd;
  }

  get address() {
    return `127.0.0.1:${this.port}`;
  }
  get url() {
    return `${this.options.tls ? 'https' : 'http'}://${this.address}`;
  }

  async restart({loseData = false} = {}) {
    if (loseData) fs.rmSync(this.data, {recursive: true, force: true});
    const peer = `http://127.0.0.1:${this.peerPort}`;
    const {tls} = this.options;
    this.child = spawn('etcd', ['--name', 'test', '--data-dir', this.data, '--listen-client-urls', this.url,
      '--advertise-client-urls', this.url, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
      '--initial-cluster', `test=${peer}`, ...(tls ? ['--cert-file', tls.cert, '--key-file', tls.key] : [])],
    {stdio: ['ignore', 'ignore', 'pipe']});
    const {child} = this;
    running.add(child);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
    this.exited = new Promise((resolve) => child.on('close', () => {
      running.delete(child);
      resolve();
    }));
    await until('etcd is ready', async () => {
      if (!running.has(child)) throw new Error(`etcd ended: ${said}`);
      return /serving .*client requests on/.test(said) && (tls || (await this.healthy()));
    });
  }
  healthy() {
    return new Promise((resolve) => {
      http.get(`${this.url}/health`, {agent: false}, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      }).on('error', () => resolve(false));
    });
  }

  signal(name) {
    process.kill(this.child.pid, name);
  }
  async kill() {
    if (running.has(this.child)) this.signal('SIGKILL');
    await within('etcd ends', this.exited);
  }

  async ctl(args, input = '') {
    const tls = this.options.tls ? ['--cacert', this.options.tls.cert] : [];
    const {code, stdout, stderr} = await runProgram('etcdctl', ['--endpoints', this.url, ...tls, ...this.login, ...args], {env: {ETCDCTL_API: '3'}, input});
    if (code !== 0) throw new Error(`etcdctl ${args.join(' ')}: ${stderr}${stdout}`);
    return stdout;
  }
  // Below the prefix.
  put(path, value) {
    return this.ctl(['put', '--', `${PREFIX}${path}`, String(value)]);
  }
  del(path) {
    return this.ctl(['del', `${PREFIX}${path}`]);
  }
  // Several keys in one transaction; a value of undefined deletes.
  transaction(values) {
    const lines = Object.entries(values).map(([path, value]) =>
      (value === undefined ? `del ${PREFIX}${path}` : `put ${PREFIX}${path} ${JSON.stringify(String(value))}`));
    return this.ctl(['txn'], `\n${lines.join('\n')}\n\n\n`);
  }
  async revision() {
    return JSON.parse(await this.ctl(['get', 'nothing', '-w', 'json'])).header.revision;
  }
  // History up to now is forgotten.
  async compact() {
    await this.ctl(['compact', String(await this.revision())]);
    await this.ctl(['defrag']);
  }
}
