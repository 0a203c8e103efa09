#include "core/price_update.h"

#include <string.h>

#include "core/timestamp.h"

bool coin_id_is_valid(const char *id) {
        size_t n = 0;
        for (; id[n]; n++)
                if (n >= COIN_ID_MAX || id[n] < ' ' || id[n] > '~' || strchr("\"\\/,%", id[n]))
                        return false;
        return n > 0;
}

bool currency_is_valid(const char *currency) {
        size_t n = strspn(currency, "abcdefghijklmnopqrstuvwxyz0123456789-");
        return n > 0 && n <= CURRENCY_MAX && currency[n] == '\0';
}

const char *price_update_check(const PriceUpdate *update, int64_t latest_ms) {
        if (!coin_id_is_valid(update->coin_id))
                return "coin id is empty, too long or has characters that no id has";
        if (!currency_is_valid(update->currency))
                return "currency is not a code such as usd";
        if (!decimal_is_positive(&update->price))
                return "price is not a positive number";
        if (update->timestamp_ms < TIMESTAMP_MIN_MS)
                return "timestamp is before 2009";
        if (update->timestamp_ms > latest_ms)
                return "timestamp is too far ahead";
        return NULL;
}
