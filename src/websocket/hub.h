/* The broadcast: who is connected, what each has seen, and what is sent to whom.
 *
 * All updates that arrive together are concatenated into one buffer of ready-made frames, which
 * goes with one call to each client that is up to date. A client that does not read fast enough
 * is left alone until the kernel has taken everything; then it gets the newest of each slot that
 * changed meanwhile (board.h), a piece at a time. So a client that does not read holds no more
 * than one such buffer, BOARD_CATCH_UP_BYTES, in user space, and the little in the kernel that a
 * WebListener allows (together less than 100 kB), none misses a newest price for good, and those
 * that keep up see every update. A new client is one that has seen nothing yet.
 *
 * Until hub_begin() clients wait: what a starting program reads first is old. Loop thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "io/ws_server.h"
#include "websocket/handover.h"

/* A client that takes nothing for this long is dropped. */
#define HUB_STALL_MAX_MS 30000
/* Without a refused client for this long, there is room again. */
#define HUB_QUIET_MS INT64_C(60000)

typedef struct Hub Hub;

_must_check_ int hub_new(Hub **ret, size_t max_clients);
void hub_free(Hub *hub); /* accepts NULL; after the server whose clients it has */
DEFINE_CLEANUP(Hub *, hub_free)

/* For ws_server_new(), with the hub as the user. */
extern const WsEvents hub_events;

/* Takes a batch in; hub_flush() sends. */
void hub_put(Hub *hub, const UpdateBatch *batch);
void hub_flush(Hub *hub);
void hub_begin(Hub *hub);
/* To be called every second or so: drops the clients that have stalled, and logs how many in one
 * entry (each with log_level debug); logs when no more are refused. */
void hub_turn(Hub *hub, int64_t now_ms);

typedef struct HubState {
        size_t clients;
        size_t prices;     /* (coin, currency) pairs */
        int64_t newest_ms; /* the newest price's timestamp; 0: none */
} HubState;

/* Takes effect for new clients. */
void hub_set_max_clients(Hub *hub, size_t max_clients);
HubState hub_state(const Hub *hub);
