// One client of /v1/stream (docs/streaming.md): opens it, keeps it open, and takes it up again where it dropped.
'use strict';

class LiveStream {
  // `on(event)` hears the server's events; `onState('open' | 'lost')` the connection; `key()` gives the API key, if any.
  constructor({open, on, onState, key}) {
    Object.assign(this, {open, on, onState, key});
    this.lastEventId = null;
    this.waiting = [];       // Events to send once it is open.
    this.delay = 250;        // Milliseconds before the next attempt.
    this.closed = false;
    this.down = false;       // The last connection failed, and the next is not open yet.
    this.connect();
  }

  connect() {
    const url = new URL('/v1/stream', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const protocols = ['loquat.v1'];
    if (this.key()) protocols.push('loquat.key.' + this.key());
    try {
      this.socket = new WebSocket(url, protocols);
    } catch (error) {
      this.onState('lost', error);  // A key of characters that no subprotocol may have.
      return;
    }
    this.socket.onopen = () => {
      const resumed = this.lastEventId === null ? {} : {last_event_id: this.lastEventId};
      this.socket.send(JSON.stringify({type: 'open', ...this.open(), ...resumed}));
    };
    this.socket.onmessage = ({data}) => this.hear(JSON.parse(data));
    this.socket.onclose = () => this.lost();
  }

  hear(event) {
    this.lastEventId = event.event_id ?? this.lastEventId;
    if (event.type !== 'opened') return this.on(event);
    this.delay = 250;
    this.down = false;
    this.onState('open');
    this.on(event);  // What it sends again joins what waits, and an update takes the place of the one that it repeats.
    this.opened = true;
    for (const waiting of this.waiting.splice(0)) this.socket.send(waiting);
  }

  lost() {
    this.opened = false;
    if (this.closed) return;
    this.down = true;
    this.onState('lost');
    this.timer = setTimeout(() => this.connect(), this.delay);
    this.delay = Math.min(8000, 2 * this.delay);
  }

  // A socket that closes takes what it is given and loses it.
  get ready() {
    return this.opened && this.socket.readyState === WebSocket.OPEN;
  }

  // Whether it was sent at once. An update of text that waits is replaced by the utterance's next one.
  send(event) {
    const text = JSON.stringify(event);
    const ready = this.ready;
    if (ready) {
      this.socket.send(text);
    } else {
      const superseded = ({type, utterance}) => type === 'partial' && event.type === 'partial' && utterance === event.utterance;
      this.waiting = this.waiting.filter((other) => !superseded(JSON.parse(other)));
      this.waiting.push(text);
    }
    return ready;
  }

  // Tries at once, as when a key was typed.
  retry() {
    if (this.opened) return;
    clearTimeout(this.timer);
    this.socket?.close();
    this.delay = 250;
    if (!this.socket || this.socket.readyState === WebSocket.CLOSED) this.connect();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close(1000);
  }
}
