#include "io/ws_server.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/web_internal.h"

/* How long ws_server_free() waits for the closing handshakes. */
#define STOP_MAX_MS 1000

typedef enum WsState {
        WS_HANDSHAKE, /* adopted, no WebSocket yet */
        WS_OPEN,      /* on_open has accepted it */
        WS_CLOSING,   /* our or the peer's close is under way; nothing more is sent */
} WsState;

struct WsClient {
        WebConn web; /* first */
        WsServer *server;
        WsClient *next, *prev;
        void *user;
        WsState state;
        bool told_open;      /* on_close is due */
        bool wait_drained;   /* on_drained is due */
        uint16_t close_code; /* to be sent as soon as nothing waits before it; 0: none */
        char close_reason[124];
};

struct WsServer {
        WebLoop *loop;
        WebListener *listeners;
        const WsEvents *events;
        void *user;
        WsClient *clients;
        bool stopping, restarting;
};

static int ws_event(WebConn *web, enum lws_callback_reasons reason, void *in, size_t length);

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

static WebConn *client_accept(void *user) {
        WsServer *server = user;
        WsClient *client = calloc(1, sizeof(*client));

        if (!client)
                return NULL;
        client->web.event = ws_event;
        client->server = server;
        client->next = server->clients;
        if (client->next)
                client->next->prev = client;
        server->clients = client;
        return &client->web;
}

static void client_told_closed(WsClient *client) {
        client->state = WS_CLOSING;
        if (!client->told_open)
                return;
        client->told_open = false;
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

/* https://www.iana.org/assignments/websocket/websocket.xml#close-code-number */
static void client_say_goodbye(WsClient *client) {
        if (client->server->restarting)
                ws_client_close(client, 1012, "the server is restarting");
        else
                ws_client_close(client, 1001, "the server is stopping");
}

static int client_open(WsClient *client) {
        WsServer *server = client->server;

        if (server->stopping) {
                client_say_goodbye(client);
                return 0;
        }
        if (!server->events->on_open(client, server->user, &client->user)) {
                ws_client_close(client, 1013, NULL);
                return 0;
        }
        client->told_open = true;
        /* on_open may have closed it. */
        if (client->state == WS_HANDSHAKE)
                client->state = WS_OPEN;
        return 0;
}

static int client_writable(WsClient *client) {
        if (lws_partial_buffered(client->web.wsi))
                return 0;
        if (client->close_code) {
                lws_close_reason(client->web.wsi, client->close_code,
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
               !lws_partial_buffered(client->web.wsi);
}

int ws_client_unacknowledged(const WsClient *client) {
        int n = 0;

        return ioctl(lws_get_socket_fd(client->web.wsi), SIOCOUTQ, &n) < 0 ? 0 : n;
}

int ws_client_send(WsClient *client, const void *frames, size_t length) {
        const struct iovec part = { (void *) frames, length };
        int r;

        if (client->state == WS_CLOSING)
                return -ESHUTDOWN;
        if (!ws_client_is_drained(client))
                return -EBUSY;
        r = web_socket_send(client->web.wsi, &part, 1);
        if (r < 0) {
                client->state = WS_CLOSING;
                web_socket_kill(client->web.wsi);
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
        lws_callback_on_writable(client->web.wsi);
}

void ws_client_drop(WsClient *client) {
        client->state = WS_CLOSING;
        web_socket_kill(client->web.wsi);
}

const char *ws_client_peer(const WsClient *client) {
        return client->web.peer;
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

static int ws_event(WebConn *web, enum lws_callback_reasons reason, void *in,
                    size_t length _unused_) {
        WsClient *client = (WsClient *) web;

        switch (reason) {
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
                return in && strcasecmp(in, "websocket") == 0 ? 0
                                                              : web_upgrade_ignore(web->wsi, in);
        case LWS_CALLBACK_HTTP:
                return refuse_http(web->wsi);
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
        case LWS_CALLBACK_WSI_DESTROY:
                client_free(client);
                return 0;
        default:
                return 0;
        }
}

/* ---- the server ---------------------------------------------------------------------------- */

int ws_server_listen(WsServer *server, int listen_fd) {
        return web_listener_add(&server->listeners, server->loop, listen_fd, client_accept, server);
}

int ws_server_new(WsServer **ret, WebLoop *loop, int listen_fd, const WsEvents *events,
                  void *user) {
        WsServer *server = calloc(1, sizeof(*server));
        int r;

        if (!server) {
                close(listen_fd);
                return -ENOMEM;
        }
        *server = (WsServer){ .loop = loop, .events = events, .user = user };
        r = ws_server_listen(server, listen_fd);
        if (r < 0) {
                free(server);
                return r;
        }
        *ret = server;
        return 0;
}

void ws_server_stop(WsServer *server, bool restarting) {
        if (server->stopping)
                return;
        server->stopping = true;
        server->restarting = restarting;
        web_listener_free(TAKE_PTR(server->listeners));
        for (WsClient *client = server->clients; client; client = client->next)
                if (client->state == WS_OPEN)
                        client_say_goodbye(client);
}

static bool server_is_empty(void *user) {
        WsServer *server = user;

        return !server->clients;
}

void ws_server_free(WsServer *server) {
        if (!server)
                return;
        ws_server_stop(server, false);
        web_loop_settle(server->loop, server_is_empty, server, STOP_MAX_MS);
        while (server->clients) {
                web_conn_abandon(&server->clients->web);
                client_free(server->clients);
        }
        free(server);
}
