/* Threads that ask PostgreSQL, so that the event loop never waits for it. Each has a connection
 * of its own, made when it is first needed and again after it was lost. JOB_HEALTH has a thread
 * that does nothing else, so that it is begun at once however many jobs wait.
 *
 * A job belongs to whoever made it until workers_submit() succeeds, and again from
 * workers_take_done() on; in between to the workers. */
#pragma once

#include "api/reader.h"
#include "core/config.h"
#include "core/macro.h"

typedef enum JobKind { JOB_HEALTH, JOB_CRYPTOS, JOB_HISTORY } JobKind;

typedef struct Job {
        JobKind kind;
        char coin_id[COIN_ID_MAX + 1];
        HistoryQuery query;

        /* The outcome: 0 and a body, or a negative errno and a sentence. */
        int error;
        Buffer body;
        char detail[512];

        void *owner;
} Job;

void job_free(Job *job); /* accepts NULL */

typedef struct Workers Workers;

/* CONFIG is borrowed. ON_DONE is called by the threads when a job can be taken: it must only
 * wake up someone. 0, -ENOMEM, -EAGAIN (no thread to be had), -EMFILE. */
_must_check_ int workers_new(Workers **ret, const Config *config, void (*on_done)(void *user),
                             void *user);
void workers_free(Workers *workers); /* accepts NULL; the running queries are given up */
DEFINE_CLEANUP(Workers *, workers_free)

/* False if a query has been going on for longer than LIMIT_MS. */
bool workers_are_alive(const Workers *workers, int64_t limit_ms);

/* 0; -EAGAIN: too many jobs wait already. */
_must_check_ int workers_submit(Workers *workers, Job *job);
/* A job that has ended, or NULL. */
Job *workers_take_done(Workers *workers);
