#include "websocket/worker.h"

#include "core/clock.h"

static void *run_thread(void *user) {
        Worker *w = user;

        w->run(w->user);
        atomic_store(&w->ended, true);
        return NULL;
}

int worker_start(Worker *w, const char *name, void (*run)(void *user), void *user) {
        w->run = run;
        w->user = user;
        w->alive_ms = clock_monotonic_ms();
        int r = pthread_create(&w->thread, NULL, run_thread, w);
        if (r != 0)
                return -r;
        w->started = true;
        (void) pthread_setname_np(w->thread, name);
        return 0;
}

void worker_stop(Worker *w) {
        atomic_store(&w->stopping, true);
}

void worker_join(Worker *w) {
        if (w->started)
                pthread_join(w->thread, NULL);
        w->started = false;
}

bool worker_has_ended(const Worker *w) {
        return atomic_load(&w->ended);
}

bool worker_is_alive(Worker *w, int64_t now_ms, int64_t limit_ms) {
        unsigned turns = atomic_load(&w->turns);

        if (turns != w->turns_seen) {
                w->turns_seen = turns;
                w->alive_ms = now_ms;
        }
        return now_ms - w->alive_ms <= limit_ms;
}

const char *worker_waits_for(const Worker *w) {
        return atomic_load(&w->waits_for);
}

bool worker_is_stopping(const Worker *w) {
        return atomic_load(&w->stopping);
}

void worker_turn(Worker *w, const char *waits_for) {
        atomic_store(&w->waits_for, waits_for);
        atomic_fetch_add(&w->turns, 1);
}
