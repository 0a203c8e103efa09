#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/daemon.h"
#include "io/listen.h"
#include "io/notify.h"
#include "sim/sim.h"

#define FAULTS_MAX 64

typedef struct Arguments {
        SimOptions sim;
        const char *address;
        uint16_t port;
        const char *faults[FAULTS_MAX + 1];
        size_t n_faults;
} Arguments;

static void print_help(void) {
        printf("Usage: coingecko-sim [OPTION]...\n"
               "A CoinGecko v3 server with a simulated market, and faults on demand.\n\n"
               "  --listen ADDRESS        listen there (127.0.0.1)\n"
               "  --port PORT             and on this port (8090; 0: a free one, printed)\n"
               "  --coins N               how many coins there are (300)\n"
               "  --seed N                of the random walk (1)\n"
               "  --renew-ms N            renew each price so often (10000)\n"
               "  --renew-together        all at the same time, not spread over the coins\n"
               "  --replay DIR            serve the recorded bodies in this folder\n"
               "  --fault PATH:KIND[:NAME=VALUE]...\n"
               "                          let things go wrong, e.g. markets:429:every=10;\n"
               "                          coingecko-sim(1) has the kinds\n"
               "  --require-demo-key KEY  refuse requests without this key\n"
               "  --require-pro-key KEY   the same, as the pro host does\n"
               "  --verbose               a line per request on stderr\n"
               "  -h, --help; -V, --version\n");
}

/* 0, or -EINVAL after saying why. */
static int parse_number(const char *option, const char *text, uint64_t min, uint64_t max,
                        uint64_t *ret) {
        unsigned long long value;
        char *end;

        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno || end == text || *end || *text == '-' || value < min || value > max) {
                fprintf(stderr, "coingecko-sim: --%s %s: a number from %llu to %llu is needed\n",
                        option, text, (unsigned long long) min, (unsigned long long) max);
                return -EINVAL;
        }
        *ret = value;
        return 0;
}

enum {
        OPTION_LISTEN = 256,
        OPTION_PORT,
        OPTION_COINS,
        OPTION_SEED,
        OPTION_RENEW_MS,
        OPTION_RENEW_TOGETHER,
        OPTION_REPLAY,
        OPTION_FAULT,
        OPTION_DEMO_KEY,
        OPTION_PRO_KEY,
        OPTION_VERBOSE,
        OPTION_HELP = 'h',
        OPTION_VERSION = 'V',
};

static const struct option options[] = {
        { "listen", required_argument, NULL, OPTION_LISTEN },
        { "port", required_argument, NULL, OPTION_PORT },
        { "coins", required_argument, NULL, OPTION_COINS },
        { "seed", required_argument, NULL, OPTION_SEED },
        { "renew-ms", required_argument, NULL, OPTION_RENEW_MS },
        { "renew-together", no_argument, NULL, OPTION_RENEW_TOGETHER },
        { "replay", required_argument, NULL, OPTION_REPLAY },
        { "fault", required_argument, NULL, OPTION_FAULT },
        { "require-demo-key", required_argument, NULL, OPTION_DEMO_KEY },
        { "require-pro-key", required_argument, NULL, OPTION_PRO_KEY },
        { "verbose", no_argument, NULL, OPTION_VERBOSE },
        { "help", no_argument, NULL, OPTION_HELP },
        { "version", no_argument, NULL, OPTION_VERSION },
        { NULL, 0, NULL, 0 },
};

static int parse_numeric(Arguments *a, int option, const char *text) {
        MarketOptions *market = &a->sim.market;
        uint64_t value;
        int r = 0;

        switch (option) {
        case OPTION_PORT:
                r = parse_number("port", text, 0, 65535, &value);
                if (r == 0)
                        a->port = (uint16_t) value;
                return r;
        case OPTION_COINS:
                r = parse_number("coins", text, 1, 20000, &value);
                if (r == 0)
                        market->n_coins = value;
                return r;
        case OPTION_SEED:
                return parse_number("seed", text, 0, UINT64_MAX, &market->seed);
        default:
                r = parse_number("renew-ms", text, 1, 86400000, &value);
                if (r == 0)
                        market->renew_ms = (int64_t) value;
                return r;
        }
}

