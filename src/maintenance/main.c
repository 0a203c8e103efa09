#include <string.h>

#include "io/daemon.h"
#include "io/journal.h"
#include "maintenance/maintenance.h"

static int run(int argc, char **argv) {
        static const DaemonInfo info = {
                .name = "crypto-pulse-maintenance",
                .summary = "Looks after the price history once: partitions, and gaps to fill.",
                .check = maintenance_check_config,
        };
        _cleanup_(config_freep) Config *config = NULL;

        int r = daemon_begin(&info, argc, argv, &config);
        if (r != 0)
                return r;
        int signal_fd = daemon_signals();
        if (signal_fd < 0) {
                log_error("Cannot receive signals: %s", strerror(-signal_fd));
                return signal_fd;
        }
        return maintenance_run(config, signal_fd);
}

int main(int argc, char **argv) {
        return daemon_exit_status(run(argc, argv));
}
