// A server of its own for a test: started on a free port with a configuration file in a scratch folder, stopped by its
// process id. Configurations are plain objects; JSON is YAML.

import {spawn} from 'node:child_process';
import fs from 'node:fs';
import {after} from 'node:test';
import {BINARY, ROOT, writeScratch} from './paths.mjs';
import {cleanEnvironment} from './process.mjs';
import {testModel} from './model.mjs';
import {BOUND_MS, until, within} from './wait.mjs';

const READY = 'Ctrl-C drains';

export class Server {
  constructor(child, configFile) {
    this.child = child;
    this.pid = child.pid;
    this.configFile = configFile;
    this.stdout = '';
    this.stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (this.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
    this.exited = new Promise((resolve) => child.on('close', (code, signal) => resolve({code, signal})));
    this.ended = false;
    this.exited.then(() => (this.ended = true));
  }

  get url() {
    return /address {2}(\S+)/.exec(this.stdout)[1];
  }
  get port() {
    return Number(new URL(this.url).port);
  }
  get tlsPort() {
    return Number(new URL(/TLS {6}(\S+)/.exec(this.stdout)[1]).port);
  }
  get output() {
    return `stdout:\n${this.stdout}\nstderr:\n${this.stderr}`;
  }

  async waitReady() {
    await until('the server is ready', () => this.ended || this.stdout.includes(READY));
    if (this.ended) throw new Error(`the server ended instead of getting ready; ${this.output}`);
    return this;
  }
  // Waits until the log (standard error) matches.
  waitLog(pattern) {
    return until(`the log has ${pattern}`, () => pattern.exec(this.stderr));
  }
  signal(name) {
    process.kill(this.pid, name);
  }
  waitExit(ms = 3 * BOUND_MS) {
    return within(`the server exits; ${this.output}`, this.exited, ms);
  }
  // Asks it to drain; the exit code and what it printed last are the caller's to check, or see stop().
  async terminate() {
    if (!this.ended) this.signal('SIGTERM');
    return this.waitExit();
  }
  // Drains; a stop that is not clean fails the test.
  async stop() {
    const {code, signal} = await this.terminate();
    if (code !== 0) throw new Error(`the server ended with ${signal ?? code}; ${this.output}`);
  }
  async kill() {
    if (!this.ended) this.signal('SIGKILL');
    await this.waitExit();
  }
  writeConfig(config) {
    fs.writeFileSync(this.configFile, configText(config));
  }
  memoryBytes() {
    return 1024 * Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1]);
  }
  openFiles() {
    return fs.readdirSync(`/proc/${this.pid}/fd`).length;
  }
}

const running = new Set();
process.on('exit', () => {
  for (const server of running) if (!server.ended) process.kill(server.pid, 'SIGKILL');
});

// JSON is YAML, but for quantities ("300ms", "2KiB"), which the configuration wants without quotes.
export function configText(config) {
  return typeof config === 'string' ? config : JSON.stringify(config, null, 1).replace(/"(\d+(?:ms|s|m|h|d|[KMG]iB))"/g, '$1');
}

// Options: config (object or YAML text), args, env, model (folder), listen, wrap (a command line to run it under, e.g.
// ['prlimit', '--nofile=64']).
export async function startServer(options = {}) {
  const {config = {}, args = [], env = {}, listen = '127.0.0.1:0', wrap = [], wait = true} = options;
  const model = options.model ?? (await testModel());
  const configFile = writeScratch('loquat.yml', configText(config));
  const command = [...wrap, BINARY, 'serve', '--config', configFile, '--listen', listen, '--model', `assistant=${model}`, ...args];
  const child = spawn(command[0], command.slice(1), {cwd: ROOT, env: cleanEnvironment(env), stdio: ['ignore', 'pipe', 'pipe']});
  const server = new Server(child, configFile);
  running.add(server);
  server.exited.then(() => running.delete(server));
  return wait ? server.waitReady() : server;
}

// One server for all tests of a file, stopped (and its exit code checked) after them.
export function sharedServer(options) {
  const shared = {server: undefined};
  const start = startServer(options).then((server) => (shared.server = server));
  start.catch(() => {});
  after(async () => (await start).stop());
  shared.ready = () => start;
  return shared;
}
