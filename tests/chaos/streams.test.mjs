// A minute of what tests/stress/streams.mjs does to served models.

import assert from 'node:assert/strict';
import {test} from 'node:test';
import {stress} from '../stress/streams.mjs';

test('64 streams that arrive, vanish, run late and make no sense leave nothing behind', async (t) => {
  const result = await stress({seconds: 60});
  t.diagnostic(JSON.stringify({...result, failures: undefined}));
  assert.deepEqual(result.failures, []);
  for (const kind of ['answered by a stream', 'answered whole', 'went away', 'ended by its deadline', 'refused 429 queue_full']) {
    assert.ok(result.counts[kind] > 0, `nobody was ${kind}`);
  }
  assert.ok(result.preemptions > 0, 'pages ran short');
  assert.ok(result.prefixHits > 0, 'prefixes were shared');
});
