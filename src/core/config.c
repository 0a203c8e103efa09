#include "core/config.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/price_update.h"

#define COIN_TOP_MAX 10000

int config_coin_top_n(const char *entry) {
        if (strncmp(entry, "top:", 4) != 0 || entry[4] < '1' || entry[4] > '9')
                return -EINVAL;
        char *end;
        long n = strtol(entry + 4, &end, 10);
        return *end == '\0' && n <= COIN_TOP_MAX ? (int) n : -EINVAL;
}

static bool is_coin_entry(const char *text) {
        if (strncmp(text, "top:", 4) == 0)
                return config_coin_top_n(text) > 0;
        return coin_id_is_valid(text);
}

static bool is_topic_name(const char *text) {
        size_t n = strspn(text,
                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
        return n > 0 && n <= 249 && text[n] == '\0';
}

static bool is_http_url_or_empty(const char *text) {
        return text[0] == '\0' || strncmp(text, "https://", 8) == 0 ||
               strncmp(text, "http://", 7) == 0;
}

static bool is_ws_url_or_empty(const char *text) {
        return text[0] == '\0' || strncmp(text, "ws://", 5) == 0 || strncmp(text, "wss://", 6) == 0;
}

/* No line ends or control characters: such a value would end up in a header. */
static bool is_header_value(const char *text) {
        for (; *text; text++)
                if (*text < ' ' || *text > '~')
                        return false;
        return true;
}

static const char *const log_levels[] = { "error", "warning", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };
static const char *const plans[] = { "auto", "keyless", "demo", "pro", NULL };

#define FIELD(name) .offset = offsetof(Config, name)
#define SECRET_FIELD(name, id) FIELD(name), .credential = (id)
#define INTEGER(lowest, highest) .type = OPTION_INTEGER, .min = (lowest), .max = (highest)
#define TEXT(most) .type = OPTION_TEXT, .min = 0, .max = (most)
#define NEEDED_TEXT(most) .type = OPTION_TEXT, .min = 1, .max = (most)

static const Option options[] = {
        { "log_level", "LOG_LEVEL", NEEDED_TEXT(16), FIELD(log_level), .default_text = "info",
          .choices = log_levels, .reloadable = true,
          .help = "the least important messages that are logged" },
        { "log_format", "LOG_FORMAT", NEEDED_TEXT(16), FIELD(log_format), .default_text = "text",
          .choices = log_formats, .reloadable = true,
          .help = "how lines are written where there is no journal: text or json" },

        { "coins", "TRACKED_COIN_IDS", .type = OPTION_LIST, .min = 1, .max = CONFIG_LIST_MAX,
          FIELD(coins), .default_text = "top:100", .valid = is_coin_entry, .reloadable = true,
          .expects = "a CoinGecko coin id such as bitcoin, or top:N with N from 1 to 10000",
          .help = "coins to track: CoinGecko ids, and top:N for the N largest" },
        { "currencies", "DEFAULT_CURRENCY", .type = OPTION_LIST, .min = 1, .max = 64,
          FIELD(currencies), .default_text = "usd", .valid = currency_is_valid, .reloadable = true,
          .expects = "a currency code in lower case such as usd",
          .help = "quote currencies; the first is the default one" },

        { "fetcher.fetch_interval_ms", "FETCH_INTERVAL_MS", INTEGER(100, 86400000),
          FIELD(fetch_interval_ms), .default_text = "60000", .reloadable = true,
          .help = "time from one poll to the next, in milliseconds" },
        { "fetcher.state_directory", "FETCHER_STATE_DIRECTORY", TEXT(4096),
          FIELD(fetcher_state_directory), .default_text = "",
          .help = "where the count of this month's calls is kept; empty: systemd's" },
        { "coingecko.base_url", "COINGECKO_BASE_URL", TEXT(2048), FIELD(coingecko_base_url),
          .default_text = "", .valid = is_http_url_or_empty, .reloadable = true,
          .expects = "a URL that begins with https:// or http://",
          .help = "the API's address; empty: CoinGecko's own for the plan" },
        { "coingecko.plan", "COINGECKO_PLAN", NEEDED_TEXT(16), FIELD(coingecko_plan),
          .default_text = "auto", .choices = plans, .reloadable = true,
          .help = "which kind of key it is; auto: demo with a key, keyless without" },
        { "coingecko.api_key", "COINGECKO_API_KEY", TEXT(256),
          SECRET_FIELD(coingecko_api_key, "coingecko-api-key"), .default_text = "",
          .valid = is_header_value, .reloadable = true, .expects = "printable characters only",
          .help = "the API key; none is needed to begin" },
        { "coingecko.timeout_ms", "COINGECKO_TIMEOUT_MS", INTEGER(100, 300000),
          FIELD(coingecko_timeout_ms), .default_text = "20000", .reloadable = true,
          .help = "how long one call may take, in milliseconds" },
        { "coingecko.monthly_calls", "COINGECKO_MONTHLY_CALLS", INTEGER(0, INT64_C(1000000000)),
          FIELD(coingecko_monthly_calls), .default_text = "0", .reloadable = true,
          .help = "calls that a calendar month (UTC) may cost; 0: no budget" },

        { "kafka.brokers", "KAFKA_BROKER", NEEDED_TEXT(4096), FIELD(kafka_brokers),
          .default_text = "localhost:9092", .help = "bootstrap servers, host:port,host:port" },
        { "kafka.topic", "KAFKA_TOPIC", NEEDED_TEXT(249), FIELD(kafka_topic),
          .default_text = "crypto-updates", .valid = is_topic_name,
          .expects = "letters, digits, '.', '_' and '-'", .help = "the topic of price updates" },
        { "kafka.group_id", "KAFKA_GROUP_ID", NEEDED_TEXT(200), FIELD(kafka_group_id),
          .default_text = "crypto-pulse",
          .help = "the consumer group whose members share the work of persisting" },
        { "kafka.partitions", "KAFKA_PARTITIONS", INTEGER(1, 1000), FIELD(kafka_partitions),
          .default_text = "3", .help = "partitions of the topic, when it has to be created" },
        { "kafka.replication", "KAFKA_REPLICATION", INTEGER(1, 9), FIELD(kafka_replication),
          .default_text = "1", .help = "replicas of each partition, when it has to be created" },
        { "kafka.retention_ms", "KAFKA_RETENTION_MS", INTEGER(-1, INT64_C(3153600000000)),
          FIELD(kafka_retention_ms), .default_text = "604800000",
          .help = "how long the topic keeps messages, when it has to be created; -1: for ever" },
        { "kafka.buffer_messages", "KAFKA_BUFFER_MESSAGES", INTEGER(1000, 10000000),
          FIELD(kafka_buffer_messages), .default_text = "100000",
          .help = "price updates that wait in the fetcher's memory while the broker is away" },

        { "postgres.host", "POSTGRES_HOST", TEXT(4096), FIELD(postgres_host),
          .default_text = "/run/postgresql",
          .help = "server name or address, or the folder of its unix socket" },
        { "postgres.port", "POSTGRES_PORT", INTEGER(1, 65535), FIELD(postgres_port),
          .default_text = "5432", .help = "server port" },
        { "postgres.user", "POSTGRES_USER", NEEDED_TEXT(63), FIELD(postgres_user),
          .default_text = "crypto-pulse", .help = "role to connect as" },
        { "postgres.password", "POSTGRES_PASSWORD", TEXT(1024),
          SECRET_FIELD(postgres_password, "postgres-password"), .default_text = "",
          .help = "the role's password; not needed with peer authentication" },
        { "postgres.database", "POSTGRES_DB", NEEDED_TEXT(63), FIELD(postgres_database),
          .default_text = "crypto-pulse", .help = "database name" },

        { "redis.host", "REDIS_HOST", TEXT(4096), FIELD(redis_host),
          .default_text = "/run/crypto-pulse-cache/redis.sock",
          .help = "server name or address, or the path of its unix socket; empty: no cache" },
        { "redis.port", "REDIS_PORT", INTEGER(1, 65535), FIELD(redis_port), .default_text = "6379",
          .help = "server port" },
        { "redis.password", "REDIS_PASSWORD", TEXT(1024),
          SECRET_FIELD(redis_password, "redis-password"), .default_text = "",
          .help = "the server's password, if it wants one" },

        { "websocket.listen", "WEBSOCKET_LISTEN", NEEDED_TEXT(255), FIELD(websocket_listen),
          .default_text = "127.0.0.1", .help = "address to listen on; * for all" },
        { "websocket.port", "WEBSOCKET_PORT", INTEGER(0, 65535), FIELD(websocket_port),
          .default_text = "8080", .help = "TCP port of the live stream" },
        { "websocket.max_clients", "WEBSOCKET_MAX_CLIENTS", INTEGER(1, 1000000),
          FIELD(websocket_max_clients), .default_text = "10000", .reloadable = true,
          .help = "clients at a time; more are refused" },

        { "api.listen", "API_LISTEN", NEEDED_TEXT(255), FIELD(api_listen),
          .default_text = "127.0.0.1", .help = "address to listen on; * for all" },
        { "api.port", "API_PORT", INTEGER(0, 65535), FIELD(api_port), .default_text = "5001",
          .help = "TCP port of the REST API" },
        { "api.frontend_port", "FRONTEND_PORT", INTEGER(0, 65535), FIELD(frontend_port),
          .default_text = "3000", .help = "TCP port of the dashboard; 0: it is not served" },
        { "api.cors_origin", "CORS_ORIGIN", TEXT(2048), FIELD(cors_origin), .default_text = "*",
          .valid = is_header_value, .expects = "printable characters only", .reloadable = true,
          .help = "which web pages may read the API: an origin, * for any, empty for none" },
        { "api.cache_ttl_ms", "CACHE_TTL_MS", INTEGER(0, 3600000), FIELD(cache_ttl_ms),
          .default_text = "2000", .reloadable = true,
          .help = "how old a cached answer may be; 0: no cache" },
        { "api.web_root", "WEB_ROOT", NEEDED_TEXT(4096), FIELD(web_root),
          .default_text = PKGDATADIR "/web", .help = "folder of the dashboard's files" },
        { "api.websocket_url", "WEBSOCKET_URL", TEXT(2048), FIELD(websocket_url),
          .default_text = "", .valid = is_ws_url_or_empty,
          .expects = "a URL that begins with ws:// or wss://",
          .help = "where browsers find the live stream; empty: the dashboard's host" },

        { "maintenance.repair_window_ms", "REPAIR_WINDOW_MS", INTEGER(0, 86400000),
          FIELD(repair_window_ms), .default_text = "86400000",
          .help = "how far back gaps in the history are looked for and repaired; 0: never" },
        { "maintenance.gap_min_ms", "REPAIR_GAP_MIN_MS", INTEGER(600000, 86400000),
          FIELD(repair_gap_min_ms), .default_text = "900000",
          .help = "how long no price must have come for a gap" },
        { "maintenance.call_interval_ms", "REPAIR_CALL_INTERVAL_MS", INTEGER(0, 600000),
          FIELD(repair_call_interval_ms), .default_text = "6000",
          .help = "time from one call of the repair to the next, in milliseconds" },
        { "maintenance.max_run_ms", "REPAIR_MAX_RUN_MS", INTEGER(1000, 86400000),
          FIELD(repair_max_run_ms), .default_text = "1800000",
          .help = "how long one run repairs; the next one goes on" },
};

const Option *config_options(size_t *ret_count) {
        *ret_count = ELEMENTS(options);
        return options;
}

const Option *config_option_find(const char *path) {
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (strcmp(options[i].path, path) == 0)
                        return &options[i];
        return NULL;
}

static void *field_of(Config *config, const Option *option) {
        return (char *) config + option->offset;
}

static void list_free(char **list) {
        for (char **p = list; p && *p; p++)
                free(*p);
        free(list);
}

static void text_free(char *text, bool secret) {
        if (text && secret)
                explicit_bzero(text, strlen(text));
        free(text);
}

void config_free(Config *config) {
        if (!config)
                return;
        for (size_t i = 0; i < ELEMENTS(options); i++) {
                void *field = field_of(config, &options[i]);
                if (options[i].type == OPTION_TEXT)
                        text_free(*(char **) field, options[i].credential);
                else if (options[i].type == OPTION_LIST)
                        list_free(*(char ***) field);
        }
        free(config->source);
        free(config);
}

static bool lists_are_equal(char *const *a, char *const *b) {
        while (*a && *b && strcmp(*a, *b) == 0) {
                a++;
                b++;
        }
        return !*a && !*b;
}

static bool values_are_equal(const Option *option, const void *a, const void *b) {
        switch (option->type) {
        case OPTION_INTEGER:
                return *(const int64_t *) a == *(const int64_t *) b;
        case OPTION_LIST:
                return lists_are_equal(*(char *const *const *) a, *(char *const *const *) b);
        case OPTION_TEXT:
        default:
                return strcmp(*(const char *const *) a, *(const char *const *) b) == 0;
        }
}

const Option *config_fixed_change(const Config *config, const Config *fresh) {
        for (size_t i = 0; i < ELEMENTS(options); i++)
                if (!options[i].reloadable &&
                    !values_are_equal(&options[i], (const char *) config + options[i].offset,
                                      (const char *) fresh + options[i].offset))
                        return &options[i];
        return NULL;
}

void config_swap_reloadable(Config *config, Config *fresh) {
        for (size_t i = 0; i < ELEMENTS(options); i++) {
                char old[sizeof(int64_t)];
                size_t size = options[i].type == OPTION_INTEGER ? sizeof(int64_t) : sizeof(void *);
                if (!options[i].reloadable)
                        continue;
                memcpy(old, field_of(config, &options[i]), size);
                memcpy(field_of(config, &options[i]), field_of(fresh, &options[i]), size);
                memcpy(field_of(fresh, &options[i]), old, size);
        }
}

int config_set_integer(Config *config, const Option *option, int64_t value, char *error,
                       size_t error_size) {
        if (option->type != OPTION_INTEGER) {
                snprintf(error, error_size, "%s: a text is expected, not a number", option->path);
                return -EINVAL;
        }
        if (value < option->min || value > option->max) {
                snprintf(error, error_size, "%s: %lld is out of range, %lld to %lld is allowed",
                         option->path, (long long) value, (long long) option->min,
                         (long long) option->max);
                return -ERANGE;
        }
        *(int64_t *) field_of(config, option) = value;
        return 0;
}

static int set_integer_text(Config *config, const Option *option, const char *text, char *error,
                            size_t error_size) {
        char *end;
        errno = 0;
        long long value = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno == ERANGE) {
                snprintf(error, error_size,
                         "%s: \"%s\" is not a whole number, %lld to %lld is allowed", option->path,
                         text, (long long) option->min, (long long) option->max);
                return -EINVAL;
        }
        return config_set_integer(config, option, value, error, error_size);
}

