#include "api/api.h"
#include "io/daemon.h"

static int run(int argc, char **argv) {
        static const DaemonInfo info = {
                .name = "crypto-pulse-api",
                .summary = "Serves prices and their history over REST, and the dashboard.",
        };
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(api_freep) Api *api = NULL;

        int r = daemon_begin(&info, argc, argv, &config);
        if (r != 0)
                return r;
        int signal_fd = daemon_signals();
        if (signal_fd < 0)
                return signal_fd;
        r = api_new(&api, config, signal_fd);
        if (r < 0)
                return r;
        (void) TAKE_PTR(config);
        return api_run(api);
}

int main(int argc, char **argv) {
        return daemon_exit_status(run(argc, argv));
}
