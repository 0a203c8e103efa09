#include "sim/market.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "sim/noise.h"

#define PRICE_MIN 1e-9
#define PRICE_MAX 1e5
#define DAY_MS 86400000.0
/* The walk is a sum of curves whose periods are this far apart: from one minute to two years. */
#define CURVES 11
#define CURVE_FIRST_MS 60000.0
#define CURVE_RATIO 4.0
/* How far one curve may move a price, so that years of walking stay in bounds. */
#define CURVE_AMPLITUDE_MAX 0.22

typedef struct FixedPrice {
        struct FixedPrice *next;
        const char *currency; /* market_currency()'s */
        double price;
        int64_t set_ms;
} FixedPrice;

typedef struct Entry {
        Coin coin;
        FixedPrice *fixed;
        int64_t stale_since_ms;
        unsigned int trouble;
} Entry;

typedef struct IdIndex {
        const char *id;
        size_t i;
} IdIndex;

struct Market {
        MarketOptions options;
        Entry *entries;
        IdIndex *by_id; /* sorted */
};

typedef struct Rate {
        const char *currency;
        double per_usd;      /* or, if it is one of the coins, */
        const char *coin_id; /* so many of these */
        double per_coin;
} Rate;

/* The rates of the fiat currencies stand still: this is a market of coins. */
static const Rate rates[] = {
        { "btc", 0, "bitcoin", 1 },
        { "eth", 0, "ethereum", 1 },
        { "ltc", 0, "litecoin", 1 },
        { "bch", 0, "bitcoin-cash", 1 },
        { "bnb", 0, "binancecoin", 1 },
        { "eos", 0, "eos", 1 },
        { "xrp", 0, "ripple", 1 },
        { "xlm", 0, "stellar", 1 },
        { "link", 0, "chainlink", 1 },
        { "dot", 0, "polkadot", 1 },
        { "yfi", 0, "yearn-finance", 1 },
        { "sol", 0, "solana", 1 },
        { "usd", 1, NULL, 0 },
        { "aed", 3.6725, NULL, 0 },
        { "ars", 968.5, NULL, 0 },
        { "aud", 1.48, NULL, 0 },
        { "bdt", 119.5, NULL, 0 },
        { "bhd", 0.3769, NULL, 0 },
        { "bmd", 1, NULL, 0 },
        { "brl", 5.45, NULL, 0 },
        { "cad", 1.355, NULL, 0 },
        { "chf", 0.847, NULL, 0 },
        { "clp", 931.2, NULL, 0 },
        { "cny", 7.09, NULL, 0 },
        { "czk", 22.6, NULL, 0 },
        { "dkk", 6.71, NULL, 0 },
        { "eur", 0.899, NULL, 0 },
        { "gbp", 0.758, NULL, 0 },
        { "gel", 2.69, NULL, 0 },
        { "hkd", 7.8, NULL, 0 },
        { "huf", 354.8, NULL, 0 },
        { "idr", 15420, NULL, 0 },
        { "ils", 3.72, NULL, 0 },
        { "inr", 83.95, NULL, 0 },
        { "jpy", 143.6, NULL, 0 },
        { "krw", 1334.5, NULL, 0 },
        { "kwd", 0.3054, NULL, 0 },
        { "lkr", 299.2, NULL, 0 },
        { "mmk", 2098, NULL, 0 },
        { "mxn", 19.93, NULL, 0 },
        { "myr", 4.33, NULL, 0 },
        { "ngn", 1595, NULL, 0 },
        { "nok", 10.66, NULL, 0 },
        { "nzd", 1.613, NULL, 0 },
        { "php", 56.2, NULL, 0 },
        { "pkr", 278.7, NULL, 0 },
        { "pln", 3.85, NULL, 0 },
        { "rub", 90.3, NULL, 0 },
        { "sar", 3.753, NULL, 0 },
        { "sek", 10.27, NULL, 0 },
        { "sgd", 1.302, NULL, 0 },
        { "thb", 33.7, NULL, 0 },
        { "try", 33.98, NULL, 0 },
        { "twd", 32.05, NULL, 0 },
        { "uah", 41.2, NULL, 0 },
        { "vef", 0.1, NULL, 0 },
        { "vnd", 24870, NULL, 0 },
        { "zar", 17.8, NULL, 0 },
        { "xdr", 0.742, NULL, 0 },
        { "xag", 0.0354, NULL, 0 },
        { "xau", 0.000402, NULL, 0 },
        { "bits", 0, "bitcoin", 1e6 },
        { "sats", 0, "bitcoin", 1e8 },
};

const char *market_currency(size_t i) {
        return i < ELEMENTS(rates) ? rates[i].currency : NULL;
}

static const Rate *rate_find(const char *currency) {
        for (size_t i = 0; i < ELEMENTS(rates); i++)
                if (strcmp(rates[i].currency, currency) == 0)
                        return &rates[i];
        return NULL;
}

bool market_has_currency(const char *currency) {
        return rate_find(currency) != NULL;
}

/* ---- the coins ------------------------------------------------------------------------------ */

static int compare_ids(const void *a, const void *b) {
        return strcmp(((const IdIndex *) a)->id, ((const IdIndex *) b)->id);
}

int market_new(Market **ret, const MarketOptions *options) {
        _cleanup_(market_freep) Market *m = NULL;

        if (options->renew_ms < 1 || options->n_coins < 1)
                return -EINVAL;
        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->options = *options;
        m->entries = calloc(options->n_coins, sizeof(*m->entries));
        m->by_id = calloc(options->n_coins, sizeof(*m->by_id));
        if (!m->entries || !m->by_id)
                return -ENOMEM;
        for (size_t i = 0; i < options->n_coins; i++) {
                catalog_coin(i, &m->entries[i].coin);
                m->by_id[i] = (IdIndex){ m->entries[i].coin.id, i };
        }
        qsort(m->by_id, options->n_coins, sizeof(*m->by_id), compare_ids);
        *ret = TAKE_PTR(m);
        return 0;
}

