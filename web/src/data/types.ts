/** What the page knows about the market. Times are milliseconds since 1970, UTC. */

/** Details that a source may or may not give with a price. Absent means unknown. */
export interface QuoteDetails {
  readonly marketCap?: number;
  readonly volume24h?: number;
  readonly high24h?: number;
  readonly low24h?: number;
  readonly change24h?: number;
  readonly changePercent24h?: number;
}

/** One price of one coin in one currency, as any of the server's interfaces tells it. */
export interface PriceUpdate {
  readonly coinId: string;
  readonly currency: string;
  readonly price: number;
  /** The source's own time of the price, not the time it arrived. */
  readonly time_ms: number;
  readonly details: QuoteDetails;
  readonly identity: CoinIdentity;
}

/** Who a coin is. Absent means that this message did not say. */
export interface CoinIdentity {
  readonly symbol?: string;
  readonly name?: string;
  readonly rank?: number;
}

export type Direction = 'none' | 'up' | 'down';

/** The newest price of a coin in a currency. Immutable: a change makes a new object. */
export interface Quote extends QuoteDetails {
  readonly currency: string;
  readonly price: number;
  readonly time_ms: number;
  /** Which way the price went when it last changed on this page. */
  readonly direction: Direction;
  /** How often the price has changed on this page. */
  readonly changes: number;
}

/** One point of a coin's history. */
export interface PricePoint {
  readonly time_ms: number;
  readonly price: number;
}

export interface AppConfig {
  /** Base of the REST interface on this origin, without a trailing slash. */
  readonly apiUrl: string;
  readonly websocketUrl: string;
  readonly defaultCurrency: string;
  readonly version: string;
}
