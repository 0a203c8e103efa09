#include "fuzz.h"

#include <errno.h>

#include "core/price_codec.h"

#define NOW INT64_C(1795346553123) /* 2026-11-22T11:22:33.123Z */

/* The input is a key's length, the key and the value. What is accepted may be stored, and its
 * encoding is read back as the same record. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        PriceUpdate u = { .market_cap_rank = 0 }, again = u;
        const char *reason = NULL;

        if (size == 0)
                return 0;
        size_t key_length = MIN_OF((size_t) data[0], size - 1);
        const uint8_t *key = data + 1, *value = key + key_length;
        int r = price_decode_message(key, key_length, value, size - 1 - key_length, NOW, &u,
                                     &reason);
        must(r == 0 || (r == -EBADMSG && reason && *reason));
        if (r < 0)
                return 0;
        must(!price_update_check(&u, NOW));
        _cleanup_buffer_ Buffer b = { .data = NULL };
        must(price_encode_message(&b, &u) == 0);
        must(price_decode_message(u.coin_id, strlen(u.coin_id), b.data, b.length, NOW, &again,
                                  &reason) == 0);
        size_t length = b.length;
        must(price_encode_message(&b, &again) == 0);
        must(b.length == 2 * length && memcmp(b.data, b.data + length, length) == 0);
        must(strcmp(u.coin_id, again.coin_id) == 0);
        return 0;
}
