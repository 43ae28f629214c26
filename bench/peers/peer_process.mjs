// A peer in a process of its own, so that its memory is its own, asked by messages. The parent starts a script with
// PeerProcess; the script answers with serve().

import {fork} from "node:child_process";
import {readFileSync} from "node:fs";
import {fileURLToPath} from "node:url";

// The most that a process has had in memory, as `loquat bench model` says of itself.
export function peakMemory(pid) {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

// A child ends with us, however we end.
export function endWithUs(child) {
  const end = () => child.kill("SIGKILL");
  process.on("exit", end);
  child.once("exit", () => process.off("exit", end));
}
process.setMaxListeners(32);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

export class PeerProcess {
  constructor(script) {
    this.child = fork(fileURLToPath(new URL(script, import.meta.url)), {serialization: "advanced"});
    endWithUs(this.child);
    this.answers = new Map();
    this.asked = 0;
    this.child.on("message", ({id, result, error}) => {
      const {resolve, reject} = this.answers.get(id);
      this.answers.delete(id);
      if (error === undefined) resolve(result);
      else reject(new Error(`${script}: ${error}`));
    });
    this.child.on("exit", (code, signal) => {
      for (const {reject} of this.answers.values()) reject(new Error(`${script} ended with ${signal ?? code}`));
      this.answers.clear();
    });
  }

  ask(method, ...args) {
    return new Promise((resolve, reject) => {
      const id = ++this.asked;
      this.answers.set(id, {resolve, reject});
      this.child.send({id, method, args});
    });
  }

  peakMemory() {
    return peakMemory(this.child.pid);
  }

  close() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.child.once("exit", resolve);
      this.child.kill("SIGKILL");
    });
  }
}

// In the child: methods by name, one at a time.
export function serve(methods) {
  let last = Promise.resolve();
  process.on("message", ({id, method, args}) => {
    last = last.then(async () => {
      try {
        process.send({id, result: await methods[method](...args)});
      } catch (error) {
        process.send({id, error: error.stack});
      }
    });
  });
  process.on("disconnect", () => process.exit(0));
}
