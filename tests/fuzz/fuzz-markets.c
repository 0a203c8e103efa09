#include "fuzz.h"

#include <errno.h>

#include "core/coingecko.h"

#define NOW INT64_C(1795346553123) /* 2026-11-22T11:22:33.123Z */

/* Every update that comes out may be published, and every text may be logged. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const MarketsReader reader = { .currency = "usd", .now_ms = NOW };
        char text[64];
        MarketsPage page;
        MarketChart chart;

        coingecko_error_text((const char *) data, size, text, sizeof(text));
        for (const char *p = text; *p; p++)
                must(*p >= ' ' && *p <= '~');
        if (coingecko_parse_market_chart((const char *) data, size, &chart) == 0) {
                for (size_t i = 0; i < chart.n_points; i++)
                        must(decimal_is_positive(&chart.points[i].price));
                market_chart_done(&chart);
        }
        int r = coingecko_parse_markets((const char *) data, size, &reader, &page);
        must(r == 0 || r == -EBADMSG);
        if (r < 0)
                return 0;
        must(page.n_updates + page.n_skipped == page.n_listed);
        must(page.n_skipped == 0 || page.skipped_reason);
        for (size_t i = 0; i < page.n_updates; i++)
                must(!price_update_check(&page.updates[i], NOW));
        markets_page_done(&page);
        return 0;
}
