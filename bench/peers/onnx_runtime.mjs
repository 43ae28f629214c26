// Encoders beside ONNX Runtime: texts of one length, and texts of many lengths in one batch. The peer takes the better of
// two graphs, plain and with fused attention, and of mixed texts the best batches.

import {Machine} from "./machine.mjs";
import {Work, encoderVocabulary, makeGguf, makeOnnx, tokensOf} from "./models.mjs";
import {PeerProcess} from "./peer_process.mjs";

export const ENCODERS = ["bert-base", "minilm", "tinybert"];
const CASES = [{tokens: 16, texts: 1}, {tokens: 32, texts: 1}, {tokens: 128, texts: 1}, {tokens: 32, texts: 32}];
// What we compute with, and the peer's graphs that it is beside.
const FORMS = [
  {name: "f32", type: "f32", beside: ["f32"]},
  {name: "bf16", type: "bf16", beside: ["f32"]},
  {name: "int8", type: "f32", int8: true, beside: ["f32", "int8"]},
];
const COSINE_MIN = {f32: 0.99999, bf16: 0.9999, int8: 0.999}; // Beside the peer in F32.
const MIXED_TEXTS = 32, MIXED_LEAST = 8, MIXED_MOST = 128; // Tokens.
const MIXED_BATCHES = [1, 4, 8, 16, 32];

const poolingOf = (shape) => shape === "bert-base" ? "cls" : "mean";

