#include "io/redis.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "core/backoff.h"
#include "core/clock.h"
#include "io/resolver.h"

#define RESOLVE_POLL_MS 20

struct RedisClient {
        WebLoop *loop;
        RedisOptions options;
        redisAsyncContext *context; /* NULL: not connecting */
        Resolver *resolver;         /* looks for the host's address before that */
        int64_t resolving_since_ms;
        WebFd *fd;
        WebTimer *timer; /* reconnects, or checks for answers that are overdue */
        Backoff backoff;
        bool connected, told, freeing;
        char auth_error[128];     /* what this connection's AUTH was answered, if it was refused */
        size_t waiting;           /* answers still to come */
        int64_t waiting_since_ms; /* the last answer, or the first of these requests */
};

/* One GET on its way. */
typedef struct Request {
        RedisClient *client;
        RedisOnValue on_value;
        void *user;
} Request;

static void tell_state(RedisClient *c, bool connected, const char *reason) {
        if (c->told && c->connected == connected)
                return;
        c->told = true;
        c->connected = connected;
        if (!c->freeing)
                c->options.on_state(connected, reason, c->options.user);
}

/* ---- hiredis's event hooks, over WebFd ------------------------------------------------------- */

static void on_fd_event(void *user, short events) {
        RedisClient *c = user;

        if (events & (POLLIN | POLLHUP | POLLERR))
                redisAsyncHandleRead(c->context);
        /* Reading may have freed the context, and a new one be in its place. */
        if (c->context && (events & POLLOUT))
                redisAsyncHandleWrite(c->context);
}

static void hook_nothing(void *user) {
        (void) user; /* reading is always on */
}

static void hook_add_write(void *user) {
        RedisClient *c = user;
        if (c->fd)
                web_fd_want_write(c->fd, true);
}

static void hook_del_write(void *user) {
        RedisClient *c = user;
        if (c->fd)
                web_fd_want_write(c->fd, false);
}

static void hook_cleanup(void *user) {
        RedisClient *c = user;
        web_fd_free(c->fd);
        c->fd = NULL;
}

