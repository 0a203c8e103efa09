/* /coins/{id}/market_chart and .../range
 * (https://docs.coingecko.com/reference/coins-id-market-chart). */
#include <string.h>

#include "core/timestamp.h"
#include "sim/api.h"
#include "sim/noise.h"
#include "sim/number.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define FREE_HISTORY_MS (365 * DAY_MS)
/* days=max: no further back than this market exists. */
#define MARKET_BEGIN_MS INT64_C(1367107200000)
/* Of one answer: 90 days of hours are 2,161, a day of minutes and more than ten years of days
 * need fewer; a larger range is cut off at its old end. */
#define POINTS_MAX 20000

typedef struct Range {
        const char *currency;
        int64_t from_ms, to_ms, step_ms;
} Range;

/* 1 day: every 5 minutes; up to 90 days: hourly; more: daily. */
static int64_t step_for(const char *interval, int64_t duration_ms) {
        if (interval && strcmp(interval, "5m") == 0)
                return 5 * MINUTE_MS;
        if (interval && strcmp(interval, "hourly") == 0)
                return HOUR_MS;
        if (interval && strcmp(interval, "daily") == 0)
                return DAY_MS;
        if (duration_ms <= DAY_MS)
                return 5 * MINUTE_MS;
        return duration_ms <= 90 * DAY_MS ? HOUR_MS : DAY_MS;
}

typedef enum Series { SERIES_PRICE, SERIES_CAP, SERIES_VOLUME } Series;

static int append_point(Buffer *b, const ApiContext *c, size_t i, const Range *range, Series series,
                        int64_t at_ms, bool last) {
        double value = market_price(c->market, i, range->currency, at_ms);
        int64_t renewed_ms;
        int r;

        if (last)
                value = market_quote(c->market, i, range->currency, at_ms, &renewed_ms);
        if (series != SERIES_PRICE)
                value *= market_coin(c->market, i)->circulating;
        if (series == SERIES_VOLUME)
                value *= market_turnover(c->market, i, at_ms);
        r = buffer_append_format(b, "[%lld,", (long long) at_ms);
        if (r == 0)
                r = number_append_exact(b, value);
        return r < 0 ? r : buffer_append_text(b, "]");
}

/* The points of the past do not lie on the grid, but some seconds behind. */
static int64_t point_time(size_t i, const Range *range, int64_t grid_ms) {
        if (range->step_ms == DAY_MS)
                return grid_ms;
        return grid_ms + (int64_t) (noise_hash(0xc4a27, i, (uint64_t) grid_ms) % 20000);
}

static int append_series(Buffer *b, const ApiContext *c, size_t i, const Range *range,
                         Series series, const char *name) {
        int64_t at = range->from_ms - range->from_ms % range->step_ms, time_ms;
        int r = buffer_append_format(b, "\"%s\":[", name);
        bool first = true;

        for (; r == 0 && at <= range->to_ms; at += range->step_ms) {
                time_ms = point_time(i, range, at);
                if (time_ms < range->from_ms)
                        continue;
                if (time_ms > range->to_ms)
                        break;
                if (!first)
                        r = buffer_append_text(b, ",");
                first = false;
                if (r == 0)
                        r = append_point(b, c, i, range, series, time_ms, false);
        }
        /* The last one is now. */
        if (r == 0 && range->to_ms == c->now_ms) {
                if (!first)
                        r = buffer_append_text(b, ",");
                if (r == 0)
                        r = append_point(b, c, i, range, series, c->now_ms / 1000 * 1000, true);
        }
        return r < 0 ? r : buffer_append_text(b, "]");
}

static int append_chart(Buffer *b, const ApiContext *c, size_t i, const Range *range) {
        int r = buffer_append_text(b, "{");

        if (r == 0)
                r = append_series(b, c, i, range, SERIES_PRICE, "prices");
        if (r == 0)
                r = buffer_append_text(b, ",");
        if (r == 0)
                r = append_series(b, c, i, range, SERIES_CAP, "market_caps");
        if (r == 0)
                r = buffer_append_text(b, ",");
        if (r == 0)
                r = append_series(b, c, i, range, SERIES_VOLUME, "total_volumes");
        return r < 0 ? r : buffer_append_text(b, "}");
}

static int error_time_range(ApiAnswer *ret, int64_t now_ms) {
        char time[TIMESTAMP_TEXT_SIZE];

        ret->status = 401;
        return buffer_append_format(&ret->body,
                                    "{\"error\":{\"status\":{\"timestamp\":\"%.23s+00:00\",\"error_"
                                    "code\":10012,"
                                    "\"error_message\":\"Your request exceeds the allowed time "
                                    "range. Public API users "
                                    "are limited to querying historical data within the past 365 "
                                    "days. Upgrade to a "
                                    "paid plan to enjoy full historical data access: "
                                    "https://www.coingecko.com/en/api/pricing. \"}}}",
                                    timestamp_format(now_ms, time));
}

/* What is missing, or NULL. */
static const char *read_range(const ApiContext *c, bool explicit, Range *ret) {
        const char *days = params_text(&c->params, "days");
        const bool max = days && strcmp(days, "max") == 0;

        ret->currency = params_text(&c->params, "vs_currency");
        if (!ret->currency)
                return "Missing parameter vs_currency";
        if (explicit) {
                if (!params_text(&c->params, "from"))
                        return "Missing parameter from";
                if (!params_text(&c->params, "to"))
                        return "Missing parameter to";
                ret->from_ms = params_integer(&c->params, "from", 0, c->now_ms / 1000, 0) * 1000;
                ret->to_ms = params_integer(&c->params, "to", 0, c->now_ms / 1000, 0) * 1000;
        } else {
                if (!days)
                        return "Missing parameter days";
                ret->from_ms = max ? MARKET_BEGIN_MS
                                   : c->now_ms - params_integer(&c->params, "days", 1, 36500, 1) *
                                                                               DAY_MS;
                ret->to_ms = c->now_ms;
        }
        ret->from_ms = MAX_OF(ret->from_ms, MARKET_BEGIN_MS);
        ret->step_ms = step_for(params_text(&c->params, "interval"), ret->to_ms - ret->from_ms);
        ret->from_ms = MAX_OF(ret->from_ms, ret->to_ms - POINTS_MAX * ret->step_ms);
        return NULL;
}

int api_market_chart(const ApiContext *c, const char *id, bool range, ApiAnswer *ret) {
        const int i = market_find(c->market, id);
        const char *problem;
        Range wanted;

        if (i < 0)
                return api_error(ret, 404, "coin not found");
        problem = read_range(c, range, &wanted);
        if (problem)
                return api_error(ret, 422, problem);
        if (!market_has_currency(wanted.currency))
                return api_error(ret, 422, "invalid vs_currency");
        /* A day of grace: "365 days ago" may be meant by the calendar. */
        if (!c->all_history && wanted.from_ms < c->now_ms - FREE_HISTORY_MS - DAY_MS)
                return error_time_range(ret, c->now_ms);
        return append_chart(&ret->body, c, (size_t) i, &wanted);
}
