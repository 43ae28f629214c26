// Chat templates against Jinja itself (set up as transformers does) and against @huggingface/jinja.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {test} from 'node:test';
import {CONVERSATIONS, contextOf, randomConversation} from '../support/conversations.mjs';
import {renderHuggingFace, renderJinja, renderOurs} from '../support/jinja_oracles.mjs';
import {ROOT} from '../support/paths.mjs';
import {CONTEXT, expression, Random, template} from '../support/random_templates.mjs';

const FOLDER = path.join(ROOT, 'tests/support/chat_templates');
const TEMPLATES = Object.fromEntries(fs.readdirSync(FOLDER).map((file) => [path.basename(file, '.jinja'), fs.readFileSync(path.join(FOLDER, file), 'utf8')]));
const SEED = Number(process.env.LOQUAT_TEST_SEED ?? 20261121);

const show = (item, ours, jinja) => `${item.name ?? ''}\ntemplate ${JSON.stringify(item.template).slice(0, 600)}\nours  ${JSON.stringify(ours)}\njinja ${JSON.stringify(jinja)}`;

// The same text, or an error on both sides. Resolves to the number of errors.
async function sameAsJinja(cases) {
  const [ours, jinja] = await Promise.all([renderOurs(cases), renderJinja(cases)]);
  let errors = 0;
  cases.forEach((item, i) => {
    assert.equal(ours[i].text, jinja[i].text, show(item, ours[i], jinja[i]));
    if (ours[i].error !== undefined) {
      ++errors;
      assert.match(ours[i].error, /line \d+: ./, show(item, ours[i], jinja[i]));
    }
  });
  return errors;
}

for (const [name, source] of Object.entries(TEMPLATES)) {
  const named = Object.entries(CONVERSATIONS).map(([what, conversation]) => ({name: `${name}, ${what}`, template: source, context: contextOf(conversation)}));
  test(`${name}: every kind of conversation gives Jinja's text`, async () => {
    const errors = await sameAsJinja(named);
    assert.ok(errors < named.length / 4, `${errors} of ${named.length} are errors on both sides`);
  });

  test(`${name}: 200 random conversations give Jinja's text, seed ${SEED}`, async () => {
    const random = new Random(SEED);
    await sameAsJinja(Array.from({length: 200}, () => ({name, template: source, context: contextOf(randomConversation(random))})));
  });

  // @huggingface/jinja knows no `raw` block.
  if (!source.includes('{% raw %}')) {
    test(`${name}: where @huggingface/jinja agrees with Jinja, so do we`, async () => {
      const [ours, jinja] = await Promise.all([renderOurs(named), renderJinja(named)]);
      const other = renderHuggingFace(named);
      let agreed = 0;
      named.forEach((item, i) => {
        if (other[i].text !== jinja[i].text) return;
        ++agreed;
        assert.equal(ours[i].text, other[i].text, show(item, ours[i], other[i]));
      });
      assert.ok(agreed > named.length * 0.75, `only ${agreed} of ${named.length} agree`);
    });
  }
}

test(`5000 random expressions, seed ${SEED}`, async () => {
  const random = new Random(SEED);
  const cases = Array.from({length: 5000}, () => ({template: `{{ ${expression(random, 1 + random.below(3))} }}`, context: CONTEXT}));
  const errors = await sameAsJinja(cases);
  assert.ok(errors < cases.length / 2, `${errors} errors leave little to compare`);
});

test(`3000 random templates with white space control, seed ${SEED}`, async () => {
  const random = new Random(SEED + 1);
  const cases = Array.from({length: 3000}, () => ({template: template(random, 2), context: CONTEXT}));
  const errors = await sameAsJinja(cases);
  assert.ok(errors < cases.length * 0.6, `${errors} errors leave little to compare`);
});

test('strftime_now tells the time that was given', async () => {
  const directives = ['%d %b %Y', '%A, %B %-d, %Y', '%H:%M:%S', '%I:%M %p', '%y%m%d %j', '%F %T', '%%'];
  assert.equal(await sameAsJinja(directives.map((format) => ({template: `{{ strftime_now('${format}') }}`, context: {}}))), 0);
});
