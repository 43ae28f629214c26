// Loquat beside llama.cpp (node-llama-cpp) and ONNX Runtime (onnxruntime-node): the same files, threads and machine, in
// turn, round by round. Equal results are checked first. Writes a Markdown table to standard output and every round to
// build/peers/results.json. README.md beside says what the rows are.
//
//   bench/peers/run [--build build/release] [--rounds 5] [--threads 2] [--only WORD] [--out FILE]

import {readFileSync} from "node:fs";
import os from "node:os";
import path from "node:path";
import {parseArgs} from "node:util";
import {DECODERS, decoderRows, nameOf} from "./llama_cpp.mjs";
import {Loquat} from "./loquat.mjs";
import {MODELS, ROOT} from "./models.mjs";
import {ENCODERS, encoderRows} from "./onnx_runtime.mjs";
import {Report} from "./report.mjs";
import {secondTurnRows} from "./second_turn.mjs";
import {serverRows} from "./servers.mjs";
import {threadRows} from "./threads.mjs";

const {values: options} = parseArgs({
  options: {
    build: {type: "string", default: "build/release"}, rounds: {type: "string", default: "5"}, threads: {type: "string", default: "2"},
    only: {type: "string"}, out: {type: "string", default: path.join(MODELS, "results.json")},
  },
});

const versionOf = (name) => JSON.parse(readFileSync(path.join(ROOT, "bench/peers/node_modules", name, "package.json"))).version;

const context = {loquat: new Loquat(options.build), threads: Number(options.threads), rounds: Number(options.rounds)};
if (!(context.rounds >= 1 && context.threads >= 1)) throw new Error("--rounds and --threads are at least 1");
context.report = new Report({
  processor: os.cpus()[0].model, threads: context.threads, rounds: context.rounds,
  node_llama_cpp: versionOf("node-llama-cpp"), onnxruntime: versionOf("onnxruntime-node"),
});

const work = [
  ...DECODERS.map((which) => [nameOf(which), () => decoderRows(context, which)]),
  ...ENCODERS.map((shape) => [shape, () => encoderRows(context, shape)]),
  ["threads", () => threadRows(context)],
  ["second turn", () => secondTurnRows(context)],
  ["servers", () => serverRows(context)],
].filter(([name]) => options.only === undefined || name.includes(options.only));
if (work.length === 0) throw new Error(`--only ${options.only}: there is no such work`);

context.report.begin();
for (const [, rows] of work) await rows();
context.report.note(`${context.threads} threads, medians of ${context.rounds} interleaved rounds; llama.cpp ${context.report.results.llama_cpp ?? "-"} ` +
  `(node-llama-cpp ${context.report.results.node_llama_cpp}), ONNX Runtime ${context.report.results.onnxruntime}; ${context.report.results.processor}`);
context.report.write(options.out);
