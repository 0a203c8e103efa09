#include "core/call_plan.h"

#include <errno.h>
#include <string.h>

#include "core/buffer.h"

static size_t list_length(char **list) {
        size_t n = 0;
        while (list[n])
                n++;
        return n;
}

/* Takes ids up to the limits on their number and on the length of the target. */
static int append_ids(Buffer *b, char **ids, size_t n, size_t *ret_taken) {
        int r = buffer_append_text(b, "&ids=");
        size_t taken = 0;

        for (; taken < n && r == 0; taken++) {
                size_t before = b->length;
                r = taken > 0 ? buffer_append_text(b, "%2C") : 0;
                if (r == 0)
                        r = buffer_append_encoded(b, ids[taken]);
                if (r == -EMSGSIZE && taken > 0) {
                        b->length = before;
                        b->data[before] = '\0';
                        r = 0;
                        break;
                }
        }
        *ret_taken = taken;
        return r;
}

static int grow(CallPlan *plan) {
        MarketsCall *calls = reallocarray(plan->calls, plan->n_calls + 1, sizeof(MarketsCall));
        if (!calls)
                return -ENOMEM;
        plan->calls = calls;
        return 0;
}

/* The call for page number PAGE of PER_PAGE coins, or for the first of IDS. CALL->n_wanted says
 * how many coins it is to bring and, afterwards, how many of the ids found room in it. */
static int add_call(CallPlan *plan, MarketsCall *call, size_t per_page, size_t page) {
        Buffer target = { .max = MARKETS_TARGET_MAX };
        int r = grow(plan);

        if (r == 0)
                r = buffer_append_format(&target,
                                         "/coins/markets?vs_currency=%s&order=market_cap_desc"
                                         "&per_page=%zu&page=%zu&sparkline=false",
                                         call->currency, per_page, page);
        if (r == 0 && call->ids)
                r = append_ids(&target, call->ids, call->n_wanted, &call->n_wanted);
        if (r < 0) {
                buffer_done(&target);
                return r;
        }
        call->target = target.data;
        plan->calls[plan->n_calls++] = *call;
        return 0;
}

/* Pages of equal size: two of 150 rather than one of 250 and one of 50 of which 200 are waste. */
static int add_top(CallPlan *plan, const char *currency, size_t n) {
        size_t pages = (n + MARKETS_PAGE_MAX - 1) / MARKETS_PAGE_MAX;
        size_t per_page = (n + pages - 1) / pages;
        int r = 0;
        for (size_t page = 1; page <= pages && r == 0; page++) {
                size_t n_wanted = MIN_OF(per_page, n - per_page * (page - 1));
                r = add_call(plan, &(MarketsCall){ .currency = currency, .n_wanted = n_wanted },
                             per_page, page);
        }
        return r;
}

static int add_ids(CallPlan *plan, const char *currency) {
        size_t n = list_length(plan->ids);
        int r = 0;
        for (size_t i = 0; i < n && r == 0;) {
                MarketsCall call = { .currency = currency,
                                     .ids = plan->ids + i,
                                     .n_wanted = MIN_OF((size_t) MARKETS_PAGE_MAX, n - i) };
                r = add_call(plan, &call, MARKETS_PAGE_MAX, 1);
                i += call.n_wanted;
        }
        return r;
}

/* The largest N of the top:N entries, 0 if there is none; the other entries go to plan->ids. */
static size_t split_coins(CallPlan *plan, char **coins) {
        size_t top = 0, n = 0;
        for (; *coins; coins++) {
                int n_top = config_coin_top_n(*coins);
                if (n_top > 0)
                        top = MAX_OF(top, (size_t) n_top);
                else
                        plan->ids[n++] = *coins;
        }
        return top;
}

int call_plan_make(CallPlan *ret, const Config *config) {
        size_t n_coins = list_length(config->coins);
        CallPlan plan = { .ids = calloc(n_coins + 1, sizeof(char *)) };
        int r = plan.ids ? 0 : -ENOMEM;

        size_t top = r == 0 ? split_coins(&plan, config->coins) : 0;
        for (size_t i = 0; config->currencies[i] && r == 0; i++) {
                r = top > 0 ? add_top(&plan, config->currencies[i], top) : 0;
                if (r == 0)
                        r = add_ids(&plan, config->currencies[i]);
        }
        if (r < 0) {
                call_plan_done(&plan);
                return r;
        }
        *ret = plan;
        return 0;
}

void call_plan_done(CallPlan *plan) {
        for (size_t i = 0; i < plan->n_calls; i++)
                free(plan->calls[i].target);
        free(plan->calls);
        free(plan->ids);
        *plan = (CallPlan){ .calls = NULL };
}
