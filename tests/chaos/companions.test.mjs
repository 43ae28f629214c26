// Half a minute of what tests/stress/companions.mjs does for as long as wanted: Redis, etcd, Kafka, the receiver of
// callbacks and clients of every protocol die and return, and the configuration changes.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {run} from '../stress/companions.mjs';
import {FILES_MORE_MAX, Resources, THREADS_MORE_MAX} from '../stress/companions/resources.mjs';

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

const samples = (bytesOf) => Array.from({length: 400}, (_, i) => ({bytes: bytesOf(i), files: 50, threads: 40}));
const MIB = 2 ** 20;
const CALM = {bytes: 60 * MIB, files: 50, threads: 40};

test('the verdict: warm-up and noise pass, what grows on or does not come back does not', () => {
  const verdict = (bytesOf, after = CALM) => {
    const resources = new Resources(undefined);
    resources.samples = samples(bytesOf);
    return resources.faults(CALM, after).length;
  };
  assert.equal(verdict((i) => (60 + Math.min(i, 100) / 2 + i % 5) * MIB), 0);
  assert.equal(verdict((i) => (60 + i / 100) * MIB), 0);
  // 60 MiB and 24 more in the run, 12 from the second quarter to the last.
  assert.equal(verdict((i) => (60 + 24 * i / 400) * MIB), 1);
  assert.equal(verdict(() => 60 * MIB, {...CALM, files: 50 + FILES_MORE_MAX}), 0);
  assert.equal(verdict(() => 60 * MIB, {...CALM, files: 50 + FILES_MORE_MAX + 1, threads: 40 + THREADS_MORE_MAX + 1}), 2);
});
