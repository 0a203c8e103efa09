/* Questions about prices, answered from Redis or PostgreSQL, and asked there only once for all
 * requests that want the same thing at the same time. Loop thread.
 *
 * In Redis each answer stands with the time until which it is fresh. A fresh one is used; a
 * stale one only while PostgreSQL is away. No request waits longer than about five seconds. */
#pragma once

#include <stdint.h>

#include "api/workers.h"
#include "core/config.h"
#include "io/http_server.h"
#include "io/redis.h"

typedef struct Lookups Lookups;

typedef struct LookupsEvents {
        /* PostgreSQL's state as a query has just shown it; REASON is NULL or why it failed. */
        void (*on_database)(bool up, const char *reason, void *user);
        /* It is there, and has refused a query for REASON, or answered one (NULL). */
        void (*on_query)(const char *reason, void *user);
        void *user;
} LookupsEvents;

/* Everything is borrowed; REDIS is NULL if there is no cache. */
_must_check_ int lookups_new(Lookups **ret, const Config *config, Workers *workers,
                             RedisClient *redis, const LookupsEvents *events);
void lookups_free(Lookups *lookups); /* accepts NULL; after its Redis and its workers; open requests
                                        get 503 */
DEFINE_CLEANUP(Lookups *, lookups_free)

/* Answers the request sooner or later; NULL: only on_database is wanted (JOB_HEALTH). COIN_ID and
 * QUERY are for JOB_HISTORY. */
void lookups_ask(Lookups *lookups, HttpRequest *request, JobKind kind, const char *coin_id,
                 const HistoryQuery *query);

/* Hands out what the workers have finished. */
void lookups_dispatch(Lookups *lookups);
/* Answers whoever has waited too long without PostgreSQL, which may hang or have too much to do.
 * To be called about once a second. */
void lookups_expire(Lookups *lookups);
