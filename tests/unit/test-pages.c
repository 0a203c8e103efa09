/* Reading the dashboard's files; how they are served, tests/integration/test_api_pages.py sees. */
#include "unit.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/pages.h"

typedef struct Folder {
        char path[64];
        Config *config;
} Folder;

static int set_up(void **state) {
        Folder *f = calloc(1, sizeof(*f));
        char error[256];

        assert_non_null(f);
        strcpy(f->path, "/tmp/test-pages.XXXXXX");
        assert_non_null(mkdtemp(f->path));
        assert_int_equal(config_new(&f->config), 0);
        assert_int_equal(config_set_text(f->config, config_option_find("api.web_root"), f->path,
                                         error, sizeof(error)),
                         0);
        *state = f;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static int tear_down(void **state) {
        Folder *f = *state;

        nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        config_free(f->config);
        free(f);
        return 0;
}

static void make_file(const Folder *f, const char *name, off_t size) {
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", f->path, name);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(ftruncate(fileno(file), size), 0);
        fclose(file);
}

static int load(const Folder *f, char *error, size_t error_size) {
        _cleanup_(pages_freep) Pages *pages = NULL;
        int r = pages_load(&pages, f->config, error, error_size);

        assert_int_equal(r == 0, pages != NULL);
        if (r < 0)
                assert_non_null(strstr(error, f->path));
        return r;
}

static void test_empty(void **state) {
        char error[512];

        assert_int_equal(load(*state, error, sizeof(error)), -ENOENT);
        assert_non_null(strstr(error, "no index.html there"));
}

static void test_missing(void **state) {
        const Folder *f = *state;
        char error[512];

        assert_int_equal(rmdir(f->path), 0);
        assert_int_equal(load(f, error, sizeof(error)), -ENOENT);
}

static void test_files(void **state) {
        const Folder *f = *state;
        char error[512], path[128];

        make_file(f, "index.html", 100);
        make_file(f, "index.html.gz", 10);
        make_file(f, ".hidden", 10);
        snprintf(path, sizeof(path), "%s/assets", f->path);
        assert_int_equal(mkdir(path, 0755), 0);
        make_file(f, "assets/empty.js", 0);
        snprintf(path, sizeof(path), "%s/pipe", f->path);
        assert_int_equal(mkfifo(path, 0644), 0); /* opening it would wait for ever */
        assert_int_equal(load(f, error, sizeof(error)), 0);
}

/* The index among the hashed assets is not the page. */
static void test_index_elsewhere(void **state) {
        const Folder *f = *state;
        char error[512], path[128];

        snprintf(path, sizeof(path), "%s/sub", f->path);
        assert_int_equal(mkdir(path, 0755), 0);
        make_file(f, "sub/index.html", 10);
        assert_int_equal(load(f, error, sizeof(error)), -ENOENT);
}

static void test_link_to_itself(void **state) {
        const Folder *f = *state;
        char error[512], path[128];

        make_file(f, "index.html", 1);
        snprintf(path, sizeof(path), "%s/again", f->path);
        assert_int_equal(symlink(".", path), 0);
        assert_int_equal(load(f, error, sizeof(error)), -ELOOP);
}

static void test_broken_link(void **state) {
        const Folder *f = *state;
        char error[512], path[128];

        make_file(f, "index.html", 1);
        snprintf(path, sizeof(path), "%s/gone.js", f->path);
        assert_int_equal(symlink("nowhere", path), 0);
        assert_int_equal(load(f, error, sizeof(error)), -ENOENT);
}

static void test_too_large(void **state) {
        const Folder *f = *state;
        char error[512];

        make_file(f, "index.html", 1);
        make_file(f, "video.bin", (off_t) 65 << 20);
        assert_int_equal(load(f, error, sizeof(error)), -EMSGSIZE);
        make_file(f, "video.bin", (off_t) 40 << 20);
        assert_int_equal(load(f, error, sizeof(error)), 0);
        make_file(f, "another.bin", (off_t) 40 << 20);
        assert_int_equal(load(f, error, sizeof(error)), -EFBIG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_empty),           TEST(test_missing),        TEST(test_files),
                TEST(test_index_elsewhere), TEST(test_link_to_itself), TEST(test_broken_link),
                TEST(test_too_large),
        };
        return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
