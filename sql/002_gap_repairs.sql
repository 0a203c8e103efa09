-- Which gaps of the price history crypto-pulse-maintenance has tried to fill. A gap for which the
-- source has no prices is not asked for again and again.

CREATE TABLE gap_repairs (
    coin_no      integer NOT NULL REFERENCES coins ON DELETE CASCADE,
    currency_no  smallint NOT NULL REFERENCES currencies ON DELETE CASCADE,
    after_ts     timestamptz NOT NULL, -- the price before the gap
    still_open   boolean NOT NULL,     -- no price had come after it; closed, it is another gap
    tries        integer NOT NULL,     -- how often the source was asked, and answered
    points       integer NOT NULL,     -- how many prices it had for the gap, all tries together
    tried_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (coin_no, currency_no, after_ts, still_open)
);
