// Waiting for a condition, always with a bound; the only place in the tests that lets time pass.

export const BOUND_MS = 20_000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The first truthy value of `probe`, asked again and again. An exception of `probe` counts as "not yet".
export async function until(what, probe, {ms = BOUND_MS, every = 20} = {}) {
  const end = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${ms} ms in vain: ${what}${last ? `; the last try said: ${last.message}` : ''}`);
    }
    await pause(every);
  }
}

// `promise`, or an error that names `what` when it takes too long.
export function within(what, promise, ms = BOUND_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
