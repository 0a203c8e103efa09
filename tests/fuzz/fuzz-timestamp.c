#include "fuzz.h"

#include "core/timestamp.h"

/* What is accepted comes back as the same point in time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = fuzz_text(data, size);
        char formatted[TIMESTAMP_TEXT_SIZE];
        int64_t ms, again;

        if (timestamp_parse(text, &ms) < 0)
                return 0;
        timestamp_format(ms, formatted);
        /* An offset may lead out of the years that have four digits. */
        if (ms >= INT64_C(-62167219200000) && ms < INT64_C(253402300800000)) {
                must(timestamp_parse(formatted, &again) == 0);
                must(again == ms);
        }
        return 0;
}
