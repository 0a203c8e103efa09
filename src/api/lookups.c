#include "api/lookups.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/reply.h"
#include "config.h"
#include "core/clock.h"

#define KEY_MAX 256
#define RETRY_AFTER_S 2
/* How long Redis keeps an answer for the time when PostgreSQL is away. */
#define STALE_TTL_MS 3600000
/* "0001795348953123 ": until when it is fresh, in milliseconds since 1970. */
#define STAMP_LENGTH 17

typedef struct Lookup {
        struct Lookup *next;
        Lookups *lookups;
        char key[KEY_MAX]; /* "" : never cached nor shared */
        Job *job;          /* NULL while the workers have it */
        Buffer stale;      /* an answer from Redis that is no longer fresh */
        HttpRequest **requests;
        size_t n_requests;
} Lookup;

struct Lookups {
        const Config *config;
        Workers *workers;
        RedisClient *redis;
        LookupsEvents events;
        Lookup *active;
};

static void lookup_free(Lookup *l) {
        if (!l)
                return;
        buffer_done(&l->stale);
        job_free(l->job);
        free(l->requests);
        free(l);
}
DEFINE_CLEANUP(Lookup *, lookup_free)

/* ---- ending a lookup ------------------------------------------------------------------------- */

static void forget(Lookup *lookup) {
        Lookup **p = &lookup->lookups->active;
        while (*p != lookup)
                p = &(*p)->next;
        *p = lookup->next;
        lookup_free(lookup);
}

static void end_with_body(Lookup *l, const void *body, size_t length, CacheUse cache) {
        for (size_t i = 0; i < l->n_requests; i++)
                reply_json(l->requests[i], l->lookups->config, 200, body, length, cache);
        forget(l);
}

static void end_with_problem(Lookup *l, int status, const char *detail, int retry_after_s) {
        for (size_t i = 0; i < l->n_requests; i++)
                reply_problem(l->requests[i], l->lookups->config, status, detail, NULL,
                              retry_after_s);
        forget(l);
}

static void end_with_health(Lookup *l, bool database_up) {
        Lookups *all = l->lookups;
        bool cache_up = all->redis && redis_client_is_connected(all->redis);
        char body[256];

        int n = snprintf(body, sizeof(body),
                         "{\"status\":\"%s\",\"database\":\"%s\",\"cache\":\"%s\","
                         "\"version\":\"" PACKAGE_VERSION "\"}",
                         database_up ? "UP" : "DOWN", database_up ? "UP" : "DOWN",
                         cache_up     ? "UP"
                         : all->redis ? "DOWN"
                                      : "OFF");
        for (size_t i = 0; i < l->n_requests; i++)
                reply_json(l->requests[i], all->config, database_up ? 200 : 503, body, (size_t) n,
                           CACHE_NONE);
        forget(l);
}

/* ---- Redis ----------------------------------------------------------------------------------- */

static void remember(Lookup *l, const Buffer *body) {
        _cleanup_buffer_ Buffer value = { .data = NULL };
        Lookups *all = l->lookups;
        int64_t fresh_until_ms = clock_realtime_ms() + all->config->cache_ttl_ms;

        if (buffer_append_format(&value, "%016" PRId64 " ", fresh_until_ms) < 0 ||
            buffer_append(&value, body->data, body->length) < 0)
                return; /* it is only a cache */
        redis_client_set(all->redis, l->key, value.data, value.length,
                         MAX_OF(all->config->cache_ttl_ms, (int64_t) STALE_TTL_MS));
}

static void submit(Lookup *l) {
        int r = workers_submit(l->lookups->workers, l->job);
        if (r < 0)
                end_with_problem(l, 503, "Too many requests wait for the database; try again.",
                                 RETRY_AFTER_S);
        else
                (void) TAKE_PTR(l->job);
}

static void on_value(const char *value, size_t length, void *user) {
        Lookup *l = user;

        if (!value || length <= STAMP_LENGTH || value[STAMP_LENGTH - 1] != ' ') {
                submit(l);
                return;
        }
        const char *body = value + STAMP_LENGTH;
        size_t body_length = length - STAMP_LENGTH;
        if (strtoll(value, NULL, 10) > clock_realtime_ms()) {
                end_with_body(l, body, body_length, CACHE_HIT);
                return;
        }
        if (buffer_append(&l->stale, body, body_length) < 0)
                buffer_clear(&l->stale);
        submit(l);
}

static bool uses_cache(const Lookup *l) {
        return l->lookups->redis && l->key[0] && redis_client_is_connected(l->lookups->redis);
}

/* ---- PostgreSQL ------------------------------------------------------------------------------ */