/* "error, warning, info, debug" */
static void join_choices(const char *const *choices, char *buffer, size_t size) {
        size_t n = 0;
        buffer[0] = '\0';
        for (size_t i = 0; choices[i] && n < size; i++)
                n += (size_t) snprintf(buffer + n, size - n, "%s%s", i > 0 ? ", " : "", choices[i]);
}

static bool is_choice(const Option *option, const char *text) {
        if (!option->choices)
                return true;
        for (size_t i = 0; option->choices[i]; i++)
                if (strcmp(option->choices[i], text) == 0)
                        return true;
        return false;
}

/* Checks one text against the option's rules. A secret is never part of the message. */
static int check_text(const Option *option, const char *text, char *error, size_t error_size) {
        const char *quote = option->credential ? "" : "\"";
        const char *shown = option->credential ? "the value" : text;
        char choices[256];

        if (!is_choice(option, text)) {
                join_choices(option->choices, choices, sizeof(choices));
                snprintf(error, error_size, "%s: %s%s%s is not one of %s", option->path, quote,
                         shown, quote, choices);
                return -EINVAL;
        }
        if (option->valid && !option->valid(text)) {
                snprintf(error, error_size, "%s: %s%s%s is not allowed, expected is %s",
                         option->path, quote, shown, quote, option->expects);
                return -EINVAL;
        }
        return 0;
}

