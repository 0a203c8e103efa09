/** Stand-ins for what lies outside the page. */
import type { FeedSocket } from '../data/feed';
import type { AppConfig, PriceUpdate } from '../data/types';

/** A WebSocket whose other end is the test. */
export class FakeSocket implements FeedSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;

  close(): void {
    this.closed = true;
  }

  open(): void {
    this.onopen?.();
  }

  send(data: unknown): void {
    this.onmessage?.({ data });
  }

  drop(): void {
    this.onclose?.();
  }
}

/** Makes FakeSockets and remembers them. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];

  readonly connect = (): FakeSocket => {
    const socket = new FakeSocket();
    this.sockets.push(socket);
    return socket;
  };

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no socket was made');
    return socket;
  }
}

export const CONFIG: AppConfig = {
  apiUrl: '/api/v1',
  websocketUrl: 'ws://localhost:8080/',
  defaultCurrency: 'usd',
  version: '0.1.0',
};

export function update(coinId: string, price: number, time_ms: number): PriceUpdate {
  return { coinId, currency: 'usd', price, time_ms, details: {}, identity: {} };
}

/** A message of the live stream. */
export function message(fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ currency: 'usd', timestamp: new Date().toISOString(), ...fields });
}

type Answer = { readonly status: number; readonly body: unknown } | 'down';

/** Answers requests by path; the test may change the answers as it goes. */
export class FakeServer {
  readonly requests: string[] = [];
  readonly answers = new Map<string, Answer>();
  /** What its Date header says; nothing if empty. */
  date = '';

  readonly fetch = (url: string): Promise<Response> => {
    this.requests.push(url);
    const answer = this.answers.get(url.split('?')[0] ?? '') ?? { status: 404, body: {} };
    if (answer === 'down') return Promise.reject(new TypeError('Failed to fetch'));
    const headers = this.date === '' ? {} : { Date: this.date };
    const { status, body } = answer;
    return Promise.resolve(new Response(JSON.stringify(body), { status, headers }));
  };

  ok(path: string, body: unknown): void {
    this.answers.set(path, { status: 200, body });
  }

  fail(path: string, status: number, detail: string): void {
    this.answers.set(path, { status, body: { title: 'Error', status, detail } });
  }
}