static void end_without_database(Lookup *l) {
        if (l->stale.length > 0)
                end_with_body(l, l->stale.data, l->stale.length, CACHE_STALE);
        else
                end_with_problem(l, 503, "The database does not answer; try again soon.",
                                 RETRY_AFTER_S);
}

static void finish(Lookup *l) {
        Job *job = l->job;
        Lookups *all = l->lookups;
        bool up = job->error == 0 || job->error == -ENOENT || job->error == -ENOMEM;

        all->events.on_database(up, up ? NULL : job->detail, all->events.user);
        if (job->kind == JOB_HEALTH)
                end_with_health(l, up);
        else if (job->error == -ENOENT)
                end_with_problem(l, 404, job->detail, 0);
        else if (job->error < 0)
                end_without_database(l);
        else if (uses_cache(l)) {
                remember(l, &job->body);
                end_with_body(l, job->body.data, job->body.length, CACHE_MISS);
        } else
                end_with_body(l, job->body.data, job->body.length, CACHE_BYPASS);
}

void lookups_dispatch(Lookups *lookups) {
        for (Job *job; (job = workers_take_done(lookups->workers));) {
                Lookup *l = job->owner;
                l->job = job;
                finish(l);
        }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static int add_request(Lookup *l, HttpRequest *request) {
        HttpRequest **grown = realloc(l->requests, (l->n_requests + 1) * sizeof(HttpRequest *));
        if (!grown)
                return -ENOMEM;
        l->requests = grown;
        l->requests[l->n_requests++] = request;
        return 0;
}

/* The version in the key changes when the bodies' form does. */
static void make_key(char key[KEY_MAX], const Config *config, JobKind kind, const char *coin_id,
                     const HistoryQuery *query) {
        key[0] = '\0';
        if (kind == JOB_CRYPTOS)
                snprintf(key, KEY_MAX, "crypto-pulse:1:%s:cryptos", config->postgres_database);
        else if (kind == JOB_HISTORY)
                snprintf(key, KEY_MAX, "crypto-pulse:1:%s:history:%s:%d:%s",
                         config->postgres_database, query->currency, query->limit, coin_id);
}

static Lookup *find_active(Lookups *all, const char *key) {
        Lookup *l = key[0] ? all->active : NULL;
        while (l && strcmp(l->key, key) != 0)
                l = l->next;
        return l;
}

static int lookup_new(Lookup **ret, Lookups *all, JobKind kind, const char *coin_id,
                      const HistoryQuery *query) {
        _cleanup_(lookup_freep) Lookup *l = calloc(1, sizeof(*l));
        if (!l || !(l->job = calloc(1, sizeof(Job))))
                return -ENOMEM;
        l->lookups = all;
        l->job->kind = kind;
        l->job->owner = l;
        if (kind == JOB_HISTORY) {
                strcpy(l->job->coin_id, coin_id);
                l->job->query = *query;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

static void begin(Lookup *l) {
        Lookups *all = l->lookups;

        l->next = all->active;
        all->active = l;
        if (!uses_cache(l) || redis_client_get(all->redis, l->key, on_value, l) < 0)
                submit(l);
}

void lookups_ask(Lookups *lookups, HttpRequest *request, JobKind kind, const char *coin_id,
                 const HistoryQuery *query) {
        char key[KEY_MAX];
        Lookup *l;

        make_key(key, lookups->config, kind, coin_id, query);
        Lookup *active = find_active(lookups, key);
        if (active && add_request(active, request) == 0)
                return;

        _cleanup_(lookup_freep) Lookup *fresh = NULL;
        int r = lookup_new(&fresh, lookups, kind, coin_id, query);
        if (r == 0 && request)
                r = add_request(fresh, request);
        if (r < 0) {
                if (request)
                        reply_problem(request, lookups->config, 503, "Out of memory; try again.",
                                      NULL, RETRY_AFTER_S);
                return;
        }
        strcpy(fresh->key, key);
        l = TAKE_PTR(fresh);
        begin(l);
}

int lookups_new(Lookups **ret, const Config *config, Workers *workers, RedisClient *redis,
                const LookupsEvents *events) {
        Lookups *all = calloc(1, sizeof(*all));
        if (!all)
                return -ENOMEM;
        *all = (Lookups){ .config = config, .workers = workers, .redis = redis, .events = *events };
        *ret = all;
        return 0;
}

void lookups_free(Lookups *lookups) {
        if (!lookups)
                return;
        while (lookups->active)
                end_with_problem(lookups->active, 503, "The service is stopping; try again.",
                                 RETRY_AFTER_S);
        free(lookups);
}
