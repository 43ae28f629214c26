// Half a minute of what tests/stress/companions.mjs does for as long as wanted: Redis, etcd, Kafka, the receiver of
// callbacks and clients of every protocol die and return, and the configuration changes.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {run} from '../stress/companions.mjs';

const SECONDS = 30;

test('nothing accepted is lost, nor anything leaked, while companions come and go', async (t) => {
  const seed = Number(process.env.LOQUAT_SEED ?? Date.now() % 100_000);
  t.diagnostic(`seed ${seed}: LOQUAT_SEED repeats it`);
  const result = await run({seconds: SECONDS, seed});
  t.diagnostic(JSON.stringify(result));
  assert.deepEqual(result.failures, []);
  assert.ok(result.strikes >= 8 && result.turns > 500 && result.broken_off > 20, 'clients talk and die');
  assert.ok(result.callbacks > 50 && result.records > 300 && result.settings.good > 10 && result.settings.bad > 2 && result.settings.probes > 100, 'everything else goes on');
});
