// A real model for the tests: the stories of llama2.c's stories260K, converted by tools/make_model. It lies beside the
// tree, in the folder that LOQUAT_DATA names.

import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {ROOT, scratchPath} from './paths.mjs';

const DATA = process.env.LOQUAT_DATA;
const SOURCE = path.join(DATA ?? '', 'stories260k');
export const hasStories = Boolean(DATA && fs.existsSync(SOURCE));
export const withStories = {skip: !hasStories && 'LOQUAT_DATA names no folder with stories260k/'};

let file;
export function storyModel() {
  if (file === undefined) {
    file = scratchPath('stories.gguf');
    execFileSync('/usr/bin/python3', [path.join(ROOT, 'tools/make_model'), 'llama2c', path.join(SOURCE, 'stories260K.bin'),
      path.join(SOURCE, 'tok512.bin'), '--out', file], {stdio: 'ignore'});
  }
  return file;
}
