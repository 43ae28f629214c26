// A server for the benchmark: started on a free port of loopback, ended by its process id.

import {spawn} from "node:child_process";
import {fileURLToPath} from "node:url";
import {ROOT} from "./models.mjs";
import {endWithUs, peakMemory} from "./peer_process.mjs";

const SEQUENCES = 16;

class ServerProcess {
  constructor(file, args) {
    this.child = spawn(file, args.map(String), {cwd: ROOT, stdio: ["ignore", "pipe", "inherit"]});
    endWithUs(this.child);
    this.output = "";
    this.url = new Promise((resolve, reject) => {
      this.child.stdout.setEncoding("utf8").on("data", (text) => {
        this.output += text;
        const found = /address\s+(http:\S+)/.exec(this.output);
        if (found) resolve(found[1]);
      });
      this.child.on("error", reject);
      this.child.on("exit", (code, signal) => reject(new Error(`${file} ended with ${signal ?? code}: ${this.output}`)));
    });
  }

  async ready() {
    const url = await this.url;
    while (!(await fetch(`${url}/readyz`)).ok) await new Promise((resolve) => setTimeout(resolve, 20));
    return url;
  }

  peakMemory() {
    return peakMemory(this.child.pid);
  }

  stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.child.once("exit", resolve);
      this.child.kill("SIGTERM");
    });
  }
}

// context: tokens of a sequence.
export function startLoquat(loquat, model, threads, context) {
  const set = `models=[{name: m, path: ${model}, threads: ${threads}, context: ${context}, speculation: {mode: off}}]`;
  return new ServerProcess(loquat.binary, ["serve", "--listen", "127.0.0.1:0", "--set", set, "--set", "log.level=error"]);
}

export function startLlamaCppServer(model, threads, context) {
  const script = fileURLToPath(new URL("llama_cpp_server.mjs", import.meta.url));
  return new ServerProcess(process.execPath, [script, "--model", model, "--threads", threads, "--sequences", SEQUENCES, "--context", context]);
}

// A text of so many tokens, an odd number, in the vocabularies of words: a space and a pair of letters are one token each.
// The same of the same seed; of others nobody has been asked before.
export function textOf(tokens, seed) {
  let state = seed;
  const letter = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return String.fromCharCode(97 + (state >>> 8) % 26);
  };
  return Array.from({length: (tokens + 1) / 2}, () => letter() + letter()).join(" ");
}
