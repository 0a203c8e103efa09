/* What the servers share with the loop: they and it are the only files that know libwebsockets.
 *
 * All connections belong to one virtual host without a listening socket: libwebsockets picks a
 * virtual host by port and the client's Host header, so with several of them a client could choose
 * the server. A WebListener accepts and hands over, because Debian's versions can not take over an
 * inherited socket themselves; each connection carries a WebConn that says whose it is.
 * Loop thread. */
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

/* The first member of what a server keeps for a connection. EVENT gets libwebsockets' callbacks of
 * this connection and returns nonzero to close it; the last one is LWS_CALLBACK_WSI_DESTROY. */
typedef struct WebConn {
        int (*event)(struct WebConn *conn, enum lws_callback_reasons reason, void *in,
                     size_t length);
        struct lws *wsi;
        char peer[WEB_PEER_SIZE];
} WebConn;

/* A connection has come: what is to be kept for it, with event set, or NULL to drop it. */
typedef WebConn *(*WebAccept)(void *user);

/* One more for LIST, which begins as NULL. Takes FD over, also on failure. */
_must_check_ int web_listener_add(WebListener **list, WebLoop *loop, int fd, WebAccept accept,
                                  void *user);
void web_listener_free(WebListener *list); /* all of them; accepts NULL */

/* Whether a client may have the descriptor, the lowest that is free. */
bool web_loop_takes(const WebLoop *loop, int fd);
/* How accepting went: for the handler that web_loop_on_accept() has set. */
void web_loop_tell_accept(WebLoop *loop, int error);

/* Hands an accepted socket to libwebsockets, which closes it in any case. NULL on failure. */
struct lws *web_loop_adopt(WebLoop *loop, int fd);

/* Gives the connection up: no more events, closed soon. CONN stays the caller's. */
void web_conn_abandon(WebConn *conn);

/* Lets the loop run for at most MAX_MS until DONE is true. Does nothing when called from one of
 * the loop's own handlers. */
void web_loop_settle(WebLoop *loop, bool (*done)(void *user), void *user, int64_t max_ms);

/* Sends what the kernel takes of PARTS now, in one call: how many bytes, or negative errno. Only
 * while libwebsockets keeps nothing for the connection. */
_must_check_ ssize_t web_socket_try_send(struct lws *wsi, const struct iovec *parts,
                                         size_t n_parts);
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
