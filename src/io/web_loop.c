#include "io/web_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/web_internal.h"
#include "io/ws_server.h"

#define WAKE_HANDLERS_MAX 8
/* Requests beyond this are cut off by libwebsockets without an answer. (4.3 takes no more than an
 * unsigned short, and reads 65536 as 0.) */
#define HEADERS_MAX_BYTES 61440
#define READ_BUFFER_BYTES 32768
/* A client that says nothing for so long, in the middle of a request or between two, is dropped. */
#define REQUEST_TIMEOUT_S 20
#define KEEPALIVE_TIMEOUT_S 75
/* A control frame (at most 125 bytes) must fit. */
#define WEB_RECEIVE_BYTES 256
/* libwebsockets' tables grow with the limit of open files, which is often a million. */
#define OPEN_FILES_MAX 65536
/* So many, or a quarter, are not for clients but for the servers behind us and for the service
 * manager, whom each word to takes one. */
#define OPEN_FILES_RESERVE 64

typedef struct WakeHandler {
        void (*handler)(void *user);
        void *user;
} WakeHandler;

struct WebLoop {
        struct lws_context *context;
        struct lws_vhost *vhost;
        struct lws_token_limits limits;
        atomic_bool stopping;
        atomic_bool woken;
        bool in_service;
        WakeHandler wake[WAKE_HANDLERS_MAX];
        size_t n_wake;
        void (*on_accept)(void *user, int error);
        void *on_accept_user;
        bool cannot_accept;
        int client_files; /* descriptors from this one on are not for clients */
        WebFd *rearm;     /* those whose POLLOUT is to be asked for again */
};

struct WebFd {
        WebLoop *loop;
        struct lws *wsi; /* NULL after a hang-up */
        void (*handler)(void *user, short events);
        void *user;
        WebFd *next_rearm;
        bool want_write;
        bool to_rearm;
        bool in_handler;
        bool freed; /* by its own handler */
};

struct WebTimer {
        lws_sorted_usec_list_t sul; /* first: the callback gets its address */
        struct lws_context *context;
        void (*handler)(void *user);
        void *user;
};

static int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t length);
static int fd_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t length);

static const struct lws_protocols web_protocols[] = {
        /* rx_buffer_size is for WebSocket messages, which are read in such pieces; every client
         * has that much memory. tx_packet_size limits what one send() gets of what lws keeps. */
        { .name = "web",
          .callback = conn_callback,
          .rx_buffer_size = WEB_RECEIVE_BYTES,
          .tx_packet_size = 1 << 24 },
        { .name = "foreign-fd", .callback = fd_callback },
        { .name = NULL },
};
static const lws_retry_bo_t keepalive = {
        .secs_since_valid_ping = WS_PING_AFTER_S,
        .secs_since_valid_hangup = WS_SILENCE_MAX_S,
};

/* What libwebsockets would write to stderr: errors and warnings, mostly about bad input from
 * outside. */
static void log_nothing(int level, const char *line) {
        (void) level;
        (void) line;
}

/* Every client takes a descriptor, and the usual soft limit of 1024 is for programs that use
 * select(2). libwebsockets' tables get their size from it. Returns how many clients may take. */
static int set_open_files(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return INT_MAX;
        limit.rlim_cur = MIN_OF(limit.rlim_max, (rlim_t) OPEN_FILES_MAX);
        (void) setrlimit(RLIMIT_NOFILE, &limit);
        int n = (int) limit.rlim_cur;
        return n - MIN_OF(OPEN_FILES_RESERVE, n / 4);
}

static int create_vhost(WebLoop *loop) {
        struct lws_context_creation_info info;

        memset(&info, 0, sizeof(info));
        info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
        info.vhost_name = "web";
        info.protocols = web_protocols;
        info.retry_and_idle_policy = &keepalive;
        info.keepalive_timeout = KEEPALIVE_TIMEOUT_S;
        loop->vhost = lws_create_vhost(loop->context, &info);
        return loop->vhost ? 0 : -ENOMEM;
}

int web_loop_new(WebLoop **ret) {
        _cleanup_(web_loop_freep) WebLoop *loop = NULL;
        struct lws_context_creation_info info;
        int r;

        loop = calloc(1, sizeof(*loop));
        if (!loop)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(loop->limits.token_limit); i++)
                loop->limits.token_limit[i] = WEB_HEADER_MAX;

        lws_set_log_level(LLL_ERR | LLL_WARN, log_nothing);
        memset(&info, 0, sizeof(info));
        info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
        info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
        info.max_http_header_data2 = HEADERS_MAX_BYTES;
        info.token_limits = &loop->limits;
        info.pt_serv_buf_size = READ_BUFFER_BYTES;
        info.timeout_secs = REQUEST_TIMEOUT_S;
        info.user = loop;
        loop->client_files = set_open_files();
        loop->context = lws_create_context(&info);
        if (!loop->context)
                return -ENOMEM;
        r = create_vhost(loop);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(loop);
        return 0;
}

