#include "websocket/handover.h"

#include <errno.h>

#include "core/queue.h"

struct Handover {
        Queue *queue;
        void (*wake)(void *user);
        void *user;
};

UpdateBatch *update_batch_new(size_t room) {
        UpdateBatch *batch = malloc(sizeof(*batch) + room * sizeof(batch->updates[0]));
        if (batch)
                batch->n = 0;
        return batch;
}

int handover_new(Handover **ret, void (*wake)(void *user), void *user) {
        _cleanup_(handover_freep) Handover *h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->wake = wake;
        h->user = user;
        int r = queue_new(&h->queue, HANDOVER_BATCHES, free);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

void handover_free(Handover *h) {
        if (!h)
                return;
        queue_free(h->queue);
        free(h);
}

int handover_give(Handover *h, UpdateBatch *batch) {
        int r = queue_push(h->queue, batch);
        if (r < 0) {
                free(batch);
                return r;
        }
        h->wake(h->user);
        return 0;
}

void handover_wake(Handover *h) {
        h->wake(h->user);
}

UpdateBatch *handover_take(Handover *h) {
        return queue_try_pop(h->queue);
}

void handover_close(Handover *h) {
        queue_close(h->queue);
}
