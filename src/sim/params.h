/* Reading query parameters the way CoinGecko does. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where they come from: GET returns NULL for one that was not sent. */
typedef struct Params {
        const char *(*get)(void *user, const char *name);
        void *user;
} Params;

/* NULL also if it is empty. */
const char *params_text(const Params *p, const char *name);
bool params_true(const Params *p, const char *name);
/* A number, forced into MIN to MAX; FALLBACK if it was not sent or is none. */
int64_t params_integer(const Params *p, const char *name, int64_t min, int64_t max,
                       int64_t fallback);

#define PRECISION_DISPLAY (-1) /* as shown to people */
#define PRECISION_FULL (-2)
/* precision=full or 0 to 18. */
int params_precision(const Params *p);

/* Walks over a comma-separated list: copies the entry at *AT into ENTRY (cut off at SIZE - 1) and
 * moves on. False at the end. TRIM: leave blanks at both ends out. */
bool params_next_entry(const char **at, bool trim, char *entry, size_t size);
bool params_list_has(const char *list, const char *entry);
