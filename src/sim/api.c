#include "sim/api.h"

#include <errno.h>
#include <string.h>

#include "sim/number.h"

void api_answer_done(ApiAnswer *answer) {
        buffer_done(&answer->body);
}

int api_error(ApiAnswer *answer, int status, const char *text) {
        int r;

        answer->status = status;
        buffer_clear(&answer->body);
        r = buffer_append_text(&answer->body, "{\"error\":");
        if (r == 0)
                r = buffer_append_json_string(&answer->body, text);
        return r < 0 ? r : buffer_append_text(&answer->body, "}");
}

int api_append_price(Buffer *b, double value, int precision) {
        if (precision == PRECISION_FULL)
                return number_append_exact(b, value);
        if (precision == PRECISION_DISPLAY)
                return number_append_price(b, value);
        return number_append_rounded(b, value, precision);
}

static int answer_currencies(ApiAnswer *ret) {
        const char *currency;
        int r = buffer_append_text(&ret->body, "[");

        for (size_t i = 0; r == 0 && (currency = market_currency(i)); i++)
                r = buffer_append_format(&ret->body, "%s\"%s\"", i ? "," : "", currency);
        return r < 0 ? r : buffer_append_text(&ret->body, "]");
}

static int append_listed_coin(Buffer *b, const Coin *coin, bool platforms) {
        int r = buffer_append_text(b, "{\"id\":");

        if (r == 0)
                r = buffer_append_json_string(b, coin->id);
        if (r == 0)
                r = buffer_append_text(b, ",\"symbol\":");
        if (r == 0)
                r = buffer_append_json_string(b, coin->symbol);
        if (r == 0)
                r = buffer_append_text(b, ",\"name\":");
        if (r == 0)
                r = buffer_append_json_string(b, coin->name);
        return r < 0 ? r : buffer_append_text(b, platforms ? ",\"platforms\":{}}" : "}");
}

static int answer_list(const ApiContext *c, ApiAnswer *ret) {
        const bool platforms = params_true(&c->params, "include_platform");
        int r = buffer_append_text(&ret->body, "[");

        for (size_t i = 0; r == 0 && i < market_count(c->market); i++) {
                if (i > 0)
                        r = buffer_append_text(&ret->body, ",");
                if (r == 0)
                        r = append_listed_coin(&ret->body, market_coin(c->market, i), platforms);
        }
        return r < 0 ? r : buffer_append_text(&ret->body, "]");
}

/* /coins/ID/market_chart and /coins/ID/market_chart/range; -ENOENT: neither. */
static int answer_chart(const ApiContext *c, const char *path, ApiAnswer *ret) {
        static const char prefix[] = "/coins/", chart[] = "/market_chart";
        char id[SIM_TEXT_MAX + 1];
        const char *begin = path + sizeof(prefix) - 1, *end;
        bool range;

        if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
                return -ENOENT;
        end = strchr(begin, '/');
        if (!end || end == begin || (size_t) (end - begin) >= sizeof(id))
                return -ENOENT;
        range = strcmp(end, "/market_chart/range") == 0;
        if (!range && strcmp(end, chart) != 0)
                return -ENOENT;
        memcpy(id, begin, (size_t) (end - begin));
        id[end - begin] = '\0';
        return api_market_chart(c, id, range, ret);
}

int api_answer(const ApiContext *context, const char *path, ApiAnswer *ret) {
        int r;

        ret->status = 200;
        if (strcmp(path, "/ping") == 0)
                return buffer_append_text(&ret->body, "{\"gecko_says\":\"(V3) To the Moon!\"}");
        if (strcmp(path, "/simple/supported_vs_currencies") == 0)
                return answer_currencies(ret);
        if (strcmp(path, "/simple/price") == 0)
                return api_simple_price(context, ret);
        if (strcmp(path, "/coins/list") == 0)
                return answer_list(context, ret);
        if (strcmp(path, "/coins/markets") == 0)
                return api_markets(context, ret);
        r = answer_chart(context, path, ret);
        if (r != -ENOENT)
                return r;
        return api_error(ret, 404, "Incorrect path. Please check https://www.coingecko.com/api/");
}
