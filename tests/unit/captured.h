/* What is written to stderr meanwhile; up to a pipe's 64 kB. */
#pragma once

#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

static int capture_pipe[2], capture_stderr;

static inline void capture_begin(void) {
        assert_int_equal(pipe2(capture_pipe, O_CLOEXEC), 0);
        capture_stderr = dup(STDERR_FILENO);
        dup2(capture_pipe[1], STDERR_FILENO);
        close(capture_pipe[1]);
}

/* What came since capture_begin(). */
static inline const char *capture_end(void) {
        static char text[65536];
        size_t n = 0;
        ssize_t got;

        dup2(capture_stderr, STDERR_FILENO);
        close(capture_stderr);
        while (n < sizeof(text) - 1 &&
               (got = read(capture_pipe[0], text + n, sizeof(text) - 1 - n)) > 0)
                n += (size_t) got;
        close(capture_pipe[0]);
        text[n] = '\0';
        return text;
}