function cosineOf(a, b) {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

class EncoderRows {
  constructor(context, shape) {
    Object.assign(this, context); // loquat, threads, rounds, report
    this.shape = shape;
  }

  // Of each form a process for each graph.
  async startPeers(masked) {
    const peers = {f32: [], int8: []};
    for (const form of ["f32", "int8"]) {
      for (const fused of [false, true]) {
        const peer = new PeerProcess("onnx_runtime_process.mjs");
        peers[form].push({peer, label: fused ? "fused" : "plain"});
        await peer.ask("load", makeOnnx(this.shape, {int8: form === "int8", masked, fused}), this.threads);
      }
    }
    return peers;
  }

  // Ours of every form beside the peer's in F32.
  async checkForms(peers) {
    const tokens = tokensOf(16, this.vocabulary);
    const embedding = ({peer}) => peer.ask("embedding", [tokens], poolingOf(this.shape));
    const theirs = await embedding(peers.f32[0]);
    this.forms = FORMS.map((form) => {
      const gguf = makeGguf("bert", this.shape, form.type);
      const cosine = cosineOf(this.loquat.results(form.int8 ? "pooled-int8" : "pooled", gguf, tokens), theirs);
      if (!(cosine >= COSINE_MIN[form.name])) throw new Error(`${gguf} in ${form.name}: the embeddings' cosine is ${cosine}`);
      return {...form, gguf, difference: 1 - cosine};
    });
    this.work = new Work(this.loquat.binary, this.forms[0].gguf);
    for (const form of ["f32", "int8"]) {
      for (const each of peers[form]) {
        const difference = 1 - cosineOf(await embedding(each), theirs);
        if (form === "f32" && !(difference <= 1 - COSINE_MIN.f32)) throw new Error(`${this.shape}: the ${each.label} graph is ${difference} from the plain one`);
        this.report.note(`${this.shape}: ONNX Runtime's ${form} with the ${each.label} graph is ${difference.toExponential(1)} from its plain f32.`);
      }
    }
  }

  // A padded text beside itself alone.
  async checkMask(peers, masked) {
    const tokens = tokensOf(16, this.vocabulary);
    const texts = [tokens, tokensOf(MIXED_MOST, this.vocabulary, 2)];
    const alone = await peers.f32[0].peer.ask("embedding", [tokens], poolingOf(this.shape));
    for (const {peer, label} of masked.f32) {
      const cosine = cosineOf(alone, await peer.ask("embedding", texts, poolingOf(this.shape)));
      if (!(cosine >= COSINE_MIN.f32)) throw new Error(`${this.shape}: a padded text's cosine with itself alone is ${cosine} with the ${label} graph`);
    }
  }

  // settings: of each form of the peer.
  async measure(what, lengths, settings) {
    const machine = new Machine(this.loquat, this.threads);
    const rounds = [];
    const memory = {};
    for (let i = 0; i <= this.rounds; i++) {
      await machine.probe();
      const round = {};
      for (const {name, gguf, int8} of this.forms) {
        const own = await this.loquat.encoder(gguf, {threads: this.threads, lengths, int8});
        round[name] = own.texts;
        memory[name] = own.memory;
      }
      for (const [form, {peer, texts, batch}] of Object.entries(settings)) round[`peer ${form}`] = await peer.ask("round", texts, batch);
      if (i > 0) rounds.push(round); // The first one is warm-up.
    }
    const operations = lengths.reduce((sum, tokens) => sum + this.work.textOperations(tokens), 0) / lengths.length;
    for (const {name, beside, difference} of this.forms) {
      for (const form of beside) {
        this.report.row({
          work: `${this.shape} ${name}, ${what}`, unit: "texts/s", peer: `ONNX Runtime ${form} (${settings[form].label})`,
          rounds: rounds.map((round) => [round[name], round[`peer ${form}`]]), memory: [memory[name], settings[form].peer.peakMemory()], difference,
          roof: ([own, theirs]) => [machine.shareOf(name, operations, own), machine.shareOf(form, operations, theirs)],
        });
      }
    }
  }

  // The fastest of all graphs, batches and orders, each tried twice: the first time it makes its plans for new shapes.
  async bestSetting(graphs, texts, batches) {
    const byLength = texts.toSorted((a, b) => a.length - b.length);
    const tries = graphs.flatMap(({peer, label: graph}) => batches.flatMap((batch) => {
      const label = (order) => batches.length === 1 ? graph : `${graph}, batches of ${batch}${order}`;
      const asTheyCome = {peer, batch, texts, label: label("")};
      // Nothing else is padded in batches of one or of all.
      return batch === 1 || batch === texts.length ? [asTheyCome] : [asTheyCome, {peer, batch, texts: byLength, label: label(", by length")}];
    }));
    let best = {speed: 0};
    for (const each of [...tries, ...tries]) {
      const speed = await each.peer.ask("round", each.texts, each.batch);
      if (speed > best.speed) best = {...each, speed};
    }
    return best;
  }

  async bestSettings(peers, texts, batches) {
    return {f32: await this.bestSetting(peers.f32, texts, batches), int8: await this.bestSetting(peers.int8, texts, batches)};
  }

  async all() {
    const started = [await this.startPeers(false)];
    this.vocabulary = encoderVocabulary(this.shape);
    try {
      const [plain] = started;
      await this.checkForms(plain);
      for (const {tokens, texts: count} of CASES) {
        const texts = Array(count).fill(tokensOf(tokens, this.vocabulary));
        await this.measure(`${count} × ${tokens} tokens`, texts.map((text) => text.length), await this.bestSettings(plain, texts, [count]));
      }
      started.push(await this.startPeers(true));
      const masked = started[1];
      await this.checkMask(plain, masked);
      const lengths = tokensOf(MIXED_TEXTS, MIXED_MOST - MIXED_LEAST + 1).map((n) => MIXED_LEAST + n);
      const texts = lengths.map((length, i) => tokensOf(length, this.vocabulary, i + 1));
      await this.measure(`${MIXED_TEXTS} texts of ${MIXED_LEAST} to ${MIXED_MOST} tokens`, lengths, await this.bestSettings(masked, texts, MIXED_BATCHES));
    } finally {
      for (const {peer} of started.flatMap((peers) => [...peers.f32, ...peers.int8])) await peer.close();
    }
  }
}

export const encoderRows = (context, shape) => new EncoderRows(context, shape).all();