void web_loop_free(WebLoop *loop) {
        if (!loop)
                return;
        if (loop->context)
                lws_context_destroy(loop->context);
        free(loop);
}

struct lws *web_loop_adopt(WebLoop *loop, int fd) {
        return lws_adopt_socket_vhost(loop->vhost, fd);
}

void web_loop_on_accept(WebLoop *loop, void (*handler)(void *user, int error), void *user) {
        loop->on_accept = handler;
        loop->on_accept_user = user;
}

bool web_loop_takes(const WebLoop *loop, int fd) {
        return fd < loop->client_files;
}

void web_loop_tell_accept(WebLoop *loop, int error) {
        if (loop->on_accept && (error < 0 || loop->cannot_accept))
                loop->on_accept(loop->on_accept_user, error);
        loop->cannot_accept = error < 0;
}

/* ---- the servers' connections -------------------------------------------------------------- */

static int conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user _unused_,
                         void *in, size_t length) {
        WebConn *conn;

        switch (reason) {
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        case LWS_CALLBACK_HTTP:
        case LWS_CALLBACK_HTTP_BODY:
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        case LWS_CALLBACK_HTTP_WRITEABLE:
        case LWS_CALLBACK_ESTABLISHED:
        case LWS_CALLBACK_SERVER_WRITEABLE:
        case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        case LWS_CALLBACK_CLOSED:
                conn = lws_get_opaque_user_data(wsi);
                return conn ? conn->event(conn, reason, in, length) : -1;
        case LWS_CALLBACK_WSI_DESTROY:
                conn = lws_get_opaque_user_data(wsi);
                lws_set_opaque_user_data(wsi, NULL);
                return conn ? conn->event(conn, reason, in, length) : 0;
        default:
                /* The others come for what is no connection, too. LWS_CALLBACK_RECEIVE is one of
                 * them: what WebSocket clients say is thrown away. */
                return 0;
        }
}

/* ---- running ------------------------------------------------------------------------------- */

static void fd_rearm_all(WebLoop *loop) {
        WebFd *fd = loop->rearm;

        loop->rearm = NULL;
        while (fd) {
                WebFd *next = fd->next_rearm;

                fd->to_rearm = false;
                if (fd->want_write && fd->wsi)
                        lws_callback_on_writable(fd->wsi);
                fd = next;
        }
}

static int loop_turn(WebLoop *loop) {
        int r;

        loop->in_service = true;
        r = lws_service(loop->context, 0);
        loop->in_service = false;
        if (r < 0)
                return -EIO;
        fd_rearm_all(loop);
        return 0;
}

int web_loop_run(WebLoop *loop) {
        while (!atomic_exchange(&loop->stopping, false)) {
                int r = loop_turn(loop);

                if (r < 0)
                        return r;
        }
        return 0;
}

void web_loop_stop(WebLoop *loop) {
        atomic_store(&loop->stopping, true);
        lws_cancel_service(loop->context);
}

typedef struct Settling {
        WebLoop *loop;
        bool late;
} Settling;

/* libwebsockets looks at its timers before it waits, so the wait has to be cut short. */
static void settle_timeout(void *user) {
        Settling *settling = user;

        settling->late = true;
        lws_cancel_service(settling->loop->context);
}

void web_loop_settle(WebLoop *loop, bool (*done)(void *user), void *user, int64_t max_ms) {
        _cleanup_(web_timer_freep) WebTimer *timer = NULL;
        Settling settling = { .loop = loop };

        if (loop->in_service || web_timer_new(&timer, loop, settle_timeout, &settling) < 0)
                return;
        web_timer_set(timer, max_ms);
        while (!settling.late && !done(user))
                if (loop_turn(loop) < 0)
                        return;
}

void web_loop_wake(WebLoop *loop) {
        if (!atomic_exchange(&loop->woken, true))
                lws_cancel_service(loop->context);
}

int web_loop_on_wake(WebLoop *loop, void (*handler)(void *user), void *user) {
        if (loop->n_wake == WAKE_HANDLERS_MAX)
                return -ENOSPC;
        loop->wake[loop->n_wake++] = (WakeHandler){ handler, user };
        return 0;
}

/* libwebsockets cancels its own wait too, e.g. whenever it adopts a connection. */
static void loop_dispatch_wake(WebLoop *loop) {
        if (!atomic_exchange(&loop->woken, false))
                return;
        for (size_t i = 0; i < loop->n_wake; i++)
                loop->wake[i].handler(loop->wake[i].user);
}

/* ---- foreign descriptors ------------------------------------------------------------------- */

static void fd_unlink_rearm(WebFd *fd) {
        WebFd **at = &fd->loop->rearm;

        if (!fd->to_rearm)
                return;
        while (*at != fd)
                at = &(*at)->next_rearm;
        *at = fd->next_rearm;
        fd->to_rearm = false;
}

