#include "websocket/service.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/episode.h"
#include "io/daemon.h"
#include "io/events.h"
#include "io/journal.h"
#include "io/listen.h"
#include "io/notify.h"
#include "io/web_loop.h"
#include "io/ws_server.h"
#include "websocket/feed.h"
#include "websocket/handover.h"
#include "websocket/hub.h"
#include "websocket/persister.h"

#define TURN_MS 250
/* A thread that takes no turn for so long hangs: longer than PostgreSQL or a name server that does
 * not answer can hold one up. */
#define ALIVE_LIMIT_MS 60000
/* Stopping: when a PostgreSQL that does not answer is given up, and when everything is. */
#define CANCEL_AFTER_MS 2000
#define STOP_MAX_MS 4500
#define STOP_TURN_MS 10
/* So long the start waits for Kafka, to be ready with the newest prices; then without them. */
#define START_PATIENCE_MS 5000
/* What a backlog or a large message took is given back when it lies idle. */
#define MEMORY_CHECK_MS 5000
#define MEMORY_IDLE_MAX_BYTES (1u << 20)

struct Service {
        Config *config;
        int signal_fd;
        Notify notify;
        WebLoop *loop;
        WebFd *signals;
        WebTimer *timer;
        Hub *hub;
        WsServer *server;
        Handover *handover;
        Feed *feed;
        Persister *persister;
        int64_t start_ms;
        int64_t memory_ms; /* when it was looked after */
        int64_t stop_ms;   /* when stopping began; 0: not yet */
        bool threads_hang;
        Episode cannot_accept;
};

/* ---- what the service manager is told -------------------------------------------------------- */

static void describe_persister(const Service *s, char *text, size_t size) {
        const char *waits_for = worker_waits_for(persister_worker(s->persister));
        int64_t lag = persister_lag(s->persister);
        char trouble[PERSISTER_TROUBLE_SIZE];

        persister_trouble(s->persister, trouble);
        if (waits_for && *trouble)
                snprintf(text, size, "persister waits for %s (%s)", waits_for, trouble);
        else if (waits_for)
                snprintf(text, size, "persister waits for %s", waits_for);
        else if (lag > 0)
                snprintf(text, size, "%" PRId64 " messages to persist", lag);
        else
                snprintf(text, size, "all persisted");
}

static void tell_status(Service *s) {
        const char *waits_for = worker_waits_for(feed_worker(s->feed));
        HubState state = hub_state(s->hub);
        char persister[PERSISTER_TROUBLE_SIZE + 96], age[48] = "no price yet";

        describe_persister(s, persister, sizeof(persister));
        if (state.newest_ms > 0)
                snprintf(age, sizeof(age), "newest %" PRId64 " s old",
                         (clock_realtime_ms() - state.newest_ms) / 1000);
        if (waits_for)
                notify_status(&s->notify, "Waiting for %s; %zu clients, %zu prices, %s; %s.",
                              waits_for, state.clients, state.prices, age, persister);
        else
                notify_status(&s->notify, "%zu clients, %zu prices, %s; %s.", state.clients,
                              state.prices, age, persister);
}

static void tell_alive(Service *s) {
        int64_t now_ms = clock_monotonic_ms();

        if (worker_is_alive(feed_worker(s->feed), now_ms, ALIVE_LIMIT_MS) &&
            worker_is_alive(persister_worker(s->persister), now_ms, ALIVE_LIMIT_MS))
                notify_watchdog(&s->notify);
}

static void tell_ready(Service *s) {
        HubState state = hub_state(s->hub);

        if (s->notify.ready)
                return;
        /* Reading the topic's tail took megabytes that nothing needs any more. */
        malloc_trim(0);
        log_info("Ready: %zu prices known.", state.prices);
        notify_ready(&s->notify, "%zu prices known.", state.prices);
}

/* glibc keeps what lies between blocks that are in use, and librdkafka's buffers leave a lot. */
static void give_back_memory(Service *s) {
        int64_t now_ms = clock_monotonic_ms();

        if (now_ms - s->memory_ms < MEMORY_CHECK_MS)
                return;
        s->memory_ms = now_ms;
        if (mallinfo2().fordblks > MEMORY_IDLE_MAX_BYTES)
                (void) malloc_trim(0);
}

/* ---- updates --------------------------------------------------------------------------------- */

static void take_updates(Service *s) {
        /* Asked before the queue is emptied: what was handed over before is then in it. */
        bool caught_up = feed_is_caught_up(s->feed);
        const char *waits_for = worker_waits_for(feed_worker(s->feed));

        for (;;) {
                _cleanup_free_ UpdateBatch *batch = handover_take(s->handover);
                if (!batch)
                        break;
                hub_put(s->hub, batch);
        }
        /* Without Kafka the clients get what the database knows. */
        if (caught_up || waits_for)
                hub_begin(s->hub);
        hub_flush(s->hub);
        if (caught_up || (waits_for && clock_monotonic_ms() - s->start_ms > START_PATIENCE_MS))
                tell_ready(s);
}

static void on_wake(void *user) {
        Service *s = user;

        if (s->feed && s->persister)
                take_updates(s);
}

