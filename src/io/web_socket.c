/* Accepting connections and writing to them, for the servers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/web_internal.h"

/* Per turn of the loop, so that those who are connected already are served in between. */
#define ACCEPTS_PER_TURN 64
/* What the kernel takes of a connection before it has sent what it took earlier; else it would take
 * megabytes for a peer that does not read. More than this goes out as the peer takes it. */
#define UNSENT_MAX_BYTES (16 * 1024)
/* How long to wait when there are no descriptors left: without a pause the loop would spin. */
#define ACCEPT_PAUSE_MS 100

struct WebListener {
        WebListener *next;
        int fd;
        WebFd *watch;
        WebTimer *pause;
        WebLoop *loop;
        WebAccept accept;
        void *user;
};

typedef union SocketAddress {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_storage storage;
} SocketAddress;

static void address_format(const SocketAddress *address, char buffer[WEB_PEER_SIZE]) {
        const struct in6_addr *in6 = &address->in6.sin6_addr;

        strcpy(buffer, "local");
        if (address->any.sa_family == AF_INET)
                inet_ntop(AF_INET, &address->in.sin_addr, buffer, WEB_PEER_SIZE);
        else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(in6))
                inet_ntop(AF_INET, &in6->s6_addr[12], buffer, WEB_PEER_SIZE);
        else if (address->any.sa_family == AF_INET6)
                inet_ntop(AF_INET6, in6, buffer, WEB_PEER_SIZE);
}

static void listener_adopt(WebListener *l, int fd, const SocketAddress *address) {
        const int on = 1, unsent_max = UNSENT_MAX_BYTES;
        WebConn *conn;
        struct lws *wsi;

        /* They fail on a unix socket, which has no delays and a bound of its own. */
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof(unsent_max));
        wsi = web_loop_adopt(l->loop, fd);
        if (!wsi)
                return;
        conn = l->accept(l->user);
        if (!conn) {
                web_socket_kill(wsi);
                return;
        }
        conn->wsi = wsi;
        address_format(address, conn->peer);
        lws_set_opaque_user_data(wsi, conn);
}

static void listener_pause(WebListener *l) {
        web_fd_want_read(l->watch, false);
        web_timer_set(l->pause, ACCEPT_PAUSE_MS);
}

static void listener_resume(void *user) {
        WebListener *l = user;

        web_fd_want_read(l->watch, true);
}

/* The lowest free descriptor is the one that accept4() would take. */
static bool listener_may_accept(const WebListener *l) {
        int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);

        if (fd >= 0)
                close(fd);
        return fd >= 0 && web_loop_takes(l->loop, fd);
}

static void listener_readable(void *user, short events) {
        WebListener *l = user;

        if (events != POLLIN)
                return;
        for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
                SocketAddress address = { .any.sa_family = AF_UNSPEC };
                socklen_t size = sizeof(address);

                if (!listener_may_accept(l)) {
                        web_loop_tell_accept(l->loop, -EMFILE);
                        listener_pause(l);
                        return;
                }
                int fd = accept4(l->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

                if (fd >= 0) {
                        listener_adopt(l, fd, &address);
                        continue;
                }
                if (errno == EAGAIN) {
                        web_loop_tell_accept(l->loop, 0);
                        return;
                }
                /* The connection's own trouble (accept(2)), not ours. */
                if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO ||
                    errno == ENETDOWN || errno == EHOSTUNREACH || errno == ENETUNREACH)
                        continue;
                web_loop_tell_accept(l->loop, -errno);
                listener_pause(l);
                return;
        }
}

int web_listener_add(WebListener **list, WebLoop *loop, int fd, WebAccept accept, void *user) {
        WebListener *l = calloc(1, sizeof(*l));
        int r;

        if (!l) {
                close(fd);
                return -ENOMEM;
        }
        *l = (WebListener){ .fd = fd, .loop = loop, .accept = accept, .user = user };
        r = web_timer_new(&l->pause, loop, listener_resume, l);
        if (r == 0)
                r = web_fd_new(&l->watch, loop, fd, listener_readable, l);
        if (r < 0) {
                web_listener_free(l);
                return r;
        }
        l->next = *list;
        *list = l;
        return 0;
}

void web_listener_free(WebListener *list) {
        for (WebListener *next; list; list = next) {
                next = list->next;
                web_timer_free(list->pause);
                web_fd_free(list->watch);
                close(list->fd);
                free(list);
        }
}

void web_conn_abandon(WebConn *conn) {
        lws_set_opaque_user_data(conn->wsi, NULL);
        web_socket_kill(conn->wsi);
}

/* Gives libwebsockets what is left of PARTS after SENT bytes. */
static int socket_keep_rest(struct lws *wsi, const struct iovec *parts, size_t n, size_t sent) {
        for (size_t i = 0; i < n; i++) {
                unsigned char *bytes = parts[i].iov_base;

                if (sent >= parts[i].iov_len) {
                        sent -= parts[i].iov_len;
                        continue;
                }
                if (lws_write(wsi, bytes + sent, parts[i].iov_len - sent, LWS_WRITE_RAW) < 0)
                        return -EPIPE;
                sent = 0;
        }
        /* Asked for here as well, for when the kernel took all of it in between. */
        lws_callback_on_writable(wsi);
        return 1;
}

ssize_t web_socket_try_send(struct lws *wsi, const struct iovec *parts, size_t n_parts) {
        struct msghdr message = { .msg_iov = (struct iovec *) parts, .msg_iovlen = n_parts };
        ssize_t sent;

        do
                sent = sendmsg(lws_get_socket_fd(wsi), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (sent < 0 && errno == EINTR);
        if (sent < 0)
                return errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
        return sent;
}

int web_socket_send(struct lws *wsi, const struct iovec *parts, size_t n_parts) {
        size_t total = 0;
        ssize_t sent;

        for (size_t i = 0; i < n_parts; i++)
                total += parts[i].iov_len;
        if (lws_partial_buffered(wsi))
                return socket_keep_rest(wsi, parts, n_parts, 0);
        sent = web_socket_try_send(wsi, parts, n_parts);
        if (sent < 0)
                return (int) sent;
        if ((size_t) sent == total)
                return 0;
        return socket_keep_rest(wsi, parts, n_parts, (size_t) sent);
}

int web_upgrade_ignore(struct lws *wsi, void *in) {
        /* libwebsockets may have refused an upgrade that it does not know already, and then lets
         * IN dangle. */
        if (!in || lws_hdr_total_length(wsi, WSI_TOKEN_UPGRADE) <= 0)
                return -1;
        /* IN is its own copy of the header; what it does not recognise there, it ignores. */
        memset(in, '-', strlen(in));
        return 0;
}
