// Callbacks that the server promises (202) while their receiver dies and returns: every one of them must arrive, signed.

import {Receiver} from '../../support/callbacks.mjs';
import {understand} from '../../support/http.mjs';
import {pause} from '../../support/wait.mjs';
import {TEXTS} from './conversations.mjs';

export class Promises {
  constructor() {
    this.promised = new Set();
    this.kept = new Set();
    this.copies = 0;
    this.receiver = new Receiver((call, response) => {
      if (this.kept.has(call.id)) this.copies += 1;
      this.kept.add(call.id);
      // The receiver's own list is not looked at, and would be long.
      this.receiver.calls.length = 0;
      response.writeHead(204).end();
    });
  }
  async start() {
    await this.receiver.listen();
    this.port = this.receiver.port;
    return this;
  }
  die() {
    return this.receiver.close();
  }
  live() {
    return this.receiver.listen(this.port);
  }

  async ask(world, random) {
    while (world.going) {
      try {
        const answer = await understand(world.server, {text: random.pick(TEXTS), delivery: 'callback', callback_url: this.receiver.url()});
        if (answer.status === 202) this.promised.add(answer.json.delivery.id);
        else if (answer.status !== 429) world.failures.push(`callback: ${answer.status} ${answer.text}`);
      } catch (error) {
        world.failures.push(`callback: ${error.message}`);
      }
      await pause(random.below(40));
    }
  }
  broken() {
    return [...this.promised].filter((id) => !this.kept.has(id));
  }
}