void market_reset(Market *market) {
        for (size_t i = 0; market->entries && i < market->options.n_coins; i++) {
                Entry *e = &market->entries[i];

                e->stale_since_ms = 0;
                e->trouble = 0;
                while (e->fixed) {
                        FixedPrice *fixed = e->fixed;

                        e->fixed = fixed->next;
                        free(fixed);
                }
        }
}

void market_free(Market *market) {
        if (!market)
                return;
        market_reset(market);
        free(market->entries);
        free(market->by_id);
        free(market);
}

size_t market_count(const Market *market) {
        return market->options.n_coins;
}

const Coin *market_coin(const Market *market, size_t i) {
        return &market->entries[i].coin;
}

int market_find(const Market *market, const char *id) {
        const IdIndex key = { .id = id };
        const IdIndex *found = bsearch(&key, market->by_id, market->options.n_coins, sizeof(key),
                                       compare_ids);

        return found ? (int) found->i : -ENOENT;
}

/* ---- prices --------------------------------------------------------------------------------- */

/* When the renewal before or at AT_MS was. */
static int64_t renewal_before(const Market *m, size_t i, int64_t at_ms) {
        const int64_t renew_ms = m->options.renew_ms;
        int64_t offset = 0;

        if (!m->options.renew_together)
                offset = (int64_t) (noise_hash(m->options.seed, i, 77) % (uint64_t) renew_ms);
        return at_ms - (at_ms - offset) % renew_ms;
}

int64_t market_renewed_ms(const Market *market, size_t i, int64_t now_ms) {
        const Entry *e = &market->entries[i];

        if (e->stale_since_ms > 0 && now_ms > e->stale_since_ms)
                now_ms = e->stale_since_ms;
        return renewal_before(market, i, now_ms);
}

/* The curves' amplitudes grow with the square root of their periods, as a random walk's do. */
static double walk(const Market *m, size_t i, int64_t at_ms) {
        const double volatility = m->entries[i].coin.volatility;
        const double t = (double) renewal_before(m, i, at_ms);
        double period = CURVE_FIRST_MS, sum = 0;

        for (uint64_t k = 0; k < CURVES; k++, period *= CURVE_RATIO) {
                const double amplitude =
                                MIN_OF(volatility * sqrt(period / DAY_MS), CURVE_AMPLITUDE_MAX);

                sum += amplitude * noise_curve(m->options.seed, i * 64 + k, t / period);
        }
        /* And every renewal brings a change of its own, however often they come. */
        sum += volatility * 0.01 *
               (2 * noise_uniform(m->options.seed, i * 64 + 63, (uint64_t) (int64_t) t) - 1);
        return sum;
}

static double price_usd(const Market *m, size_t i, int64_t at_ms) {
        const double price = m->entries[i].coin.base_usd * exp(walk(m, i, at_ms));

        return MIN_OF(MAX_OF(price, PRICE_MIN), PRICE_MAX);
}

/* How much of CURRENCY one dollar is. */
static double rate_per_usd(const Market *m, const Rate *rate, int64_t at_ms) {
        int i;

        if (!rate->coin_id)
                return rate->per_usd;
        i = market_find(m, rate->coin_id);
        /* A market of few coins may lack it; then it stands where the catalogue has it. */
        return rate->per_coin / (i >= 0 ? price_usd(m, (size_t) i, at_ms) : 100.0);
}

double market_price(const Market *market, size_t i, const char *currency, int64_t at_ms) {
        const Rate *rate = rate_find(currency);

        return price_usd(market, i, at_ms) * rate_per_usd(market, rate, at_ms);
}

double market_quote(const Market *market, size_t i, const char *currency, int64_t now_ms,
                    int64_t *ret_renewed_ms) {
        for (const FixedPrice *f = market->entries[i].fixed; f; f = f->next)
                if (strcmp(f->currency, currency) == 0) {
                        *ret_renewed_ms = f->set_ms;
                        return f->price;
                }
        *ret_renewed_ms = market_renewed_ms(market, i, now_ms);
        return market_price(market, i, currency, *ret_renewed_ms);
}

double market_turnover(const Market *market, size_t i, int64_t at_ms) {
        const double swing = noise_curve(market->options.seed, i * 64 + 62,
                                         (double) at_ms / (DAY_MS / 4));

        return market->entries[i].coin.turnover * exp(0.6 * swing);
}

int market_set_price(Market *market, size_t i, const char *currency, double price, int64_t now_ms) {
        const Rate *rate = rate_find(currency);
        FixedPrice *fixed;

        if (!rate || !isfinite(price) || price <= 0)
                return -EINVAL;
        for (fixed = market->entries[i].fixed; fixed; fixed = fixed->next)
                if (strcmp(fixed->currency, currency) == 0)
                        break;
        if (!fixed) {
                fixed = calloc(1, sizeof(*fixed));
                if (!fixed)
                        return -ENOMEM;
                fixed->currency = rate->currency;
                fixed->next = market->entries[i].fixed;
                market->entries[i].fixed = fixed;
        }
        fixed->price = price;
        fixed->set_ms = now_ms;
        return 0;
}

void market_set_stale(Market *market, size_t i, int64_t since_ms) {
        market->entries[i].stale_since_ms = since_ms;
}

void market_set_trouble(Market *market, size_t i, unsigned int trouble) {
        market->entries[i].trouble = trouble;
}

unsigned int market_trouble(const Market *market, size_t i) {
        return market->entries[i].trouble;
}