static void wake_loop(void *user) {
        web_loop_wake(user);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void begin_stop(Service *s, bool restarting) {
        if (s->stop_ms)
                return;
        s->stop_ms = clock_monotonic_ms();
        notify_stopping(&s->notify);
        log_info(restarting ? "Stopping, to be restarted." : "Stopping.");
        ws_server_stop(s->server, restarting);
        worker_stop(feed_worker(s->feed));
        worker_stop(persister_worker(s->persister));
        handover_close(s->handover);
        web_timer_set(s->timer, STOP_TURN_MS);
}

static void continue_stop(Service *s) {
        int64_t elapsed_ms = clock_monotonic_ms() - s->stop_ms;
        bool ended = worker_has_ended(feed_worker(s->feed)) &&
                     worker_has_ended(persister_worker(s->persister));

        if (elapsed_ms > CANCEL_AFTER_MS)
                persister_cancel(s->persister);
        s->threads_hang = !ended && elapsed_ms > STOP_MAX_MS;
        if (ended || s->threads_hang)
                web_loop_stop(s->loop);
        else
                web_timer_set(s->timer, STOP_TURN_MS);
}

static void reload(Service *s) {
        Config *fresh;

        notify_reloading(&s->notify);
        if (daemon_reload_begin(s->config, NULL, &fresh) == 0) {
                daemon_reload_end(s->config, fresh);
                hub_set_max_clients(s->hub, (size_t) s->config->websocket_max_clients);
        }
        notify_reloaded(&s->notify);
}

static void on_signal(void *user, short events) {
        Service *s = user;
        int number;

        (void) events;
        while ((number = daemon_next_signal(s->signal_fd)) > 0)
                if (number == SIGHUP)
                        reload(s);
                else
                        begin_stop(s, number == DAEMON_SIGNAL_RESTART);
}

static void on_timer(void *user) {
        Service *s = user;

        if (s->stop_ms) {
                continue_stop(s);
                return;
        }
        take_updates(s);
        hub_turn(s->hub, clock_monotonic_ms());
        tell_status(s);
        tell_alive(s);
        give_back_memory(s);
        web_timer_set(s->timer, TURN_MS);
}

static void on_accept(void *user, int error) {
        Service *s = user;

        daemon_tell_accept(&s->cannot_accept, error);
}

/* ---- building -------------------------------------------------------------------------------- */

static int open_server(Service *s) {
        char error[512] = "";
        int fd;

        int r = listen_open("websocket", s->config->websocket_listen,
                            (uint16_t) s->config->websocket_port, &fd, error, sizeof(error));
        if (r < 0) {
                daemon_cannot_listen(error, s->signal_fd);
                return r;
        }
        r = ws_server_new(&s->server, s->loop, fd, &hub_events, s->hub);
        for (size_t i = 1;
             r >= 0 && (r = listen_more("websocket", i, &fd, error, sizeof(error))) > 0; i++)
                r = ws_server_listen(s->server, fd);
        if (r < 0)
                log_error("Cannot serve WebSocket clients: %s", *error ? error : strerror(-r));
        return r;
}

static int open_loop(Service *s) {
        int r = web_loop_new(&s->loop);
        if (r == 0)
                r = web_loop_on_wake(s->loop, on_wake, s);
        if (r == 0)
                r = web_fd_new(&s->signals, s->loop, s->signal_fd, on_signal, s);
        if (r == 0)
                r = web_timer_new(&s->timer, s->loop, on_timer, s);
        if (r == 0)
                r = hub_new(&s->hub, (size_t) s->config->websocket_max_clients);
        if (r == 0)
                r = handover_new(&s->handover, wake_loop, s->loop);
        if (r < 0)
                log_error("Cannot start: %s", strerror(-r));
        else
                web_loop_on_accept(s->loop, on_accept, s);
        return r;
}

static int open_all(Service *s) {
        int r = open_loop(s);
        if (r == 0)
                r = open_server(s);
        /* Threads come last: from here on nothing fails that would have to wait for them. */
        if (r == 0)
                r = persister_new(&s->persister, s->config, s->handover);
        if (r == 0)
                r = feed_new(&s->feed, s->config, s->handover);
        return r;
}

int service_new(Service **ret, Config *config, int signal_fd) {
        _cleanup_(service_freep) Service *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->config = config;
        s->signal_fd = signal_fd;
        notify_init(&s->notify);

        int r = open_all(s);
        if (r < 0) {
                if (s->handover)
                        handover_close(s->handover);
                persister_free(TAKE_PTR(s->persister));
                s->config = NULL; /* stays the caller's */
                return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

void service_free(Service *service) {
        if (!service)
                return;
        feed_free(service->feed);
        persister_free(service->persister);
        ws_server_free(service->server);
        handover_free(service->handover);
        hub_free(service->hub);
        web_timer_free(service->timer);
        web_fd_free(service->signals);
        web_loop_free(service->loop);
        config_free(service->config);
        free(service);
}

int service_run(Service *s) {
        s->start_ms = clock_monotonic_ms();
        web_timer_set(s->timer, 0);
        int r = web_loop_run(s->loop);
        if (s->threads_hang) {
                /* Joining would hang as well. Nothing is lost: what was not committed is still
                 * in Kafka. */
                log_warning("Kafka or PostgreSQL hold up the end; leaving without goodbye.");
                _exit(daemon_exit_status(0));
        }
        if (r < 0)
                log_error("The event loop failed: %s", strerror(-r));
        else
                log_info("Stopped; %" PRIu64 " prices were persisted.",
                         persister_written(s->persister));
        return r;
}
