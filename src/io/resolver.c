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
        ResolverAddresses addresses;
        char host[];
};

static void take(ResolverAddresses *all, const struct addrinfo *found, int family) {
        for (; found && all->n < RESOLVER_ADDRESSES_MAX; found = found->ai_next)
                if (found->ai_family == family &&
                    getnameinfo(found->ai_addr, found->ai_addrlen, all->text[all->n],
                                RESOLVER_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0)
                        all->n++;
}

static int look_up(const char *host, ResolverAddresses *ret) {
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *found;

        int error = getaddrinfo(host, NULL, &hints, &found);
        if (error)
                return error;
        take(ret, found, AF_INET);
        take(ret, found, AF_INET6);
        freeaddrinfo(found);
        return ret->n > 0 ? 0 : EAI_NONAME;
}

static void *ask(void *user) {
        Resolver *r = user;

        r->error = look_up(r->host, &r->addresses);
        if (atomic_exchange(&r->state, DONE) == ABANDONED)
                free(r);
        return NULL;
}

bool resolver_is_name(const char *host) {
        unsigned char address[sizeof(struct in6_addr)];

        return host[0] != '/' && inet_pton(AF_INET, host, address) != 1 &&
               inet_pton(AF_INET6, host, address) != 1;
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

int resolver_result(const Resolver *resolver, ResolverAddresses *ret, const char **ret_reason) {
        if (atomic_load(&resolver->state) == ASKING)
                return -EINPROGRESS;
        if (resolver->error) {
                *ret_reason = gai_strerror(resolver->error);
                return -EHOSTUNREACH;
        }
        *ret = resolver->addresses;
        return 0;
}
