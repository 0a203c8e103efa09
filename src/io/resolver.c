#include "io/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Whoever comes second, the thread with its result or the owner who gives up, frees it. */
typedef enum State { ASKING, DONE, ABANDONED } State;

struct Resolver {
        _Atomic State state;
        int error; /* getaddrinfo's */
        char address[RESOLVER_ADDRESS_SIZE];
        char host[];
};

static int look_up(Resolver *r, int family) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = family };
        struct addrinfo *found;

        int error = getaddrinfo(r->host, NULL, &hints, &found);
        if (error)
                return error;
        error = getnameinfo(found->ai_addr, found->ai_addrlen, r->address, sizeof(r->address), NULL,
                            0, NI_NUMERICHOST);
        freeaddrinfo(found);
        return error;
}

/* IPv4 first: only one address is tried, and few servers listen on no IPv4 address of their name.
 */
static void *ask(void *user) {
        Resolver *r = user;

        r->error = look_up(r, AF_INET);
        if (r->error)
                r->error = look_up(r, AF_INET6);
        if (atomic_exchange(&r->state, DONE) == ABANDONED)
                free(r);
        return NULL;
}

int resolver_new(Resolver **ret, const char *host) {
        Resolver *r = calloc(1, sizeof(*r) + strlen(host) + 1);
        pthread_attr_t detached;
        pthread_t thread;

        if (!r)
                return -ENOMEM;
        strcpy(r->host, host);
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        int error = pthread_create(&thread, &detached, ask, r);
        pthread_attr_destroy(&detached);
        if (error) {
                free(r);
                return -error;
        }
        *ret = r;
        return 0;
}

void resolver_free(Resolver *resolver) {
        if (resolver && atomic_exchange(&resolver->state, ABANDONED) == DONE)
                free(resolver);
}

int resolver_result(const Resolver *resolver, char address[RESOLVER_ADDRESS_SIZE],
                    const char **ret_reason) {
        if (atomic_load(&resolver->state) == ASKING)
                return -EINPROGRESS;
        if (resolver->error) {
                *ret_reason = gai_strerror(resolver->error);
                return -EHOSTUNREACH;
        }
        memcpy(address, resolver->address, RESOLVER_ADDRESS_SIZE);
        return 0;
}
