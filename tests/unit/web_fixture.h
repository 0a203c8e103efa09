/* A WebLoop in a thread of its own, and blocking sockets that talk to it from the test's. */
#pragma once

#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/listen.h"
#include "io/web_loop.h"

#define WAIT_S 10

static inline int open_port(uint16_t *ret_port) {
        char error[300];
        int fd;

        assert_int_equal(listen_open(NULL, "127.0.0.1", 0, &fd, error, sizeof(error)), 0);
        *ret_port = (uint16_t) listen_port(fd);
        return fd;
}

static inline int connect_to(uint16_t port) {
        const struct timeval patience = { .tv_sec = WAIT_S };
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        return fd;
}

static inline void say(int fd, const char *text) {
        const size_t length = strlen(text);

        assert_int_equal(send(fd, text, length, MSG_NOSIGNAL), (ssize_t) length);
}

/* Reads until UNTIL has come COUNT times, or the connection ends. Returns how often it came. */
static inline size_t hear(int fd, char *buffer, size_t size, const char *until, size_t count) {
        size_t length = 0, found = 0;
        ssize_t n = 1;

        while (n > 0 && found < count && length < size - 1) {
                n = recv(fd, buffer + length, size - 1 - length, 0);
                if (n > 0)
                        length += (size_t) n;
                buffer[length] = '\0';
                found = 0;
                for (char *at = buffer; (at = strstr(at, until)); at++)
                        found++;
        }
        buffer[length] = '\0';
        return found;
}

static inline void *run_loop(void *loop) {
        return (void *) (intptr_t) web_loop_run(loop);
}

static inline void start_loop(WebLoop *loop, pthread_t *ret_thread) {
        assert_int_equal(pthread_create(ret_thread, NULL, run_loop, loop), 0);
}

static inline void stop_loop(WebLoop *loop, pthread_t thread) {
        void *result;

        web_loop_stop(loop);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_null(result);
}

/* Waits until *VALUE is at least WANTED. */
static inline void await_value(atomic_int *value, int wanted) {
        const int64_t end = clock_monotonic_ms() + WAIT_S * 1000;

        while (atomic_load(value) < wanted && clock_monotonic_ms() < end)
                usleep(1000);
        assert_true(atomic_load(value) >= wanted);
}
