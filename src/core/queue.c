#include "core/queue.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* Invariant: length <= capacity; the items are items[head], items[head + 1], ... modulo capacity.
 */
struct Queue {
        pthread_mutex_t lock;
        pthread_cond_t not_empty, not_full;
        void (*destroy)(void *item);
        bool closed;
        size_t capacity, head, length;
        void *items[];
};

int queue_new(Queue **ret, size_t capacity, void (*destroy)(void *item)) {
        assert(capacity > 0);
        Queue *q = calloc(1, sizeof(Queue) + capacity * sizeof(void *));
        if (!q)
                return -ENOMEM;
        pthread_condattr_t attributes;
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_mutex_init(&q->lock, NULL);
        pthread_cond_init(&q->not_empty, &attributes);
        pthread_cond_init(&q->not_full, &attributes);
        pthread_condattr_destroy(&attributes);
        q->capacity = capacity;
        q->destroy = destroy;
        *ret = q;
        return 0;
}

void queue_free(Queue *q) {
        if (!q)
                return;
        for (void *item; (item = queue_try_pop(q));)
                if (q->destroy)
                        q->destroy(item);
        pthread_cond_destroy(&q->not_full);
        pthread_cond_destroy(&q->not_empty);
        pthread_mutex_destroy(&q->lock);
        free(q);
}

static void put(Queue *q, void *item) {
        assert(q->length < q->capacity);
        q->items[(q->head + q->length++) % q->capacity] = item;
        pthread_cond_signal(&q->not_empty);
}

static void *take(Queue *q) {
        if (q->length == 0)
                return NULL;
        void *item = q->items[q->head];
        q->head = (q->head + 1) % q->capacity;
        q->length--;
        pthread_cond_signal(&q->not_full);
        return item;
}

int queue_try_push(Queue *q, void *item) {
        int r = 0;
        pthread_mutex_lock(&q->lock);
        if (q->closed)
                r = -ESHUTDOWN;
        else if (q->length == q->capacity)
                r = -EAGAIN;
        else
                put(q, item);
        pthread_mutex_unlock(&q->lock);
        return r;
}

int queue_push(Queue *q, void *item) {
        pthread_mutex_lock(&q->lock);
        while (!q->closed && q->length == q->capacity)
                pthread_cond_wait(&q->not_full, &q->lock);
        int r = q->closed ? -ESHUTDOWN : 0;
        if (r == 0)
                put(q, item);
        pthread_mutex_unlock(&q->lock);
        return r;
}

void *queue_try_pop(Queue *q) {
        pthread_mutex_lock(&q->lock);
        void *item = take(q);
        pthread_mutex_unlock(&q->lock);
        return item;
}

static struct timespec deadline_after(int timeout_ms) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec += timeout_ms / 1000;
        t.tv_nsec += (long) (timeout_ms % 1000) * 1000000;
        if (t.tv_nsec >= 1000000000) {
                t.tv_sec++;
                t.tv_nsec -= 1000000000;
        }
        return t;
}

void *queue_pop(Queue *q, int timeout_ms) {
        struct timespec deadline = deadline_after(timeout_ms < 0 ? 0 : timeout_ms);
        int r = 0;

        pthread_mutex_lock(&q->lock);
        while (q->length == 0 && !q->closed && r == 0) {
                if (timeout_ms < 0)
                        r = pthread_cond_wait(&q->not_empty, &q->lock);
                else
                        r = pthread_cond_timedwait(&q->not_empty, &q->lock, &deadline);
        }
        void *item = take(q);
        pthread_mutex_unlock(&q->lock);
        return item;
}

void queue_close(Queue *q) {
        pthread_mutex_lock(&q->lock);
        q->closed = true;
        pthread_cond_broadcast(&q->not_empty);
        pthread_cond_broadcast(&q->not_full);
        pthread_mutex_unlock(&q->lock);
}

size_t queue_length(Queue *q) {
        pthread_mutex_lock(&q->lock);
        size_t n = q->length;
        pthread_mutex_unlock(&q->lock);
        return n;
}
