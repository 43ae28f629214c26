// Decoders beside llama.cpp: a prompt, one stream after it, and many streams at once.

import {Machine} from "./machine.mjs";
import {Work, arithmeticOf, makeGguf, tokensOf} from "./models.mjs";
import {PeerProcess} from "./peer_process.mjs";

const PROMPT = 512, GENERATED = 64;
const PARALLEL = [16, 64], PARALLEL_PROMPT = 32, PARALLEL_GENERATED = 32; // Sequences that generate side by side.
const PARALLEL_ROUNDS_MAX = 3;
const TOKENS = 30000; // Ids below it are in every vocabulary.

// peer: the type that it computes from, where it is another one than ours.
export const DECODERS = [
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "q4_0", parallel: true},
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "q8_0", parallel: true},
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "bf16"},
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "q4_k"},
  {arch: "qwen2", shape: "qwen2.5-0.5b", type: "q4_0", peer: "q4_k"},
  {arch: "llama", shape: "llama-3.2-1b", type: "q4_0"},
  {arch: "llama", shape: "llama-3.2-1b", type: "q8_0"},
  {arch: "llama", shape: "llama-3.2-1b", type: "q4_k"},
  {arch: "llama", shape: "llama-3.2-1b", type: "q4_0", peer: "q4_k"},
];

export const nameOf = ({shape, type, peer}) => peer ? `${shape} ${type} beside its ${peer}` : `${shape} ${type}`;

// As tests/parity finds it: both sides round activations to 8 bits before block types, each in its own way.
const LOGIT_ERROR_MAX = 0.3; // Of the logits' spread.

export async function startLlamaCpp(model, threads, report) {
  const peer = new PeerProcess("llama_cpp_process.mjs");
  report.results.llama_cpp = await peer.ask("load", model, threads, PROMPT + GENERATED + 64, PROMPT);
  return peer;
}

async function checkLogits(loquat, model, threads, report) {
  const tokens = tokensOf(16, TOKENS);
  const ours = loquat.results("logits", model, tokens);
  const peer = await startLlamaCpp(model, threads, report); // Of its own: what it takes is not the work's.
  const theirs = await peer.ask("logits", tokens);
  await peer.close();
  const width = theirs.length / tokens.length;
  let worst = 0;
  for (let at = 0; at < theirs.length; at += width) {
    const row = theirs.subarray(at, at + width);
    const mean = row.reduce((sum, value) => sum + value, 0) / width;
    const spread = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width);
    row.forEach((value, i) => { worst = Math.max(worst, Math.abs(value - ours[at + i]) / spread); });
  }
  if (!(worst <= LOGIT_ERROR_MAX)) throw new Error(`${model}: logits differ by ${worst} of their spread`);
  return worst;
}

class DecoderRows {
  constructor(context, which) {
    Object.assign(this, context); // loquat, threads, rounds, report
    this.which = which;
    this.model = makeGguf(which.arch, which.shape, which.type);
    this.peerModel = makeGguf(which.arch, which.shape, which.peer ?? which.type);
    this.works = [new Work(this.loquat.binary, this.model), new Work(this.loquat.binary, this.peerModel)];
    this.arithmetic = [which.type, which.peer ?? which.type].map(arithmeticOf);
    this.prompt = tokensOf(PROMPT, TOKENS);
  }

  row(machine, what, rounds, memory, roof) {
    this.report.row({
      work: `${nameOf(this.which)}, ${what}`, unit: "tokens/s", peer: "llama.cpp", rounds, memory, difference: this.difference,
      roof: (speeds) => speeds.map((speed, side) => roof(machine, side, speed)),
    });
  }

  async single(peer) {
    const machine = new Machine(this.loquat, this.threads);
    await peer.ask("round", this.prompt, GENERATED); // Warm, as our own first round is, which is not counted.
    const rounds = [];
    for (let i = 0; i < this.rounds; i++) {
      await machine.probe();
      const own = await this.loquat.decoder(this.model, {threads: this.threads, prompt: PROMPT, generated: GENERATED});
      rounds.push([own, await peer.ask("round", this.prompt, GENERATED)]);
    }
    const memory = [rounds[0][0].memory, peer.peakMemory()];
    const context = PROMPT + GENERATED / 2;
    this.row(machine, `prompt of ${PROMPT}`, rounds.map(([own, theirs]) => [own.prefill, theirs.prefill]), memory,
      (roofs, side, speed) => roofs.shareOf(this.arithmetic[side], this.works[side].promptOperations(PROMPT) / PROMPT, speed));
    this.row(machine, `${GENERATED} tokens after it`, rounds.map(([own, theirs]) => [own.decode, theirs.decode]), memory,
      (roofs, side, speed) => roofs.shareOf("read", this.works[side].bytesPerToken(context), speed));
  }

  async parallel(peer, count) {
    const machine = new Machine(this.loquat, this.threads);
    const prompt = this.prompt.slice(0, PARALLEL_PROMPT);
    const rounds = [];
    let memory;
    for (let i = 0; i < Math.min(this.rounds, PARALLEL_ROUNDS_MAX); i++) {
      await machine.probe();
      const own = await this.loquat.decoder(this.model, {threads: this.threads, prompt: PARALLEL_PROMPT, generated: PARALLEL_GENERATED, sequences: count});
      memory = own.memory;
      rounds.push([own.decode, await peer.ask("parallelRound", count, prompt, PARALLEL_GENERATED, PROMPT)]);
    }
    this.row(machine, `${count} sequences at once`, rounds, [memory, peer.peakMemory()], (roofs, side, speed) => {
      const work = this.works[side], context = PARALLEL_PROMPT + PARALLEL_GENERATED / 2;
      const read = roofs.shareOf("read", work.bytesPerToken(context, count), speed);
      const computed = roofs.shareOf(this.arithmetic[side], 2 * (work.layerWeights + work.headWeights), speed);
      return read.share > computed.share ? read : computed;
    });
  }

  async all() {
    this.difference = this.which.peer ? "other weights" : await checkLogits(this.loquat, this.model, this.threads, this.report);
    const peer = await startLlamaCpp(this.peerModel, this.threads, this.report);
    try {
      await this.single(peer);
      for (const count of this.which.parallel ? PARALLEL : []) await this.parallel(peer, count);
    } finally {
      await peer.close();
    }
  }
}

export const decoderRows = (context, which) => new DecoderRows(context, which).all();
