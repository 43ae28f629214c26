// What the machine could do while a row was measured, and how much of that a speed is.

import {median} from "./report.mjs";

export class Machine {
  constructor(loquat, threads) {
    this.loquat = loquat;
    this.threads = threads;
    this.probes = [];
  }

  async probe() {
    const result = await this.loquat.bench("machine", ["--threads", this.threads, "--rounds", 1]);
    this.probes.push({
      read: result.read_gb_per_second.median * 1e9,
      f32: result.f32_gflop_per_second.median * 1e9,
      // Without instructions of their own these are computed as floats.
      bf16: (result.bf16_gflop_per_second ?? result.f32_gflop_per_second).median * 1e9,
      int8: (result.int8_gop_per_second ?? result.f32_gflop_per_second).median * 1e9,
    });
  }

  // The share of a roof, "read" or a kind of arithmetic, that so many bytes or operations of each unit take of it.
  shareOf(roof, each, perSecond) {
    return {roof, share: each * perSecond / median(this.probes.map((probe) => probe[roof]))};
  }
}
