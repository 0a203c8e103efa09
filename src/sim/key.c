/* API keys, as https://docs.coingecko.com/reference/authentication tells them. */
#include <string.h>

#include "core/timestamp.h"
#include "sim/sim_internal.h"

static const char *const names[] = {
        "x-cg-demo-api-key",
        "x-cg-pro-api-key",
        "x_cg_demo_api_key",
        "x_cg_pro_api_key",
};

static const char *key_value(HttpRequest *request, const char *name) {
        return strchr(name, '_') ? http_request_query(request, name)
                                 : http_request_header(request, name);
}

const char *key_name(HttpRequest *request) {
        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (key_value(request, names[i]))
                        return names[i];
        return NULL;
}

static int refuse_missing(Buffer *body, int64_t now_ms) {
        char time[TIMESTAMP_TEXT_SIZE];
        int r = buffer_append_format(
                        body,
                        "{\"status\":{\"timestamp\":\"%.23s+00:00\",\"error_code\":10002,"
                        "\"error_message\":\"API Key Missing. Please make sure you're using the "
                        "right "
                        "authentication method. For Pro API, please visit: "
                        "https://docs.coingecko.com/reference/authentication. For Public/Demo API, "
                        "please "
                        "visit: https://docs.coingecko.com/v3.0.1/reference/authentication.\"}}",
                        timestamp_format(now_ms, time));

        return r < 0 ? r : 401;
}

static int refuse_host(Buffer *body, int code, const char *plan, const char *from, const char *to) {
        int r = buffer_append_format(body,
                                     "{\"error_code\":%d,\"status\":{\"error_message\":\"If you "
                                     "are using %s API key, please change your root URL from %s "
                                     "to %s\"}}",
                                     code, plan, from, to);

        return r < 0 ? r : 400;
}

int key_check(const SimOptions *options, HttpRequest *request, int64_t now_ms, Buffer *body) {
        static const char public_host[] = "api.coingecko.com";
        static const char pro_host[] = "pro-api.coingecko.com";
        const char *wanted = options->pro_key ? options->pro_key : options->demo_key;
        const char *name = key_name(request);
        bool pro;

        if (!wanted)
                return 0;
        if (!name)
                return refuse_missing(body, now_ms);
        pro = strstr(name, "pro") != NULL;
        if (pro && !options->pro_key)
                return refuse_host(body, 10010, "Pro", public_host, pro_host);
        if (!pro && options->pro_key)
                return refuse_host(body, 10011, "Demo", pro_host, public_host);
        if (strcmp(key_value(request, name), wanted) != 0)
                return refuse_missing(body, now_ms);
        return 0;
}
