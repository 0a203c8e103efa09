#include "sim/replay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Tape {
        struct Tape *next;
        char *prefix; /* the files' names begin so */
        size_t position;
} Tape;

struct Replay {
        char *directory;
        char **names; /* sorted */
        size_t n_names;
        Tape *tapes;  /* one per prefix that was asked for */
        size_t start; /* where a tape begins */
        bool manual;
};

static int is_body(const struct dirent *entry) {
        const char *dot = strrchr(entry->d_name, '.');

        return dot && strcmp(dot, ".json") == 0;
}

int replay_new(Replay **ret, const char *directory, char *error, size_t error_size) {
        _cleanup_(replay_freep) Replay *replay = NULL;
        struct dirent **entries;
        int n;

        n = scandir(directory, &entries, is_body, alphasort);
        if (n < 0) {
                n = -errno;
                snprintf(error, error_size, "%s cannot be read: %s", directory, strerror(-n));
                return n;
        }
        replay = calloc(1, sizeof(*replay));
        if (replay) {
                replay->directory = strdup(directory);
                replay->names = calloc((size_t) n + 1, sizeof(*replay->names));
        }
        for (int i = 0; i < n; i++) {
                if (replay && replay->names)
                        replay->names[replay->n_names++] = strdup(entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        if (!replay || !replay->names || !replay->directory)
                return -ENOMEM;
        for (size_t i = 0; i < replay->n_names; i++)
                if (!replay->names[i])
                        return -ENOMEM;
        *ret = TAKE_PTR(replay);
        return 0;
}

static void tapes_free(Replay *replay) {
        while (replay->tapes) {
                Tape *tape = replay->tapes;

                replay->tapes = tape->next;
                free(tape->prefix);
                free(tape);
        }
}

void replay_free(Replay *replay) {
        if (!replay)
                return;
        tapes_free(replay);
        for (size_t i = 0; i < replay->n_names; i++)
                free(replay->names[i]);
        free(replay->names);
        free(replay->directory);
        free(replay);
}

void replay_reset(Replay *replay) {
        tapes_free(replay);
        replay->start = 0;
        replay->manual = false;
}

/* ---- files ------------------------------------------------------------------------------------
 */

static size_t count_files(const Replay *replay, const char *prefix) {
        size_t n = 0;

        for (size_t i = 0; i < replay->n_names; i++)
                if (strncmp(replay->names[i], prefix, strlen(prefix)) == 0)
                        n++;
        return n;
}

static const char *nth_file(const Replay *replay, const char *prefix, size_t n) {
        for (size_t i = 0; i < replay->n_names; i++)
                if (strncmp(replay->names[i], prefix, strlen(prefix)) == 0 && n-- == 0)
                        return replay->names[i];
        return NULL;
}

static int read_file(const Replay *replay, const char *name, Buffer *body) {
        _cleanup_free_ char *path = NULL;
        struct stat st;
        ssize_t n = 1;
        int fd, r = 0;

        if (asprintf(&path, "%s/%s", replay->directory, name) < 0)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                r = -errno;
        if (r == 0)
                r = buffer_reserve(body, (size_t) st.st_size);
        for (off_t at = 0; r == 0 && at < st.st_size && n > 0; at += n) {
                char piece[65536];

                n = read(fd, piece, sizeof(piece));
                r = n < 0 ? -errno : buffer_append(body, piece, (size_t) n);
        }
        close(fd);
        return r;
}

/* ---- endpoints --------------------------------------------------------------------------------
 */

/* The beginning of the names of PATH's files. False: it has none. */
static bool choose_prefix(const Replay *replay, const char *path, char *prefix, size_t size) {
        static const char *const known[][2] = {
                { "/coins/markets", "markets_" },
                { "/simple/price", "simple_price_" },
                { "/simple/supported_vs_currencies", "supported_vs_currencies" },
                { "/coins/list", "coins_list" },
                { "/ping", "ping" },
        };
        const char *id = path + strlen("/coins/");
        const char *end;

        for (size_t i = 0; i < ELEMENTS(known); i++)
                if (strcmp(path, known[i][0]) == 0) {
                        snprintf(prefix, size, "%s", known[i][1]);
                        return count_files(replay, prefix) > 0;
                }
        end = strncmp(path, "/coins/", strlen("/coins/")) == 0 ? strchr(id, '/') : NULL;
        if (!end || strncmp(end, "/market_chart", strlen("/market_chart")) != 0)
                return false;
        snprintf(prefix, size, "market_chart_%.*s_", (int) (end - id), id);
        if (count_files(replay, prefix) == 0)
                snprintf(prefix, size, "market_chart_");
        return count_files(replay, prefix) > 0;
}

static Tape *find_tape(Replay *replay, const char *prefix) {
        Tape *tape;

        for (tape = replay->tapes; tape; tape = tape->next)
                if (strcmp(tape->prefix, prefix) == 0)
                        return tape;
        tape = calloc(1, sizeof(*tape));
        if (!tape)
                return NULL;
        tape->prefix = strdup(prefix);
        if (!tape->prefix) {
                free(tape);
                return NULL;
        }
        tape->position = replay->start;
        tape->next = replay->tapes;
        replay->tapes = tape;
        return tape;
}

int replay_answer(Replay *replay, const char *path, int page, Buffer *body) {
        char prefix[128];
        size_t n, position;
        Tape *tape;
        int r;

        if (!choose_prefix(replay, path, prefix, sizeof(prefix)))
                return 0;
        if (page > 1) {
                r = buffer_append_text(body, "[]");
                return r < 0 ? r : 1;
        }
        tape = find_tape(replay, prefix);
        if (!tape)
                return -ENOMEM;
        n = count_files(replay, prefix);
        position = MIN_OF(tape->position, n - 1);
        if (!replay->manual && tape->position < n - 1)
                tape->position++;
        r = read_file(replay, nth_file(replay, prefix, position), body);
        return r < 0 ? r : 1;
}

int replay_set(Replay *replay, const json_t *json) {
        const json_t *advance = json_object_get(json, "advance");
        const json_t *position = json_object_get(json, "position");
        const char *mode = json_string_value(advance);

        if (advance) {
                if (!mode || (strcmp(mode, "manual") != 0 && strcmp(mode, "request") != 0))
                        return -EINVAL;
                replay->manual = strcmp(mode, "manual") == 0;
        }
        if (position) {
                if (!json_is_integer(position) || json_integer_value(position) < 0)
                        return -EINVAL;
                replay->start = (size_t) json_integer_value(position);
                for (Tape *tape = replay->tapes; tape; tape = tape->next)
                        tape->position = replay->start;
        }
        if (json_is_true(json_object_get(json, "next")))
                for (Tape *tape = replay->tapes; tape; tape = tape->next)
                        tape->position++;
        return 0;
}

int replay_append_json(const Replay *replay, Buffer *b) {
        int r = buffer_append_format(b, "{\"advance\":\"%s\",\"positions\":{",
                                     replay->manual ? "manual" : "request");

        for (const Tape *tape = replay->tapes; r == 0 && tape; tape = tape->next) {
                if (tape != replay->tapes)
                        r = buffer_append_text(b, ",");
                if (r == 0)
                        r = buffer_append_json_string(b, tape->prefix);
                if (r == 0)
                        r = buffer_append_format(b, ":%zu", tape->position);
        }
        if (r == 0)
                r = buffer_append_text(b, "},\"files\":[");
        for (size_t i = 0; r == 0 && i < replay->n_names; i++) {
                if (i > 0)
                        r = buffer_append_text(b, ",");
                if (r == 0)
                        r = buffer_append_json_string(b, replay->names[i]);
        }
        return r < 0 ? r : buffer_append_text(b, "]}");
}
