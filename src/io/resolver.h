/* The address of a host name, looked up beside an event loop: getaddrinfo(3) may take as long as
 * name servers do not answer, half a minute with the usual two. */
#pragma once

#include <netinet/in.h>

#include "core/macro.h"

#define RESOLVER_ADDRESS_SIZE INET6_ADDRSTRLEN

typedef struct Resolver Resolver;

/* Begins, in a thread of its own. */
_must_check_ int resolver_new(Resolver **ret, const char *host);
/* Accepts NULL, and does not wait: a thread that is still asking ends by itself. */
void resolver_free(Resolver *resolver);
DEFINE_CLEANUP(Resolver *, resolver_free)

/* 0 and the first address as text; -EINPROGRESS; -EHOSTUNREACH and the reason, a static text. */
_must_check_ int resolver_result(const Resolver *resolver, char address[RESOLVER_ADDRESS_SIZE],
                                 const char **ret_reason);
