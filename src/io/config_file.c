#include "io/config_file.h"

#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECRET_MAX 4096

/* Where a message begins: "/etc/crypto-pulse/crypto-pulse.conf:12: " and then what is wrong. */
_printf_(3, 4) static int fail(char *error, size_t error_size, const char *format, ...) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(error, error_size, format, ap);
        va_end(ap);
        return -EINVAL;
}

/* The file that a setting or an error comes from: an included one, or the one that was asked for.
 */
static const char *source_of(const char *source_file, const char *path) {
        return source_file ? source_file : path;
}

static void prefix_error(const config_setting_t *setting, const char *path, char *error,
                         size_t error_size) {
        char message[512];
        snprintf(message, sizeof(message), "%s", error);
        snprintf(error, error_size, "%s:%u: %s",
                 source_of(config_setting_source_file(setting), path),
                 (unsigned) config_setting_source_line(setting), message);
}

/* ---- files and credentials that hold a secret ------------------------------------------- */

/* The file's first line, without its end. -errno. */
static int read_secret(const char *path, char *ret, size_t size) {
        FILE *f = fopen(path, "re");
        if (!f)
                return -errno;
        setvbuf(f, NULL, _IONBF, 0); /* no copy of the secret in a buffer of stdio's */
        size_t n = fread(ret, 1, size - 1, f);
        int r = ferror(f) ? -errno : 0;
        fclose(f);
        ret[n] = '\0';
        ret[strcspn(ret, "\r\n")] = '\0';
        return r;
}

static int set_secret_from_file(Config *config, const Option *option, const char *path, char *error,
                                size_t error_size) {
        char secret[SECRET_MAX], message[512];

        int r = read_secret(path, secret, sizeof(secret));
        if (r < 0)
                return fail(error, error_size, "%s: the file %s cannot be read: %s", option->path,
                            path, strerror(-r));
        r = config_set_text(config, option, secret, message, sizeof(message));
        explicit_bzero(secret, sizeof(secret));
        if (r < 0 && r != -ENOMEM)
                return fail(error, error_size, "%s (in the file %s)", message, path);
        return r;
}

