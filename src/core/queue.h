/* A bounded queue of pointers between threads.
 *
 * Owns nothing: whoever pops an item owns it; on queue_free() what is left goes to the
 * destructor. A full queue refuses (queue_try_push) or makes the producer wait (queue_push).
 * Any number of producers and consumers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/macro.h"

typedef struct Queue Queue;

_must_check_ int queue_new(Queue **ret, size_t capacity, void (*destroy)(void *item));
void queue_free(Queue *q); /* accepts NULL; no thread may be using it any more */
DEFINE_CLEANUP(Queue *, queue_free)

/* 0; -EAGAIN: full; -ESHUTDOWN: closed. On failure the item stays the caller's. */
_must_check_ int queue_try_push(Queue *q, void *item);
/* Waits for room. 0 or -ESHUTDOWN. */
_must_check_ int queue_push(Queue *q, void *item);
/* The oldest item, or NULL if there is none. */
void *queue_try_pop(Queue *q);
/* Waits for an item up to TIMEOUT_MS (-1: for ever); NULL on timeout or when closed and empty. */
void *queue_pop(Queue *q, int timeout_ms);
/* Wakes everyone up; nothing can be pushed any more, what is in it can still be popped. */
void queue_close(Queue *q);
size_t queue_length(Queue *q);
