/* The coins of the simulated market: well-known ones and as many made-up ones as are wanted.
 * Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_TEXT_MAX 63

typedef struct Coin {
        char id[SIM_TEXT_MAX + 1];
        char symbol[16];
        char name[SIM_TEXT_MAX + 1];
        double base_usd;    /* what its price moves around */
        double circulating; /* coins */
        double total;
        double max;        /* 0: no limit */
        double volatility; /* per day, as a fraction; stablecoins have almost none */
        double turnover;   /* volume of a day as a part of the market cap */
} Coin;

/* Coin number I, from 0, roughly by falling market capitalisation. The same for everyone. */
void catalog_coin(size_t i, Coin *ret);
size_t catalog_known_count(void);
