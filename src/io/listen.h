/* Listening sockets: inherited from the service manager by name, else opened here.
 * The only file that knows sd_listen_fds(3). Main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"

/* The first inherited socket called NAME (FileDescriptorName=; NULL: do not look), else a new TCP
 * socket bound to ADDRESS (IPv4, IPv6, a host name, or "*" for every address) and PORT (0: the
 * kernel chooses, see listen_port()). Non-blocking, close-on-exec, listening; the caller closes it.
 * Negative errno with one line for a person in ERROR ("port 8080 on 127.0.0.1 is taken by
 * another program: ..."). */
_must_check_ int listen_open(const char *name, const char *address, uint16_t port, int *ret_fd,
                             char *error, size_t error_size);

/* An operator may have given the name to several sockets: the one with this INDEX, from 1 for the
 * next after listen_open()'s. 1: here it is, as above; 0: there is none; negative errno as above.
 */
_must_check_ int listen_more(const char *name, size_t index, int *ret_fd, char *error,
                             size_t error_size);

/* Whether the service manager has handed over a good socket of that name. */
bool listen_inherits(const char *name);

/* The port that a TCP socket is bound to, or negative errno (-EAFNOSUPPORT: not a TCP socket). */
int listen_port(int fd);
