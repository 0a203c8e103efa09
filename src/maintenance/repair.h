/* Fills gaps: asks CoinGecko for each coin and currency once, and publishes what it has for their
 * gaps to Kafka, where the one persister takes it from. One thread.
 *
 * The functions return 0, -ECANCELED when SIGNAL_FD became readable, or another negative errno,
 * which is logged. */
#pragma once

#include "core/config.h"
#include "core/macro.h"
#include "io/budget.h"
#include "io/pg.h"
#include "maintenance/gaps.h"

typedef struct Repair Repair;

/* Waits for Kafka. CONFIG, SIGNAL_FD, CONN and BUDGET are borrowed until repair_free(). */
_must_check_ int repair_new(Repair **ret, const Config *config, int signal_fd, PgConn *conn,
                            Budget *budget);
void repair_free(Repair *repair); /* accepts NULL */
DEFINE_CLEANUP(Repair *, repair_free)

/* What looks like a gap may be waiting in Kafka: waits for some time until the persister has
 * written what was there at the beginning. -EBUSY: it has not. */
_must_check_ int repair_await_persister(Repair *repair);

/* Fills GAPS, within maintenance.max_run_ms, the pace and the call budget; what does not fit is
 * left to the next run. */
_must_check_ int repair_fill(Repair *repair, const GapList *gaps);
