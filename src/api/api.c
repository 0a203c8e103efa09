#include "api/api.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/lookups.h"
#include "api/pages.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/workers.h"
#include "core/clock.h"
#include "core/episode.h"
#include "io/daemon.h"
#include "io/events.h"
#include "io/http_server.h"
#include "io/journal.h"
#include "io/listen.h"
#include "io/notify.h"
#include "io/redis.h"
#include "io/web_loop.h"

#define REDIS_TIMEOUT_MS 250
#define TURN_MS 1000
/* How often PostgreSQL is asked whether it is there while nobody else asks it anything. */
#define TURNS_PER_PING 5
/* A query that takes so long hangs: longer than connecting anew and asking twice ever can. */
#define WORKER_LIMIT_MS 180000
/* Stopping: how long a client may take with its next request, and with its first one (on a busy
 * host a client may be slow to begin); and when everything is given up: later than any answer
 * comes. */
#define STOP_GRACE_MS 500
#define STOP_FIRST_GRACE_MS 2500
#define STOP_MAX_MS 4500
#define STOP_TURN_MS 10

struct Api {
        Config *config;
        Notify notify;
        int signal_fd;

        WebLoop *loop;
        WebFd *signals;
        WebTimer *turn;
        Workers *workers;
        RedisClient *redis;
        Lookups *lookups;
        Pages *pages;                /* NULL: the dashboard is not served */
        HttpServer *rest, *frontend; /* NULL: not served */
        char deaf[256];              /* why one of them is not, or nothing */

        bool database_known, cache_known; /* the first try of each has ended */
        bool database_up;
        char database_trouble[128]; /* why it is not */
        Episode database_down, queries_refused, cache_down, cannot_accept;
        uint64_t n_requests, n_turns;
        int64_t stop_ms; /* when stopping began; 0: not yet */
};

/* ---- state ----------------------------------------------------------------------------------- */

static const char *state_text(bool up) {
        return up ? "up" : "DOWN";
}

/* Ready when it is known of both peers whether they are there: requests are then served as well
 * as they can be. */
static void tell_state(Api *api) {
        const char *and = *api->deaf ? "; " : "";
        const char *cache = api->redis ? state_text(redis_client_is_connected(api->redis)) : "off";

        if (!api->database_known || !api->cache_known)
                return;
        notify_ready(&api->notify, "Serving; database %s, cache %s.", state_text(api->database_up),
                     cache);
        if (api->database_up)
                notify_status(&api->notify,
                              "Serving; database up, cache %s, %" PRIu64 " requests%s%s.", cache,
                              api->n_requests, and, api->deaf);
        else
                notify_status(&api->notify,
                              "Serving; database DOWN (%s), cache %s, %" PRIu64 " requests%s%s.",
                              api->database_trouble, cache, api->n_requests, and, api->deaf);
}

