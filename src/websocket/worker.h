/* A thread that does one thing in a straight line, and what others may know of it while it does.
 *
 * The owner starts, asks to stop and joins; the thread itself calls worker_turn() at least every
 * few seconds, also while it waits, which is how the watchdog tells waiting from hanging. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/macro.h"

typedef struct Worker {
        pthread_t thread;
        bool started;
        void (*run)(void *user);
        void *user;
        atomic_bool stopping, ended;
        atomic_uint turns;
        _Atomic(const char *) waits_for; /* a static text, or NULL: at work */

        /* The owner's: when it last saw TURNS change. */
        unsigned turns_seen;
        int64_t alive_ms;
} Worker;

/* NAME: at most 15 characters, for ps and gdb. 0 or negative errno. */
_must_check_ int worker_start(Worker *w, const char *name, void (*run)(void *user), void *user);
void worker_stop(Worker *w); /* asks; does not wait */
void worker_join(Worker *w); /* harmless if it was never started */
bool worker_has_ended(const Worker *w);
/* True if it took a turn within LIMIT_MS. */
bool worker_is_alive(Worker *w, int64_t now_ms, int64_t limit_ms);
const char *worker_waits_for(const Worker *w);

/* For the thread itself. */
bool worker_is_stopping(const Worker *w);
void worker_turn(Worker *w, const char *waits_for);
