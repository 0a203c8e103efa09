#include "io/ws_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/web_internal.h"

/* What clients send is read in pieces of this size, whatever their frames' size; every client has
 * such a buffer, so it is small. Control frames (at most 125 bytes) must fit. */
#define RECEIVE_BYTES 256
/* How long ws_server_free() waits for the closing handshakes. */
#define STOP_MAX_MS 1000

typedef enum WsState {
        WS_HANDSHAKE, /* adopted, no WebSocket yet */
        WS_OPEN,      /* on_open has accepted it */
        WS_CLOSING,   /* our or the peer's close is under way; nothing more is sent */
} WsState;

struct WsClient {
        WsServer *server;
        struct lws *wsi;
        WsClient *next, *prev;
        void *user;
        WsState state;
        bool told_open;      /* on_close is due */
        bool wait_drained;   /* on_drained is due */
        uint16_t close_code; /* to be sent as soon as nothing waits before it; 0: none */
        char close_reason[124];
        char peer[WEB_PEER_SIZE];
};

struct WsServer {
        WebLoop *loop;
        WebListener *listener;
        struct lws_vhost *vhost;
        const WsEvents *events;
        void *user;
        WsClient *clients;
        size_t n_open;
        bool stopping;
};

static int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t length);

static const struct lws_protocols ws_protocols[] = {
        { .name = "ws",
          .callback = ws_callback,
          .rx_buffer_size = RECEIVE_BYTES,
          /* The default would send what lws keeps in pieces of rx_buffer_size. */
          .tx_packet_size = 1 << 24 },
        { .name = NULL },
};

static const lws_retry_bo_t keepalive = {
        .secs_since_valid_ping = WS_PING_AFTER_S,
        .secs_since_valid_hangup = WS_SILENCE_MAX_S,
};

int ws_frame_append_text(Buffer *b, const char *text, size_t length) {
        unsigned char head[10] = { 0x81 };
        size_t n = 2;
        int r;

        if (length < 126) {
                head[1] = (unsigned char) length;
        } else if (length < 65536) {
                head[1] = 126;
                n = 4;
        } else {
                head[1] = 127;
                n = 10;
        }
        for (size_t i = n; i > 2; i--)
                head[i - 1] = (unsigned char) (length >> 8 * (n - i));
        r = buffer_reserve(b, n + length);
        if (r < 0)
                return r;
        r = buffer_append(b, head, n);
        return r < 0 ? r : buffer_append(b, text, length);
}

/* ---- clients ------------------------------------------------------------------------------- */

static bool client_accept(void *user, struct lws *wsi, const char *peer) {
        WsServer *server = user;
        WsClient *client = calloc(1, sizeof(*client));

        if (!client)
                return false;
        client->server = server;
        client->wsi = wsi;
        snprintf(client->peer, sizeof(client->peer), "%s", peer);
        client->next = server->clients;
        if (client->next)
                client->next->prev = client;
        server->clients = client;
        lws_set_opaque_user_data(wsi, client);
        return true;
}

static void client_told_closed(WsClient *client) {
        client->state = WS_CLOSING;
        if (!client->told_open)
                return;
        client->told_open = false;
        client->server->n_open--;
        client->server->events->on_close(client, client->user);
}

static void client_free(WsClient *client) {
        WsServer *server = client->server;

        client_told_closed(client);
        if (client->prev)
                client->prev->next = client->next;
        else
                server->clients = client->next;
        if (client->next)
                client->next->prev = client->prev;
        free(client);
}

static int client_open(WsClient *client) {
        WsServer *server = client->server;

        if (server->stopping || !server->events->on_open(client, server->user, &client->user)) {
                ws_client_close(client, 1013, NULL);
                return 0;
        }
        client->told_open = true;
        server->n_open++;
        /* on_open may have closed it. */
        if (client->state == WS_HANDSHAKE)
                client->state = WS_OPEN;
        return 0;
}

static int client_writable(WsClient *client) {
        if (lws_partial_buffered(client->wsi))
                return 0;
        if (client->close_code) {
                lws_close_reason(client->wsi, client->close_code,
                                 (unsigned char *) client->close_reason,
                                 strlen(client->close_reason));
                return -1;
        }
        if (client->wait_drained && client->state == WS_OPEN) {
                client->wait_drained = false;
                client->server->events->on_drained(client, client->user);
        }
        return 0;
}

bool ws_client_is_drained(const WsClient *client) {
        return client->state != WS_CLOSING && !client->wait_drained &&
               !lws_partial_buffered(client->wsi);
}

int ws_client_send(WsClient *client, const void *frames, size_t length) {
        const struct iovec part = { (void *) frames, length };
        int r;

        if (client->state == WS_CLOSING)
                return -ESHUTDOWN;
        if (!ws_client_is_drained(client))
                return -EBUSY;
        r = web_socket_send(client->wsi, &part, 1);
        if (r < 0) {
                client->state = WS_CLOSING;
                web_socket_kill(client->wsi);
        } else if (r > 0) {
                client->wait_drained = true;
        }
        return r;
}

