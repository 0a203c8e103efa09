#include <malloc.h>

#include "io/daemon.h"
#include "websocket/service.h"

static int run(int argc, char **argv) {
        static const DaemonInfo info = {
                .name = "crypto-pulse-websocket",
                .summary = "Persists every price from Kafka in PostgreSQL and broadcasts it to "
                           "WebSocket clients.",
        };
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(service_freep) Service *service = NULL;

        int r = daemon_begin(&info, argc, argv, &config);
        if (r != 0)
                return r;
        int signal_fd = daemon_signals();
        if (signal_fd < 0)
                return signal_fd;
        r = service_new(&service, config, signal_fd);
        if (r < 0)
                return r;
        (void) TAKE_PTR(config);
        return service_run(service);
}

int main(int argc, char **argv) {
        /* librdkafka's dozen threads would each get a heap of their own, and what one large
         * message took would never be given back. */
        mallopt(M_ARENA_MAX, 2);
        mallopt(M_MMAP_THRESHOLD, 256 * 1024);
        return daemon_exit_status(run(argc, argv));
}
