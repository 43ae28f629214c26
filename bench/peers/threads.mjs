// Two threads beside one, and two threads of which another program takes a core away.

import {spawn} from "node:child_process";
import {startLlamaCpp} from "./llama_cpp.mjs";
import {makeGguf, tokensOf} from "./models.mjs";
import {endWithUs} from "./peer_process.mjs";

const PROMPT = 512, TOKENS = 30000;
const STOLEN_CORE = "1";
const TYPES = ["q4_0", "q8_0"];

// A program that does nothing and leaves its core to nobody.
async function withStolenCore(work) {
  const thief = spawn("taskset", ["-c", STOLEN_CORE, process.execPath, "-e", "console.log(); for (;;);"], {stdio: ["ignore", "pipe", "inherit"]});
  endWithUs(thief);
  try {
    await new Promise((resolve, reject) => {
      thief.stdout.once("data", resolve);
      thief.once("error", reject);
      thief.once("exit", () => reject(new Error("taskset or its program ended")));
    });
    return await work();
  } finally {
    thief.kill("SIGKILL");
  }
}

export async function threadRows({loquat, rounds, report}) {
  for (const type of TYPES) {
    const model = makeGguf("qwen2", "qwen2.5-0.5b", type);
    const prompt = tokensOf(PROMPT, TOKENS);
    const own = async (threads) => (await loquat.decoder(model, {threads, prompt: PROMPT, generated: 0})).prefill;
    const peers = {};
    for (const threads of [1, 2]) {
      peers[threads] = await startLlamaCpp(model, threads, report);
      await peers[threads].ask("round", prompt, 0);
    }
    const theirs = async (threads) => (await peers[threads].ask("round", prompt, 0)).prefill;
    try {
      for (const [who, speed] of [["Loquat", own], ["llama.cpp", theirs]]) {
        const measured = [];
        for (let i = 0; i < rounds; i++) {
          measured.push({one: await speed(1), two: await speed(2), stolen: await withStolenCore(() => speed(2))});
        }
        const work = `qwen2.5-0.5b ${type}, prompt of ${PROMPT}, ${who}: two threads`;
        report.row({work, unit: "tokens/s", peer: "its one thread", rounds: measured.map(({one, two}) => [two, one])});
        report.row({work: `${work}, another program on a core`, unit: "tokens/s", peer: "its one thread", rounds: measured.map(({one, stolen}) => [stolen, one])});
      }
    } finally {
      for (const peer of Object.values(peers)) await peer.close();
    }
  }
}
