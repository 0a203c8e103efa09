/* Reads a body of /coins/markets from stdin through the fetcher's parser and prints what comes
 * out, one coin a line, fields separated by tabs, "-" for what the source did not say; then the
 * number of coins that were passed over. Or, if it is no such body, "error" and its readable text.
 * With --chart: a body of /coins/{id}/market_chart, a line for each point.
 * For tests/integration/test_recorded_markets.py. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/coingecko.h"
#include "core/timestamp.h"

#define NOW INT64_C(1795346553123) /* 2026-11-22T11:22:33.123Z */

static const char *shown(const char *text) {
        return *text ? text : "-";
}

static void print_update(const PriceUpdate *u) {
        char time[TIMESTAMP_TEXT_SIZE];
        printf("%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", u->coin_id, u->currency,
               timestamp_format(u->timestamp_ms, time), u->price.text, shown(u->symbol),
               shown(u->name), (int) u->market_cap_rank, shown(u->market_cap.text),
               shown(u->volume_24h.text), shown(u->high_24h.text), shown(u->low_24h.text),
               shown(u->change_24h.text), shown(u->change_percent_24h.text));
}

static int print_chart(const Buffer *body) {
        MarketChart chart;

        if (coingecko_parse_market_chart(body->data ? body->data : "", body->length, &chart) < 0)
                return EXIT_FAILURE;
        for (size_t i = 0; i < chart.n_points; i++)
                printf("%lld\t%s\t%s\t%s\n", (long long) chart.points[i].timestamp_ms,
                       chart.points[i].price.text, shown(chart.points[i].market_cap.text),
                       shown(chart.points[i].volume_24h.text));
        market_chart_done(&chart);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        _cleanup_buffer_ Buffer body = { .data = NULL };
        char chunk[65536], text[200];
        MarketsPage page;

        for (size_t n; (n = fread(chunk, 1, sizeof(chunk), stdin)) > 0;)
                if (buffer_append(&body, chunk, n) < 0)
                        return EXIT_FAILURE;
        if (argc > 1 && strcmp(argv[1], "--chart") == 0)
                return print_chart(&body);
        const MarketsReader reader = { .currency = argc > 1 ? argv[1] : "usd", .now_ms = NOW };
        int r = coingecko_parse_markets(body.data ? body.data : "", body.length, &reader, &page);
        if (r == -EBADMSG) {
                printf("error\t%s\n", coingecko_error_text(body.data ? body.data : "", body.length,
                                                           text, sizeof(text)));
                return EXIT_SUCCESS;
        }
        if (r < 0)
                return EXIT_FAILURE;
        for (size_t i = 0; i < page.n_updates; i++)
                print_update(&page.updates[i]);
        printf("skipped\t%zu\t%s\t%s\n", page.n_skipped, shown(page.skipped_coin_id),
               page.skipped_reason ? page.skipped_reason : "-");
        markets_page_done(&page);
        return EXIT_SUCCESS;
}
