-- Coins, currencies, every price ever seen, the newest of each, and how far Kafka was read.
--
-- Numbers from the source are `numeric`: it keeps each digit and trailing zero as it was written.

CREATE TABLE coins (
    coin_no          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id               text COLLATE "C" NOT NULL UNIQUE, -- CoinGecko's id: 'bitcoin'
    symbol           text,
    name             text,
    market_cap_rank  integer,
    -- The source's time of the update that last changed the three above, so that an older
    -- message which is delivered again cannot turn them back.
    details_at       timestamptz NOT NULL DEFAULT '-infinity',
    first_seen_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE currencies (
    currency_no  smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text COLLATE "C" NOT NULL UNIQUE -- 'usd'
);

-- One partition a month (UTC), made by ensure_prices_partition(). The key is what makes a
-- redelivery harmless. No foreign keys here: rows come only through a join with both tables,
-- and a check per row would cost more than the insert.
CREATE TABLE prices (
    coin_no      integer NOT NULL,
    currency_no  smallint NOT NULL,
    ts           timestamptz NOT NULL, -- the source's last_updated
    price        numeric NOT NULL,
    market_cap   numeric,
    volume_24h   numeric,
    PRIMARY KEY (coin_no, currency_no, ts)
) PARTITION BY RANGE (ts);

-- The newest of each pair, with all that the source said. Updated in place all the time: the
-- fillfactor leaves room for that within the page.
CREATE TABLE latest_prices (
    coin_no             integer NOT NULL REFERENCES coins ON DELETE CASCADE,
    currency_no         smallint NOT NULL REFERENCES currencies ON DELETE CASCADE,
    ts                  timestamptz NOT NULL,
    price               numeric NOT NULL,
    market_cap          numeric,
    volume_24h          numeric,
    high_24h            numeric,
    low_24h             numeric,
    change_24h          numeric,
    change_percent_24h  numeric,
    PRIMARY KEY (coin_no, currency_no)
) WITH (fillfactor = 50);

-- Written in the transaction of the rows that came from before next_offset. Kafka's own copy of
-- the offset is for lag tools, and to notice that the database or the topic is another one.
CREATE TABLE kafka_offsets (
    group_id     text NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    next_offset  bigint NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_id, topic, partition)
) WITH (fillfactor = 50);

-- Makes the partition that AT belongs to, if it is missing, and returns its name. Any number of
-- sessions may call it at once. A table is made and then attached, because that does not wait
-- for (nor hold up) those who read and insert.
CREATE FUNCTION ensure_prices_partition(at timestamptz) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    month      timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    partition  text := 'prices_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass(partition) IS NULL THEN
        -- What ATTACH takes anyway; an advisory lock would not make this session see what
        -- another one has just created.
        LOCK TABLE ONLY prices IN SHARE UPDATE EXCLUSIVE MODE;
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE prices INCLUDING DEFAULTS)', partition);
            EXECUTE format('ALTER TABLE prices ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           partition, month AT TIME ZONE 'UTC',
                           (month + interval '1 month') AT TIME ZONE 'UTC');
        END IF;
    END IF;
    RETURN partition;
END
$$;
