/* What the servers share with the loop: they and it are the only files that know libwebsockets.
 *
 * Each server has a virtual host of its own without a listening socket; a WebListener accepts the
 * connections and hands them to libwebsockets, because Debian's versions can not take over an
 * inherited socket themselves. Loop thread. */
#pragma once

#include <libwebsockets.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/uio.h>

#include "io/web_loop.h"

#define WEB_PEER_SIZE INET6_ADDRSTRLEN
/* libwebsockets cuts a single header, path or query parameter off here (and reads on). */
#define WEB_HEADER_MAX 16384

typedef struct WebListener WebListener;

/* A connection has been adopted into the listener's virtual host. USER is web_listener_new()'s.
 * False: drop it. */
typedef bool (*WebAccept)(void *user, struct lws *wsi, const char *peer);

/* Takes FD over, also on failure. */
_must_check_ int web_listener_new(WebListener **ret, WebLoop *loop, int fd, struct lws_vhost *vhost,
                                  WebAccept on_accept, void *user);
void web_listener_free(WebListener *listener); /* accepts NULL */

struct lws_context *web_loop_context(const WebLoop *loop);

/* A virtual host whose connections speak PROTOCOLS (ended by an empty one; static).
 * RETRY may be NULL. -ENOMEM. Belongs to the loop's context once made. */
_must_check_ int web_vhost_new(struct lws_vhost **ret, WebLoop *loop, const char *name,
                               const struct lws_protocols *protocols, const lws_retry_bo_t *retry);

/* Lets the loop run for at most MAX_MS until DONE is true. Does nothing when called from one of
 * the loop's own handlers. */
void web_loop_settle(WebLoop *loop, bool (*done)(void *user), void *user, int64_t max_ms);

/* Sends PARTS in one call. What the kernel does not take, libwebsockets keeps (copied) and sends
 * before anything else on this connection, control frames included; a writable callback comes
 * afterwards. 0: all sent; 1: a rest is kept; negative errno: the connection is dead. */
_must_check_ int web_socket_send(struct lws *wsi, const struct iovec *parts, size_t n_parts);

/* Closes the connection soon, from outside of its own callback. */
static inline void web_socket_kill(struct lws *wsi) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

/* For LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: what the callback returns to go on as plain HTTP, which
 * RFC 9110 section 7.8 allows whatever the client offered. */
int web_upgrade_ignore(struct lws *wsi, void *in);
