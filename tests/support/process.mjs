// Runs the program to its end: what it printed and how it ended.

import {spawn} from 'node:child_process';
import {BINARY, ROOT} from './paths.mjs';

export const RUN_BOUND_MS = 120_000;

// Without LOQUAT_* of whoever runs the tests.
export function cleanEnvironment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('LOQUAT_'));
  return {...Object.fromEntries(kept), ...more};
}

// Resolves to {code, signal, stdout, stderr}; a program that does not end in time is killed and said so.
export function runProgram(program, args, {input = '', env = {}, cwd = ROOT, ms = RUN_BOUND_MS} = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {env: cleanEnvironment(env), cwd, stdio: ['pipe', 'pipe', 'pipe']});
    const out = {stdout: [], stderr: []};
    child.stdout.on('data', (data) => out.stdout.push(data));
    child.stderr.on('data', (data) => out.stderr.push(data));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${program} ${args.join(' ')} did not end within ${ms} ms`));
    }, ms);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({code, signal, stdout: Buffer.concat(out.stdout).toString(), stderr: Buffer.concat(out.stderr).toString()});
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

export const loquat = (args, options) => runProgram(BINARY, args, options);
