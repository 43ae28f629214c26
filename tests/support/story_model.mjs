// A real model for the tests: the stories of llama2.c's stories260K, converted by tools/make_model. It is
// among the shared data.

import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {ROOT, SHARED_DATA, scratchPath} from './paths.mjs';

const SOURCE = path.join(SHARED_DATA, 'stories260k');
export const hasStories = fs.existsSync(SOURCE);
export const withStories = {skip: !hasStories && 'the shared data has no folder stories260k/'};

let file;
export function storyModel() {
  if (file === undefined) {
    file = scratchPath('stories.gguf');
    execFileSync('/usr/bin/python3', [path.join(ROOT, 'tools/make_model'), 'llama2c', path.join(SOURCE, 'stories260K.bin'),
      path.join(SOURCE, 'tok512.bin'), '--out', file], {stdio: 'ignore'});
  }
  return file;
}
