/* The simulator as a whole: a CoinGecko server on a WebLoop. Main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "io/web_loop.h"
#include "sim/market.h"

typedef struct SimOptions {
        MarketOptions market;
        const char *demo_key;      /* required of every request; NULL: none is */
        const char *pro_key;       /* the same, as a pro host does */
        const char *replay;        /* a folder; NULL: nothing is replayed */
        const char *const *faults; /* PATH:KIND[:NAME=VALUE]..., ended by NULL; may be NULL */
        bool verbose;              /* a line per request on stderr */
} SimOptions;

typedef struct Sim Sim;

/* Takes LISTEN_FD over, also on failure. OPTIONS and its texts are borrowed for as long as the
 * Sim lives. Negative errno, with a line for a person in ERROR. */
_must_check_ int sim_new(Sim **ret, WebLoop *loop, int listen_fd, const SimOptions *options,
                         char *error, size_t error_size);
void sim_free(Sim *sim); /* accepts NULL; before the loop */
DEFINE_CLEANUP(Sim *, sim_free)
