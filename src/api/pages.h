/* The dashboard's files, read into memory when the daemon starts and served from there:
 * precompressed where the browser takes it, hashed assets for ever, index.html never cached,
 * and index.html too for every path that is a view of the single-page application. Loop thread. */
#pragma once

#include "core/config.h"
#include "core/macro.h"
#include "io/http_server.h"

typedef struct Pages Pages;

/* Reads all files below config->web_root, of at most 64 MB together. CONFIG is borrowed.
 * -ENOENT: there is no index.html; other negative errno; one line in ERROR. */
_must_check_ int pages_load(Pages **ret, const Config *config, char *error, size_t error_size);
void pages_free(Pages *pages); /* accepts NULL */
DEFINE_CLEANUP(Pages *, pages_free)

/* Ends the request with a file, with /config.json, or with a 404 for a missing asset. */
void pages_serve(const Pages *pages, HttpRequest *request);
