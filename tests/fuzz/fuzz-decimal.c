#include "fuzz.h"

#include "core/decimal.h"

/* What is accepted is canonical: reading it again changes nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data;
        Decimal d, again;

        int r = decimal_parse(text, size, &d);
        if (r == 0) {
                must(strlen(d.text) > 0 && strlen(d.text) <= DECIMAL_TEXT_MAX);
                must(!strpbrk(d.text, "eE+ "));
                must(decimal_parse(d.text, strlen(d.text), &again) == 0);
                must(strcmp(d.text, again.text) == 0);
                must(!decimal_is_positive(&d) || d.text[0] != '-');
        }
        must(decimal_is_json_number(text, size) || r < 0);
        return 0;
}
