/* WebSocket connections (RFC 6455) on a WebLoop, for one who sends ready-made frames.
 *
 * libwebsockets does the handshake, pings, closes and whatever clients send (read and thrown
 * away here); data goes out as bytes that already are frames, so that they are made once for
 * all clients. A client that has not answered a ping for WS_SILENCE_MAX_S is dropped. Loop thread.
 *
 * A WsClient is the server's and is good until on_close has returned. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macro.h"
#include "io/web_loop.h"

#define WS_PING_AFTER_S 30
#define WS_SILENCE_MAX_S 90

typedef struct WsServer WsServer;
typedef struct WsClient WsClient;

typedef struct WsEvents {
        /* A handshake is complete. *ret_client_user is handed to the other two. False: refuse
         * (the client gets status 1013, try again later, and there is no on_close). */
        bool (*on_open)(WsClient *client, void *user, void **ret_client_user);
        /* After a ws_client_send() that returned 1: everything handed over has left for the
         * kernel; more may be sent. */
        void (*on_drained)(WsClient *client, void *client_user);
        void (*on_close)(WsClient *client, void *client_user);
} WsEvents;

/* Appends TEXT as one unmasked, final text frame (RFC 6455 section 5.2). */
_must_check_ int ws_frame_append_text(Buffer *b, const char *text, size_t length);

/* Serves connections that arrive at LISTEN_FD (taken over, also on failure; closed with the
 * server). A request that is no WebSocket handshake gets 426 Upgrade Required. */
_must_check_ int ws_server_new(WsServer **ret, WebLoop *loop, int listen_fd, const WsEvents *events,
                               void *user);
/* Serves those of one more socket, too. */
_must_check_ int ws_server_listen(WsServer *server, int listen_fd);
/* Stops listening and closes every client, also those whose handshake is under way, with 1001
 * (going away), or, if RESTARTING, 1012 (service restart: come back soon). */
void ws_server_stop(WsServer *server, bool restarting);
/* Accepts NULL; before its loop. Stops it if need be, and lets the loop run for up to a second so
 * that the clients can be told; every on_close has come when it returns. */
void ws_server_free(WsServer *server);
DEFINE_CLEANUP(WsServer *, ws_server_free)

/* True if nothing waits in user space: ws_client_send() may be called. Also false once the
 * connection is being closed. */
bool ws_client_is_drained(const WsClient *client);
/* Sends whole frames. 0: all of it is with the kernel; 1: a rest is kept, on_drained will
 * come; negative errno: the connection is gone, on_close will come. Never to a client that is
 * not drained (-EBUSY). */
int ws_client_send(WsClient *client, const void *frames, size_t length);
/* The bytes that the kernel has of it and the client has not acknowledged: unchanged for long, it
 * takes nothing. 0 if that is not known. */
int ws_client_unacknowledged(const WsClient *client);
/* Starts the closing handshake with this status code (RFC 6455 section 7.4), after what is still
 * to be sent. REASON: at most 123 bytes, or NULL. */
void ws_client_close(WsClient *client, uint16_t code, const char *reason);
/* Closes the connection soon and without a handshake, for a client that does not read. on_close
 * will come. */
void ws_client_drop(WsClient *client);
const char *ws_client_peer(const WsClient *client);
