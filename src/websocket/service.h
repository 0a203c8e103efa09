/* websocket-service: one thread persists every price (persister.h), one reads them for the
 * broadcast (feed.h), and the main thread serves the clients (hub.h) and the service manager. */
#pragma once

#include "core/config.h"
#include "core/macro.h"

typedef struct Service Service;

/* Takes the configuration over on success. SIGNAL_FD as daemon_signals() returns it, borrowed.
 * Errors are logged. */
_must_check_ int service_new(Service **ret, Config *config, int signal_fd);
void service_free(Service *service); /* accepts NULL and half-built objects */
DEFINE_CLEANUP(Service *, service_free)

/* Runs until SIGTERM or SIGINT. 0 or a negative errno, logged. */
_must_check_ int service_run(Service *service);
