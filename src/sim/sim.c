#include "sim/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/clock.h"
#include "core/timestamp.h"
#include "sim/sim_internal.h"

#define TYPE_JSON "application/json; charset=utf-8"
/* Smaller bodies do not get smaller. */
#define COMPRESS_FROM_BYTES 860
/* Which coins a fault that names none takes. */
#define TROUBLED_EVERY 10

/* An answer that waits. */
typedef struct Delayed {
        struct Delayed *next, *prev;
        Sim *sim;
        HttpRequest *request;
        WebTimer *timer;
        Fault *fault; /* a copy without its list, for the list may change meanwhile */
        uint64_t call;
} Delayed;

/* ---- answering ------------------------------------------------------------------------------- */

static int compress_body(const void *body, size_t length, Buffer *ret) {
        z_stream z = { 0 };
        size_t bound;
        int r;

        /* 16 more than the window's bits: a gzip header instead of zlib's own. */
        if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
            Z_OK)
                return -ENOMEM;
        bound = deflateBound(&z, length);
        r = buffer_reserve(ret, bound);
        if (r == 0) {
                z.next_in = (Bytef *) body;
                z.avail_in = (uInt) length;
                z.next_out = (Bytef *) ret->data;
                z.avail_out = (uInt) bound;
                if (deflate(&z, Z_FINISH) == Z_STREAM_END)
                        ret->length = z.total_out;
                else
                        r = -EIO;
        }
        deflateEnd(&z);
        return r;
}

/* RESPONSE with its body compressed, if that is worth it and the client takes it. */
static void respond(HttpRequest *request, HttpResponse *response, const HttpHeader *extra) {
        _cleanup_buffer_ Buffer gzip = { 0 };
        const char *accepted = http_request_header(request, "accept-encoding");
        HttpHeader headers[12] = { { "vary", "Accept-Encoding, Origin" } };
        size_t n = 1;

        for (; extra && extra->name && n + 2 < ELEMENTS(headers); extra++)
                headers[n++] = *extra;
        if (accepted && strstr(accepted, "gzip") && response->body_length >= COMPRESS_FROM_BYTES &&
            compress_body(response->body, response->body_length, &gzip) == 0) {
                headers[n++] = (HttpHeader){ "content-encoding", "gzip" };
                if (response->cut_after > 0)
                        response->cut_after = gzip.length / 2;
                response->body = gzip.data;
                response->body_length = gzip.length;
        }
        response->headers = headers;
        http_request_respond(request, response);
}

void sim_respond_json(HttpRequest *request, int status, const HttpHeader *headers, const void *body,
                      size_t length) {
        HttpResponse response = {
                .status = status, .content_type = TYPE_JSON, .body = body, .body_length = length
        };

        respond(request, &response, headers);
}

/* ---- the log --------------------------------------------------------------------------------- */

static char *query_text(const HttpRequest *request) {
        _cleanup_buffer_ Buffer b = { 0 };
        const char *parameter;

        for (size_t i = 0; (parameter = http_request_parameter(request, i)); i++) {
                const bool key = strncmp(parameter, "x_cg_", 5) == 0;
                const int length = key ? (int) strcspn(parameter, "=") : (int) strlen(parameter);

                if (buffer_append_format(&b, "%s%.*s%s", i ? "&" : "", length, parameter,
                                         key ? "=(hidden)" : "") < 0)
                        return NULL;
        }
        return strdup(b.data ? b.data : "");
}

static char *copy_header(HttpRequest *request, const char *name) {
        const char *value = http_request_header(request, name);

        return value ? strdup(value) : NULL;
}

static uint64_t log_begin(Sim *sim, HttpRequest *request, const Fault *fault) {
        Call call = { .time_ms = clock_realtime_ms(),
                      .connection = http_request_connection(request),
                      .path = strdup(http_request_path(request)),
                      .query = query_text(request),
                      .user_agent = copy_header(request, "user-agent"),
                      .accept_encoding = copy_header(request, "accept-encoding"),
                      .key_name = key_name(request) };

        snprintf(call.method, sizeof(call.method), "%s", http_request_method(request));
        if (fault)
                snprintf(call.fault, sizeof(call.fault), "%s", fault->kind);
        return call_log_add(sim->log, &call);
}

static void log_end(Sim *sim, uint64_t number, int status) {
        char time[TIMESTAMP_TEXT_SIZE];
        Call *call = call_log_find(sim->log, number);

        if (!call)
                return;
        call->status = status;
        call->duration_ms = clock_realtime_ms() - call->time_ms;
        if (sim->options.verbose)
                fprintf(stderr, "%s %d %s %s%s%s %lld ms%s%s\n",
                        timestamp_format(call->time_ms, time), status, call->method, call->path,
                        *call->query ? "?" : "", call->query, (long long) call->duration_ms,
                        *call->fault ? " " : "", call->fault);
}

