// Redis and the receiver of callbacks die and return while clients of every protocol talk, and die themselves. A longer
// run: node tests/stress/companions.mjs --seconds 600.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {run} from '../stress/companions.mjs';

const SECONDS = 40;

test('no accepted turn and no promised callback is lost while companions come and go', async (t) => {
  const seed = Number(process.env.LOQUAT_SEED ?? Date.now() % 100_000);
  t.diagnostic(`seed ${seed}: LOQUAT_SEED repeats it`);
  const result = await run({seconds: SECONDS, seed});
  t.diagnostic(`${result.turns} turns, ${result.callbacks} callbacks`);
  assert.deepEqual(result.failures, []);
  assert.deepEqual(result.lost, []);
  assert.equal(result.callback_faults, 0);
  assert.ok(result.turns > 100 && result.callbacks > 10, JSON.stringify(result));
  assert.ok(result.resident_late < result.resident_early + 32 * 2 ** 20, `${result.resident_early} bytes early, ${result.resident_late} late`);
});
