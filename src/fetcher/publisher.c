#include "fetcher/publisher.h"

#include <errno.h>
#include <string.h>

#include "core/price_codec.h"
#include "core/slot_index.h"

typedef struct Slot {
        int64_t published_ms; /* the timestamp published last */
        unsigned count;       /* which count of the pairs it was seen in */
} Slot;

struct Publisher {
        KafkaProducer *producer;
        SlotIndex *index;
        Slot *slots;
        size_t capacity;
        unsigned count; /* the number of this count */
        size_t n_counted;
        int64_t newest_ms;
        Buffer message;
};

int publisher_new(Publisher **ret, KafkaProducer *producer) {
        _cleanup_(publisher_freep) Publisher *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->producer = producer;
        p->count = 1;
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
        free(publisher->slots);
        free(publisher);
}

/* NULL if memory is short. */
static Slot *slot_of(Publisher *p, const PriceUpdate *update) {
        size_t slot;
        if (slot_index_add(p->index, update->coin_id, update->currency, &slot) < 0)
                return NULL;
        if (slot >= p->capacity) {
                size_t capacity = MAX_OF(slot + 1, p->capacity * 2);
                Slot *grown = realloc(p->slots, capacity * sizeof(Slot));
                if (!grown)
                        return NULL;
                memset(grown + p->capacity, 0, (capacity - p->capacity) * sizeof(Slot));
                p->slots = grown;
                p->capacity = capacity;
        }
        return &p->slots[slot];
}

static void count_pair(Publisher *p, Slot *slot) {
        p->n_counted += slot->count != p->count;
        slot->count = p->count;
}

int publisher_publish(Publisher *publisher, const PriceUpdate *update) {
        Slot *slot = slot_of(publisher, update);
        if (!slot)
                return -ENOMEM;
        count_pair(publisher, slot);
        if (update->timestamp_ms <= slot->published_ms)
                return 0;

        buffer_clear(&publisher->message);
        int r = price_encode_message(&publisher->message, update);
        if (r == 0)
                r = kafka_producer_send(publisher->producer, update->coin_id,
                                        strlen(update->coin_id), publisher->message.data,
                                        publisher->message.length);
        if (r < 0)
                return r;
        slot->published_ms = update->timestamp_ms;
        publisher->newest_ms = MAX_OF(publisher->newest_ms, update->timestamp_ms);
        return 1;
}

size_t publisher_n_coins(const Publisher *publisher) {
        return publisher->n_counted;
}

void publisher_count_anew(Publisher *publisher) {
        publisher->count++;
        publisher->n_counted = 0;
}

int64_t publisher_newest_ms(const Publisher *publisher) {
        return publisher->newest_ms;
}
