#include "sim/catalog.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/macro.h"
#include "sim/noise.h"

typedef struct KnownCoin {
        const char *id, *symbol, *name;
        double base_usd, circulating, max, volatility;
} KnownCoin;

#define STABLE 0.0004
#define CALM 0.02
#define USUAL 0.035
#define WILD 0.06

/* Rounded by hand to what these were in no particular year. */
static const KnownCoin known[] = {
        { "bitcoin", "btc", "Bitcoin", 64000, 19.8e6, 21e6, CALM },
        { "ethereum", "eth", "Ethereum", 3100, 120.4e6, 0, USUAL },
        { "tether", "usdt", "Tether", 1, 118e9, 0, STABLE },
        { "binancecoin", "bnb", "BNB", 560, 145.9e6, 200e6, USUAL },
        { "solana", "sol", "Solana", 148, 466e6, 0, USUAL },
        { "usd-coin", "usdc", "USDC", 1, 35e9, 0, STABLE },
        { "ripple", "xrp", "XRP", 0.58, 56.2e9, 100e9, USUAL },
        { "staked-ether", "steth", "Lido Staked Ether", 3095, 9.7e6, 0, USUAL },
        { "dogecoin", "doge", "Dogecoin", 0.125, 145.6e9, 0, WILD },
        { "the-open-network", "ton", "Toncoin", 5.6, 2.53e9, 0, USUAL },
        { "tron", "trx", "TRON", 0.153, 86.9e9, 0, CALM },
        { "cardano", "ada", "Cardano", 0.38, 35.7e9, 45e9, USUAL },
        { "avalanche-2", "avax", "Avalanche", 26.5, 405e6, 715e6, USUAL },
        { "wrapped-bitcoin", "wbtc", "Wrapped Bitcoin", 63950, 152e3, 0, CALM },
        { "shiba-inu", "shib", "Shiba Inu", 1.72e-05, 589.3e12, 0, WILD },
        { "polkadot", "dot", "Polkadot", 4.6, 1.43e9, 0, USUAL },
        { "chainlink", "link", "Chainlink", 11.6, 608e6, 1e9, USUAL },
        { "bitcoin-cash", "bch", "Bitcoin Cash", 345, 19.8e6, 21e6, USUAL },
        { "leo-token", "leo", "LEO Token", 5.9, 925e6, 985.2e6, CALM },
        { "dai", "dai", "Dai", 1, 5.36e9, 0, STABLE },
        { "uniswap", "uni", "Uniswap", 7.1, 600e6, 1e9, USUAL },
        { "litecoin", "ltc", "Litecoin", 66, 75e6, 84e6, USUAL },
        { "near", "near", "NEAR Protocol", 4.4, 1.13e9, 0, WILD },
        { "kaspa", "kas", "Kaspa", 0.16, 24.6e9, 28.7e9, WILD },
        { "internet-computer", "icp", "Internet Computer", 8.2, 471e6, 0, USUAL },
        { "aptos", "apt", "Aptos", 6.7, 491e6, 0, USUAL },
        { "pepe", "pepe", "Pepe", 7.83e-06, 420.7e12, 420.7e12, WILD },
        { "monero", "xmr", "Monero", 163, 18.4e6, 0, CALM },
        { "ethereum-classic", "etc", "Ethereum Classic", 18.9, 149e6, 210.7e6, USUAL },
        { "stellar", "xlm", "Stellar", 0.094, 29.6e9, 50e9, USUAL },
        { "fetch-ai", "fet", "Artificial Superintelligence Alliance", 1.25, 2.52e9, 2.72e9, WILD },
        { "blockstack", "stx", "Stacks", 1.62, 1.49e9, 1.82e9, USUAL },
        { "okb", "okb", "OKB", 37.5, 60e6, 300e6, CALM },
        { "filecoin", "fil", "Filecoin", 3.6, 584e6, 1.96e9, USUAL },
        { "render-token", "render", "Render", 5.3, 392e6, 532e6, WILD },
        { "cosmos", "atom", "Cosmos Hub", 4.4, 391e6, 0, USUAL },
        { "hedera-hashgraph", "hbar", "Hedera", 0.053, 36.6e9, 50e9, USUAL },
        { "arbitrum", "arb", "Arbitrum", 0.53, 3.5e9, 10e9, USUAL },
        { "mantle", "mnt", "Mantle", 0.58, 3.27e9, 6.2e9, USUAL },
        { "crypto-com-chain", "cro", "Cronos", 0.08, 26.6e9, 30e9, CALM },
        { "vechain", "vet", "VeChain", 0.0219, 81e9, 86.7e9, USUAL },
        { "maker", "mkr", "Maker", 1590, 931e3, 1.005e6, USUAL },
        { "aave", "aave", "Aave", 135, 14.9e6, 16e6, USUAL },
        { "optimism", "op", "Optimism", 1.5, 1.17e9, 4.29e9, WILD },
        { "the-graph", "grt", "The Graph", 0.145, 9.54e9, 10.8e9, USUAL },
        { "algorand", "algo", "Algorand", 0.127, 8.2e9, 10e9, USUAL },
        { "quant-network", "qnt", "Quant", 68, 12.1e6, 14.6e6, CALM },
        { "bonk", "bonk", "Bonk", 1.74e-05, 69.5e12, 0, WILD },
        { "floki", "floki", "FLOKI", 0.000124, 9.67e12, 10e12, WILD },
        { "bittorrent", "btt", "BitTorrent", 8.4e-07, 968e12, 990e12, USUAL },
        { "eos", "eos", "EOS", 0.49, 1.5e9, 2.1e9, USUAL },
        { "pax-gold", "paxg", "PAX Gold", 2500, 178e3, 0, 0.008 },
        { "yearn-finance", "yfi", "yearn.finance", 4980, 33.4e3, 36.7e3, USUAL },
        { "apecoin", "ape", "ApeCoin", 0.73, 675e6, 1e9, WILD },
        { "baby-doge-coin", "babydoge", "Baby Doge Coin", 1.33e-09, 162e15, 420e15, WILD },
};

