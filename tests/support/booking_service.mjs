// Another company's service, for actions: it books and cancels, and keeps its own books. A request with a key that was
// seen before changes nothing. `before` and `after` the effect a test may do what it likes.

import http from 'node:http';

export class BookingService {
  // `behave(call, response)` runs before the effect: true means that it has answered (or never will), and that nothing
  // is booked. `after(call, response)` runs after the effect, in the same way.
  constructor({behave = () => false, after = () => false} = {}) {
    Object.assign(this, {behave, after, calls: [], books: new Map(), applied: new Map(), sockets: new Set()});
    this.server = http.createServer((request, response) => this.receive(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => {});
    });
  }

  async receive(request, response) {
    const chunks = [];
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (data) => chunks.push(data));
    request.on('end', async () => {
      const text = Buffer.concat(chunks).toString();
      const call = {at: Date.now(), method: request.method, url: request.url, headers: request.headers, text,
        key: request.headers['idempotency-key'], undo: request.url.startsWith('/cancel')};
      call.body = text === '' ? undefined : JSON.parse(text);
      this.calls.push(call);
      call.number = this.calls.length;
      if (await this.behave(call, response)) return;
      const result = this.apply(call);
      if (await this.after(call, response)) return;
      response.writeHead(result.status, {'content-type': 'application/json'}).end(JSON.stringify(result.body));
    });
  }

  apply(call) {
    const count = (key) => this.applied.set(key, (this.applied.get(key) ?? 0) + 1);
    if (call.undo) {
      const booking = this.books.get(call.body.booking_key);
      // What never came is remembered too: it may still be on its way.
      if (booking?.state !== 'cancelled') count(call.key);
      this.books.set(call.body.booking_key, {...booking, state: 'cancelled'});
      return {status: 200, body: {}};
    }
    const known = this.books.get(call.key);
    if (known?.state === 'cancelled') return {status: 410, body: {}};
    if (known === undefined) {
      count(call.key);
      this.books.set(call.key, {state: 'booked', number: `N${this.books.size + 1}`, price: 42.5, body: call.body});
    }
    const {number, price} = this.books.get(call.key);
    return {status: 201, body: {order: {number, price}, lines: [{ok: true}]}};
  }

  // "booked" and "cancelled" bookings.
  count(state) {
    return [...this.books.values()].filter((booking) => booking.state === state && booking.number).length;
  }
  get appliedTwice() {
    return [...this.applied].filter(([, times]) => times > 1).map(([key]) => key);
  }
  async listen() {
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }
  url(target) {
    return `http://127.0.0.1:${this.port}${target}`;
  }
  async close() {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
