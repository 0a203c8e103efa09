#include "unit.h"
#include "websocket/handover.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static void count_wake(void *user) {
        atomic_fetch_add((atomic_int *) user, 1);
}

static UpdateBatch *numbered(size_t n) {
        UpdateBatch *batch = update_batch_new(1);
        assert_non_null(batch);
        assert_int_equal(batch->n, 0);
        batch->n = 1;
        batch->updates[0] = (PriceUpdate){ .timestamp_ms = (int64_t) n };
        return batch;
}

static int64_t take_number(Handover *h) {
        _cleanup_free_ UpdateBatch *batch = handover_take(h);
        return batch ? batch->updates[0].timestamp_ms : -1;
}

static void test_order_and_wake(void **state) {
        _cleanup_(handover_freep) Handover *h = NULL;
        atomic_int wakes = 0;

        (void) state;
        assert_int_equal(handover_new(&h, count_wake, &wakes), 0);
        assert_int_equal(take_number(h), -1);
        assert_int_equal(handover_give(h, numbered(1)), 0);
        assert_int_equal(handover_give(h, numbered(2)), 0);
        handover_wake(h);
        assert_int_equal(atomic_load(&wakes), 3);
        assert_int_equal(take_number(h), 1);
        assert_int_equal(take_number(h), 2);
        assert_int_equal(take_number(h), -1);
}

static void *give_many(void *user) {
        Handover *h = user;
        intptr_t given = 0;

        while (handover_give(h, numbered((size_t) given)) == 0)
                given++;
        return (void *) given;
}

/* More than fits: the giver waits for room, until it is told that nobody takes any more. */
static void test_bound_and_close(void **state) {
        _cleanup_(handover_freep) Handover *h = NULL;
        atomic_int wakes = 0;
        pthread_t giver;
        void *given;

        (void) state;
        assert_int_equal(handover_new(&h, count_wake, &wakes), 0);
        assert_int_equal(pthread_create(&giver, NULL, give_many, h), 0);
        for (int64_t next = 0; next < 10 * HANDOVER_BATCHES;)
                if (take_number(h) == next)
                        next++;
        handover_close(h);
        assert_int_equal(pthread_join(giver, &given), 0);
        assert_in_range((intptr_t) given, 10 * HANDOVER_BATCHES, 11 * HANDOVER_BATCHES);
        assert_int_equal(handover_give(h, numbered(0)), -ESHUTDOWN);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order_and_wake),
                cmocka_unit_test(test_bound_and_close),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