/* ---- CoinGecko's endpoints ------------------------------------------------------------------- */

static const char *get_parameter(void *user, const char *name) {
        return http_request_query(user, name);
}

/* Both with and without the prefix of the real API's URL. */
static const char *api_path(const HttpRequest *request) {
        static const char prefix[] = "/api/v3";
        const char *path = http_request_path(request);

        return strncmp(path, prefix, sizeof(prefix) - 1) == 0 ? path + sizeof(prefix) - 1 : path;
}

static bool troubles(const Fault *fault, const Market *market, size_t i) {
        return fault->coins ? params_list_has(fault->coins, market_coin(market, i)->id)
                            : i % TROUBLED_EVERY == 0;
}

/* Puts the fault's coins into trouble for one answer, or (NULL) all out of it. */
static void trouble_market(Market *market, const Fault *fault, int64_t now_ms) {
        for (size_t i = 0; i < market_count(market); i++) {
                const bool hit = fault && troubles(fault, market, i);

                market_set_trouble(market, i,
                                   !hit                              ? 0
                                   : fault->effect == EFFECT_MISSING ? COIN_MISSING
                                   : fault->effect == EFFECT_NULL    ? COIN_NULL
                                                                     : 0);
                market_set_stale(market, i,
                                 hit && fault->effect == EFFECT_STALE ? now_ms - fault->age_ms : 0);
        }
}

