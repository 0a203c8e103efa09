/* POST /sim/prices, /sim/faults, /sim/replay, /sim/reset; GET /sim/log, /sim/faults, /sim/replay,
 * /sim/market; DELETE /sim/faults. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "sim/number.h"
#include "sim/sim_internal.h"

static void respond_text(HttpRequest *request, int status, const char *what) {
        ApiAnswer answer = { 0 };

        if (api_error(&answer, status, what) == 0)
                sim_respond_json(request, status, NULL, answer.body.data, answer.body.length);
        else
                http_request_reset(request);
        api_answer_done(&answer);
}

static void respond_done(HttpRequest *request, int r, const char *error) {
        static const char done[] = "{\"ok\":true}";

        if (r == 0)
                sim_respond_json(request, 200, NULL, done, sizeof(done) - 1);
        else
                respond_text(request, r == -ENOMEM ? 500 : 400, error);
}

static void respond_buffer(HttpRequest *request, int r, const Buffer *b) {
        if (r < 0)
                respond_text(request, 500, "out of memory");
        else
                sim_respond_json(request, 200, NULL, b->data, b->length);
}

/* ---- prices ---------------------------------------------------------------------------------- */

static int set_coin_prices(Sim *sim, const char *id, const json_t *prices, int64_t now_ms,
                           char *error, size_t error_size) {
        const int i = market_find(sim->market, id);
        const char *currency;
        const json_t *price;

        if (i < 0 || !json_is_object(prices)) {
                snprintf(error, error_size,
                         i < 0 ? "there is no coin \"%s\"" : "\"%s\" needs an object of prices",
                         id);
                return -EINVAL;
        }
        json_object_foreach((json_t *) prices, currency, price) {
                int r = market_set_price(sim->market, (size_t) i, currency,
                                         json_number_value(price), now_ms);

                if (r == -EINVAL)
                        snprintf(error, error_size, "%s in \"%s\" is not a price", id, currency);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int set_prices(Sim *sim, const json_t *json, char *error, size_t error_size) {
        const int64_t now_ms = clock_realtime_ms();
        const json_t *prices;
        const char *id;

        json_object_foreach((json_t *) json, id, prices) {
                int r = set_coin_prices(sim, id, prices, now_ms, error, error_size);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* What the market is made of: enough to compute every price again. */
static int append_market(const Sim *sim, Buffer *b) {
        const MarketOptions *o = &sim->options.market;

        return buffer_append_format(
                        b, "{\"coins\":%zu,\"seed\":%llu,\"renewMs\":%lld,\"renewTogether\":%s}",
                        o->n_coins, (unsigned long long) o->seed, (long long) o->renew_ms,
                        o->renew_together ? "true" : "false");
}

/* ---- requests -------------------------------------------------------------------------------- */

static void handle_get(Sim *sim, HttpRequest *request, const char *what) {
        _cleanup_buffer_ Buffer b = { 0 };
        const char *since = http_request_query(request, "since");
        int r;

        if (strcmp(what, "log") == 0)
                r = call_log_append_json(sim->log, &b, since ? strtoull(since, NULL, 10) : 0);
        else if (strcmp(what, "faults") == 0)
                r = fault_list_append_json(sim->faults, &b);
        else if (strcmp(what, "market") == 0)
                r = append_market(sim, &b);
        else if (strcmp(what, "replay") == 0 && sim->replay)
                r = replay_append_json(sim->replay, &b);
        else {
                respond_text(request, 404, "there is no such thing here");
                return;
        }
        respond_buffer(request, r, &b);
}

static void reset(Sim *sim) {
        market_reset(sim->market);
        call_log_clear(sim->log);
        fault_list_clear(sim->faults);
        if (sim->replay)
                replay_reset(sim->replay);
}

static void handle_post(Sim *sim, HttpRequest *request, const char *what) {
        _cleanup_(json_decrefp) json_t *json = NULL;
        char error[300] = "the body is not what is expected";
        size_t length;
        const char *body = http_request_body(request, &length);
        int r = -EINVAL;

        if (strcmp(what, "reset") == 0) {
                reset(sim);
                respond_done(request, 0, NULL);
                return;
        }
        json = json_loadb(body, length, JSON_REJECT_DUPLICATES, NULL);
        if (!json) {
                respond_text(request, 400, "the body is not JSON");
                return;
        }
        if (strcmp(what, "prices") == 0 && json_is_object(json))
                r = set_prices(sim, json, error, sizeof(error));
        else if (strcmp(what, "faults") == 0)
                r = fault_list_add_json(sim->faults, json, error, sizeof(error));
        else if (strcmp(what, "replay") == 0 && sim->replay)
                r = replay_set(sim->replay, json);
        respond_done(request, r, error);
}

void admin_handle(Sim *sim, HttpRequest *request) {
        const char *method = http_request_method(request);
        const char *what = http_request_path(request) + strlen("/sim/");

        if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
                handle_get(sim, request, what);
        } else if (strcmp(method, "POST") == 0) {
                handle_post(sim, request, what);
        } else if (strcmp(method, "DELETE") == 0 && strcmp(what, "faults") == 0) {
                fault_list_clear(sim->faults);
                respond_done(request, 0, NULL);
        } else {
                respond_text(request, 405, "this cannot be done here");
        }
}
