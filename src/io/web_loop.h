/* The event loop of a daemon that serves the web: libwebsockets' own poll loop, with foreign
 * descriptors, timers and wake-ups in it. Only src/io/web_*.c, http_server.c and ws_server.c
 * include libwebsockets.h. One thread runs it; only the calls marked so may come from another.
 *
 * Everything made on a loop is freed before it, on the same thread. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/macro.h"

typedef struct WebLoop WebLoop;
typedef struct WebFd WebFd;
typedef struct WebTimer WebTimer;

/* Sets the process's limit of open files to the highest allowed one, within reason. */
_must_check_ int web_loop_new(WebLoop **ret);
void web_loop_free(WebLoop *loop); /* accepts NULL */
DEFINE_CLEANUP(WebLoop *, web_loop_free)

/* Runs until web_loop_stop(), also if that came before. 0 or negative errno. */
_must_check_ int web_loop_run(WebLoop *loop);
void web_loop_stop(WebLoop *loop); /* any thread */

/* Makes the loop call every handler that web_loop_on_wake() has set, soon. Many wakes may become
 * one call. Any thread. */
void web_loop_wake(WebLoop *loop);
/* -ENOSPC after the eighth handler. Handlers stay until the loop is freed. */
_must_check_ int web_loop_on_wake(WebLoop *loop, void (*handler)(void *user), void *user);

/* HANDLER is told why no connection can be accepted (a negative errno, -EMFILE most often) each
 * time that it was tried, several times a second while somebody waits, and with 0 when all who
 * waited have been. */
void web_loop_on_accept(WebLoop *loop, void (*handler)(void *user, int error), void *user);

/* Watches a descriptor for input, which stays the caller's (a duplicate is watched: close yours
 * whenever you like, but free the WebFd first if the peer is to notice).
 * EVENTS: one of POLLIN, POLLOUT, POLLHUP; after POLLHUP nothing comes any more.
 * The handler may call web_fd_free() on its own WebFd. */
_must_check_ int web_fd_new(WebFd **ret, WebLoop *loop, int fd,
                            void (*handler)(void *user, short events), void *user);
void web_fd_want_read(WebFd *fd, bool want); /* true from the beginning */
/* While true, POLLOUT comes whenever the descriptor is writable. */
void web_fd_want_write(WebFd *fd, bool want);
void web_fd_free(WebFd *fd); /* accepts NULL */
DEFINE_CLEANUP(WebFd *, web_fd_free)

/* A one-shot timer; setting it again moves it. The handler may set or free it. */
_must_check_ int web_timer_new(WebTimer **ret, WebLoop *loop, void (*handler)(void *user),
                               void *user);
void web_timer_set(WebTimer *timer, int64_t delay_ms);
void web_timer_cancel(WebTimer *timer);
void web_timer_free(WebTimer *timer); /* accepts NULL */
DEFINE_CLEANUP(WebTimer *, web_timer_free)
