/* data-fetcher: polls CoinGecko's /coins/markets and publishes each renewed price to Kafka.
 *
 * One thread, written as a straight line: wait until a call is due, make it, publish what is new.
 * librdkafka's own threads do the sending. */
#pragma once

#include "core/config.h"
#include "core/macro.h"

typedef struct Fetcher Fetcher;

/* What the options say together: NULL, or why it cannot work (for --check-config, too). */
const char *fetcher_check_config(const Config *config);

/* Takes the configuration over on success. SIGNAL_FD as daemon_signals() returns it, borrowed.
 * Errors are logged. */
_must_check_ int fetcher_new(Fetcher **ret, Config *config, int signal_fd);
void fetcher_free(Fetcher *fetcher); /* accepts NULL and half-built objects */
DEFINE_CLEANUP(Fetcher *, fetcher_free)

/* Runs until SIGTERM or SIGINT, then delivers what waits. 0 or a negative errno, logged. */
_must_check_ int fetcher_run(Fetcher *fetcher);