/* systemd.exec(5), LoadCredential=: absent credentials are no error. */
static int apply_credentials(Config *config, char *error, size_t error_size) {
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        size_t n;
        const Option *options = config_options(&n);
        char path[4096];

        for (size_t i = 0; directory && i < n; i++) {
                if (!options[i].credential)
                        continue;
                snprintf(path, sizeof(path), "%s/%s", directory, options[i].credential);
                if (access(path, F_OK) < 0)
                        continue;
                int r = set_secret_from_file(config, &options[i], path, error, error_size);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- the environment ------------------------------------------------------------------------ */

static int apply_variable(Config *config, const Option *option, char *error, size_t error_size) {
        char name[128], message[512];
        int r = 0;

        /* An empty variable, as Compose files leave them, is no value. */
        const char *value = getenv(option->environment);
        snprintf(name, sizeof(name), "%s", option->environment);
        if (value && *value)
                r = config_set_text(config, option, value, message, sizeof(message));
        if (r == 0 && option->credential) {
                snprintf(name, sizeof(name), "%s_FILE", option->environment);
                value = getenv(name);
                if (value && *value)
                        r = set_secret_from_file(config, option, value, message, sizeof(message));
        }
        if (r == -ENOMEM)
                return fail(error, error_size, "out of memory");
        return r < 0 ? fail(error, error_size, "environment variable %s: %s", name, message) : 0;
}

static int apply_environment(Config *config, char *error, size_t error_size) {
        size_t n;
        const Option *options = config_options(&n);

        for (size_t i = 0; i < n; i++) {
                int r = apply_variable(config, &options[i], error, error_size);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* ---- the file ---------------------------------------------------------------------------------
 */

static int apply_list(Config *config, const Option *option, const config_setting_t *setting,
                      char *error, size_t error_size) {
        int n = config_setting_length(setting);
        _cleanup_free_ const char **entries = calloc((size_t) n + 1, sizeof(char *));
        if (!entries)
                return -ENOMEM;
        for (int i = 0; i < n; i++) {
                entries[i] = config_setting_get_string_elem(setting, i);
                if (!entries[i])
                        return fail(error, error_size, "%s: entry %d is not a text in quotes",
                                    option->path, i + 1);
        }
        return config_set_list(config, option, entries, (size_t) n, error, error_size);
}

/* libconfig 1.5 cuts a number that needs more than 32 bits, unless it ends in L, without a word
 * (later ones do not). So the number is read from its line again; what does not stand there as
 * "name = number" keeps libconfig's value. */
static int64_t integer_of(const config_setting_t *setting, const char *path) {
        int64_t value = config_setting_get_int64(setting);
        const char *name = config_setting_name(setting);
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        FILE *f = fopen(source_of(config_setting_source_file(setting), path), "re");
        if (!f)
                return value;
        for (unsigned i = config_setting_source_line(setting); i > 0; i--)
                if (getline(&line, &size, f) < 0)
                        break;
        fclose(f);
        for (char *p = line; p && (p = strstr(p, name)); p++) {
                char *digits = p + strlen(name), *end;
                digits += strspn(digits, " \t");
                if ((p > line && (isalnum((unsigned char) p[-1]) || strchr("_-*", p[-1]))) ||
                    !strchr("=:", *digits) || *digits == '\0')
                        continue;
                digits += 1 + strspn(digits + 1, " \t");
                bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
                long long wide = strtoll(digits, &end, hex ? 16 : 10);
                if (end > digits)
                        return wide;
        }
        return value;
}

static int fail_type(const Option *option, char *error, size_t error_size) {
        if (option->type == OPTION_INTEGER)
                return fail(error, error_size,
                            "%s: a whole number without quotes is expected, %lld to %lld",
                            option->path, (long long) option->min, (long long) option->max);
        return fail(error, error_size, "%s: %s is expected", option->path,
                    option->type == OPTION_LIST ? "a list such as [\"a\", \"b\"]"
                                                : "a text in quotes");
}

static int apply_value(Config *config, const Option *option, const config_setting_t *setting,
                       const char *path, char *error, size_t error_size) {
        switch (config_setting_type(setting)) {
        case CONFIG_TYPE_INT:
        case CONFIG_TYPE_INT64:
                if (option->type == OPTION_INTEGER)
                        return config_set_integer(config, option, integer_of(setting, path), error,
                                                  error_size);
                break;
        case CONFIG_TYPE_STRING:
                if (option->type != OPTION_INTEGER)
                        return config_set_text(config, option, config_setting_get_string(setting),
                                               error, error_size);
                break;
        case CONFIG_TYPE_ARRAY:
        case CONFIG_TYPE_LIST:
                if (option->type == OPTION_LIST)
                        return apply_list(config, option, setting, error, error_size);
                break;
        default:
                break;
        }
        return fail_type(option, error, error_size);
}

/* The option that PATH names; for a secret also PATH_file. */
static const Option *find_option(const char *path, bool *ret_is_file) {
        const Option *option = config_option_find(path);
        size_t n = strlen(path);
        char base[128];

        *ret_is_file = false;
        if (option || n < 6 || n >= sizeof(base) || strcmp(path + n - 5, "_file") != 0)
                return option;
        snprintf(base, sizeof(base), "%.*s", (int) (n - 5), path);
        option = config_option_find(base);
        *ret_is_file = true;
        return option && option->credential ? option : NULL;
}

static int apply_setting(Config *config, const config_setting_t *setting, const char *name,
                         const char *path, char *error, size_t error_size) {
        bool is_file;
        const Option *option = find_option(name, &is_file);
        int r;

        if (!option)
                r = fail(error, error_size, "%s: no such option, see crypto-pulse.conf(5)", name);
        else if (is_file && config_setting_type(setting) != CONFIG_TYPE_STRING)
                r = fail(error, error_size, "%s: a path in quotes is expected", name);
        else if (is_file)
                r = set_secret_from_file(config, option, config_setting_get_string(setting), error,
                                         error_size);
        else
                r = apply_value(config, option, setting, path, error, error_size);
        if (r < 0 && r != -ENOMEM)
                prefix_error(setting, path, error, error_size);
        return r;
}

/* True if PREFIX is the first part of an option's name. */
static bool is_group_name(const char *prefix) {
        size_t n, length = strlen(prefix);
        const Option *options = config_options(&n);
        for (size_t i = 0; i < n; i++)
                if (strncmp(options[i].path, prefix, length) == 0 && options[i].path[length] == '.')
                        return true;
        return false;
}

/* Walks the top level and one level of groups: "kafka: { topic = ... }" is kafka.topic. */
static int apply_group(Config *config, const config_setting_t *group, const char *prefix,
                       const char *path, char *error, size_t error_size) {
        char name[256];

        for (int i = 0; i < config_setting_length(group); i++) {
                const config_setting_t *child = config_setting_get_elem(group, (unsigned) i);
                snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "",
                         config_setting_name(child));
                bool is_group = config_setting_is_group(child) && !*prefix && is_group_name(name);
                int r = is_group ? apply_group(config, child, name, path, error, error_size)
                                 : apply_setting(config, child, name, path, error, error_size);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int fail_syntax(const config_t *file, const char *path, char *error, size_t error_size) {
        const char *source = source_of(config_error_file(file), path);
        if (config_error_type(file) == CONFIG_ERR_FILE_IO)
                return fail(error, error_size, "%s cannot be read: it is no file", source);
        return fail(error, error_size, "%s:%d: %s", source, config_error_line(file),
                    config_error_text(file));
}

static int apply_file(Config *config, const char *path, bool must_exist, char *error,
                      size_t error_size) {
        if (access(path, R_OK) < 0) {
                if (errno == ENOENT && !must_exist)
                        return 0;
                int r = -errno;
                fail(error, error_size, "%s cannot be read: %s", path, strerror(-r));
                return r;
        }

        config_t file;
        config_init(&file);
        int r;
        if (!config_read_file(&file, path))
                r = fail_syntax(&file, path, error, error_size);
        else
                r = apply_group(config, config_root_setting(&file), "", path, error, error_size);
        config_destroy(&file);
        return r;
}

int config_load(const char *path, Config **ret, char *error, size_t error_size) {
        _cleanup_(config_freep) Config *config = NULL;

        snprintf(error, error_size, "out of memory");
        int r = config_new(&config);
        if (r == 0)
                r = apply_file(config, path ? path : CONFIG_FILE_DEFAULT, path != NULL, error,
                               error_size);
        if (r == 0)
                r = apply_environment(config, error, error_size);
        if (r == 0)
                r = apply_credentials(config, error, error_size);
        if (r == 0 && path && !(config->source = strdup(path)))
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(config);
        return 0;
}
