#include "io/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* As many connections as a burst of reconnecting browsers brings; the kernel caps it. */
#define LISTEN_BACKLOG 4096

static int socket_option(int fd, int level, int option) {
        int value;
        socklen_t size = sizeof(value);

        if (getsockopt(fd, level, option, &value, &size) < 0)
                return -errno;
        return value;
}

static int socket_prepare_inherited(int fd, const char *name, char *error, size_t error_size) {
        int flags;

        if (socket_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
            socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1) {
                snprintf(error, error_size,
                         "the inherited socket %s is not a listening stream socket: "
                         "its .socket unit needs ListenStream= and Accept=no",
                         name);
                return -ENOTSOCK;
        }
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
            fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
                int r = -errno;

                snprintf(error, error_size, "the inherited socket %s cannot be set up: %s", name,
                         strerror(-r));
                return r;
        }
        return 0;
}

/* 1: found; 0: the service manager has not handed over so many of that name. The environment is
 * left as it is, because the other names are asked for later. */
static int socket_find_inherited(const char *name, size_t index, int *ret_fd, char *error,
                                 size_t error_size) {
        char **names = NULL;
        int n, fd = -1;

        if (!name)
                return 0;
        n = sd_listen_fds_with_names(false, &names);
        if (n < 0) {
                snprintf(error, error_size, "the inherited sockets cannot be read: %s",
                         strerror(-n));
                return n;
        }
        for (int i = 0; i < n; i++) {
                if (fd < 0 && strcmp(names[i], name) == 0 && index-- == 0)
                        fd = SD_LISTEN_FDS_START + i;
                free(names[i]);
        }
        free(names);
        if (fd < 0)
                return 0;
        n = socket_prepare_inherited(fd, name, error, error_size);
        if (n < 0)
                return n;
        *ret_fd = fd;
        return 1;
}

static int resolve(const char *address, uint16_t port, struct addrinfo **ret, char *error,
                   size_t error_size) {
        const struct addrinfo hints = {
                .ai_family = AF_UNSPEC,
                .ai_socktype = SOCK_STREAM,
                .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
        };
        const bool any = !address || !*address || strcmp(address, "*") == 0;
        char service[8];
        int r;

        snprintf(service, sizeof(service), "%u", port);
        r = getaddrinfo(any ? "::" : address, service, &hints, ret);
        if (r != 0) {
                snprintf(error, error_size, "%s is not an address of this host: %s", address,
                         r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
                return r == EAI_MEMORY ? -ENOMEM : -EADDRNOTAVAIL;
        }
        return 0;
}

static int socket_listen(const struct addrinfo *ai, int *ret_fd) {
        const int on = 1, off = 0;
        int fd, r;

        fd = socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
                goto fail;
        /* "*" means both families, whatever net.ipv6.bindv6only says. */
        if (ai->ai_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0)
                goto fail;
        if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
                goto fail;
        *ret_fd = fd;
        return 0;
fail:
        r = -errno;
        close(fd);
        return r;
}

static void explain(int r, const char *address, uint16_t port, char *error, size_t error_size) {
        switch (-r) {
        case EADDRINUSE:
                snprintf(error, error_size,
                         "port %u on %s is taken by another program: stop it or choose another "
                         "port (ss -ltnp shows who has it)",
                         port, address);
                break;
        case EACCES:
                snprintf(error, error_size,
                         "port %u on %s is not allowed for this user: ports below 1024 need root, "
                         "CAP_NET_BIND_SERVICE or a .socket unit",
                         port, address);
                break;
        case EAFNOSUPPORT:
        case EPERM:
                snprintf(error, error_size,
                         "port %u on %s cannot be opened from inside of this service's sandbox, "
                         "and its socket unit has handed over none: see systemctl status "
                         "'crypto-pulse*.socket'",
                         port, address);
                break;
        case EADDRNOTAVAIL:
                snprintf(error, error_size, "%s is not an address of this host", address);
                break;
        default:
                snprintf(error, error_size, "cannot listen on %s port %u: %s", address, port,
                         strerror(-r));
        }
}

static int socket_open(const char *address, uint16_t port, int *ret_fd, char *error,
                       size_t error_size) {
        struct addrinfo *list;
        int r;

        r = resolve(address, port, &list, error, error_size);
        if (r < 0)
                return r;
        r = socket_listen(list, ret_fd);
        freeaddrinfo(list);

        /* A kernel without IPv6: "*" is then what IPv4 has. */
        if (r == -EAFNOSUPPORT && (!address || !*address || strcmp(address, "*") == 0))
                return socket_open("0.0.0.0", port, ret_fd, error, error_size);
        if (r < 0)
                explain(r, address && *address ? address : "*", port, error, error_size);
        return r;
}

int listen_open(const char *name, const char *address, uint16_t port, int *ret_fd, char *error,
                size_t error_size) {
        int r;

        r = socket_find_inherited(name, 0, ret_fd, error, error_size);
        if (r != 0)
                return r < 0 ? r : 0;
        return socket_open(address, port, ret_fd, error, error_size);
}

int listen_more(const char *name, size_t index, int *ret_fd, char *error, size_t error_size) {
        return socket_find_inherited(name, index, ret_fd, error, error_size);
}

bool listen_inherits(const char *name) {
        char error[256];
        int fd;

        return socket_find_inherited(name, 0, &fd, error, sizeof(error)) > 0;
}

int listen_port(int fd) {
        union {
                struct sockaddr any;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
        } address;
        socklen_t size = sizeof(address);

        if (getsockname(fd, &address.any, &size) < 0)
                return -errno;
        switch (address.any.sa_family) {
        case AF_INET:
                return ntohs(address.in.sin_port);
        case AF_INET6:
                return ntohs(address.in6.sin6_port);
        default:
                return -EAFNOSUPPORT;
        }
}
