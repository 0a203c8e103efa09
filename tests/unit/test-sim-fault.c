#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim/fault.h"

static FaultList *list;
static char error[300];

static int set_up(void **state) {
        (void) state;
        return fault_list_new(&list);
}

static int tear_down(void **state) {
        (void) state;
        fault_list_free(list);
        return 0;
}

static int add(const char *text) {
        return fault_list_add_text(list, text, error, sizeof(error));
}

static int add_json(const char *text) {
        json_auto_t *json = json_loads(text, 0, NULL);

        assert_non_null(json);
        return fault_list_add_json(list, json, error, sizeof(error));
}

/* One letter per request: '1' it met the fault. */
static void expect(const char *path, const char *hits) {
        for (const char *at = hits; *at; at++)
                assert_int_equal(fault_list_match(list, path) != NULL, *at == '1');
}

static void test_schedule(void **state) {
        (void) state;
        assert_int_equal(add("markets:429:every=3:after=2:count=2"), 0);
        expect("/ping", "000000");
        expect("/coins/markets", "00001001000000");
}

static void test_first_that_fits(void **state) {
        const Fault *fault;

        (void) state;
        assert_int_equal(add("ping:500:count=1"), 0);
        assert_int_equal(add("all:latency:latency=250"), 0);
        fault = fault_list_match(list, "/ping");
        assert_string_equal(fault->kind, "500");
        assert_int_equal(fault->status, 500);
        fault = fault_list_match(list, "/ping");
        assert_string_equal(fault->kind, "latency");
        assert_int_equal(fault->latency_ms, 250);
        assert_int_equal(fault->effect, EFFECT_NONE);
}

static void test_text(void **state) {
        const Fault *fault;

        (void) state;
        assert_int_equal(add("/coins/markets:429:retry-after=2:latency-ms=5"), 0);
        fault = fault_list_match(list, "/coins/markets");
        assert_int_equal(fault->retry_after_s, 2);
        assert_int_equal(fault->latency_ms, 5);
        assert_non_null(strstr(fault->body, "\"error_code\":429"));
        fault_list_clear(list);
        assert_int_equal(add("markets:stale:coins=bitcoin+tether:age-ms=1000"), 0);
        fault = fault_list_match(list, "/coins/markets");
        assert_string_equal(fault->coins, "bitcoin,tether");
        assert_int_equal(fault->age_ms, 1000);
}

static void test_json(void **state) {
        const Fault *fault;

        (void) state;
        assert_int_equal(
                        add_json("[{\"path\":\"/coins/markets\",\"fault\":\"answer\","
                                 "\"status\":418,\"body\":\"tea\",\"content_type\":\"text/plain\"},"
                                 "{\"fault\":\"null\",\"coins\":[\"a\",\"b\"]}]"),
                        0);
        fault = fault_list_match(list, "/coins/markets");
        assert_int_equal(fault->status, 418);
        assert_string_equal(fault->body, "tea");
        assert_int_equal(fault->retry_after_s, -1);
        fault = fault_list_match(list, "/ping");
        assert_string_equal(fault->coins, "a,b");
}

static void test_wrong(void **state) {
        (void) state;
        assert_int_equal(add("markets"), -EINVAL);
        assert_int_equal(add("markets:nonsense"), -EINVAL);
        assert_non_null(strstr(error, "429-html"));
        assert_int_equal(add("nowhere:429"), -EINVAL);
        assert_int_equal(add("markets:429:every=0"), -EINVAL);
        assert_int_equal(add("markets:429:every"), -EINVAL);
        assert_int_equal(add("markets:429:nonsense=1"), -EINVAL);
        assert_int_equal(add("markets:429:status=99"), -EINVAL);
        assert_int_equal(add_json("[1]"), -EINVAL);
        assert_int_equal(add_json("{\"fault\":\"429\",\"count\":\"many\"}"), -EINVAL);
        assert_int_equal(add_json("{\"fault\":\"429\",\"coins\":[1]}"), -EINVAL);
        expect("/coins/markets", "00");
}

/* Every name in the help is a fault, and has what its effect needs. */
static void test_kinds(void **state) {
        char names[500], *at = names, *name;
        size_t n = 0;

        (void) state;
        strcpy(names, fault_kinds());
        while ((name = strsep(&at, " "))) {
                char text[64];
                const Fault *fault;

                fault_list_clear(list);
                snprintf(text, sizeof(text), "all:%s", name);
                assert_int_equal(add(text), 0);
                fault = fault_list_match(list, "/ping");
                assert_string_equal(fault->kind, name);
                if (fault->effect == EFFECT_ANSWER)
                        assert_true(fault->status >= 200 && fault->body && fault->content_type);
                n++;
        }
        assert_true(n > 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_schedule, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_first_that_fits, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_json, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_wrong, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