/* libwebsockets 4.1 takes POLLOUT away after the callback that asked for it again, so the asking
 * waits until the turn of the loop is over. */
static void fd_queue_rearm(WebFd *fd) {
        if (fd->to_rearm)
                return;
        fd->to_rearm = true;
        fd->next_rearm = fd->loop->rearm;
        fd->loop->rearm = fd;
}

/* What the libwebsockets callback returns: nonzero closes its duplicate of the descriptor. */
static int fd_dispatch(WebFd *fd, short events) {
        fd->in_handler = true;
        fd->handler(fd->user, events);
        fd->in_handler = false;
        if (fd->freed) {
                if (fd->wsi)
                        lws_set_opaque_user_data(fd->wsi, NULL);
                fd_unlink_rearm(fd);
                free(fd);
                return -1;
        }
        if (events == POLLOUT && fd->want_write)
                fd_queue_rearm(fd);
        return 0;
}

static int fd_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user _unused_,
                       void *in _unused_, size_t length _unused_) {
        WebFd *fd;

        if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
                /* Not a connection of ours: only its context is real. */
                loop_dispatch_wake(lws_context_user(lws_get_context(wsi)));
                return 0;
        }
        if (reason != LWS_CALLBACK_RAW_RX_FILE && reason != LWS_CALLBACK_RAW_WRITEABLE_FILE &&
            reason != LWS_CALLBACK_RAW_CLOSE_FILE)
                return 0;
        fd = lws_get_opaque_user_data(wsi);
        if (!fd)
                return 0;
        if (reason == LWS_CALLBACK_RAW_RX_FILE)
                return fd_dispatch(fd, POLLIN);
        if (reason == LWS_CALLBACK_RAW_WRITEABLE_FILE)
                return fd->want_write ? fd_dispatch(fd, POLLOUT) : 0;
        lws_set_opaque_user_data(wsi, NULL);
        fd->wsi = NULL;
        return fd_dispatch(fd, POLLHUP);
}

int web_fd_new(WebFd **ret, WebLoop *loop, int fd, void (*handler)(void *user, short events),
               void *user) {
        _cleanup_free_ WebFd *watch = NULL;
        lws_sock_file_fd_type handle;

        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return -ENOMEM;
        *watch = (WebFd){ .loop = loop, .handler = handler, .user = user };
        /* libwebsockets closes what it adopted. */
        handle.filefd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (handle.filefd < 0)
                return -errno;
        watch->wsi = lws_adopt_descriptor_vhost(loop->vhost, LWS_ADOPT_RAW_FILE_DESC, handle,
                                                web_protocols[1].name, NULL);
        if (!watch->wsi) {
                close(handle.filefd);
                return -ENOMEM;
        }
        lws_set_opaque_user_data(watch->wsi, watch);
        *ret = TAKE_PTR(watch);
        return 0;
}

void web_fd_want_read(WebFd *fd, bool want) {
        if (fd->wsi)
                lws_rx_flow_control(fd->wsi, want);
}

void web_fd_want_write(WebFd *fd, bool want) {
        if (want && !fd->want_write && fd->wsi) {
                if (fd->in_handler)
                        fd_queue_rearm(fd);
                else
                        lws_callback_on_writable(fd->wsi);
        }
        fd->want_write = want;
}

void web_fd_free(WebFd *fd) {
        if (!fd)
                return;
        if (fd->in_handler) {
                fd->freed = true;
                return;
        }
        fd_unlink_rearm(fd);
        if (fd->wsi) {
                lws_set_opaque_user_data(fd->wsi, NULL);
                lws_set_timeout(fd->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
        }
        free(fd);
}

/* ---- timers -------------------------------------------------------------------------------- */

static void timer_callback(lws_sorted_usec_list_t *sul) {
        WebTimer *timer = (WebTimer *) sul;

        timer->handler(timer->user);
}

int web_timer_new(WebTimer **ret, WebLoop *loop, void (*handler)(void *user), void *user) {
        WebTimer *timer = calloc(1, sizeof(*timer));

        if (!timer)
                return -ENOMEM;
        timer->context = loop->context;
        timer->handler = handler;
        timer->user = user;
        *ret = timer;
        return 0;
}

void web_timer_set(WebTimer *timer, int64_t delay_ms) {
        /* A negative or zero delay would mean "cancel" to libwebsockets. */
        lws_sul_schedule(timer->context, 0, &timer->sul, timer_callback,
                         delay_ms > 0 ? (lws_usec_t) delay_ms * 1000 : 1);
}

void web_timer_cancel(WebTimer *timer) {
        lws_sul_cancel(&timer->sul);
}

void web_timer_free(WebTimer *timer) {
        if (!timer)
                return;
        lws_sul_cancel(&timer->sul);
        free(timer);
}