static int set_plain_text(Config *config, const Option *option, const char *text, char *error,
                          size_t error_size) {
        size_t length = strlen(text);
        if ((int64_t) length < option->min || (int64_t) length > option->max) {
                snprintf(error, error_size, "%s: %s, %lld to %lld characters are allowed",
                         option->path, length == 0 ? "the value is empty" : "the value is too long",
                         (long long) option->min, (long long) option->max);
                return -ERANGE;
        }
        int r = check_text(option, text, error, error_size);
        if (r < 0)
                return r;

        char *copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        char **field = field_of(config, option);
        text_free(*field, option->credential);
        *field = copy;
        return 0;
}

int config_set_list(Config *config, const Option *option, const char *const *entries, size_t n,
                    char *error, size_t error_size) {
        if (option->type != OPTION_LIST) {
                snprintf(error, error_size, "%s: a single value is expected, not a list",
                         option->path);
                return -EINVAL;
        }
        if ((int64_t) n < option->min || (int64_t) n > option->max) {
                snprintf(error, error_size, "%s: %zu entries, %lld to %lld are allowed",
                         option->path, n, (long long) option->min, (long long) option->max);
                return -ERANGE;
        }

        char **list = calloc(n + 1, sizeof(char *));
        int r = list ? 0 : -ENOMEM;
        for (size_t i = 0; i < n && r == 0; i++) {
                r = check_text(option, entries[i], error, error_size);
                if (r == 0 && !(list[i] = strdup(entries[i])))
                        r = -ENOMEM;
        }
        if (r < 0) {
                list_free(list);
                return r;
        }
        char ***field = field_of(config, option);
        list_free(*field);
        *field = list;
        return 0;
}

