/* crypto-pulse-maintenance: one run. Makes the partitions of the prices, looks for gaps in the
 * history of the last day, and has them filled. One thread, written as a straight line. */
#pragma once

#include "core/config.h"
#include "core/macro.h"

/* What the options say together: NULL, or why it cannot work (for --check-config, too). */
const char *maintenance_check_config(const Config *config);

/* SIGNAL_FD as daemon_signals() returns it: any signal ends the run. 0, also after a signal and
 * if something is left for the next run; a negative errno, logged, if there was no way to do what
 * was due. */
_must_check_ int maintenance_run(const Config *config, int signal_fd);
