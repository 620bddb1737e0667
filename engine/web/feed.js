// Live events: WATCH as server-sent events, resumed after an interruption, without a hole that is not told.
//
// A browser connects again by itself and says which event it had last. Where the server refuses (as many watch as
// may be) it does not: then this does, after a pause. Events that come twice are dropped by their number.

export const RETRY_MS = 5000;

export class Feed {
  // `make(from)` makes an EventSource that begins there; `later(callback, ms)` is setTimeout.
  constructor({ make, later, onEvent, onGap, onState }) {
    Object.assign(this, { make, later, onEvent, onGap, onState, boot: null, seq: 0, closed: false });
    this.connect();
  }

  connect() {
    if (this.closed) return;
    this.source = this.make(this.boot === null ? null : this.seq + 1);
    this.source.onopen = () => this.onState('live');
    this.source.onmessage = (message) => this.take(JSON.parse(message.data));
    this.source.onerror = () => this.interrupted();
  }

  interrupted() {
    this.onState('interrupted');
    // 2 is EventSource.CLOSED: the browser has given up.
    if (this.source.readyState !== 2) return;
    this.later(() => this.connect(), RETRY_MS);
  }

  take(line) {
    if (line.gap) return this.onGap(line.gap.to - line.gap.from + 1);
    const seq = line.seq ?? line.at;
    if (line.boot !== this.boot) {
      if (this.boot !== null) this.onState('restarted');
      this.boot = line.boot;
      this.seq = 0;
    } else if (line.event && seq <= this.seq) {
      return;
    }
    this.seq = Math.max(this.seq, seq);
    if (line.event === 'outcome') this.onEvent(line);
    if (line.event === 'gap') this.onGap(line.count);
  }

  close() {
    this.closed = true;
    this.source.close();
  }
}

// The newest `most` of what is added, the newest first.
export class Newest {
  constructor(most) {
    this.most = most;
    this.items = [];
    this.total = 0;
  }

  add(item) {
    this.total += 1;
    this.items.unshift(item);
    this.items.length = Math.min(this.items.length, this.most);
  }
}