static void on_database(bool up, const char *reason, void *user) {
        Api *api = user;
        int64_t duration_ms;

        if (!up && episode_fail(&api->database_down, clock_monotonic_ms()))
                journal_log(LOG_WARNING, LOG_FIELDS(LOG_EVENT(DATABASE_UNREACHABLE)),
                            "PostgreSQL does not answer (%s); what the cache has goes on, other "
                            "requests get 503.",
                            reason);
        if (up && episode_end(&api->database_down, clock_monotonic_ms(), &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "PostgreSQL answers again, after %" PRId64 " s.", duration_ms / 1000);
        if (!up)
                snprintf(api->database_trouble, sizeof(api->database_trouble), "%s", reason);
        api->database_known = true;
        api->database_up = up;
        tell_state(api);
}

static void on_query(const char *refusal, void *user) {
        Api *api = user;
        int64_t duration_ms;

        if (refusal && episode_fail(&api->queries_refused, clock_monotonic_ms()))
                log_warning("PostgreSQL refuses a query (%s); what the cache has goes on, other "
                            "requests get 503.",
                            refusal);
        if (!refusal && episode_end(&api->queries_refused, clock_monotonic_ms(), &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "PostgreSQL answers queries again, after %" PRId64 " s.",
                            duration_ms / 1000);
}

static void on_cache(bool connected, const char *reason, void *user) {
        Api *api = user;
        int64_t duration_ms;

        if (!connected && episode_fail(&api->cache_down, clock_monotonic_ms()))
                journal_log(LOG_WARNING, LOG_FIELDS(LOG_EVENT(CACHE_UNREACHABLE)),
                            "Redis is not there (%s); every answer comes from PostgreSQL.", reason);
        if (connected && episode_end(&api->cache_down, clock_monotonic_ms(), &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "Redis is there again, after %" PRId64 " s.", duration_ms / 1000);
        api->cache_known = true;
        tell_state(api);
}

static void on_accept(void *user, int error) {
        Api *api = user;
        daemon_tell_accept(&api->cannot_accept, error);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* True if the request goes on; else it has been answered. */
static bool check_method(Api *api, HttpRequest *r) {
        const char *method = http_request_method(r);

        if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
                return true;
        if (strcmp(method, "OPTIONS") == 0)
                reply_preflight(r, api->config);
        else
                reply_problem(r, api->config, 405, "Prices can only be read here: use GET or HEAD.",
                              "GET, HEAD, OPTIONS", 0);
        return false;
}

static void handle_history(Api *api, HttpRequest *r, const char *coin_id) {
        HistoryQuery query;
        const char *wrong = history_query_parse(&query, http_request_query(r, "limit"),
                                                http_request_query(r, "currency"),
                                                api->config->currencies[0]);
        if (!*coin_id)
                reply_problem(r, api->config, 404, "No coin can have this id.", NULL, 0);
        else if (wrong)
                reply_problem(r, api->config, 400, wrong, NULL, 0);
        else
                lookups_ask(api->lookups, r, JOB_HISTORY, coin_id, &query);
}

static void handle_resource(Api *api, HttpRequest *r, Resource resource, const char *coin_id) {
        switch (resource) {
        case RESOURCE_HEALTH:
                lookups_ask(api->lookups, r, JOB_HEALTH, NULL, NULL);
                break;
        case RESOURCE_CRYPTOS:
                lookups_ask(api->lookups, r, JOB_CRYPTOS, NULL, NULL);
                break;
        case RESOURCE_HISTORY:
                handle_history(api, r, coin_id);
                break;
        case RESOURCE_NONE:
        case RESOURCE_PAGE:
        default:
                reply_problem(r, api->config, 404,
                              "There is /api/v1/health, /api/v1/cryptos and "
                              "/api/v1/cryptos/{id}/history.",
                              NULL, 0);
        }
}

static void on_rest_request(HttpRequest *r, void *user) {
        Api *api = user;
        char coin_id[COIN_ID_MAX + 1];

        api->n_requests++;
        Resource resource = route_find(http_request_path(r), coin_id);
        if (resource == RESOURCE_NONE || resource == RESOURCE_PAGE || check_method(api, r))
                handle_resource(api, r, resource, coin_id);
}

/* The dashboard's port also serves the API, so that the page needs no other origin. */
static void on_frontend_request(HttpRequest *r, void *user) {
        Api *api = user;
        char coin_id[COIN_ID_MAX + 1];

        if (route_find(http_request_path(r), coin_id) != RESOURCE_PAGE) {
                on_rest_request(r, user);
                return;
        }
        api->n_requests++;
        if (check_method(api, r))
                pages_serve(api->pages, r);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void on_worker_done(void *user) {
        web_loop_wake(user); /* a worker's thread */
}

static void on_wake(void *user) {
        Api *api = user;
        lookups_dispatch(api->lookups);
}

static void reload(Api *api) {
        Config *fresh;

        notify_reloading(&api->notify);
        if (daemon_reload_begin(api->config, NULL, &fresh) == 0)
                daemon_reload_end(api->config, fresh);
        notify_reloaded(&api->notify);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Nobody who was accepted goes without an answer; who was not waits in the socket for the
 * successor. */
static void begin_stop(Api *api) {
        if (api->stop_ms)
                return;
        api->stop_ms = clock_monotonic_ms();
        notify_stopping(&api->notify);
        if (api->rest)
                http_server_stop(api->rest);
        if (api->frontend)
                http_server_stop(api->frontend);
        web_timer_set(api->turn, STOP_TURN_MS);
}

static size_t drop_idle(HttpServer *server, int64_t elapsed_ms) {
        if (!server)
                return 0;
        if (elapsed_ms > STOP_GRACE_MS)
                http_server_drop_idle(server, elapsed_ms > STOP_FIRST_GRACE_MS);
        return http_server_count(server);
}

static void continue_stop(Api *api) {
        int64_t elapsed_ms = clock_monotonic_ms() - api->stop_ms;
        size_t left = drop_idle(api->rest, elapsed_ms) + drop_idle(api->frontend, elapsed_ms);

        lookups_expire(api->lookups);
        if (left == 0 || elapsed_ms > STOP_MAX_MS)
                web_loop_stop(api->loop);
        else
                web_timer_set(api->turn, STOP_TURN_MS);
}

/* ---- signals and turns ----------------------------------------------------------------------- */

static void on_signal(void *user, short events) {
        Api *api = user;
        (void) events;
        for (int number; (number = daemon_next_signal(api->signal_fd)) > 0;) {
                if (number == SIGHUP)
                        reload(api);
                else
                        begin_stop(api);
        }
}

static void on_turn(void *user) {
        Api *api = user;

        if (api->stop_ms) {
                continue_stop(api);
                return;
        }
        lookups_expire(api->lookups);
        if (++api->n_turns % TURNS_PER_PING == 0)
                lookups_ask(api->lookups, NULL, JOB_HEALTH, NULL, NULL);
        tell_state(api);
        if (workers_are_alive(api->workers, WORKER_LIMIT_MS))
                notify_watchdog(&api->notify);
        web_timer_set(api->turn, TURN_MS);
}

/* ---- building -------------------------------------------------------------------------------- */

static int open_loop(Api *api) {
        int r = web_loop_new(&api->loop);
        if (r == 0)
                r = web_loop_on_wake(api->loop, on_wake, api);
        if (r == 0)
                r = web_fd_new(&api->signals, api->loop, api->signal_fd, on_signal, api);
        if (r == 0)
                r = web_timer_new(&api->turn, api->loop, on_turn, api);
        if (r < 0)
                return r;
        web_loop_on_accept(api->loop, on_accept, api);
        web_timer_set(api->turn, TURN_MS);
        return 0;
}

static int open_peers(Api *api) {
        const LookupsEvents events = { .on_database = on_database,
                                       .on_query = on_query,
                                       .user = api };
        const RedisOptions options = { .host = api->config->redis_host,
                                       .port = (uint16_t) api->config->redis_port,
                                       .password = api->config->redis_password,
                                       .timeout_ms = REDIS_TIMEOUT_MS,
                                       .on_state = on_cache,
                                       .user = api };
        int r = workers_new(&api->workers, api->config, on_worker_done, api->loop);

        api->cache_known = !*options.host || api->config->cache_ttl_ms == 0;
        if (r == 0 && !api->cache_known)
                r = redis_client_new(&api->redis, api->loop, &options);
        if (r == 0)
                r = lookups_new(&api->lookups, api->config, api->workers, api->redis, &events);
        if (r == 0)
                lookups_ask(api->lookups, NULL, JOB_HEALTH, NULL, NULL);
        return r;
}

static int open_server(Api *api, const char *name, int64_t port, HttpHandler handler,
                       HttpServer **ret) {
        char error[512] = "";
        int fd;

        int r = listen_open(name, api->config->api_listen, (uint16_t) port, &fd, error,
                            sizeof(error));
        if (r < 0) {
                snprintf(api->deaf, sizeof(api->deaf), "%s", error);
                return r;
        }
        r = http_server_new(ret, api->loop, fd, handler, api);
        for (size_t i = 1; r >= 0 && (r = listen_more(name, i, &fd, error, sizeof(error))) > 0; i++)
                r = http_server_listen(*ret, fd);
        if (r < 0)
                log_error("Cannot serve port %" PRId64 ": %s", port, *error ? error : strerror(-r));
        return r;
}

static int open_frontend(Api *api) {
        char error[512];

        if (api->config->frontend_port == 0)
                return 0;
        int r = pages_load(&api->pages, api->config, error, sizeof(error));
        if (r < 0) {
                log_error("Cannot serve the dashboard: %s. api.frontend_port = 0 goes without.",
                          error);
                return r;
        }
        return open_server(api, "frontend", api->config->frontend_port, on_frontend_request,
                           &api->frontend);
}

/* Has said what is wrong when it fails. Where the service manager hands over the ports, one that it
 * could not open does not take the other along. */
static int open_servers(Api *api) {
        int r = open_server(api, "api", api->config->api_port, on_rest_request, &api->rest);
        if (r == 0 || (*api->deaf && listen_inherits("frontend")))
                r = open_frontend(api);
        if (!*api->deaf)
                return r;
        if (api->frontend || (api->rest && listen_inherits("api"))) {
                journal_log(LOG_ERR, LOG_FIELDS(LOG_EVENT(CANNOT_LISTEN)),
                            "Cannot listen: %s; the other port is served.", api->deaf);
                return 0;
        }
        daemon_cannot_listen(api->deaf, api->signal_fd);
        return r;
}

int api_new(Api **ret, Config *config, int signal_fd) {
        _cleanup_(api_freep) Api *api = calloc(1, sizeof(*api));
        if (!api)
                return -ENOMEM;
        api->config = config;
        api->signal_fd = signal_fd;
        notify_init(&api->notify);

        int r = open_loop(api);
        if (r == 0)
                r = open_peers(api);
        if (r < 0)
                log_error("Cannot start: %s", strerror(-r));
        else
                r = open_servers(api);
        if (r < 0) {
                api->config = NULL; /* stays the caller's */
                return r;
        }
        *ret = TAKE_PTR(api);
        return 0;
}

void api_free(Api *api) {
        if (!api)
                return;
        redis_client_free(api->redis);
        workers_free(api->workers);
        lookups_free(api->lookups);
        http_server_free(api->frontend);
        http_server_free(api->rest);
        pages_free(api->pages);
        web_timer_free(api->turn);
        web_fd_free(api->signals);
        web_loop_free(api->loop);
        config_free(api->config);
        free(api);
}

int api_run(Api *api) {
        if (api->rest)
                log_info("Serving the API on port %" PRId64 " of %s.", api->config->api_port,
                         api->config->api_listen);
        int r = web_loop_run(api->loop);
        if (!api->stop_ms)
                notify_stopping(&api->notify);
        if (r < 0)
                log_error("The event loop failed: %s", strerror(-r));
        else
                log_info("Stopped.");
        return r;
}