void ws_client_close(WsClient *client, uint16_t code, const char *reason) {
        if (client->state == WS_CLOSING)
                return;
        client->state = WS_CLOSING;
        client->close_code = code;
        snprintf(client->close_reason, sizeof(client->close_reason), "%s", reason ? reason : "");
        lws_callback_on_writable(client->wsi);
}

const char *ws_client_peer(const WsClient *client) {
        return client->peer;
}

/* ---- libwebsockets' events ----------------------------------------------------------------- */

static int refuse_http(struct lws *wsi) {
        static const char text[] = "This is a WebSocket service: connect with ws://\n";
        unsigned char buffer[LWS_PRE + 512], *start = buffer + LWS_PRE, *at = start;
        unsigned char *const end = buffer + sizeof(buffer);
        struct iovec parts[2];

        if (lws_add_http_header_status(wsi, 426 | LWSAHH_FLAG_NO_SERVER_NAME, &at, end) ||
            lws_add_http_header_by_name(wsi, (const unsigned char *) "upgrade:",
                                        (const unsigned char *) "websocket", 9, &at, end) ||
            lws_add_http_header_by_name(wsi, (const unsigned char *) "connection:",
                                        (const unsigned char *) "upgrade, close", 14, &at, end) ||
            lws_add_http_header_by_name(wsi, (const unsigned char *) "content-type:",
                                        (const unsigned char *) "text/plain", 10, &at, end) ||
            lws_add_http_header_content_length(wsi, sizeof(text) - 1, &at, end) ||
            lws_finalize_http_header(wsi, &at, end))
                return -1;
        parts[0] = (struct iovec){ start, (size_t) (at - start) };
        parts[1] = (struct iovec){ (void *) text, sizeof(text) - 1 };
        /* A HEAD request must not get the text; lws closes when it has sent what it kept. */
        (void) !web_socket_send(wsi, parts,
                                lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0 ? 1 : 2);
        return -1;
}

static int client_event(WsClient *client, enum lws_callback_reasons reason) {
        switch (reason) {
        case LWS_CALLBACK_ESTABLISHED:
                return client_open(client);
        case LWS_CALLBACK_SERVER_WRITEABLE:
                return client_writable(client);
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
                client->state = WS_CLOSING;
                return 0;
        case LWS_CALLBACK_CLOSED:
                client_told_closed(client);
                return 0;
        default:
                return 0;
        }
}

static int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user _unused_,
                       void *in, size_t length _unused_) {
        WsClient *client;

        switch (reason) {
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
                return in && strcasecmp(in, "websocket") == 0 ? 0 : web_upgrade_ignore(wsi, in);
        case LWS_CALLBACK_HTTP:
                return refuse_http(wsi);
        case LWS_CALLBACK_ESTABLISHED:
        case LWS_CALLBACK_SERVER_WRITEABLE:
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        case LWS_CALLBACK_CLOSED:
                client = lws_get_opaque_user_data(wsi);
                return client ? client_event(client, reason) : -1;
        case LWS_CALLBACK_WSI_DESTROY:
                client = lws_get_opaque_user_data(wsi);
                lws_set_opaque_user_data(wsi, NULL);
                if (client)
                        client_free(client);
                return 0;
        default:
                /* LWS_CALLBACK_RECEIVE among them: what clients say is thrown away. */
                return 0;
        }
}

/* ---- the server ---------------------------------------------------------------------------- */

int ws_server_new(WsServer **ret, WebLoop *loop, int listen_fd, const WsEvents *events,
                  void *user) {
        WsServer *server = calloc(1, sizeof(*server));
        int r;

        if (!server) {
                close(listen_fd);
                return -ENOMEM;
        }
        *server = (WsServer){ .loop = loop, .events = events, .user = user };
        r = web_vhost_new(&server->vhost, loop, "ws", ws_protocols, &keepalive);
        if (r < 0) {
                close(listen_fd);
                free(server);
                return r;
        }
        r = web_listener_new(&server->listener, loop, listen_fd, server->vhost, client_accept,
                             server);
        if (r < 0) {
                ws_server_free(server);
                return r;
        }
        *ret = server;
        return 0;
}

size_t ws_server_count(const WsServer *server) {
        return server->n_open;
}

void ws_server_stop(WsServer *server) {
        if (server->stopping)
                return;
        server->stopping = true;
        web_listener_free(TAKE_PTR(server->listener));
        for (WsClient *client = server->clients; client; client = client->next)
                if (client->state == WS_OPEN)
                        ws_client_close(client, 1001, "the server is stopping");
}

static bool server_is_empty(void *user) {
        WsServer *server = user;

        return server->n_open == 0;
}

void ws_server_free(WsServer *server) {
        if (!server)
                return;
        ws_server_stop(server);
        web_loop_settle(server->loop, server_is_empty, server, STOP_MAX_MS);
        while (server->clients) {
                WsClient *client = server->clients;

                lws_set_opaque_user_data(client->wsi, NULL);
                web_socket_kill(client->wsi);
                client_free(client);
        }
        lws_vhost_destroy(server->vhost);
        free(server);
}
