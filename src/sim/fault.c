#include "sim/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_JSON "application/json; charset=utf-8"
#define TYPE_HTML "text/html; charset=UTF-8"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define STALE_AGE_MS (INT64_C(12) * 86400000)

struct FaultList {
        Fault *first;
};

typedef struct Kind {
        const char *name;
        FaultEffect effect;
        int status;
        const char *content_type;
        const char *body;
} Kind;

#define GATEWAY_PAGE(code, text)                                                                   \
        "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>api.coingecko.com | " code ": " text \
        "</title></head>\n<body>\n<h1>" text "</h1>\n<p>Error code " code                          \
        "</p>\n</body>\n</html>\n"

/* The bodies have the shapes that were recorded from the real API, in words of our own where a
 * body is a whole page. */
static const Kind kinds[] = {
        { "latency", EFFECT_NONE, 0, NULL, NULL },
        { "429", EFFECT_ANSWER, 429, TYPE_JSON,
          "{\"status\":{\"error_code\":429,\"error_message\":\"You've exceeded the Rate Limit. "
          "Please visit https://www.coingecko.com/en/api/pricing to subscribe to our API plans for "
          "higher rate limits.\"}}" },
        { "429-plain", EFFECT_ANSWER, 429, TYPE_TEXT, "Throttled" },
        { "429-html", EFFECT_ANSWER, 429, TYPE_HTML,
          "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>Access denied | api.coingecko.com "
          "used Cloudflare to restrict access</title></head>\n<body>\n<h1>Error 1015</h1>\n<h2>You "
          "are being rate limited</h2>\n</body>\n</html>\n" },
        { "500", EFFECT_ANSWER, 500, TYPE_JSON,
          "{\"status\":500,\"error\":\"Internal Server Error\"}" },
        { "502", EFFECT_ANSWER, 502, TYPE_HTML, GATEWAY_PAGE("502", "Bad gateway") },
        { "503", EFFECT_ANSWER, 503, TYPE_HTML, GATEWAY_PAGE("503", "Service unavailable") },
        { "504", EFFECT_ANSWER, 504, TYPE_HTML, GATEWAY_PAGE("504", "Gateway time-out") },
        { "status-error", EFFECT_ANSWER, 403, TYPE_JSON,
          "{\"status\":{\"error_code\":403,\"error_message\":\"This endpoint is temporarily "
          "unavailable due to ongoing issues.\"}}" },
        { "nested-error", EFFECT_ANSWER, 401, TYPE_JSON,
          "{\"error\":{\"status\":{\"timestamp\":\"2024-03-30T07:22:29.427+00:00\","
          "\"error_code\":10012,\"error_message\":\"Your request exceeds the allowed time "
          "range.\"}}}" },
        { "text-error", EFFECT_ANSWER, 404, TYPE_JSON, "{\"error\":\"coin not found\"}" },
        { "code-error", EFFECT_ANSWER, 400, TYPE_JSON,
          "{\"error_code\":10010,\"status\":{\"error_message\":\"If you are using Pro API key, "
          "please change your root URL from api.coingecko.com to pro-api.coingecko.com\"}}" },
        /* An error object where an array belongs, with a status that says all is well. */
        { "object", EFFECT_ANSWER, 200, TYPE_JSON,
          "{\"status\":{\"error_code\":403,\"error_message\":\"This endpoint is temporarily "
          "unavailable due to ongoing issues.\"}}" },
        { "html", EFFECT_ANSWER, 200, TYPE_HTML,
          "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body></body></html>"
          "\n" },
        { "empty", EFFECT_ANSWER, 200, TYPE_JSON, "" },
        { "answer", EFFECT_ANSWER, 200, TYPE_JSON, "[]" },
        { "truncated", EFFECT_TRUNCATED, 0, NULL, NULL },
        { "cut", EFFECT_CUT, 0, NULL, NULL },
        { "malformed", EFFECT_MALFORMED, 0, NULL, NULL },
        { "reset", EFFECT_RESET, 0, NULL, NULL },
        { "stale", EFFECT_STALE, 0, NULL, NULL },
        { "missing", EFFECT_MISSING, 0, NULL, NULL },
        { "null", EFFECT_NULL, 0, NULL, NULL },
};

/* Short names for the command line. */
static const char *const paths[][2] = {
        { "all", "/" },
        { "markets", "/coins/markets" },
        { "simple", "/simple/price" },
        { "list", "/coins/list" },
        { "chart", "/coins/" },
        { "ping", "/ping" },
        { "currencies", "/simple/supported_vs_currencies" },
};

