/* Fills a Config from the places where an operator puts settings. The only file that knows
 * libconfig. Main thread. */
#pragma once

#include "core/config.h"

#define CONFIG_FILE_DEFAULT SYSCONFDIR "/crypto-pulse/crypto-pulse.conf"

/* Defaults, then the file, then the environment, then secrets from $CREDENTIALS_DIRECTORY
 * (see Option.credential) or from the file that the option NAME_file / variable NAME_FILE names.
 * PATH NULL: CONFIG_FILE_DEFAULT, which may be absent.
 * -EINVAL, -ENOENT, ... with one line for a person in ERROR: what, where, what to do. */
_must_check_ int config_load(const char *path, Config **ret, char *error, size_t error_size);
