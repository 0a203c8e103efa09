#include "unit.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/queue.h"

static int items[1000];

static void test_order_and_bound(void **state) {
        _cleanup_(queue_freep) Queue *q = NULL;

        (void) state;
        assert_int_equal(queue_new(&q, 3, NULL), 0);
        assert_null(queue_try_pop(q));
        for (int round = 0; round < 5; round++) { /* the ring wraps */
                for (int i = 0; i < 3; i++)
                        assert_int_equal(queue_try_push(q, &items[i]), 0);
                assert_int_equal(queue_try_push(q, &items[3]), -EAGAIN);
                assert_int_equal(queue_length(q), 3);
                assert_ptr_equal(queue_try_pop(q), &items[0]);
                assert_int_equal(queue_try_push(q, &items[3]), 0);
                for (int i = 1; i < 4; i++)
                        assert_ptr_equal(queue_pop(q, -1), &items[i]);
                assert_int_equal(queue_length(q), 0);
        }
}

static void test_timeout(void **state) {
        _cleanup_(queue_freep) Queue *q = NULL;

        (void) state;
        assert_int_equal(queue_new(&q, 1, NULL), 0);
        assert_null(queue_pop(q, 0));
        int64_t before = clock_monotonic_ms();
        assert_null(queue_pop(q, 30));
        assert_true(clock_monotonic_ms() - before >= 29);
}

static void test_close(void **state) {
        _cleanup_(queue_freep) Queue *q = NULL;

        (void) state;
        assert_int_equal(queue_new(&q, 2, NULL), 0);
        assert_int_equal(queue_push(q, &items[0]), 0);
        queue_close(q);
        assert_int_equal(queue_push(q, &items[1]), -ESHUTDOWN);
        assert_int_equal(queue_try_push(q, &items[1]), -ESHUTDOWN);
        assert_ptr_equal(queue_pop(q, -1), &items[0]);
        assert_null(queue_pop(q, -1));
        assert_null(queue_try_pop(q));
}

static int n_destroyed;

static void count_destroyed(void *item) {
        (void) item;
        n_destroyed++;
}

static void test_freeing(void **state) {
        Queue *q = NULL;

        (void) state;
        queue_free(NULL);
        n_destroyed = 0;
        assert_int_equal(queue_new(&q, 10, count_destroyed), 0);
        for (int i = 0; i < 7; i++)
                assert_int_equal(queue_push(q, &items[i]), 0);
        (void) queue_try_pop(q);
        queue_free(q);
        assert_int_equal(n_destroyed, 6);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

#define N_PRODUCERS 3
#define N_EACH 20000

typedef struct Job {
        Queue *q;
        size_t number;
        uint64_t sum, count;
        uintptr_t last[N_PRODUCERS];
        bool in_order;
} Job;

/* An item is its producer's number and a counter. */
static void *produce(void *user) {
        Job *job = user;
        for (uintptr_t i = 1; i <= N_EACH; i++)
                if (queue_push(job->q, (void *) (i * N_PRODUCERS + job->number)) < 0)
                        return NULL;
        return job;
}

static void *consume(void *user) {
        Job *job = user;
        job->in_order = true;
        for (void *item; (item = queue_pop(job->q, -1));) {
                uintptr_t value = (uintptr_t) item, producer = value % N_PRODUCERS;
                job->in_order = job->in_order && value > job->last[producer];
                job->last[producer] = value;
                job->sum += value;
                job->count++;
        }
        return job;
}

/* Three producers, two consumers, room for five: all arrives once, each producer's in order. */
static void test_threads(void **state) {
        _cleanup_(queue_freep) Queue *q = NULL;
        Job producers[N_PRODUCERS] = { { .q = NULL } }, consumers[2] = { { .q = NULL } };
        pthread_t producer_threads[N_PRODUCERS], consumer_threads[2];
        uint64_t expected = 0;

        (void) state;
        assert_int_equal(queue_new(&q, 5, NULL), 0);
        for (size_t i = 0; i < 2; i++) {
                consumers[i].q = q;
                assert_int_equal(pthread_create(&consumer_threads[i], NULL, consume, &consumers[i]),
                                 0);
        }
        for (size_t i = 0; i < N_PRODUCERS; i++) {
                producers[i] = (Job){ .q = q, .number = i };
                assert_int_equal(pthread_create(&producer_threads[i], NULL, produce, &producers[i]),
                                 0);
        }
        for (size_t i = 0; i < N_PRODUCERS; i++) {
                void *result;
                pthread_join(producer_threads[i], &result);
                assert_ptr_equal(result, &producers[i]);
        }
        queue_close(q);
        for (size_t i = 0; i < 2; i++)
                pthread_join(consumer_threads[i], NULL);
        for (uint64_t i = 1; i <= N_EACH; i++)
                for (uint64_t p = 0; p < N_PRODUCERS; p++)
                        expected += i * N_PRODUCERS + p;
        assert_int_equal(consumers[0].count + consumers[1].count, N_PRODUCERS * N_EACH);
        assert_int_equal(consumers[0].sum + consumers[1].sum, expected);
        assert_true(consumers[0].in_order && consumers[1].in_order);
}

/* Threads that wait for room and for items are all woken by closing. */
static void test_close_wakes(void **state) {
        _cleanup_(queue_freep) Queue *full = NULL, *empty = NULL;
        Job pushing = { .number = 1 }, popping[2] = { { .q = NULL } };
        pthread_t threads[3];
        void *result;

        (void) state;
        assert_int_equal(queue_new(&full, 1, NULL), 0);
        assert_int_equal(queue_new(&empty, 1, NULL), 0);
        pushing.q = full;
        assert_int_equal(pthread_create(&threads[0], NULL, produce, &pushing), 0);
        for (size_t i = 0; i < 2; i++) {
                popping[i].q = empty;
                assert_int_equal(pthread_create(&threads[1 + i], NULL, consume, &popping[i]), 0);
        }
        while (queue_length(full) == 0)
                sched_yield();
        queue_close(full);
        queue_close(empty);
        pthread_join(threads[0], &result);
        assert_null(result);
        for (size_t i = 0; i < 2; i++) {
                pthread_join(threads[1 + i], NULL);
                assert_int_equal(popping[i].count, 0);
        }
        assert_int_equal(queue_length(full), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order_and_bound), cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_close),           cmocka_unit_test(test_freeing),
                cmocka_unit_test(test_threads),         cmocka_unit_test(test_close_wakes),
        };
        return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