const char *fault_kinds(void) {
        return "latency 429 429-plain 429-html 500 502 503 504 status-error nested-error "
               "text-error code-error object html empty answer truncated cut malformed reset "
               "stale missing null";
}

static void fault_free(Fault *fault) {
        if (!fault)
                return;
        free(fault->path);
        free(fault->body);
        free(fault->coins);
        free(fault);
}
DEFINE_CLEANUP(Fault *, fault_free)

int fault_list_new(FaultList **ret) {
        FaultList *list = calloc(1, sizeof(*list));

        if (!list)
                return -ENOMEM;
        *ret = list;
        return 0;
}

void fault_list_clear(FaultList *list) {
        while (list->first) {
                Fault *fault = list->first;

                list->first = fault->next;
                fault_free(fault);
        }
}

void fault_list_free(FaultList *list) {
        if (!list)
                return;
        fault_list_clear(list);
        free(list);
}

static void list_append(FaultList *list, Fault *fault) {
        Fault **at = &list->first;

        while (*at)
                at = &(*at)->next;
        *at = fault;
}

/* ---- making one ------------------------------------------------------------------------------ */

static int set_text(char **field, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static int set_path(Fault *fault, const char *path) {
        for (size_t i = 0; i < ELEMENTS(paths); i++)
                if (strcmp(paths[i][0], path) == 0)
                        path = paths[i][1];
        return *path == '/' ? set_text(&fault->path, path) : -EINVAL;
}

static int set_kind(Fault *fault, const char *name) {
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                const Kind *kind = &kinds[i];

                if (strcmp(kind->name, name) != 0)
                        continue;
                fault->kind = kind->name;
                fault->effect = kind->effect;
                fault->status = kind->status;
                fault->content_type = kind->content_type;
                return kind->body ? set_text(&fault->body, kind->body) : 0;
        }
        return -EINVAL;
}

/* The numbers that say more about a fault; NAME with underscores. */
static int set_number(Fault *fault, const char *name, int64_t value) {
        if (value < 0)
                return -EINVAL;
        if (strcmp(name, "retry_after") == 0)
                fault->retry_after_s = value;
        else if (strcmp(name, "latency_ms") == 0)
                fault->latency_ms = value;
        else if (strcmp(name, "age_ms") == 0)
                fault->age_ms = value;
        else if (strcmp(name, "every") == 0 && value > 0)
                fault->every = value;
        else if (strcmp(name, "after") == 0)
                fault->after = value;
        else if (strcmp(name, "count") == 0)
                fault->remaining = value;
        else if (strcmp(name, "status") == 0 && value >= 200 && value < 600)
                fault->status = (int) value;
        else
                return -EINVAL;
        return 0;
}

static int set_word(Fault *fault, const char *name, const char *value) {
        if (strcmp(name, "path") == 0)
                return set_path(fault, value);
        if (strcmp(name, "fault") == 0)
                return 0; /* set first, because it has defaults for the others */
        if (strcmp(name, "body") == 0)
                return set_text(&fault->body, value);
        if (strcmp(name, "coins") == 0)
                return set_text(&fault->coins, value);
        if (strcmp(name, "content_type") == 0) {
                fault->content_type = strstr(value, "html")   ? TYPE_HTML
                                      : strstr(value, "json") ? TYPE_JSON
                                                              : TYPE_TEXT;
                return 0;
        }
        return -EINVAL;
}

static int fault_new(Fault **ret, const char *kind, char *error, size_t error_size) {
        _cleanup_(fault_freep) Fault *fault = calloc(1, sizeof(*fault));
        int r;

        if (!fault)
                return -ENOMEM;
        fault->every = 1;
        fault->remaining = -1;
        fault->retry_after_s = -1;
        fault->age_ms = STALE_AGE_MS;
        r = set_path(fault, "/");
        if (r == 0)
                r = set_kind(fault, kind ? kind : "");
        if (r == -EINVAL)
                snprintf(error, error_size, "there is no fault \"%s\", but: %s", kind ? kind : "",
                         fault_kinds());
        if (r < 0)
                return r;
        *ret = TAKE_PTR(fault);
        return 0;
}

/* ---- from JSON --------------------------------------------------------------------------------
 */

static int set_coins_json(Fault *fault, const json_t *array) {
        _cleanup_buffer_ Buffer b = { 0 };
        const json_t *entry;
        size_t i;

        json_array_foreach(array, i, entry) {
                const char *id = json_string_value(entry);

                if (!id)
                        return -EINVAL;
                if (buffer_append_format(&b, "%s%s", i ? "," : "", id) < 0)
                        return -ENOMEM;
        }
        return set_text(&fault->coins, b.data ? b.data : "");
}

