// The dialogues of models/assistant/eval, held against the bundled model through the server.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {frameOf} from '../support/http.mjs';
import {BUNDLED_MODEL, hasBundledModel} from '../support/paths.mjs';
import {sharedServer} from '../support/server.mjs';
import {parseYaml} from '../support/yaml.mjs';

const TURNS_RIGHT_MIN = 0.8;
const skip = !hasBundledModel() && 'the bundled model is not built';
const shared = skip ? undefined : sharedServer();
const {dialogues} = parseYaml(fs.readFileSync(path.join(BUNDLED_MODEL, 'eval/dialogues.yml'), 'utf8'));

async function saidIn(server, dialogue) {
  const wrong = [];
  for (const turn of dialogue.turns) {
    const {session} = await frameOf(server, {text: turn.user, session: dialogue.id, reply: true});
    const filled = Object.fromEntries(Object.entries(session.filled).map(([name, slot]) => [name, slot.value]));
    const got = {intent: session.active_intent ?? '', filled, missing: session.missing};
    const wanted = {intent: turn.intent, filled: turn.filled, missing: turn.missing};
    try {
      assert.deepEqual(got, wanted);
    } catch {
      wrong.push(`${dialogue.id} "${turn.user}": ${JSON.stringify(got)} where ${JSON.stringify(wanted)} was meant`);
    }
  }
  return wrong;
}

test('there are thirty dialogues, half of them Chinese', () => {
  assert.ok(dialogues.length >= 30);
  assert.ok(dialogues.filter((dialogue) => dialogue.locale === 'zh').length >= dialogues.length / 2 - 1);
});

test(`the state is right after at least ${100 * TURNS_RIGHT_MIN} % of the turns`, {skip}, async (t) => {
  const server = await shared.ready();
  const wrong = [];
  for (const dialogue of dialogues) wrong.push(...(await saidIn(server, dialogue)));
  const turns = dialogues.reduce((sum, dialogue) => sum + dialogue.turns.length, 0);
  const share = 1 - wrong.length / turns;
  t.diagnostic(`${turns - wrong.length} of ${turns} turns right (${(100 * share).toFixed(1)} %)`);
  for (const line of wrong) t.diagnostic(line);
  assert.ok(share >= TURNS_RIGHT_MIN, `${(100 * share).toFixed(1)} % of the turns are right`);
});
