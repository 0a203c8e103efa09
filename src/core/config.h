/* The configuration: one table of options, one struct of values, for all daemons.
 *
 * The table (config_options()) drives the file parser (io/config_file.h), the environment,
 * --help, the man page's check and the error messages. Values come, later wins: the table's
 * default, the file, the environment, and for secrets a file or a systemd credential.
 * A Config is filled once and then only read: any thread may. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"

#define CONFIG_LIST_MAX 1024 /* entries in a list option */

typedef struct Config {
        char *source; /* the file it was read from, NULL: the default one */

        char *log_level;  /* "error", "warning", "info", "debug" */
        char *log_format; /* "text", "json": of what does not go to the journal */

        char **coins;      /* NULL-terminated: ids and "top:N" */
        char **currencies; /* NULL-terminated; the first is the default currency */

        int64_t fetch_interval_ms;
        char *coingecko_base_url; /* "": the public host that fits the plan */
        char *coingecko_plan;     /* "auto", "keyless", "demo", "pro" */
        char *coingecko_api_key;  /* secret */
        int64_t coingecko_timeout_ms;
        int64_t coingecko_monthly_calls; /* 0: no budget */
        char *fetcher_state_directory;   /* "": $STATE_DIRECTORY, or none */

        char *kafka_brokers;
        char *kafka_topic;
        char *kafka_group_id;
        int64_t kafka_partitions;
        int64_t kafka_replication;
        int64_t kafka_retention_ms;
        int64_t kafka_buffer_messages; /* the fetcher's bound while the broker is away */

        char *postgres_host; /* a name, an address, or the folder of a unix socket */
        int64_t postgres_port;
        char *postgres_user;
        char *postgres_password; /* secret */
        char *postgres_database;

        char *redis_host; /* a name, an address, or the path of a unix socket */
        int64_t redis_port;
        char *redis_password; /* secret */

        char *websocket_listen; /* address; with the port below, unless a socket is inherited */
        int64_t websocket_port;
        int64_t websocket_max_clients;

        char *api_listen;
        int64_t api_port;
        int64_t frontend_port; /* 0: the dashboard is not served */
        char *cors_origin;     /* "": no CORS headers, "*", or one origin */
        int64_t cache_ttl_ms;  /* 0: no cache */
        char *web_root;
        char *websocket_url; /* what the dashboard connects to; "": its own host, websocket_port */

        int64_t repair_window_ms; /* how far back gaps are looked for; 0: not at all */
        int64_t repair_gap_min_ms;
        int64_t repair_call_interval_ms;
        int64_t repair_max_run_ms;
} Config;

typedef enum OptionType {
        OPTION_INTEGER,
        OPTION_TEXT,
        OPTION_LIST, /* in the file a list of strings; in the environment comma-separated */
} OptionType;

typedef struct Option {
        const char *path;        /* in the file: "kafka.topic" */
        const char *environment; /* "KAFKA_TOPIC" */
        OptionType type;
        size_t offset;                   /* in Config */
        const char *default_text;        /* as the environment would write it */
        int64_t min, max;                /* an integer's range; a text's length in bytes */
        const char *const *choices;      /* NULL, or the texts that are allowed */
        bool (*valid)(const char *text); /* NULL, or a check for the text or each list entry */
        const char *expects;             /* what valid() wants, for the error message */
        bool reloadable;                 /* systemctl reload takes it over */
        const char *credential;          /* a secret: its name under $CREDENTIALS_DIRECTORY */
        const char *help;                /* one line */
} Option;

/* The table, and how many options it has. */
const Option *config_options(size_t *ret_count);
const Option *config_option_find(const char *path);

/* A Config with every default. */
_must_check_ int config_new(Config **ret);
void config_free(Config *config); /* accepts NULL; secrets are wiped */
DEFINE_CLEANUP(Config *, config_free)

/* Sets one option from text. -EINVAL or -ERANGE with a message without the source's name
 * ("kafka.partitions: 0 is out of range, 1 to 10000 is allowed") in ERROR; -ENOMEM. */
_must_check_ int config_set_text(Config *config, const Option *option, const char *text,
                                 char *error, size_t error_size);
_must_check_ int config_set_integer(Config *config, const Option *option, int64_t value,
                                    char *error, size_t error_size);
/* Takes N entries, copied. */
_must_check_ int config_set_list(Config *config, const Option *option, const char *const *entries,
                                 size_t n, char *error, size_t error_size);

/* The first option that a reload cannot take over although FRESH has another value for it, for a
 * log entry; NULL if there is none. */
const Option *config_fixed_change(const Config *config, const Config *fresh);
/* Exchanges the values of the reloadable options of the two: texts and lists move, so whoever
 * borrowed them from FRESH keeps them, and CONFIG's old ones go with FRESH. For the one thread
 * that reads reloadable options. */
void config_swap_reloadable(Config *config, Config *fresh);

/* "top:250" gives 250; -EINVAL if it is not of that form or out of 1 to 10000. */
int config_coin_top_n(const char *entry);