static int add_object(FaultList *list, const json_t *json, char *error, size_t error_size) {
        _cleanup_(fault_freep) Fault *fault = NULL;
        const json_t *value;
        const char *name;
        int r;

        r = fault_new(&fault, json_string_value(json_object_get(json, "fault")), error, error_size);
        if (r < 0)
                return r;
        json_object_foreach((json_t *) json, name, value) {
                if (json_is_string(value))
                        r = set_word(fault, name, json_string_value(value));
                else if (json_is_integer(value))
                        r = set_number(fault, name, json_integer_value(value));
                else if (json_is_array(value) && strcmp(name, "coins") == 0)
                        r = set_coins_json(fault, value);
                else
                        r = -EINVAL;
                if (r == -EINVAL)
                        snprintf(error, error_size, "\"%s\" is not known or has a wrong value",
                                 name);
                if (r < 0)
                        return r;
        }
        list_append(list, TAKE_PTR(fault));
        return 0;
}

int fault_list_add_json(FaultList *list, const json_t *json, char *error, size_t error_size) {
        const json_t *entry;
        size_t i;

        if (json_is_object(json))
                return add_object(list, json, error, error_size);
        if (!json_is_array(json)) {
                snprintf(error, error_size, "an object or an array of objects is expected");
                return -EINVAL;
        }
        json_array_foreach(json, i, entry) {
                int r = add_object(list, entry, error, error_size);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- from the command line --------------------------------------------------------------------
 */

/* "retry-after=2": numbers are numbers, "+" separates coins. */
static int set_pair(Fault *fault, char *pair) {
        char *value = strchr(pair, '='), *end;
        long long number;

        if (!value)
                return -EINVAL;
        *value++ = '\0';
        for (char *at = pair; *at; at++)
                if (*at == '-')
                        *at = '_';
        errno = 0;
        number = strtoll(value, &end, 10);
        if (*value && !*end && errno == 0)
                return set_number(fault, strcmp(pair, "latency") == 0 ? "latency_ms" : pair,
                                  number);
        for (char *at = value; strcmp(pair, "coins") == 0 && *at; at++)
                if (*at == '+')
                        *at = ',';
        return set_word(fault, pair, value);
}

int fault_list_add_text(FaultList *list, const char *text, char *error, size_t error_size) {
        _cleanup_(fault_freep) Fault *fault = NULL;
        _cleanup_free_ char *copy = strdup(text);
        char *at = copy, *path, *kind, *pair;
        int r;

        if (!copy)
                return -ENOMEM;
        path = strsep(&at, ":");
        kind = strsep(&at, ":");
        r = fault_new(&fault, kind, error, error_size);
        if (r < 0)
                return r;
        r = set_path(fault, path);
        if (r == -EINVAL)
                snprintf(error, error_size, "\"%s\" is not a path", path);
        while (r == 0 && (pair = strsep(&at, ":"))) {
                r = set_pair(fault, pair);
                if (r == -EINVAL)
                        snprintf(error, error_size, "\"%s\" is not known or has a wrong value",
                                 pair);
        }
        if (r < 0)
                return r;
        list_append(list, TAKE_PTR(fault));
        return 0;
}

/* ---- using them -------------------------------------------------------------------------------
 */

const Fault *fault_list_match(FaultList *list, const char *path) {
        for (Fault *fault = list->first; fault; fault = fault->next) {
                if (fault->remaining == 0 || strncmp(path, fault->path, strlen(fault->path)) != 0)
                        continue;
                fault->seen++;
                if (fault->seen <= fault->after || (fault->seen - fault->after) % fault->every != 0)
                        continue;
                if (fault->remaining > 0)
                        fault->remaining--;
                return fault;
        }
        return NULL;
}

int fault_list_append_json(const FaultList *list, Buffer *b) {
        int r = buffer_append_text(b, "[");

        for (const Fault *fault = list->first; r == 0 && fault; fault = fault->next) {
                r = buffer_append_text(b, fault == list->first ? "{\"path\":" : ",{\"path\":");
                if (r == 0)
                        r = buffer_append_json_string(b, fault->path);
                if (r == 0)
                        r = buffer_append_format(b,
                                                 ",\"fault\":\"%s\",\"every\":%lld,\"after\":%lld,"
                                                 "\"remaining\":%lld,\"seen\":%lld}",
                                                 fault->kind, (long long) fault->every,
                                                 (long long) fault->after,
                                                 (long long) fault->remaining,
                                                 (long long) fault->seen);
        }
        return r < 0 ? r : buffer_append_text(b, "]");
}