static int watch(RedisClient *c) {
        int r = web_fd_new(&c->fd, c->loop, c->context->c.fd, on_fd_event, c);
        if (r < 0)
                return r;
        c->context->ev.data = c;
        c->context->ev.addRead = hook_nothing;
        c->context->ev.delRead = hook_nothing;
        c->context->ev.addWrite = hook_add_write;
        c->context->ev.delWrite = hook_del_write;
        c->context->ev.cleanup = hook_cleanup;
        return 0;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void note_answer(RedisClient *c) {
        c->waiting--;
        c->waiting_since_ms = clock_monotonic_ms();
}

static void note_request(RedisClient *c) {
        if (c->waiting++ == 0)
                c->waiting_since_ms = clock_monotonic_ms();
}

static void reconnect_later(RedisClient *c, const char *reason) {
        tell_state(c, false, reason);
        if (!c->freeing)
                web_timer_set(c->timer,
                              backoff_next_ms(&c->backoff,
                                              (uint32_t) clock_monotonic_ms() * 2654435761u));
}

static void on_disconnect(const redisAsyncContext *context, int status) {
        RedisClient *c = context->data;
        c->context = NULL; /* hiredis frees it after this */
        c->waiting = 0;
        reconnect_later(c, status == REDIS_OK ? "disconnected" : context->errstr);
}

/* Not yet the end: a Redis without a password refuses AUTH, too, and serves us. */
static void on_auth(redisAsyncContext *context, void *reply_data, void *user) {
        RedisClient *c = user;
        const redisReply *reply = reply_data;
        (void) context;

        if (reply && reply->type == REDIS_REPLY_ERROR)
                snprintf(c->auth_error, sizeof(c->auth_error), "%s", reply->str);
}

/* The first answer of a connection, to PING: only now is it known to serve us (hiredis calls a
 * connection connected while Redis still refuses the password or loads its data). */
static void on_pong(redisAsyncContext *context, void *reply_data, void *user) {
        RedisClient *c = user;
        const redisReply *reply = reply_data;
        (void) context;

        if (!reply)
                return; /* on_disconnect or on_connect tells */
        note_answer(c);
        if (reply->type == REDIS_REPLY_ERROR) {
                tell_state(c, false, *c->auth_error ? c->auth_error : reply->str);
                redisAsyncDisconnect(context);
                return;
        }
        backoff_reset(&c->backoff);
        tell_state(c, true, NULL);
}

static void on_connect(const redisAsyncContext *context, int status) {
        RedisClient *c = context->data;
        if (status == REDIS_OK)
                return;
        c->context = NULL; /* hiredis frees it after this */
        c->waiting = 0;
        reconnect_later(c, context->errstr);
}

static int greet(RedisClient *c) {
        c->auth_error[0] = '\0';
        if (*c->options.password &&
            redisAsyncCommand(c->context, on_auth, c, "AUTH %s", c->options.password) != REDIS_OK)
                return -EIO;
        if (redisAsyncCommand(c->context, on_pong, c, "PING") != REDIS_OK)
                return -EIO;
        note_request(c);
        return 0;
}

static void drop(RedisClient *c, const char *reason) {
        redisAsyncContext *context = TAKE_PTR(c->context);
        c->waiting = 0;
        context->onDisconnect = NULL; /* told below, with the reason */
        /* Every outstanding callback runs now, with no reply. */
        redisAsyncFree(context);
        reconnect_later(c, reason);
}

/* HOST: an address or the path of a socket. hiredis would look up a name on the spot. */
static void begin_connecting(RedisClient *c, const char *host) {
        const RedisOptions *o = &c->options;

        c->context = host[0] == '/' ? redisAsyncConnectUnix(host)
                                    : redisAsyncConnect(host, o->port);
        if (!c->context) {
                reconnect_later(c, "out of memory");
                return;
        }
        c->context->data = c;
        if (c->context->err) {
                char reason[128];
                snprintf(reason, sizeof(reason), "%s", c->context->errstr);
                drop(c, reason);
                return;
        }
        if (watch(c) < 0) {
                drop(c, "its descriptor cannot be watched");
                return;
        }
        redisAsyncSetConnectCallback(c->context, on_connect);
        redisAsyncSetDisconnectCallback(c->context, on_disconnect);
        if (greet(c) < 0)
                drop(c, "it takes no command");
        else
                web_timer_set(c->timer, o->timeout_ms);
}

static void go_on_resolving(RedisClient *c) {
        ResolverAddresses addresses;
        const char *reason;

        int r = resolver_result(c->resolver, &addresses, &reason);
        if (r == -EINPROGRESS) {
                if (clock_monotonic_ms() - c->resolving_since_ms >= c->options.timeout_ms)
                        tell_state(c, false, "no name server answers");
                web_timer_set(c->timer, RESOLVE_POLL_MS);
                return;
        }
        resolver_free(TAKE_PTR(c->resolver));
        if (r < 0)
                reconnect_later(c, reason);
        else
                begin_connecting(c, addresses.text[0]);
}

static void begin(RedisClient *c) {
        if (!resolver_is_name(c->options.host)) {
                begin_connecting(c, c->options.host);
                return;
        }
        c->resolving_since_ms = clock_monotonic_ms();
        int r = resolver_new(&c->resolver, c->options.host);
        if (r < 0)
                reconnect_later(c, strerror(-r));
        else
                web_timer_set(c->timer, 0);
}

static void on_timer(void *user) {
        RedisClient *c = user;

        if (c->resolver) {
                go_on_resolving(c);
                return;
        }
        if (!c->context) {
                begin(c);
                return;
        }
        if (c->waiting > 0 && clock_monotonic_ms() - c->waiting_since_ms >= c->options.timeout_ms)
                drop(c, "it does not answer in time");
        else
                web_timer_set(c->timer, c->options.timeout_ms);
}

int redis_client_new(RedisClient **ret, WebLoop *loop, const RedisOptions *options) {
        _cleanup_(redis_client_freep) RedisClient *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->loop = loop;
        c->options = *options;
        c->backoff = (Backoff){ .min_ms = 100, .max_ms = 2000 };
        int r = web_timer_new(&c->timer, loop, on_timer, c);
        if (r < 0)
                return r;
        web_timer_set(c->timer, 0);
        *ret = TAKE_PTR(c);
        return 0;
}

void redis_client_free(RedisClient *client) {
        if (!client)
                return;
        client->freeing = true;
        if (client->context)
                redisAsyncFree(TAKE_PTR(client->context));
        resolver_free(client->resolver);
        web_timer_free(client->timer);
        free(client);
}

bool redis_client_is_connected(const RedisClient *client) {
        return client->connected && client->context;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void on_get(redisAsyncContext *context, void *reply_data, void *user) {
        _cleanup_free_ Request *request = user;
        const redisReply *reply = reply_data;
        (void) context;

        if (reply)
                note_answer(request->client);
        if (reply && reply->type == REDIS_REPLY_STRING)
                request->on_value(reply->str, (size_t) reply->len, request->user);
        else
                request->on_value(NULL, 0, request->user);
}

int redis_client_get(RedisClient *client, const char *key, RedisOnValue on_value, void *user) {
        if (!redis_client_is_connected(client))
                return -ENOTCONN;
        _cleanup_free_ Request *request = malloc(sizeof(*request));
        if (!request)
                return -ENOMEM;
        *request = (Request){ client, on_value, user };
        if (redisAsyncCommand(client->context, on_get, request, "GET %s", key) != REDIS_OK)
                return -ENOTCONN;
        note_request(client);
        (void) TAKE_PTR(request);
        return 0;
}

void redis_client_set(RedisClient *client, const char *key, const void *value, size_t length,
                      int64_t ttl_ms) {
        if (redis_client_is_connected(client))
                redisAsyncCommand(client->context, NULL, NULL, "SET %s %b PX %lld", key, value,
                                  length, (long long) ttl_ms);
}
