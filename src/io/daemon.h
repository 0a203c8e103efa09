/* What the three daemons do alike before their own work begins: command line, configuration,
 * signals. Main thread. */
#pragma once

#include <signal.h>

#include "core/config.h"
#include "core/episode.h"

/* Like SIGTERM, but a successor follows at once: RestartKillSignal= of the units. */
#define DAEMON_SIGNAL_RESTART SIGUSR1

typedef struct DaemonInfo {
        const char *name;    /* "crypto-pulse-fetcher" */
        const char *summary; /* one line for --help */
        /* NULL, or looks at what the options say together: NULL, or a static text that says why
         * this configuration cannot work. */
        const char *(*check)(const Config *config);
} DaemonInfo;

/* Reads the command line (--config FILE, --check-config,
 * --check-ready, --help, --version) and the
 * configuration, opens the log. Returns 0: go on, *ret_config is the caller's; 1: done
 * successfully (--help and the like); negative errno: reported already, exit with failure.
 * -ENOTRECOVERABLE: the configuration is refused. */
_must_check_ int daemon_begin(const DaemonInfo *info, int argc, char **argv, Config **ret_config);
/* What main() returns for the outcome R of a daemon: 0, 1, or for -ENOTRECOVERABLE 78 (EX_CONFIG,
 * sysexits.h), which tells the service manager that trying again helps nobody before somebody has
 * acted. Its last words are in the journal then. */
int daemon_exit_status(int r);

/* Tells that a port cannot be opened, as ERROR says. Under a service manager it then takes its
 * time, unless a signal comes: who has the port may let it go, and a restart follows at once. */
void daemon_cannot_listen(const char *error, int signal_fd);

/* For systemctl reload: reads the configuration that CURRENT came from once more. 0 with a whole
 * and valid one; a negative errno, reported: the old one stays. CHECK as in DaemonInfo. */
_must_check_ int daemon_reload_begin(const Config *current,
                                     const char *(*check)(const Config *config),
                                     Config **ret_fresh);
/* Takes over what is reloadable of FRESH, which is freed, and reports it. */
void daemon_reload_end(Config *current, Config *fresh);

/* Blocks SIGTERM, SIGINT, SIGHUP and DAEMON_SIGNAL_RESTART in this and all later threads and
 * ignores SIGPIPE. Returns a signalfd that reports them, or a negative errno. */
_must_check_ int daemon_signals(void);
/* The next signal's number from such a descriptor; 0 if there is none; negative errno. */
int daemon_next_signal(int fd);

/* Reports how accepting clients goes, as web_loop_on_accept() tells it: when it begins to fail,
 * once a minute, and when it goes again. TROUBLE begins as zero. */
void daemon_tell_accept(Episode *trouble, int error);
