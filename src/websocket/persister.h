/* Every price into PostgreSQL, exactly once: a thread that is a member of the Kafka consumer
 * group, reads a batch, writes it together with the position after it, and goes on.
 *
 * PostgreSQL's word on the position is the only one that counts. Whatever goes wrong in between
 * (a lost connection, a commit of unknown outcome, another member taking over, a position that is
 * not the one that was written last because a backup was restored, kill -9), the way
 * on is the same: forget what is in memory, ask PostgreSQL where to go on, read again from
 * there. Rows that are there already change nothing. While PostgreSQL is away nothing is read:
 * Kafka keeps it, the memory stays small, the membership is kept. */
#pragma once

#include <stdint.h>

#include "core/config.h"
#include "core/macro.h"
#include "websocket/handover.h"
#include "websocket/worker.h"

typedef struct Persister Persister;

/* CONFIG and HANDOVER are borrowed; the newest prices that the database knows are handed over
 * once. Starts the thread. Errors are logged. */
_must_check_ int persister_new(Persister **ret, const Config *config, Handover *handover);
/* Stops and joins; handover_close() must have been called. Accepts NULL. */
void persister_free(Persister *p);
DEFINE_CLEANUP(Persister *, persister_free)

Worker *persister_worker(Persister *p);
/* Breaks off whatever PostgreSQL is being asked, for a server that hangs at the program's end. */
void persister_cancel(Persister *p);

/* Any thread. */
#define PERSISTER_TROUBLE_SIZE 128
/* Why nothing is persisted at the moment, in the server's words; "" if nothing is wrong. */
void persister_trouble(Persister *p, char ret[PERSISTER_TROUBLE_SIZE]);
int64_t persister_lag(const Persister *p);      /* messages not yet written */
uint64_t persister_written(const Persister *p); /* updates since the start, known ones included */
