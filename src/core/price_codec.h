/* The JSON form of a price update, as it stands in the Kafka topic and on the WebSocket:
 *
 *   {"price":43210.12,"currency":"usd","timestamp":"2026-11-22T11:22:33.123Z",
 *    "symbol":"btc","name":"Bitcoin","marketCapRank":1,"marketCap":...,"volume24h":...,
 *    "high24h":...,"low24h":...,"change24h":...,"changePercent24h":...}
 *
 * price, currency and timestamp are always there; the rest only if the source said it.
 * The coin id is the message's key in Kafka and "coinId", first, on the WebSocket. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/price_update.h"

/* A message is about 300 bytes; what is larger than this is not one of ours. */
#define PRICE_MESSAGE_MAX 65536

/* Appends the Kafka value / the WebSocket text, whole or not at all. 0 or what buffer_append
 * returns. */
_must_check_ int price_encode_message(Buffer *b, const PriceUpdate *update);
_must_check_ int price_encode_live(Buffer *b, const PriceUpdate *update);
/* Appends the members that follow "timestamp", each with a leading comma. */
_must_check_ int price_encode_details(Buffer *b, const PriceUpdate *update);

/* How far ahead of our clock a message of the topic may be. The fetcher has compared it with the
 * source's own clock; what is refused here is lost, and ours may be years behind where none is
 * built in. */
#define TOPIC_AHEAD_MAX_MS (INT64_C(10) * 366 * 86400000)

/* Reads a Kafka record. NOW_MS and TOPIC_AHEAD_MAX_MS bound the timestamp. 0, or -EBADMSG with the
 * reason, a static text such as "price is not a positive number", in ret_reason; -ENOMEM. */
_must_check_ int price_decode_message(const void *key, size_t key_length, const void *value,
                                      size_t value_length, int64_t now_ms, PriceUpdate *ret,
                                      const char **ret_reason);