/* "bitcoin, ethereum": separated by commas, blanks around them ignored. */
static int set_list_text(Config *config, const Option *option, const char *text, char *error,
                         size_t error_size) {
        _cleanup_free_ char *copy = strdup(text);
        _cleanup_free_ const char **entries = calloc(strlen(text) / 2 + 2, sizeof(char *));
        size_t n = 0;

        if (!copy || !entries)
                return -ENOMEM;
        char *rest = copy;
        for (char *entry; (entry = strsep(&rest, ","));) {
                entry += strspn(entry, " \t\n");
                size_t length = strlen(entry);
                while (length > 0 && strchr(" \t\n", entry[length - 1]))
                        entry[--length] = '\0';
                if (length > 0)
                        entries[n++] = entry;
        }
        return config_set_list(config, option, entries, n, error, error_size);
}

int config_set_text(Config *config, const Option *option, const char *text, char *error,
                    size_t error_size) {
        switch (option->type) {
        case OPTION_INTEGER:
                return set_integer_text(config, option, text, error, error_size);
        case OPTION_LIST:
                return set_list_text(config, option, text, error, error_size);
        case OPTION_TEXT:
        default:
                return set_plain_text(config, option, text, error, error_size);
        }
}

int config_new(Config **ret) {
        _cleanup_(config_freep) Config *config = calloc(1, sizeof(*config));
        char error[256];

        if (!config)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(options); i++) {
                int r = config_set_text(config, &options[i], options[i].default_text, error,
                                        sizeof(error));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(config);
        return 0;
}
