/* The monthly call budget: how many calls this calendar month (UTC) has cost, and how far apart
 * calls must be so that the rest lasts until its end. The count survives a restart in a small
 * file, and programs that are given the same folder share it. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"

typedef struct Budget {
        int64_t monthly_calls; /* 0: none, everything is allowed */
        int month;             /* months since year 0 of the count */
        int64_t used;
        char *path; /* NULL: the count is not kept */
} Budget;

/* DIRECTORY may be NULL or "". Reads what an earlier run has used this month.
 * 0, -EBADMSG if the file holds no count, or another negative errno if it cannot be read; the
 * budget is usable all the same, with a used count of 0. */
_must_check_ int budget_open(Budget *ret, int64_t monthly_calls, const char *directory,
                             int64_t now_ms);
void budget_done(Budget *b);

/* Counts one call that is about to be made, and those that others have noted in the file
 * meanwhile, and notes it there. 0 or negative errno (the call is counted all the same). */
int budget_spend(Budget *b, int64_t now_ms);

/* Milliseconds from one call to the next at which the rest of the budget lasts until the month's
 * end; at least one month's end away when it is used up. 0 without a budget. */
int64_t budget_spacing_ms(const Budget *b, int64_t now_ms);
/* From one round of N_CALLS to the next, so that all of them are paid for, and no less than
 * LEAST_MS. */
int64_t budget_interval_ms(const Budget *b, int64_t now_ms, size_t n_calls, int64_t least_ms);
/* True if no call is left in the month of NOW_MS. */
bool budget_is_exhausted(const Budget *b, int64_t now_ms);
