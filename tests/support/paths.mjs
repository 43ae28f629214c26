// Where things are: the repository, the program under test, a scratch folder of this test file.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const BINARY = path.resolve(process.env.LOQUAT_BINARY ?? path.join(ROOT, 'build/release/loquat'));
export const BUNDLED_MODEL = path.join(ROOT, 'models/assistant');
export const RESULTS = path.join(ROOT, 'build/test-results');
// Data that the repository does not hold: some tests use it where it is there.
export const SHARED_DATA = path.join(process.env.LOQUAT_SHARED ?? path.join(ROOT, '../shared'), 'data');
export const hasBundledModel = () => fs.existsSync(path.join(BUNDLED_MODEL, 'manifest.json'));

let scratch;
// One folder a process, removed when it ends.
export function scratchFolder() {
  if (scratch === undefined) {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'loquat-test-'));
    process.on('exit', () => fs.rmSync(scratch, {recursive: true, force: true}));
  }
  return scratch;
}

let names = 0;
export const scratchPath = (name) => path.join(scratchFolder(), `${++names}-${name}`);

export function writeScratch(name, content) {
  const file = scratchPath(name);
  fs.writeFileSync(file, content);
  return file;
}
