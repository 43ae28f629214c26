// The rows: medians, their ratio, memory and share of the roof of both sides, as Markdown and as JSON.

import {writeFileSync} from "node:fs";

export function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

export function percentile(values, percent) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * percent / 100))];
}

const digits = (value) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const mebibytes = (bytes) => bytes === undefined ? "" : String(Math.round(bytes / 2 ** 20));
const ROOFS = {read: "memory", f32: "f32", bf16: "bf16", int8: "int8"};

export class Report {
  constructor(facts) {
    this.results = {...facts, rows: []};
  }

  begin() {
    console.log("| work | Loquat | peer | ratio | MiB, Loquat / peer | share of the roof, Loquat / peer | difference |\n|---|---|---|---|---|---|---|");
  }

  // rounds: [own, theirs] of each; lowerIsBetter: times, so that a ratio above 1 is always ours. memory, roof: [own, theirs].
  row({work, unit, peer, rounds, lowerIsBetter = false, memory = [], roof, difference = ""}) {
    const [own, theirs] = [0, 1].map((side) => median(rounds.map((round) => round[side])));
    const ratio = lowerIsBetter ? theirs / own : own / theirs;
    const shares = roof?.([own, theirs]);
    this.results.rows.push({work, unit, peer, loquat: own, theirs, ratio, memory, shares, difference, rounds});
    const roofs = shares === undefined ? "" : shares.map(({roof, share}) => `${share.toFixed(2)} of ${ROOFS[roof]}`).join(" / ");
    const bytes = memory.length === 0 ? "" : memory.map(mebibytes).join(" / ");
    const far = typeof difference === "number" ? difference.toExponential(1) : difference;
    console.log(`| ${work} | ${digits(own)} ${unit} | ${peer} ${digits(theirs)} | ${ratio.toFixed(2)} | ${bytes} | ${roofs} | ${far} |`);
  }

  note(text) {
    this.results.notes = [...(this.results.notes ?? []), text];
  }

  write(file) {
    writeFileSync(file, JSON.stringify(this.results, null, 1));
    for (const note of this.results.notes ?? []) console.log(`\n${note}`);
  }
}
