/* WebSocket connections (RFC 6455) on a WebLoop, for one who sends ready-made frames.
 *
 * libwebsockets does the handshake, pings, closes and whatever clients send (read and thrown
 * away here); data goes out as bytes that already are frames, so that they are made once for
 * all clients. Loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macro.h"
#include "io/web_loop.h"

typedef struct WsServer WsServer;
typedef struct WsClient WsClient;

typedef struct WsEvents {
        /* A handshake is complete. *ret_client_user is handed to the other two. False: refuse. */
        bool (*on_open)(WsClient *client, void *user, void **ret_client_user);
        /* Everything handed over has left for the kernel; more may be sent. */
        void (*on_drained)(WsClient *client, void *client_user);
        void (*on_close)(WsClient *client, void *client_user);
} WsEvents;

/* Appends TEXT as one unmasked, final text frame (RFC 6455 section 5.2). */
_must_check_ int ws_frame_append_text(Buffer *b, const char *text, size_t length);

/* Serves connections that arrive at LISTEN_FD (taken over, closed with the server). A request
 * that is no WebSocket handshake gets 426 Upgrade Required. */
_must_check_ int ws_server_new(WsServer **ret, WebLoop *loop, int listen_fd, const WsEvents *events,
                               void *user);
void ws_server_free(WsServer *server); /* accepts NULL; before its loop */
DEFINE_CLEANUP(WsServer *, ws_server_free)

/* True if nothing waits in user space: ws_client_send() may be called. */
bool ws_client_is_drained(const WsClient *client);
/* Sends whole frames. 0: all of it is with the kernel; 1: a rest is kept, on_drained will
 * come; negative errno: the connection is gone, on_close will come. Never to a client that is
 * not drained. */
int ws_client_send(WsClient *client, const void *frames, size_t length);
/* Starts the closing handshake with this status code (RFC 6455 section 7.4). */
void ws_client_close(WsClient *client, uint16_t code, const char *reason);
const char *ws_client_peer(const WsClient *client);
