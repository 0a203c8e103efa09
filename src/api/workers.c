#include "api/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/queue.h"

#define N_WORKERS 4
#define MAX_JOBS 1024
#define MAX_CHECKS 4
/* After a failed connect, others fail at once for this long instead of each waiting its turn. */
#define RETRY_MS 500

struct Workers {
        const Config *config;
        void (*on_done)(void *user);
        void *user;
        Queue *todo, *done;
        Queue *checks; /* JOB_HEALTH: the state is not known later because others have to wait */
        struct Worker {
                Workers *workers;
                Queue *todo;
                pthread_t thread;
                _Atomic int64_t busy_since_ms; /* monotonic; 0: it waits for a job */
        } threads[N_WORKERS + 1];              /* the last one is for the checks */
        size_t n_threads;
        int cancel_fd;              /* readable: queries are given up */
        atomic_llong refused_at_ms; /* monotonic, of the last failed connect; 0: none */
};

void job_free(Job *job) {
        if (!job)
                return;
        buffer_done(&job->body);
        free(job);
}

static void destroy_job(void *item) {
        job_free(item);
}

/* ---- in a worker's thread -------------------------------------------------------------------- */

static int connect_if_needed(Workers *w, PgConn **pg, Job *job) {
        if (*pg)
                return 0;
        long long refused = atomic_load(&w->refused_at_ms);
        if (refused && clock_monotonic_ms() - refused < RETRY_MS) {
                snprintf(job->detail, sizeof(job->detail), "the database does not answer");
                return -ENOTCONN;
        }
        int r = pg_connect_cancelable(pg, w->config, "crypto-pulse-api", w->cancel_fd, job->detail,
                                      sizeof(job->detail));
        atomic_store(&w->refused_at_ms, r < 0 ? clock_monotonic_ms() : 0);
        return r;
}

static int run_job(PgConn *pg, Job *job) {
        switch (job->kind) {
        case JOB_CRYPTOS:
                return reader_cryptos(pg, &job->body, job->detail, sizeof(job->detail));
        case JOB_HISTORY:
                return reader_history(pg, job->coin_id, &job->query, &job->body, job->detail,
                                      sizeof(job->detail));
        case JOB_HEALTH:
        default:
                return reader_ping(pg, job->detail, sizeof(job->detail));
        }
}

/* A connection that was lost while it idled, as by a restart of the server, shows only when it
 * is used: then a second try with a new one tells more than an error would. */
static void perform(Workers *w, PgConn **pg, Job *job) {
        for (int attempt = 0; attempt < 2; attempt++) {
                bool was_open = *pg != NULL;
                job->error = connect_if_needed(w, pg, job);
                if (job->error == 0)
                        job->error = run_job(*pg, job);
                if (job->error != -ENOTCONN && job->error != -ECANCELED)
                        return;
                pg_close(TAKE_PTR(*pg));
                buffer_clear(&job->body);
                if (!was_open || job->error == -ECANCELED)
                        return;
        }
}

static void *work(void *user) {
        struct Worker *worker = user;
        Workers *w = worker->workers;
        PgConn *pg = NULL;

        for (Job *job; (job = queue_pop(worker->todo, -1));) {
                atomic_store(&worker->busy_since_ms, clock_monotonic_ms());
                perform(w, &pg, job);
                atomic_store(&worker->busy_since_ms, 0);
                /* It has room for all the jobs that can exist. */
                if (queue_push(w->done, job) < 0)
                        job_free(job);
                w->on_done(w->user);
        }
        pg_close(pg);
        return NULL;
}

/* ---- in the loop's thread -------------------------------------------------------------------- */

static int start_threads(Workers *w) {
        for (size_t i = 0; i < ELEMENTS(w->threads); i++) {
                struct Worker *worker = &w->threads[i];

                worker->workers = w;
                worker->todo = i < N_WORKERS ? w->todo : w->checks;
                int error = pthread_create(&worker->thread, NULL, work, worker);
                if (error)
                        return -error;
                w->n_threads++;
        }
        return 0;
}

int workers_new(Workers **ret, const Config *config, void (*on_done)(void *user), void *user) {
        _cleanup_(workers_freep) Workers *w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->config = config;
        w->on_done = on_done;
        w->user = user;
        w->cancel_fd = eventfd(0, EFD_CLOEXEC);
        int r = w->cancel_fd < 0 ? -errno : queue_new(&w->todo, MAX_JOBS, destroy_job);
        if (r == 0)
                r = queue_new(&w->checks, MAX_CHECKS, destroy_job);
        if (r == 0)
                r = queue_new(&w->done, MAX_JOBS + MAX_CHECKS + ELEMENTS(w->threads), destroy_job);
        if (r == 0)
                r = start_threads(w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

void workers_free(Workers *workers) {
        if (!workers)
                return;
        if (workers->cancel_fd >= 0)
                (void) eventfd_write(workers->cancel_fd, 1);
        if (workers->todo)
                queue_close(workers->todo);
        if (workers->checks)
                queue_close(workers->checks);
        for (size_t i = 0; i < workers->n_threads; i++)
                pthread_join(workers->threads[i].thread, NULL);
        queue_free(workers->todo);
        queue_free(workers->checks);
        queue_free(workers->done);
        if (workers->cancel_fd >= 0)
                close(workers->cancel_fd);
        free(workers);
}

bool workers_are_alive(const Workers *workers, int64_t limit_ms) {
        for (size_t i = 0; i < workers->n_threads; i++) {
                int64_t since_ms = atomic_load(&workers->threads[i].busy_since_ms);
                if (since_ms && clock_monotonic_ms() - since_ms > limit_ms)
                        return false;
        }
        return true;
}

int workers_submit(Workers *workers, Job *job) {
        return queue_try_push(job->kind == JOB_HEALTH ? workers->checks : workers->todo, job);
}

Job *workers_take_done(Workers *workers) {
        return queue_try_pop(workers->done);
}
