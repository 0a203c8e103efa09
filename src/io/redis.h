/* Redis as a cache, on a WebLoop: nothing waits for it, and when it is away or slow every
 * request simply fails at once. The only file that knows hiredis. Loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "io/web_loop.h"

typedef struct RedisClient RedisClient;

typedef struct RedisOptions {
        const char *host; /* a name, an address, or the path of a unix socket; borrowed */
        uint16_t port;
        const char *password; /* "": none; borrowed */
        int64_t timeout_ms;   /* an answer that takes longer counts as a lost connection */
        /* Called on every change, and once when the first try has ended. REASON is NULL or why
         * it is not connected. */
        void (*on_state)(bool connected, const char *reason, void *user);
        void *user;
} RedisOptions;

/* Begins to connect, and goes on doing so whenever the connection is lost. */
_must_check_ int redis_client_new(RedisClient **ret, WebLoop *loop, const RedisOptions *options);
/* Accepts NULL; outstanding requests end with a miss. Before its loop is freed. */
void redis_client_free(RedisClient *client);
DEFINE_CLEANUP(RedisClient *, redis_client_free)

bool redis_client_is_connected(const RedisClient *client);

/* VALUE is NULL when the key is absent or Redis is not there; borrowed for the call. */
typedef void (*RedisOnValue)(const char *value, size_t length, void *user);

/* GET. 0: ON_VALUE will be called exactly once, later; -ENOTCONN: it will not be called. */
_must_check_ int redis_client_get(RedisClient *client, const char *key, RedisOnValue on_value,
                                  void *user);
/* SET key value PX ttl; whether it succeeds nobody learns. */
void redis_client_set(RedisClient *client, const char *key, const void *value, size_t length,
                      int64_t ttl_ms);
