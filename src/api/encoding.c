#include "api/encoding.h"

#include <string.h>
#include <strings.h>

/* "q=0", "q=0.0", "q=0.000" */
static bool is_zero_weight(const char *parameter, size_t length) {
        const char *q = memchr(parameter, '=', length);
        if (!q)
                return false;
        const char *p = q + 1, *end = parameter + length;
        return p < end && strspn(p, "0. \t") >= (size_t) (end - p);
}

bool encoding_is_accepted(const char *accept_encoding, const char *coding) {
        size_t n_coding = strlen(coding);

        for (const char *p = accept_encoding; p && *p;) {
                p += strspn(p, " \t,");
                size_t n = strcspn(p, ",");
                size_t n_name = strcspn(p, "; \t,");
                if (n_name == n_coding && strncasecmp(p, coding, n_coding) == 0)
                        return !is_zero_weight(p + n_name, n - n_name);
                p += n;
        }
        return false;
}
