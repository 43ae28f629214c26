// The model that the server tests use: the bundled assistant where it is built, else a small one trained here. A trained
// model is kept under build/ for the other test files, named by what made it.

import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {BINARY, BUNDLED_MODEL, ROOT, hasBundledModel, writeScratch} from './paths.mjs';
import {nluYaml} from './nlu.mjs';
import {loquat} from './process.mjs';
import {until} from './wait.mjs';

const KEPT = path.join(ROOT, 'build/test-models');
const TRAINING_BOUND_MS = 180_000;

function identity() {
  const program = fs.statSync(BINARY);
  return crypto.createHash('sha256').update(`${BINARY} ${program.size} ${program.mtimeMs} ${nluYaml()}`).digest('hex').slice(0, 16);
}

async function train(folder) {
  const data = writeScratch('nlu.yml', nluYaml());
  const draft = `${folder}.${process.pid}`;
  const {code, stderr} = await loquat(['train', data, '--out', draft]);
  if (code !== 0) throw new Error(`training the test model failed: ${stderr}`);
  fs.copyFileSync(path.join(BUNDLED_MODEL, 'domain.yml'), path.join(draft, 'domain.yml'));
  fs.renameSync(draft, folder);
}

let small;
// The small model; trained once for all test files, whichever comes first.
export function smallModel() {
  small ??= (async () => {
    const folder = path.join(KEPT, identity());
    fs.mkdirSync(KEPT, {recursive: true});
    const lock = `${folder}.lock`;
    await until('another test file has trained the model', async () => {
      if (fs.existsSync(path.join(folder, 'manifest.json'))) return true;
      try {
        fs.mkdirSync(lock);
      } catch {
        // A lock that is older than any training takes was left by a process that died.
        if (Date.now() - fs.statSync(lock).mtimeMs > TRAINING_BOUND_MS) fs.rmdirSync(lock);
        return false;
      }
      try {
        if (!fs.existsSync(path.join(folder, 'manifest.json'))) await train(folder);
      } finally {
        fs.rmdirSync(lock);
      }
      return true;
    }, {ms: TRAINING_BOUND_MS, every: 200});
    return folder;
  })();
  return small;
}

export async function testModel() {
  return hasBundledModel() ? BUNDLED_MODEL : smallModel();
}