static int make_answer(Sim *sim, HttpRequest *request, const Fault *fault, ApiAnswer *answer) {
        const char *key = key_name(request);
        const ApiContext context = { .market = sim->market,
                                     .params = { get_parameter, request },
                                     .now_ms = clock_realtime_ms(),
                                     .all_history = key && strstr(key, "pro") };
        const int page = (int) params_integer(&context.params, "page", 1, INT32_MAX, 1);
        const bool trouble = fault && fault->effect >= EFFECT_STALE;
        int r;

        r = key_check(&sim->options, request, context.now_ms, &answer->body);
        if (r != 0) {
                answer->status = r;
                return r < 0 ? r : 0;
        }
        if (sim->replay) {
                answer->status = 200;
                r = replay_answer(sim->replay, api_path(request), page, &answer->body);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        if (trouble)
                trouble_market(sim->market, fault, context.now_ms);
        r = api_answer(&context, api_path(request), answer);
        if (trouble)
                trouble_market(sim->market, NULL, context.now_ms);
        return r;
}

/* A comma too many in the middle and the last bracket missing. */
static void spoil(Buffer *body) {
        char *comma = body->length > 2 ? memchr(body->data + body->length / 2, ',',
                                                body->length - body->length / 2)
                                       : NULL;

        if (comma)
                comma[1] = ',';
        if (body->length > 0)
                body->length--;
}

static void respond_api(Sim *sim, HttpRequest *request, const Fault *fault, uint64_t call) {
        ApiAnswer answer = { 0 };
        HttpHeader headers[5] = { { "cache-control", "public, max-age=30" } };
        char total[24], per_page[24];
        HttpResponse response = { .content_type = TYPE_JSON };

        if (make_answer(sim, request, fault, &answer) < 0) {
                log_end(sim, call, -1);
                http_request_reset(request);
                api_answer_done(&answer);
                return;
        }
        if (answer.total > 0) {
                snprintf(total, sizeof(total), "%zu", answer.total);
                snprintf(per_page, sizeof(per_page), "%zu", answer.per_page);
                headers[1] = (HttpHeader){ "access-control-expose-headers",
                                           "link, per-page, total" };
                headers[2] = (HttpHeader){ "per-page", per_page };
                headers[3] = (HttpHeader){ "total", total };
        }
        if (fault && fault->effect == EFFECT_TRUNCATED)
                answer.body.length = answer.body.length * 2 / 3;
        if (fault && fault->effect == EFFECT_MALFORMED)
                spoil(&answer.body);
        response.status = answer.status;
        response.body = answer.body.data;
        response.body_length = answer.body.length;
        if (fault && fault->effect == EFFECT_CUT)
                response.cut_after = answer.body.length / 2;
        log_end(sim, call, answer.status);
        respond(request, &response, headers);
        api_answer_done(&answer);
}

static void respond_fault(Sim *sim, HttpRequest *request, const Fault *fault, uint64_t call) {
        const size_t length = fault->body ? strlen(fault->body) : 0;
        HttpHeader headers[2] = { { NULL, NULL } };
        HttpResponse response = { .status = fault->status,
                                  .content_type = fault->content_type,
                                  .body = fault->body,
                                  .body_length = length };
        char retry_after[24];

        if (fault->retry_after_s >= 0) {
                snprintf(retry_after, sizeof(retry_after), "%lld",
                         (long long) fault->retry_after_s);
                headers[0] = (HttpHeader){ "retry-after", retry_after };
        }
        log_end(sim, call, fault->status);
        respond(request, &response, headers);
}

static void finish(Sim *sim, HttpRequest *request, const Fault *fault, uint64_t call) {
        if (fault && fault->effect == EFFECT_RESET) {
                log_end(sim, call, -1);
                http_request_reset(request);
        } else if (fault && fault->effect == EFFECT_ANSWER) {
                respond_fault(sim, request, fault, call);
        } else {
                respond_api(sim, request, fault, call);
        }
}

/* ---- answers that wait ----------------------------------------------------------------------- */

static void delayed_free(Delayed *d) {
        if (d->prev)
                d->prev->next = d->next;
        else
                d->sim->delayed = d->next;
        if (d->next)
                d->next->prev = d->prev;
        web_timer_free(d->timer);
        if (d->fault) {
                free(d->fault->body);
                free(d->fault->coins);
                free(d->fault);
        }
        free(d);
}

static void delayed_ripe(void *user) {
        Delayed *d = user;

        finish(d->sim, d->request, d->fault, d->call);
        delayed_free(d);
}

static int fault_copy(const Fault *fault, Fault **ret) {
        Fault *copy = malloc(sizeof(*copy));

        if (!copy)
                return -ENOMEM;
        *copy = *fault;
        copy->next = NULL;
        copy->path = NULL;
        copy->body = fault->body ? strdup(fault->body) : NULL;
        copy->coins = fault->coins ? strdup(fault->coins) : NULL;
        *ret = copy;
        return 0;
}

static int delay(Sim *sim, HttpRequest *request, const Fault *fault, uint64_t call) {
        Delayed *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        d->sim = sim;
        d->request = request;
        d->call = call;
        d->next = sim->delayed;
        if (d->next)
                d->next->prev = d;
        sim->delayed = d;
        r = fault_copy(fault, &d->fault);
        if (r == 0)
                r = web_timer_new(&d->timer, sim->loop, delayed_ripe, d);
        if (r < 0) {
                delayed_free(d);
                return r;
        }
        web_timer_set(d->timer, fault->latency_ms);
        return 0;
}

/* ---- the server ------------------------------------------------------------------------------ */

static void sim_handle(HttpRequest *request, void *user) {
        Sim *sim = user;
        const Fault *fault;
        uint64_t call;

        if (strncmp(http_request_path(request), "/sim/", 5) == 0) {
                admin_handle(sim, request);
                return;
        }
        fault = fault_list_match(sim->faults, api_path(request));
        call = log_begin(sim, request, fault);
        if (fault && fault->latency_ms > 0 && delay(sim, request, fault, call) == 0)
                return;
        finish(sim, request, fault, call);
}

static int sim_load(Sim *sim, char *error, size_t error_size) {
        const SimOptions *o = &sim->options;
        int r = market_new(&sim->market, &o->market);

        if (r == 0)
                r = call_log_new(&sim->log);
        if (r == 0)
                r = fault_list_new(&sim->faults);
        for (size_t i = 0; r == 0 && o->faults && o->faults[i]; i++)
                r = fault_list_add_text(sim->faults, o->faults[i], error, error_size);
        if (r == 0 && o->replay)
                r = replay_new(&sim->replay, o->replay, error, error_size);
        return r;
}

int sim_new(Sim **ret, WebLoop *loop, int listen_fd, const SimOptions *options, char *error,
            size_t error_size) {
        _cleanup_(sim_freep) Sim *sim = calloc(1, sizeof(*sim));
        int r;

        snprintf(error, error_size, "out of memory");
        if (!sim) {
                close(listen_fd);
                return -ENOMEM;
        }
        sim->options = *options;
        sim->loop = loop;
        r = sim_load(sim, error, error_size);
        if (r < 0) {
                close(listen_fd);
                return r;
        }
        r = http_server_new(&sim->server, loop, listen_fd, sim_handle, sim);
        if (r < 0)
                return r;
        http_server_allow_bodies(sim->server);
        *ret = TAKE_PTR(sim);
        return 0;
}

void sim_free(Sim *sim) {
        if (!sim)
                return;
        while (sim->delayed) {
                http_request_reset(sim->delayed->request);
                delayed_free(sim->delayed);
        }
        http_server_free(sim->server);
        replay_free(sim->replay);
        fault_list_free(sim->faults);
        call_log_free(sim->log);
        market_free(sim->market);
        free(sim);
}
