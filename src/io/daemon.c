#include "io/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#include "config.h"
#include "core/clock.h"
#include "io/config_file.h"
#include "io/events.h"
#include "io/journal.h"
#include "io/notify.h"

/* Restarts at once would soon end at the unit's limit, and each is told in the journal. */
#define CANNOT_LISTEN_PAUSE_MS 10000

typedef struct CommandLine {
        const char *config_path;
        bool check_config, check_ready, help, version;
} CommandLine;

static void print_help(const DaemonInfo *info) {
        size_t n;
        const Option *options = config_options(&n);

        printf("Usage: %s [--config FILE] [--check-config | --check-ready]\n\n%s\n\n"
               "  -c, --config FILE   read this file, not " CONFIG_FILE_DEFAULT "\n"
               "      --check-config  read the configuration, say what is wrong with it, and end\n"
               "      --check-ready   say whether the daemon of $NOTIFY_FILE is ready, and end\n"
               "  -h, --help          print this text and end\n"
               "  -V, --version       print the version and end\n\n"
               "Options of the configuration file, and the environment variables that override "
               "them:\n\n",
               info->name, info->summary);
        for (size_t i = 0; i < n; i++)
                printf("  %s, %s (default \"%s\")\n      %s\n", options[i].path,
                       options[i].environment, options[i].default_text, options[i].help);
}

static int parse_command_line(const DaemonInfo *info, int argc, char **argv, CommandLine *ret) {
        enum { OPT_CHECK = 256, OPT_READY };
        static const struct option long_options[] = {
                { "config", required_argument, NULL, 'c' },
                { "check-config", no_argument, NULL, OPT_CHECK },
                { "check-ready", no_argument, NULL, OPT_READY },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                { NULL, 0, NULL, 0 },
        };
        CommandLine c = { .config_path = NULL };

        for (int o; (o = getopt_long(argc, argv, "c:hV", long_options, NULL)) != -1;) {
                if (o == 'c')
                        c.config_path = optarg;
                else if (o == OPT_CHECK)
                        c.check_config = true;
                else if (o == OPT_READY)
                        c.check_ready = true;
                else if (o == 'h')
                        c.help = true;
                else if (o == 'V')
                        c.version = true;
                else
                        return -EINVAL; /* getopt has said why */
        }
        if (optind < argc) {
                fprintf(stderr, "%s: unexpected argument \"%s\", see --help\n", info->name,
                        argv[optind]);
                return -EINVAL;
        }
        *ret = c;
        return 0;
}

static int load_checked(const char *path, const char *(*check)(const Config *config), Config **ret,
                        char *error, size_t error_size) {
        _cleanup_(config_freep) Config *config = NULL;

        int r = config_load(path, &config, error, error_size);
        if (r < 0)
                return r;
        const char *reason = check ? check(config) : NULL;
        if (reason) {
                snprintf(error, error_size, "%s.", reason);
                return -EINVAL;
        }
        *ret = TAKE_PTR(config);
        return 0;
}

/* 1, or a negative errno if it is not: an exit status for whoever watches a container. */
static int check_ready(void) {
        char status[512];

        int r = notify_check(status, sizeof(status));
        puts(status);
        return r < 0 ? r : 1;
}

static void log_rejected(const char *consequence, const char *error) {
        journal_log(LOG_ERR, LOG_FIELDS(LOG_EVENT(CONFIGURATION_REJECTED)), "%s: %s", consequence,
                    error);
}

int daemon_begin(const DaemonInfo *info, int argc, char **argv, Config **ret_config) {
        _cleanup_(config_freep) Config *config = NULL;
        char error[1024];
        CommandLine c;

        int r = parse_command_line(info, argc, argv, &c);
        if (r < 0)
                return r;
        if (c.help) {
                print_help(info);
                return 1;
        }
        if (c.version) {
                printf("%s %s\n", info->name, PACKAGE_VERSION);
                return 1;
        }
        if (c.check_ready)
                return check_ready();

        journal_open(info->name);
        r = load_checked(c.config_path, info->check, &config, error, sizeof(error));
        if (r < 0) {
                log_rejected("The configuration cannot be used", error);
                notify_failed(error);
                return r == -ENOMEM ? r : -ENOTRECOVERABLE;
        }
        journal_set_level(config->log_level);
        journal_set_format(config->log_format);
        if (c.check_config) {
                printf("The configuration is valid.\n");
                return 1;
        }
        *ret_config = TAKE_PTR(config);
        return 0;
}

int daemon_exit_status(int r) {
        journal_settle();
        if (r == -ENOTRECOVERABLE)
                return EX_CONFIG;
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

void daemon_cannot_listen(const char *error, int signal_fd) {
        struct pollfd signals = { .fd = signal_fd, .events = POLLIN };

        journal_log(LOG_ERR, LOG_FIELDS(LOG_EVENT(CANNOT_LISTEN)), "Cannot listen: %s", error);
        notify_failed(error);
        if (getenv("NOTIFY_SOCKET"))
                (void) poll(&signals, 1, CANNOT_LISTEN_PAUSE_MS);
}

int daemon_reload_begin(const Config *current, const char *(*check)(const Config *config),
                        Config **ret_fresh) {
        char error[1024];

        int r = load_checked(current->source, check, ret_fresh, error, sizeof(error));
        if (r < 0)
                log_rejected("The configuration is not reloaded, the old one stays", error);
        return r;
}

void daemon_reload_end(Config *current, Config *fresh) {
        const Option *fixed = config_fixed_change(current, fresh);

        config_swap_reloadable(current, fresh);
        config_free(fresh);
        journal_set_level(current->log_level);
        journal_set_format(current->log_format);
        if (fixed)
                log_warning("The configuration is reloaded; %s keeps its old value until a "
                            "restart.",
                            fixed->path);
        else
                log_info("The configuration is reloaded.");
}

int daemon_signals(void) {
        sigset_t set;

        signal(SIGPIPE, SIG_IGN);
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGHUP);
        sigaddset(&set, DAEMON_SIGNAL_RESTART);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int daemon_next_signal(int fd) {
        struct signalfd_siginfo info;
        ssize_t n = read(fd, &info, sizeof(info));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        return n == sizeof(info) ? (int) info.ssi_signo : 0;
}

void daemon_tell_accept(Episode *trouble, int error) {
        int64_t now_ms = clock_monotonic_ms(), duration_ms;
        struct rlimit limit = { .rlim_cur = 0 };

        if (error < 0 && episode_fail(trouble, now_ms)) {
                (void) getrlimit(RLIMIT_NOFILE, &limit);
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(CANNOT_ACCEPT),
                                       LOG_NUMBER("OPEN_FILES_MAX", (int64_t) limit.rlim_cur)),
                            "Clients cannot be accepted (%s; %" PRId64
                            " open files are allowed); they wait until others leave.",
                            strerror(-error), (int64_t) limit.rlim_cur);
        }
        if (error == 0 && episode_end(trouble, now_ms, &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "Clients can be accepted again, after %" PRId64 " s.",
                            duration_ms / 1000);
}
