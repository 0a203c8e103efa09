/* The broadcast's side of Kafka: a thread that reads all partitions of the topic, beginning a
 * little before their ends, and hands every valid update to the loop's thread. It knows nothing
 * of the database. What is not valid it passes over in silence: the persister reads the same
 * messages and tells. */
#pragma once

#include <stdbool.h>

#include "core/config.h"
#include "core/macro.h"
#include "websocket/handover.h"
#include "websocket/worker.h"

/* How far before its end a partition is read from: enough for the newest of every coin that is
 * renewed all the time, should the database, which knows the others too, not be there. Reading
 * more would take longer than everything else at the start. */
#define FEED_TAIL_MESSAGES 500

typedef struct Feed Feed;

/* CONFIG and HANDOVER are borrowed. Starts the thread. Errors are logged. */
_must_check_ int feed_new(Feed **ret, const Config *config, Handover *handover);
/* Stops and joins; handover_close() must have been called. Accepts NULL. */
void feed_free(Feed *feed);
DEFINE_CLEANUP(Feed *, feed_free)

Worker *feed_worker(Feed *feed);
/* True once all messages that were there at the start have been handed over. Any thread. */
bool feed_is_caught_up(const Feed *feed);
