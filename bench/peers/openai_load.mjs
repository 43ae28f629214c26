// A client of /v1/chat/completions that measures as it reads: the time to the first token, and from token to token.

import http from "node:http";

const agent = new http.Agent({keepAlive: true});

function* eventsOf(buffered) {
  for (let end; (end = buffered.text.indexOf("\n\n")) >= 0;) {
    const event = buffered.text.slice(0, end);
    buffered.text = buffered.text.slice(end + 2);
    if (event.startsWith("data: ") && event !== "data: [DONE]") yield JSON.parse(event.slice(6));
  }
}

// {first_ms, gaps_ms, text, usage}. The greedy answer of exactly so many tokens.
export function streamChat(url, messages, tokens, more = {}) {
  const body = JSON.stringify({
    model: "m", messages, max_tokens: tokens, temperature: 0, stream: true, stream_options: {include_usage: true}, ignore_eos: true, ...more,
  });
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/v1/chat/completions`, {agent, method: "POST", headers: {"content-type": "application/json"}}, (response) => {
      const buffered = {text: ""}, answer = {gaps_ms: [], text: ""};
      let last;
      response.setEncoding("utf8").on("data", (text) => {
        buffered.text += text;
        if (response.statusCode !== 200) return;
        const now = performance.now();
        for (const event of eventsOf(buffered)) {
          answer.usage = event.usage ?? answer.usage;
          const piece = event.choices?.[0]?.delta?.content;
          if (!piece) continue;
          answer.text += piece;
          if (last === undefined) answer.first_ms = now - start;
          else answer.gaps_ms.push(now - last);
          last = now;
        }
      });
      response.on("end", () => {
        if (response.statusCode !== 200) return reject(new Error(`${url}: ${response.statusCode} ${buffered.text}`));
        if (answer.first_ms === undefined || !answer.usage) return reject(new Error(`${url}: an answer without tokens or usage`));
        resolve(answer);
      });
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}
