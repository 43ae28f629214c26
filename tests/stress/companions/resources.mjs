// What the server holds, sampled as time goes by: memory, descriptors, threads. And the verdicts: memory is flat, and what
// a calm server held it holds again when the load has stopped.

import fs from 'node:fs';
import {pause, until} from '../../support/wait.mjs';

const SAMPLE_MS = 250;
// The median of the last quarter may lie so much above that of the second; the first is warm-up.
export const GROWTH_BYTES_MAX = 8 * 2 ** 20;
export const GROWTH_SHARE_MAX = 0.05;
// Which connections to the companions are open, and which threads of librdkafka and gRPC wait for more work, depends on who
// died last. Hundreds of deaths that left one behind each would be far above.
export const FILES_MORE_MAX = 8;
export const THREADS_MORE_MAX = 4;
const STEADY_SAMPLES = 8;

export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

export function held(server) {
  const status = fs.readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  return {bytes: 1024 * field('VmRSS'), files: server.openFiles(), threads: field('Threads')};
}

function leaks(calm, after) {
  const faults = [];
  if (after.files > calm.files + FILES_MORE_MAX) faults.push(`${after.files} descriptors are open, ${calm.files} were before`);
  if (after.threads > calm.threads + THREADS_MORE_MAX) faults.push(`${after.threads} threads run, ${calm.threads} did before`);
  return faults;
}

export class Resources {
  constructor(server) {
    this.server = server;
    this.samples = [];
  }
  // Until `world.going` ends.
  async watch(world) {
    while (world.going && !this.server.ended) {
      this.samples.push(held(this.server));
      await pause(SAMPLE_MS);
    }
  }
  // A server that nobody asks anything: descriptors and threads have stopped to change, and are those of a calm one if that
  // takes no longer than `ms`.
  async rest(ms, calm = undefined) {
    const seen = [];
    await until('descriptors and threads stand still', () => {
      const now = held(this.server);
      seen.push(`${now.files} ${now.threads}`);
      const still = seen.length >= STEADY_SAMPLES && seen.slice(-STEADY_SAMPLES).every((one) => one === seen.at(-1));
      return still && (calm === undefined || leaks(calm, now).length === 0);
    }, {ms, every: SAMPLE_MS}).catch(() => {});
    return held(this.server);
  }
  // The median of the n-th of so many parts of the time.
  part(n, parts, what) {
    const size = this.samples.length / parts;
    return median(this.samples.slice(Math.floor((n - 1) * size), Math.ceil(n * size)).map((sample) => sample[what]));
  }
  growth() {
    return {early: this.part(2, 4, 'bytes'), late: this.part(4, 4, 'bytes')};
  }
  faults(calm, after) {
    const faults = [];
    const {early, late} = this.growth();
    if (late > early + Math.max(GROWTH_BYTES_MAX, GROWTH_SHARE_MAX * early)) faults.push(`memory grew from ${early} to ${late} bytes`);
    return [...faults, ...leaks(calm, after)];
  }
}
