#include <string.h>

#include "fetcher/fetcher.h"
#include "io/daemon.h"
#include "io/journal.h"

static int run(int argc, char **argv) {
        static const DaemonInfo info = {
                .name = "crypto-pulse-fetcher",
                .summary = "Polls CoinGecko and publishes each new price to Kafka.",
                .check = fetcher_check_config,
        };
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(fetcher_freep) Fetcher *fetcher = NULL;

        int r = daemon_begin(&info, argc, argv, &config);
        if (r != 0)
                return r;
        int signal_fd = daemon_signals();
        if (signal_fd < 0) {
                log_error("Cannot receive signals: %s", strerror(-signal_fd));
                return signal_fd;
        }
        r = fetcher_new(&fetcher, config, signal_fd);
        if (r < 0)
                return r;
        (void) TAKE_PTR(config);
        return fetcher_run(fetcher);
}

int main(int argc, char **argv) {
        return daemon_exit_status(run(argc, argv));
}
