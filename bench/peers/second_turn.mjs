// The second turn of a long chat: its first token beside that of its new tokens alone and two steps of decoding.

import {makeSpeaking} from "./models.mjs";
import {streamChat} from "./openai_load.mjs";
import {median} from "./report.mjs";
import {startLoquat, textOf} from "./server_process.mjs";

const TYPES = ["q4_0", "q8_0"];
const CONTEXT = 4096;
const FIRST_TURN = 2001, SECOND_TURN = 21; // Tokens; the template's come to them.
// Of the answers. The first is short, as random tokens read again as text are other tokens, which those of a trained model
// seldom are.
const FIRST_ANSWER = 1, SECOND_ANSWER = 16;

const user = (content) => ({role: "user", content});

// An answer to a prompt of so many tokens that nobody has computed, or one less: texts have an odd number of them.
async function aloneOf(url, fresh, seed) {
  for (let size = 1; ; seed++) {
    const answer = await streamChat(url, [user(textOf(size, seed))], 1);
    const missing = fresh - (answer.usage.prompt_tokens - answer.usage.prompt_tokens_details.cached_tokens);
    if (missing === 0 || missing === 1) return answer;
    size += missing - Math.abs(missing % 2);
    if (size < 1) throw new Error(`a prompt of ${fresh} tokens is less than the template alone`);
  }
}

export async function secondTurnRows({loquat, threads, rounds, report}) {
  for (const type of TYPES) {
    const model = makeSpeaking("qwen2", "qwen2.5-0.5b", type);
    const server = startLoquat(loquat, model, threads, CONTEXT);
    try {
      const url = await server.ready();
      const measured = [];
      let cached, fresh;
      for (let i = 0; i <= rounds; i++) {
        const seed = 5000 + 10 * i;
        const first = user(textOf(FIRST_TURN, seed));
        const session = {session: `chat-${i}`};
        const answer = await streamChat(url, [first], FIRST_ANSWER, session);
        const second = user(textOf(SECOND_TURN, seed + 1));
        const turn = await streamChat(url, [first, {role: "assistant", content: answer.text}, second], SECOND_ANSWER, session);
        cached = turn.usage.prompt_tokens_details.cached_tokens;
        fresh = turn.usage.prompt_tokens - cached;
        const alone = await aloneOf(url, fresh, seed + 2);
        if (i > 0) measured.push([turn.first_ms, alone.first_ms + 2 * median(turn.gaps_ms)]);
      }
      report.row({
        work: `server, qwen2.5-0.5b ${type}, second turn, ${fresh} new tokens after ${cached}, first token`, unit: "ms",
        peer: "those alone and two steps", rounds: measured, lowerIsBetter: true, memory: [server.peakMemory()],
      });
    } finally {
      await server.stop();
    }
  }
}
