/* The newest price of every (coin, currency) as a ready-made WebSocket frame, and what has
 * changed since when.
 *
 * Every accepted update gets the next sequence number, and its slot remembers it. So a client
 * needs only the number up to which it has seen everything: what it missed are the slots with a
 * higher one, the newest of each, however long it was away. New clients begin at 0.
 * Not thread-safe; belongs to the loop's thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macro.h"
#include "core/price_update.h"

typedef struct Board Board;

_must_check_ int board_new(Board **ret);
void board_free(Board *board); /* accepts NULL */
DEFINE_CLEANUP(Board *, board_free)

/* Takes an update that is newer than its slot's. 1: taken, and its frame appended to TICK (NULL:
 * not wanted); 0: not newer, e.g. delivered again; -ENOMEM, or -EILSEQ for a text that is not
 * UTF-8: nothing has changed. */
_must_check_ int board_put(Board *board, const PriceUpdate *update, Buffer *tick);

/* The number of the last accepted update; 0: none. */
uint64_t board_sequence(const Board *board);
/* The frames of the slots that changed after number SINCE, oldest change first: of all, or of so
 * many that they are about BOARD_CATCH_UP_BYTES; with them everything up to *RET_UNTIL has been
 * seen. Borrowed until the next call; asking again for the same is free. */
#define BOARD_CATCH_UP_BYTES (64u * 1024)
_must_check_ int board_catch_up(Board *board, uint64_t since, const Buffer **ret,
                                uint64_t *ret_until);

size_t board_count(const Board *board);
/* The newest timestamp of all, or 0. */
int64_t board_newest_ms(const Board *board);
