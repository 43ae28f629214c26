// `loquat chat` in a terminal: a pseudo-terminal of python3's holds the program, takes what we type and shows what it says.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {after, test} from 'node:test';
import {randomModel, readMetrics, untilIdle} from '../support/generation.mjs';
import {BINARY, ROOT} from '../support/paths.mjs';
import {cleanEnvironment, loquat} from '../support/process.mjs';
import {sharedServer} from '../support/server.mjs';
import {until, within} from '../support/wait.mjs';

const CONTEXT = 65_536;
const model = randomModel('qwen2', {set: {context: CONTEXT}});
const shared = sharedServer({config: {models: [
  {name: 'encoder', path: randomModel('bert')},
  {name: 'tiny', path: model, kv_bytes: '80MiB'},
]}});

// Types what comes on standard input, and ends with the program's own exit code.
const PTY = `
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
typing = True
while True:
    for ready in select.select([terminal] + ([0] if typing else []), [], [])[0]:
        try:
            data = os.read(ready, 65536)
        except OSError:
            data = b''
        if ready == 0:
            typing = data != b''
            os.write(terminal, data)
        elif data:
            os.write(1, data)
        else:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
`;
const CTRL_C = '\x03';
const CTRL_D = '\x04';

// With the terminal goes the program in it, whatever became of the test.
const terminals = [];
after(() => terminals.forEach((terminal) => terminal.child.kill('SIGKILL')));

class Terminal {
  constructor(...args) {
    this.child = spawn('/usr/bin/python3', ['-c', PTY, BINARY, 'chat', ...args], {cwd: ROOT, env: cleanEnvironment(), stdio: ['pipe', 'pipe', 'inherit']});
    this.shown = '';
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.shown += text));
    this.exited = new Promise((resolve) => this.child.on('close', resolve));
    terminals.push(this);
  }
  type(text) {
    this.mark = this.shown.length;
    this.child.stdin.write(text);
  }
  // What was shown since the last typing, once it matches.
  sees(pattern) {
    return until(`the terminal shows ${pattern}; it shows ${this.shown.slice(-500)}`, () => pattern.exec(this.shown.slice(this.mark ?? 0)));
  }
  ends() {
    return within(`the program ends; it shows ${this.shown.slice(-500)}`, this.exited);
  }
}

const places = {
  'in this process': async () => ['--model', model],
  'with a server': async () => ['--url', (await shared.ready()).url],
};
for (const [place, where] of Object.entries(places)) {
  test(`${place}, words come as they are made, and then the speed`, async () => {
    const terminal = new Terminal(...await where(), '--max-tokens', '20', '--temperature', '0');
    await terminal.sees(/Talking with (tiny|qwen2)\S*\. Ctrl-C stops an answer, Ctrl-D ends\.\s+> $/);
    terminal.type('hello\n');
    const [, tokens, rate] = await terminal.sees(/\[(\d+) tokens, ([\d.]+) tokens\/s, first after [\d.]+ s, prompt of \d+ tokens\]\s+> $/);
    assert.ok(Number(tokens) > 0 && Number(tokens) <= 20);
    assert.ok(Number(rate) > 0);
    terminal.type('and then?\n');
    const [, second] = await terminal.sees(/prompt of (\d+) tokens\]\s+> $/);
    assert.ok(Number(second) > 20, 'the conversation so far is in the prompt');
    terminal.type(CTRL_D);
    assert.equal(await terminal.ends(), 0);
  });

  test(`${place}, the first Ctrl-C stops the answer, one between answers leaves`, async () => {
    const terminal = new Terminal(...await where(), '--temperature', '0');
    await terminal.sees(/> $/);
    // Without chance this model says the same word again and again.
    terminal.type('tell me everything\n');
    await terminal.sees(/everything\r\n[^]{200}/);
    terminal.type(CTRL_C);
    await terminal.sees(/\[stopped after [\d.]+ s\]\s+> $/);
    terminal.type('once more\n');
    await terminal.sees(/once more\r\n[^]{200}/);
    terminal.type(CTRL_C);
    await terminal.sees(/\[stopped after [\d.]+ s\]\s+> $/);
    terminal.type(CTRL_C);
    assert.equal(await terminal.ends(), 130);
  });
}

test('an answer that was stopped is not computed any further', async () => {
  const server = await shared.ready();
  const metrics = await untilIdle(server, ['tiny']);
  assert.ok(metrics('loquat_engine_requests_total', {model: 'tiny', end: 'cancelled'}) >= 2);
  assert.ok((await readMetrics(server))('loquat_engine_tokens_total', {model: 'tiny', phase: 'decode'}) < CONTEXT);
});

test('lines from a pipe are answered one by one, figures go to standard error', async () => {
  const {code, stdout, stderr} = await loquat(['chat', '--model', model, '--max-tokens', '5', '--temperature', '0'], {input: 'one\n\ntwo\n'});
  assert.equal(code, 0, stderr);
  assert.equal(stderr.match(/tokens\/s/g).length, 2);
  assert.doesNotMatch(stdout, /tokens\/s|> /);
});

test('what cannot chat is said at once', async () => {
  const fails = async (...args) => {
    const {code, stderr} = await loquat(['chat', ...args], {input: 'hi\n'});
    assert.notEqual(code, 0);
    return stderr;
  };
  assert.match(await fails('--model', randomModel('bert')), /it completes text, and cannot chat|cannot chat/);
  assert.match(await fails('--model', '/nowhere.gguf'), /nowhere\.gguf/);
  assert.match(await fails('--url', 'http://127.0.0.1:1'), /127\.0\.0\.1:1|refused/);
  assert.match(await fails('--url', (await shared.ready()).url, '--name', 'nobody'), /there is no model "nobody"/);
  assert.match(await fails(), /--model|--url/);
});
