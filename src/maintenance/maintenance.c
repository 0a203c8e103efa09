#include "maintenance/maintenance.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/call_plan.h"
#include "core/clock.h"
#include "core/source.h"
#include "core/timestamp.h"
#include "io/budget.h"
#include "io/events.h"
#include "io/journal.h"
#include "maintenance/history.h"
#include "maintenance/repair.h"

const char *maintenance_check_config(const Config *config) {
        Source source;
        const char *reason = source_init(&source, config);
        explicit_bzero(&source, sizeof(source));
        return reason;
}

static int tell_database(const Config *config, int r, const char *error) {
        if (r != -ECANCELED)
                journal_log(LOG_ERR, LOG_FIELDS(LOG_EVENT(DATABASE_UNREACHABLE)),
                            "PostgreSQL at %s port %" PRId64
                            " cannot be used (%s); nothing is looked after now, the next run will.",
                            config->postgres_host, config->postgres_port, error);
        return r;
}

static void tell_gaps(const GapList *gaps) {
        const GapSet *set = NULL;
        const Gap *longest = gap_list_longest(gaps, &set);
        char from[TIMESTAMP_TEXT_SIZE], to[TIMESTAMP_TEXT_SIZE];

        journal_log(LOG_WARNING,
                    LOG_FIELDS(LOG_EVENT(GAP_DETECTED), LOG_TEXT("COIN_ID", set->coin_id),
                               LOG_TEXT("CURRENCY", set->currency),
                               LOG_NUMBER("GAPS", gaps->n_gaps), LOG_NUMBER("PAIRS", gaps->n_sets),
                               LOG_NUMBER("DURATION_MS", longest->to_ms - longest->from_ms)),
                    "The history has %zu gaps, of %zu pairs of coin and currency; the longest: %s "
                    "in %s from %s to %s.",
                    gaps->n_gaps, gaps->n_sets, set->coin_id, set->currency,
                    timestamp_format(longest->from_ms, from), timestamp_format(longest->to_ms, to));
}

static void open_budget(Budget *ret, const Config *config) {
        const char *folder = config->fetcher_state_directory;
        if (!*folder)
                folder = getenv("STATE_DIRECTORY");
        int r = budget_open(ret, config->coingecko_monthly_calls, folder, clock_realtime_ms());
        if (r < 0)
                log_warning("What this month has used of the call budget is not known (%s), "
                            "counting from 0.",
                            strerror(-r));
}

/* Three polls that brought nothing. A budget puts the polls farther apart, and what it leaves out
 * is no gap: to fill it would cost calls and so put them farther apart still. */
static int gap_min_ms(const Config *config, const Budget *budget, int64_t *ret) {
        CallPlan plan;

        int r = call_plan_make(&plan, config);
        if (r < 0) {
                log_error("Cannot look for gaps: %s", strerror(-r));
                return r;
        }
        int64_t interval_ms = budget_interval_ms(budget, clock_realtime_ms(), plan.n_calls,
                                                 config->fetch_interval_ms);
        *ret = MAX_OF(config->repair_gap_min_ms, 3 * interval_ms);
        call_plan_done(&plan);
        return 0;
}

static int find_gaps(const Config *config, PgConn *conn, const Budget *budget, GapList *gaps) {
        char error[512];
        int64_t min_ms;

        gap_list_done(gaps);
        int r = gap_min_ms(config, budget, &min_ms);
        if (r < 0)
                return r;
        r = history_find_gaps(conn, config, min_ms, gaps, error, sizeof(error));
        return r < 0 ? tell_database(config, r, error) : 0;
}

static int fill_gaps(const Config *config, int signal_fd, PgConn *conn, Budget *budget,
                     GapList *gaps) {
        _cleanup_(repair_freep) Repair *repair = NULL;

        int r = repair_new(&repair, config, signal_fd, conn, budget);
        if (r == 0)
                r = repair_await_persister(repair);
        if (r == 0)
                r = find_gaps(config, conn, budget, gaps); /* those that are left now */
        if (r < 0)
                return r;
        if (gaps->n_gaps == 0) {
                log_info("What looked like a gap of the history was still on its way.");
                return 0;
        }
        tell_gaps(gaps);
        return repair_fill(repair, gaps);
}

static int look_for_gaps(const Config *config, int signal_fd, PgConn *conn) {
        _cleanup_(gap_list_done) GapList gaps = { .n_sets = 0 };
        _cleanup_(budget_done) Budget budget;

        open_budget(&budget, config);
        int r = find_gaps(config, conn, &budget, &gaps);
        if (r < 0)
                return r;
        if (gaps.n_gaps > 0)
                return fill_gaps(config, signal_fd, conn, &budget, &gaps);
        log_info("The history of the last %" PRId64 " minutes has no gap to fill.",
                 config->repair_window_ms / 60000);
        return 0;
}

static int look_after(const Config *config, int signal_fd) {
        _cleanup_(pg_closep) PgConn *conn = NULL;
        char error[512];

        int r = pg_connect_cancelable(&conn, config, "crypto-pulse-maintenance", signal_fd, error,
                                      sizeof(error));
        if (r == 0)
                r = history_look_after(conn, error, sizeof(error));
        if (r < 0)
                return tell_database(config, r, error);
        return config->repair_window_ms > 0 ? look_for_gaps(config, signal_fd, conn) : 0;
}

int maintenance_run(const Config *config, int signal_fd) {
        int r = look_after(config, signal_fd);
        if (r != -ECANCELED)
                return r;
        log_info("Stopped by a signal; the next run goes on.");
        return 0;
}
