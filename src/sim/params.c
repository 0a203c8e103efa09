#include "sim/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/macro.h"

const char *params_text(const Params *p, const char *name) {
        const char *value = p->get(p->user, name);

        return value && *value ? value : NULL;
}

bool params_true(const Params *p, const char *name) {
        const char *value = params_text(p, name);

        return value && strcmp(value, "true") == 0;
}

int64_t params_integer(const Params *p, const char *name, int64_t min, int64_t max,
                       int64_t fallback) {
        const char *text = params_text(p, name);
        char *end;
        long long value;

        if (!text)
                return fallback;
        errno = 0;
        value = strtoll(text, &end, 10);
        if (end == text || errno != 0)
                return fallback;
        return MIN_OF(MAX_OF(value, min), max);
}

int params_precision(const Params *p) {
        const char *text = params_text(p, "precision");

        if (text && strcmp(text, "full") == 0)
                return PRECISION_FULL;
        return (int) params_integer(p, "precision", 0, 18, PRECISION_DISPLAY);
}

bool params_next_entry(const char **at, bool trim, char *entry, size_t size) {
        const char *begin = *at, *end;
        size_t length;

        if (!begin)
                return false;
        end = strchrnul(begin, ',');
        *at = *end ? end + 1 : NULL;
        while (trim && begin < end && *begin == ' ')
                begin++;
        while (trim && end > begin && end[-1] == ' ')
                end--;
        length = MIN_OF((size_t) (end - begin), size - 1);
        memcpy(entry, begin, length);
        entry[length] = '\0';
        return true;
}

bool params_list_has(const char *list, const char *entry) {
        char text[128];

        while (params_next_entry(&list, true, text, sizeof(text)))
                if (strcmp(text, entry) == 0)
                        return true;
        return false;
}
