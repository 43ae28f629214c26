// Our template engine and two others, behind one face: render(cases) gives for each case {text} or {error}.

import {spawn} from 'node:child_process';
import path from 'node:path';
import {Template} from '@huggingface/jinja';
import {BINARY, ROOT} from './paths.mjs';

const PROBE = process.env.LOQUAT_TEMPLATE_PROBE ?? path.join(path.dirname(BINARY), 'src/text/template/template_probe');

// One process over all cases: a line of JSON in, a line out.
async function throughProcess(command, args, cases) {
  const child = spawn(command, args, {stdio: ['pipe', 'pipe', 'inherit']});
  const chunks = [];
  child.stdout.on('data', (data) => chunks.push(data));
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${signal ?? code}`))));
  });
  child.stdin.end(cases.map(({template, context}) => `${JSON.stringify({template, context})}\n`).join(''));
  await ended;
  const lines = Buffer.concat(chunks).toString().split('\n').slice(0, -1);
  if (lines.length !== cases.length) throw new Error(`${command}: ${lines.length} answers to ${cases.length} questions`);
  return lines.map((line) => JSON.parse(line));
}

export const renderOurs = (cases) => throughProcess(PROBE, [], cases);
// Debian puts python3-jinja2 where its own interpreter finds it.
export const renderJinja = (cases) => throughProcess('/usr/bin/python3', [path.join(ROOT, 'tests/support/jinja_oracle.py')], cases);

// Its strftime_now() tells the real time, so the templates are given the others' date as a variable.
export function renderHuggingFace(cases) {
  return cases.map(({template, context}) => {
    try {
      return {text: new Template(template).render({date_string: '21 Nov 2026', ...structuredClone(context)})};
    } catch (error) {
      return {error: String(error.message ?? error)};
    }
  });
}
