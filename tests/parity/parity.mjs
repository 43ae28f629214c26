// Holds what Loquat computes against llama.cpp and PyTorch, and writes docs/parity.md. Exit code 1 where a tolerance is passed.
//
//   tools/npm_setup tests/parity; apt-get install python3-torch python3-numpy
//   node tests/parity/parity.mjs [--build build/release] [--shapes tiny|real|all]
//
// On the best tier of kernels that leaves activations as they are; the GGUF files of tiny on the one that rounds them besides.
// tiny (the default): every architecture × weight type as GGUF beside llama.cpp, Hugging Face folders beside PyTorch, and the files of
// an independent writer where LOQUAT_SHARED (or ../shared) has it. real: models of released shapes, in some ten minutes and gigabytes.

import {mkdtempSync, readFileSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import path from "node:path";
import {parseArgs} from "node:util";
import {compareFolders, faultsOfFolder} from "./folder_parity.mjs";
import {ROUNDED_TYPES, compareOtherWriter, compareReal, compareTiny, faultsOfGguf, otherWriter} from "./gguf_parity.mjs";
import {version} from "./llama_cpp.mjs";
import {Loquat, ROOT, pythonVersionOf, tiers} from "./loquat.mjs";
import {writePage} from "./page.mjs";

const {values: options} = parseArgs({options: {
  build: {type: "string", default: "build/release"},
  shapes: {type: "string", default: "tiny"},
}});
if (!["tiny", "real", "all"].includes(options.shapes)) {
  console.error("parity: --shapes is tiny, real or all");
  process.exit(2);
}

const {exact, rounding} = tiers();
const loquat = {exact: new Loquat(options.build, exact), rounding: rounding && new Loquat(options.build, rounding)};
const folder = mkdtempSync(path.join(tmpdir(), "loquat-parity-"));
const results = {};
const addon = JSON.parse(readFileSync(new URL("package.json", import.meta.url))).dependencies["node-llama-cpp"];
const record = () => writePage(path.join(ROOT, "docs/parity.md"), results,
  `llama.cpp ${version()} (node-llama-cpp ${addon}) and PyTorch ${pythonVersionOf("torch")}`, {exact, rounding});
try {
  if (options.shapes !== "real") {
    results.tiny = await compareTiny(loquat, folder);
    if (rounding !== undefined) results.rounded = results.tiny.filter(({type}) => ROUNDED_TYPES.includes(type));
    const writer = otherWriter();
    if (writer === undefined) console.log("no independent writer: that section stays as it was");
    else results.other = await compareOtherWriter({exact: loquat.exact}, folder, writer);
    results.folders = compareFolders(loquat.exact, folder);
  }
  if (options.shapes !== "tiny") {
    await compareReal({exact: loquat.exact}, folder, (real) => {
      results.real = real;
      record();
    });
  }
} finally {
  rmSync(folder, {recursive: true});
}

record();
const ofGguf = [...results.tiny ?? [], ...results.other ?? [], ...results.real ?? []];
const faults = [...ofGguf.flatMap(faultsOfGguf), ...(results.folders ?? []).flatMap(faultsOfFolder)];
for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
