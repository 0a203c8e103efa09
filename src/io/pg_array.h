/* One-dimensional PostgreSQL arrays as text, {"a","b",NULL}, so that one statement with unnest()
 * takes a thousand rows. Pure; any thread. */
#pragma once

#include "core/buffer.h"
#include "core/macro.h"

/* Appends one element, opening the array if the buffer is empty. TEXT NULL is SQL NULL.
 * Returns what buffer_append() returns. */
_must_check_ int pg_array_add(Buffer *b, const char *text);
/* Closes the array; an array without elements becomes {}. */
_must_check_ int pg_array_end(Buffer *b);
