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
/* How long a request waits for PostgreSQL, or for its turn there, before it is answered without.
 * The query is made all the same: what it brings is remembered for the next request. */
#define PATIENCE_MS 4000

typedef struct Lookup {
        struct Lookup *next;
        Lookups *lookups;
        char key[KEY_MAX];
        JobKind kind;
        Job *job;     /* NULL while the workers have it */
        Buffer stale; /* an answer from Redis that is no longer fresh */
        int64_t begun_ms;
        bool overdue; /* whoever waited for it was answered without PostgreSQL */
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

static void reply_body(Lookup *l, const void *body, size_t length, CacheUse cache) {
        for (size_t i = 0; i < l->n_requests; i++)
                reply_json(l->requests[i], l->lookups->config, 200, body, length, cache);
        l->n_requests = 0;
}

static void reply_failure(Lookup *l, int status, const char *detail, int retry_after_s) {
        for (size_t i = 0; i < l->n_requests; i++)
                reply_problem(l->requests[i], l->lookups->config, status, detail, NULL,
                              retry_after_s);
        l->n_requests = 0;
}

static void reply_health(Lookup *l, bool database_up) {
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
        l->n_requests = 0;
}

static void reply_without_database(Lookup *l, const char *why) {
        if (l->kind == JOB_HEALTH)
                reply_health(l, false);
        else if (l->stale.length > 0)
                reply_body(l, l->stale.data, l->stale.length, CACHE_STALE);
        else
                reply_failure(l, 503, why, RETRY_AFTER_S);
}

/* Whether it is slow, hangs, or has not been asked yet because others were before. */
static void reply_overdue(Lookup *l) {
        reply_without_database(l, "The database is busy; try again soon.");
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
        if (workers_submit(l->lookups->workers, l->job) == 0) {
                (void) TAKE_PTR(l->job);
                return;
        }
        reply_failure(l, 503, "Too many requests wait for the database; try again.", RETRY_AFTER_S);
        forget(l);
}

/* Whether VALUE is an answer that was put there whole by remember(): another program may write
 * to the same Redis. */
static bool is_ours(const char *value, size_t length) {
        return length > STAMP_LENGTH + 1 && strspn(value, "0123456789") == STAMP_LENGTH - 1 &&
               value[STAMP_LENGTH - 1] == ' ' && value[STAMP_LENGTH] == '{' &&
               value[length - 1] == '}';
}

static void on_value(const char *value, size_t length, void *user) {
        Lookup *l = user;

        if (!value || !is_ours(value, length)) {
                submit(l);
                return;
        }
        const char *body = value + STAMP_LENGTH;
        size_t body_length = length - STAMP_LENGTH;
        /* Fresh for longer than any answer is: the clock was set back. */
        int64_t fresh_ms = strtoll(value, NULL, 10) - clock_realtime_ms();
        if (fresh_ms > 0 && fresh_ms <= l->lookups->config->cache_ttl_ms) {
                reply_body(l, body, body_length, CACHE_HIT);
                forget(l);
                return;
        }
        if (buffer_append(&l->stale, body, body_length) < 0)
                buffer_clear(&l->stale);
        submit(l);
}

static bool uses_cache(const Lookup *l) {
        return l->lookups->redis && l->kind != JOB_HEALTH &&
               redis_client_is_connected(l->lookups->redis);
}

/* ---- PostgreSQL ------------------------------------------------------------------------------ */

/* A query that is refused says nothing of the next one, nor does the one that asks for the state.
 */
static bool tell_outcome(const Lookups *all, const Job *job) {
        bool up = job->error == 0 || job->error == -ENOENT || job->error == -ENOMEM;
        bool refused = job->error == -EIO || job->error == -EINVAL || job->error == -EAGAIN;

        if (job->kind != JOB_HEALTH && (up || refused))
                all->events.on_query(refused ? job->detail : NULL, all->events.user);
        if (job->kind == JOB_HEALTH || !refused)
                all->events.on_database(up, up ? NULL : job->detail, all->events.user);
        return up;
}

static void finish(Lookup *l) {
        Job *job = l->job;
        bool up = tell_outcome(l->lookups, job);

        if (job->kind == JOB_HEALTH)
                reply_health(l, up);
        else if (job->error == -ENOENT)
                reply_failure(l, 404, job->detail, 0);
        else if (job->error < 0)
                reply_without_database(l, "The database does not answer; try again soon.");
        else if (uses_cache(l)) {
                remember(l, &job->body);
                reply_body(l, job->body.data, job->body.length, CACHE_MISS);
        } else
                reply_body(l, job->body.data, job->body.length, CACHE_BYPASS);
        forget(l);
}

void lookups_dispatch(Lookups *lookups) {
        for (Job *job; (job = workers_take_done(lookups->workers));) {
                Lookup *l = job->owner;
                l->job = job;
                finish(l);
        }
}

void lookups_expire(Lookups *lookups) {
        int64_t now_ms = clock_monotonic_ms();

        for (Lookup *l = lookups->active; l; l = l->next) {
                if (l->overdue || now_ms - l->begun_ms < PATIENCE_MS)
                        continue;
                l->overdue = true;
                /* It was begun at once, and is the fastest there is. Any other query may be a slow
                 * one, or wait for its turn. */
                if (l->kind == JOB_HEALTH)
                        lookups->events.on_database(false, "no answer in time",
                                                    lookups->events.user);
                reply_overdue(l);
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
        snprintf(key, KEY_MAX, "health");
        if (kind == JOB_CRYPTOS)
                snprintf(key, KEY_MAX, "crypto-pulse:1:%s:cryptos", config->postgres_database);
        else if (kind == JOB_HISTORY)
                snprintf(key, KEY_MAX, "crypto-pulse:1:%s:history:%s:%d:%s",
                         config->postgres_database, query->currency, query->limit, coin_id);
}

static Lookup *find_active(Lookups *all, const char *key) {
        Lookup *l = all->active;
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
        l->kind = kind;
        l->begun_ms = clock_monotonic_ms();
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

/* Whether the question is on its way already; then the request shares the answer. */
static bool join(Lookups *all, HttpRequest *request, const char *key) {
        Lookup *l = find_active(all, key);

        if (!l || (request && add_request(l, request) < 0))
                return false;
        if (l->overdue)
                reply_overdue(l);
        return true;
}

void lookups_ask(Lookups *lookups, HttpRequest *request, JobKind kind, const char *coin_id,
                 const HistoryQuery *query) {
        _cleanup_(lookup_freep) Lookup *fresh = NULL;
        char key[KEY_MAX];

        make_key(key, lookups->config, kind, coin_id, query);
        if (join(lookups, request, key))
                return;
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
        begin(TAKE_PTR(fresh));
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
        while (lookups->active) {
                reply_failure(lookups->active, 503, "The service is stopping; try again.",
                              RETRY_AFTER_S);
                forget(lookups->active);
        }
        free(lookups);
}