static const char *const heads[] = {
        "Vel", "Nor", "Quil", "Zan", "Ori", "Lum", "Tar", "Kel", "Bri", "Sol", "Mir", "Dra",
        "Fen", "Gal", "Hex",  "Ilo", "Jun", "Ast", "Pyr", "Ryn", "Sev", "Tho", "Umb", "Vox",
};
static const char *const tails[] = {
        "ora", "ix",  "ium", "eth", "aris", "onda", "ello", "us",
        "axa", "ino", "ova", "ade", "eon",  "ura",  "isk",  "ami",
};
static const char *const kinds[] = {
        "",     " Protocol", " Network", " Finance", " Token", " Chain",
        " DAO", " Games",    " AI",      " Swap",    " Cash",  " Inu",
};

size_t catalog_known_count(void) {
        return ELEMENTS(known);
}

static void text_lower(char *text) {
        for (; *text; text++) {
                if (*text >= 'A' && *text <= 'Z')
                        *text = (char) (*text - 'A' + 'a');
                else if (*text == ' ' || *text == '.')
                        *text = '-';
        }
}

/* Head, tail and kind count up together, so that no name comes twice before all have come. */
static void invent_name(size_t n, Coin *c) {
        const size_t words = ELEMENTS(heads) * ELEMENTS(tails);
        const size_t word = n * 131 % words; /* 131 and words have no common divisor */
        const size_t series = n / words;
        const char *head = heads[word % ELEMENTS(heads)];
        const char *tail = tails[word / ELEMENTS(heads)];
        const char *kind = kinds[(n + series) % ELEMENTS(kinds)];
        char suffix[24] = "";

        if (series >= ELEMENTS(kinds))
                snprintf(suffix, sizeof(suffix), " %zu", series);
        snprintf(c->name, sizeof(c->name), "%s%s%s%s", head, tail, kind, suffix);
        snprintf(c->id, sizeof(c->id), "%s", c->name);
        text_lower(c->id);
        snprintf(c->symbol, sizeof(c->symbol), "%.3s%.2s", head, tail);
        text_lower(c->symbol);
}

/* Rounded to four digits, as supplies and prices are in a catalogue. */
static double tidy(double value) {
        char text[32];

        snprintf(text, sizeof(text), "%.3e", value);
        return strtod(text, NULL);
}

static void invent_coin(size_t i, Coin *c) {
        const size_t n = i - ELEMENTS(known);
        const double u = noise_uniform(0x5eedc01, i, 1), v = noise_uniform(0x5eedc01, i, 2);
        const double w = noise_uniform(0x5eedc01, i, 3);
        const double cap = 1.4e9 / pow(1 + (double) n / 25.0, 1.35) * (0.8 + 0.4 * u);

        invent_name(n, c);
        /* Most prices lie between a thousandth and ten dollars, a few far out. */
        c->base_usd = tidy(pow(10, -2 + 3.2 * (v + w - 1) * (1 + 1.6 * fabs(v + w - 1))));
        c->base_usd = MIN_OF(MAX_OF(c->base_usd, 2.5e-9), 30000.0);
        c->circulating = tidy(cap / c->base_usd);
        c->max = u < 0.5 ? tidy(c->circulating * (1.1 + 2 * w)) : 0;
        c->volatility = 0.02 + 0.06 * noise_uniform(0x5eedc01, i, 4);
}

void catalog_coin(size_t i, Coin *ret) {
        Coin c = { .volatility = USUAL };

        if (i < ELEMENTS(known)) {
                const KnownCoin *k = &known[i];

                snprintf(c.id, sizeof(c.id), "%s", k->id);
                snprintf(c.symbol, sizeof(c.symbol), "%s", k->symbol);
                snprintf(c.name, sizeof(c.name), "%s", k->name);
                c.base_usd = k->base_usd;
                c.circulating = k->circulating;
                c.max = k->max;
                c.volatility = k->volatility;
        } else {
                invent_coin(i, &c);
        }
        c.total = c.max > 0 ? c.circulating + (c.max - c.circulating) / 2 : c.circulating;
        c.turnover = 0.01 + 0.09 * noise_uniform(0x5eedc01, i, 5);
        *ret = c;
}
