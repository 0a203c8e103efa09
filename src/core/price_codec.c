#include "core/price_codec.h"

#include <errno.h>
#include <string.h>

#include "core/json_exact.h"
#include "core/timestamp.h"

/* The optional numbers: their names in the message, their places in the record. */
static const struct {
        const char *key;
        size_t offset;
} decimal_members[] = {
        { "marketCap", offsetof(PriceUpdate, market_cap) },
        { "volume24h", offsetof(PriceUpdate, volume_24h) },
        { "high24h", offsetof(PriceUpdate, high_24h) },
        { "low24h", offsetof(PriceUpdate, low_24h) },
        { "change24h", offsetof(PriceUpdate, change_24h) },
        { "changePercent24h", offsetof(PriceUpdate, change_percent_24h) },
};

static int encode_string_member(Buffer *b, const char *prefix, const char *text) {
        if (text[0] == '\0')
                return 0;
        int r = buffer_append_text(b, prefix);
        return r < 0 ? r : buffer_append_json_string(b, text);
}

int price_encode_details(Buffer *b, const PriceUpdate *update) {
        int r = encode_string_member(b, ",\"symbol\":", update->symbol);
        if (r < 0)
                return r;
        r = encode_string_member(b, ",\"name\":", update->name);
        if (r < 0)
                return r;
        if (update->market_cap_rank > 0) {
                r = buffer_append_format(b, ",\"marketCapRank\":%d", update->market_cap_rank);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ELEMENTS(decimal_members); i++) {
                const Decimal *d = (const Decimal *) ((const char *) update +
                                                      decimal_members[i].offset);
                if (!decimal_is_set(d))
                        continue;
                r = buffer_append_format(b, ",\"%s\":%s", decimal_members[i].key, d->text);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* currency and timestamp need no escaping: price_update_check() and our own formatting. */
static int encode_body(Buffer *b, const PriceUpdate *update) {
        char time[TIMESTAMP_TEXT_SIZE];
        int r = buffer_append_format(b, "\"price\":%s,\"currency\":\"%s\",\"timestamp\":\"%s\"",
                                     update->price.text, update->currency,
                                     timestamp_format(update->timestamp_ms, time));
        if (r < 0)
                return r;
        r = price_encode_details(b, update);
        return r < 0 ? r : buffer_append_text(b, "}");
}

static int encode_live(Buffer *b, const PriceUpdate *update) {
        int r = buffer_append_text(b, "{\"coinId\":");
        if (r < 0)
                return r;
        r = buffer_append_json_string(b, update->coin_id);
        if (r < 0)
                return r;
        r = buffer_append_text(b, ",");
        return r < 0 ? r : encode_body(b, update);
}

/* A message is in the buffer as a whole or not at all. */
static int undo_on_failure(Buffer *b, size_t length, int r) {
        if (r < 0 && b->data) {
                b->length = length;
                b->data[length] = '\0';
        }
        return r;
}

int price_encode_message(Buffer *b, const PriceUpdate *update) {
        size_t length = b->length;
        int r = buffer_append_text(b, "{");
        return undo_on_failure(b, length, r < 0 ? r : encode_body(b, update));
}

int price_encode_live(Buffer *b, const PriceUpdate *update) {
        size_t length = b->length;
        return undo_on_failure(b, length, encode_live(b, update));
}

/* A text that does not fit is left out rather than cut: it is decoration. */
static void decode_text(const json_t *object, const char *key, char *ret, size_t size) {
        const char *text = json_exact_string(object, key);
        if (text && strlen(text) < size)
                strcpy(ret, text);
}

static void decode_details(const json_t *object, PriceUpdate *u) {
        int64_t rank;

        decode_text(object, "symbol", u->symbol, sizeof(u->symbol));
        decode_text(object, "name", u->name, sizeof(u->name));
        if (json_exact_int(object, "marketCapRank", &rank) == 0 && rank > 0 && rank <= INT32_MAX)
                u->market_cap_rank = (int32_t) rank;
        for (size_t i = 0; i < ELEMENTS(decimal_members); i++) {
                Decimal *d = (Decimal *) ((char *) u + decimal_members[i].offset);
                if (json_exact_decimal(object, decimal_members[i].key, d) < 0)
                        d->text[0] = '\0';
        }
}

/* The three members that every message has. NULL, or what is wrong with them. */
static const char *decode_required(const json_t *object, PriceUpdate *u) {
        const char *currency = json_exact_string(object, "currency");
        const char *timestamp = json_exact_string(object, "timestamp");

        if (json_exact_decimal(object, "price", &u->price) < 0)
                return "price is missing or not a number that can be kept";
        if (!currency || strlen(currency) > CURRENCY_MAX)
                return "currency is missing or not a code such as usd";
        strcpy(u->currency, currency);
        if (!timestamp || timestamp_parse(timestamp, &u->timestamp_ms) < 0)
                return "timestamp is missing or not RFC 3339";
        return NULL;
}

static const char *decode_key(const void *key, size_t length, PriceUpdate *u) {
        if (!key || length == 0)
                return "no key: it must be the coin id";
        if (length > COIN_ID_MAX || memchr(key, '\0', length))
                return "the key is no coin id";
        memcpy(u->coin_id, key, length);
        u->coin_id[length] = '\0';
        return NULL;
}

/* 0 with the reason, or NULL for none, in ret_reason; -ENOMEM. */
static int decode_value(const void *value, size_t length, PriceUpdate *u, const char **ret_reason) {
        json_error_t error;
        json_t *object;

        *ret_reason = !value || length == 0        ? "no value"
                      : length > PRICE_MESSAGE_MAX ? "the value is larger than any price message"
                                                   : NULL;
        if (*ret_reason)
                return 0;
        int r = json_exact_parse(value, length, &object, &error);
        if (r < 0) {
                *ret_reason = "the value is not JSON";
                return r == -ENOMEM ? r : 0;
        }
        *ret_reason = "the value is not a JSON object";
        if (json_is_object(object)) {
                *ret_reason = decode_required(object, u);
                if (!*ret_reason)
                        decode_details(object, u);
        }
        json_decref(object);
        return 0;
}

int price_decode_message(const void *key, size_t key_length, const void *value, size_t value_length,
                         int64_t now_ms, PriceUpdate *ret, const char **ret_reason) {
        PriceUpdate u = { .market_cap_rank = 0 };

        const char *reason = decode_key(key, key_length, &u);
        if (!reason) {
                int r = decode_value(value, value_length, &u, &reason);
                if (r < 0)
                        return r;
        }
        if (!reason)
                reason = price_update_check(&u, now_ms + TOPIC_AHEAD_MAX_MS);
        if (reason) {
                *ret_reason = reason;
                return -EBADMSG;
        }
        *ret = u;
        return 0;
}
