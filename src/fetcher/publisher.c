#include "fetcher/publisher.h"

#include <errno.h>
#include <string.h>

#include "core/price_codec.h"
#include "core/slot_index.h"

struct Publisher {
        KafkaProducer *producer;
        SlotIndex *index;
        int64_t *published_ms; /* per slot: the timestamp published last */
        size_t capacity;
        int64_t newest_ms;
        Buffer message;
};

int publisher_new(Publisher **ret, KafkaProducer *producer) {
        _cleanup_(publisher_freep) Publisher *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->producer = producer;
        int r = slot_index_new(&p->index);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

void publisher_free(Publisher *publisher) {
        if (!publisher)
                return;
        slot_index_free(publisher->index);
        buffer_done(&publisher->message);
        free(publisher->published_ms);
        free(publisher);
}

/* Where the slot's timestamp lives; NULL if memory is short. */
static int64_t *published_ms_of(Publisher *p, const PriceUpdate *update) {
        size_t slot;
        if (slot_index_add(p->index, update->coin_id, update->currency, &slot) < 0)
                return NULL;
        if (slot >= p->capacity) {
                size_t capacity = MAX_OF(slot + 1, p->capacity * 2);
                int64_t *grown = realloc(p->published_ms, capacity * sizeof(int64_t));
                if (!grown)
                        return NULL;
                memset(grown + p->capacity, 0, (capacity - p->capacity) * sizeof(int64_t));
                p->published_ms = grown;
                p->capacity = capacity;
        }
        return &p->published_ms[slot];
}

int publisher_publish(Publisher *publisher, const PriceUpdate *update) {
        int64_t *published_ms = published_ms_of(publisher, update);
        if (!published_ms)
                return -ENOMEM;
        if (update->timestamp_ms <= *published_ms)
                return 0;

        buffer_clear(&publisher->message);
        int r = price_encode_message(&publisher->message, update);
        if (r == 0)
                r = kafka_producer_send(publisher->producer, update->coin_id,
                                        strlen(update->coin_id), publisher->message.data,
                                        publisher->message.length);
        if (r < 0)
                return r;
        *published_ms = update->timestamp_ms;
        publisher->newest_ms = MAX_OF(publisher->newest_ms, update->timestamp_ms);
        return 1;
}

size_t publisher_n_coins(const Publisher *publisher) {
        return slot_index_count(publisher->index);
}

int64_t publisher_newest_ms(const Publisher *publisher) {
        return publisher->newest_ms;
}
