// Small models for the server's engines, made by tools/make_model: random weights, real formats. A classification head
// may be told what to say.

import {execFileSync} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {ROOT, scratchPath} from './paths.mjs';

const make = (...args) => execFileSync('/usr/bin/python3', [path.join(ROOT, 'tools/make_model'), ...args], {stdio: ['ignore', 'pipe', 'inherit']});

// A chat model (ChatML), as a Hugging Face folder.
export function chatModel(shape = {}) {
  const folder = scratchPath('chat');
  make('huggingface', '--arch', 'qwen2', '--shape', 'tiny', '--set', JSON.stringify(shape), '--out', folder);
  return folder;
}

// An encoder without a head.
export function encoderModel() {
  const folder = scratchPath('encoder');
  make('huggingface', '--arch', 'bert', '--shape', 'tiny', '--out', folder);
  return folder;
}

// The tensors of a safetensors file (https://huggingface.co/docs/safetensors) that `change` is called with, as floats.
function changeTensors(file, pattern, change) {
  const bytes = fs.readFileSync(file);
  const headerSize = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + headerSize).toString());
  let changed = 0;
  for (const [name, {dtype, data_offsets: [begin, end] = []}] of Object.entries(header)) {
    if (!pattern.test(name)) continue;
    if (dtype !== 'F32') throw new Error(`${name} is ${dtype}`);
    const values = Array.from({length: (end - begin) / 4}, (_, i) => bytes.readFloatLE(8 + headerSize + begin + 4 * i));
    change(name, values).forEach((value, i) => bytes.writeFloatLE(value, 8 + headerSize + begin + 4 * i));
    changed += 1;
  }
  fs.writeFileSync(file, bytes);
  return changed;
}

// A classifier of BERT's kind: head 'sequence' or 'token'. `logits`: what it says of every text or token, whatever stands
// there; without them its weights are random.
export function classifierModel(head, labels, logits) {
  const folder = scratchPath(head);
  make('huggingface', '--arch', 'bert', '--shape', 'tiny', '--head', head, '--labels', labels.join(','), '--out', folder);
  if (logits !== undefined) {
    const changed = changeTensors(path.join(folder, 'model.safetensors'), /^classifier\./,
      (name, values) => (name.endsWith('bias') ? logits : values.map(() => 0)));
    if (changed !== 2) throw new Error(`the head has ${changed} tensors instead of a weight and a bias`);
  }
  return folder;
}
