/* How price updates get from the threads that wait for Kafka and PostgreSQL to the loop's thread:
 * in batches, through a bounded queue, with a wake-up. */
#pragma once

#include <stddef.h>

#include "core/macro.h"
#include "core/price_update.h"

/* At most this many updates in a batch and batches in the queue; then the threads wait. */
#define UPDATE_BATCH_MAX 256
#define HANDOVER_BATCHES 16

typedef struct UpdateBatch {
        size_t n;
        PriceUpdate updates[];
} UpdateBatch;

/* An empty batch with room for UPDATE_BATCH_MAX or fewer; freed with free(). NULL: no memory. */
UpdateBatch *update_batch_new(size_t room);

typedef struct Handover Handover;

/* WAKE makes the taking thread call handover_take() soon; it may come from any thread. */
_must_check_ int handover_new(Handover **ret, void (*wake)(void *user), void *user);
void handover_free(Handover *h); /* accepts NULL; no thread may be using it any more */
DEFINE_CLEANUP(Handover *, handover_free)

/* Takes the batch over in any case; waits for room. 0 or -ESHUTDOWN. Any thread. */
int handover_give(Handover *h, UpdateBatch *batch);
/* Wakes the taking thread although there is nothing to take. Any thread. */
void handover_wake(Handover *h);
/* The oldest batch, the caller's from now on, or NULL. */
UpdateBatch *handover_take(Handover *h);
/* Lets no thread wait for room any more. */
void handover_close(Handover *h);
