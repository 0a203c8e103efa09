/* Recorded answers from a folder instead of the simulated market. The simulator's thread.
 *
 * Files are chosen by the beginning of their names and come in the order of their names:
 * /coins/markets: markets_*, /simple/price: simple_price_*, /simple/supported_vs_currencies:
 * supported_vs_currencies_*, /coins/list: coins_list_*, /ping: ping_*, /coins/ID/market_chart:
 * market_chart_ID_*, or else market_chart_*. An endpoint without a file is simulated.
 *
 * Advance "request" (the default): every request gets the next file, the last one is repeated; a
 * request for page 2 or later gets an empty array and moves nothing. "manual": always the file
 * at the endpoint's position, which only replay_set() moves. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/macro.h"

typedef struct Replay Replay;

/* Reads the folder's file names. -ENOENT etc. with a line for a person in ERROR. */
_must_check_ int replay_new(Replay **ret, const char *directory, char *error, size_t error_size);
void replay_free(Replay *replay); /* accepts NULL */
DEFINE_CLEANUP(Replay *, replay_free)

/* The body for PATH ("/coins/markets"). 1: there is one; 0: simulate it; negative errno. */
_must_check_ int replay_answer(Replay *replay, const char *path, int page, Buffer *body);
/* {"advance":"manual","position":3} (of all endpoints), {"next":true}. -EINVAL. */
_must_check_ int replay_set(Replay *replay, const json_t *json);
void replay_reset(Replay *replay);
_must_check_ int replay_append_json(const Replay *replay, Buffer *b);
