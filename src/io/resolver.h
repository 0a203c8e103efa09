/* The addresses of a host name, looked up beside an event loop or a thread that must be able to
 * stop soon: getaddrinfo(3) may take as long as name servers do not answer, half a minute with the
 * usual two. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "core/macro.h"

#define RESOLVER_ADDRESS_SIZE INET6_ADDRSTRLEN
#define RESOLVER_ADDRESSES_MAX 8

/* As texts, IPv4 first: who tries only one finds few servers that listen on no IPv4 address of
 * their name. */
typedef struct ResolverAddresses {
        char text[RESOLVER_ADDRESSES_MAX][RESOLVER_ADDRESS_SIZE];
        size_t n; /* at least 1 */
} ResolverAddresses;

typedef struct Resolver Resolver;

/* Whether HOST is to be looked up: it is neither an address nor the path of a socket. */
bool resolver_is_name(const char *host);

/* Begins, in a thread of its own. */
_must_check_ int resolver_new(Resolver **ret, const char *host);
/* Accepts NULL, and does not wait: a thread that is still asking ends by itself. */
void resolver_free(Resolver *resolver);
DEFINE_CLEANUP(Resolver *, resolver_free)

/* 0; -EINPROGRESS; -EHOSTUNREACH and the reason, a static text. */
_must_check_ int resolver_result(const Resolver *resolver, ResolverAddresses *ret,
                                 const char **ret_reason);