/* 0: go on; 1: done; -EINVAL: reported. */
static int parse_option(Arguments *a, int option) {
        switch (option) {
        case OPTION_LISTEN:
                a->address = optarg;
                return 0;
        case OPTION_PORT:
        case OPTION_COINS:
        case OPTION_SEED:
        case OPTION_RENEW_MS:
                return parse_numeric(a, option, optarg);
        case OPTION_RENEW_TOGETHER:
                a->sim.market.renew_together = true;
                return 0;
        case OPTION_REPLAY:
                a->sim.replay = optarg;
                return 0;
        case OPTION_FAULT:
                if (a->n_faults == FAULTS_MAX)
                        return -EINVAL;
                a->faults[a->n_faults++] = optarg;
                return 0;
        case OPTION_DEMO_KEY:
                a->sim.demo_key = optarg;
                return 0;
        case OPTION_PRO_KEY:
                a->sim.pro_key = optarg;
                return 0;
        case OPTION_VERBOSE:
                a->sim.verbose = true;
                return 0;
        case OPTION_HELP:
                print_help();
                return 1;
        case OPTION_VERSION:
                puts("coingecko-sim " VERSION);
                return 1;
        default:
                return -EINVAL;
        }
}

static int parse_arguments(Arguments *a, int argc, char **argv) {
        int option, r;

        while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
                r = parse_option(a, option);
                if (r != 0)
                        return r;
        }
        if (optind < argc) {
                fprintf(stderr, "coingecko-sim: what is \"%s\"? See coingecko-sim --help\n",
                        argv[optind]);
                return -EINVAL;
        }
        a->sim.faults = a->faults;
        return 0;
}

typedef struct Signals {
        WebLoop *loop;
        int fd;
} Signals;

static void on_signal(void *user, short events) {
        Signals *s = user;
        int signal;

        (void) events;
        while ((signal = daemon_next_signal(s->fd)) > 0)
                if (signal != SIGHUP)
                        web_loop_stop(s->loop);
}

/* Runs until a signal says stop. */
static int serve(const Arguments *a, WebLoop *loop, int listen_fd, int signal_fd) {
        _cleanup_(web_fd_freep) WebFd *watch = NULL;
        _cleanup_(sim_freep) Sim *sim = NULL;
        Signals signals = { loop, signal_fd };
        const int port = listen_port(listen_fd);
        char error[400];
        Notify notify;
        int r;

        r = sim_new(&sim, loop, listen_fd, &a->sim, error, sizeof(error));
        if (r < 0) {
                fprintf(stderr, "coingecko-sim: %s\n", error);
                return r;
        }
        r = web_fd_new(&watch, loop, signal_fd, on_signal, &signals);
        if (r < 0)
                return r;
        notify_init(&notify);
        notify_ready(&notify, "%zu coins on port %d", a->sim.market.n_coins, port);
        printf("http://%s:%d/api/v3\n", a->address, port);
        fflush(stdout);
        r = web_loop_run(loop);
        notify_stopping(&notify);
        return r;
}

static int run(int argc, char **argv) {
        Arguments a = { .address = "127.0.0.1",
                        .port = 8090,
                        .sim.market = { .seed = 1, .n_coins = 300, .renew_ms = 10000 } };
        _cleanup_(web_loop_freep) WebLoop *loop = NULL;
        char error[400];
        int r, signal_fd, listen_fd;

        r = parse_arguments(&a, argc, argv);
        if (r != 0)
                return r < 0 ? r : 0;
        signal_fd = daemon_signals();
        if (signal_fd < 0)
                return signal_fd;
        r = listen_open("coingecko-sim", a.address, a.port, &listen_fd, error, sizeof(error));
        if (r < 0)
                fprintf(stderr, "coingecko-sim: %s\n", error);
        if (r == 0) {
                r = web_loop_new(&loop);
                if (r == 0)
                        r = serve(&a, loop, listen_fd, signal_fd);
        }
        close(signal_fd);
        return r;
}

int main(int argc, char **argv) {
        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
