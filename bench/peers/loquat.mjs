// Our side: `loquat bench` for the work, tests/parity/model_outputs for the results.

import {execFile} from "node:child_process";
import path from "node:path";
import {promisify} from "node:util";
import {ROOT, run} from "./models.mjs";

const runAside = promisify(execFile);

export class Loquat {
  constructor(build) {
    this.binary = path.join(ROOT, build, "loquat");
    this.outputs = path.join(ROOT, build, "tests/parity/model_outputs");
  }

  async bench(what, args) {
    const {stdout} = await runAside(this.binary, ["bench", what, "--json", ...args.map(String)], {cwd: ROOT});
    return JSON.parse(stdout);
  }

  // One round of a prompt and what is generated after it.
  async decoder(model, {threads, prompt, generated, sequences = 1}) {
    const result = await this.bench("model", [model, "--rounds", 1, "--threads", threads, "--prompt", prompt, "--generate", generated, "--sequences", sequences]);
    return {prefill: result.prefill_tokens_per_second.median, decode: result.decode_tokens_per_second?.median, memory: result.peak_rss_bytes};
  }

  // One round of a batch of texts of these lengths.
  async encoder(model, {threads, lengths, int8}) {
    const result = await this.bench("model", [model, "--rounds", 1, "--threads", threads, "--lengths", lengths.join(","), ...(int8 ? ["--int8"] : [])]);
    return {texts: result.texts_per_second.median, memory: result.peak_rss_bytes};
  }

  // "logits", "pooled" or "pooled-int8" of these tokens.
  results(kind, model, tokens) {
    const bytes = run(this.outputs, [kind, model], tokens.join(" "));
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }
}
