/* api-service: prices and their history over REST, through a Redis cache, and the dashboard.
 *
 * The main thread runs the event loop (HTTP, Redis); the workers ask PostgreSQL. */
#pragma once

#include "core/config.h"
#include "core/macro.h"

typedef struct Api Api;

/* Takes the configuration over on success. SIGNAL_FD as daemon_signals() returns it, borrowed.
 * Errors are logged. */
_must_check_ int api_new(Api **ret, Config *config, int signal_fd);
void api_free(Api *api); /* accepts NULL and half-built objects */
DEFINE_CLEANUP(Api *, api_free)

/* Serves until SIGTERM or SIGINT. 0 or a negative errno, logged. */
_must_check_ int api_run(Api *api);
