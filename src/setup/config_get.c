/* Prints options of the configuration, one a line, as the daemons would understand them: file,
 * environment and credentials. For crypto-pulse-setup, which is a shell script. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/macro.h"
#include "io/config_file.h"

static void print_list(char *const *entries) {
        for (size_t i = 0; entries && entries[i]; i++)
                printf("%s%s", i > 0 ? "," : "", entries[i]);
        putchar('\n');
}

static void print_option(const Config *config, const Option *option) {
        const void *field = (const char *) config + option->offset;

        switch (option->type) {
        case OPTION_INTEGER:
                printf("%" PRId64 "\n", *(const int64_t *) field);
                break;
        case OPTION_LIST:
                print_list(*(char *const *const *) field);
                break;
        case OPTION_TEXT:
        default:
                puts(*(char *const *) field);
        }
}

static int run(int argc, char **argv) {
        _cleanup_(config_freep) Config *config = NULL;
        const char *path = NULL;
        char error[1024];
        int first = 1;

        if (argc > 2 && strcmp(argv[1], "--config") == 0) {
                path = argv[2];
                first = 3;
        }
        int r = config_load(path, &config, error, sizeof(error));
        if (r < 0) {
                fprintf(stderr, "%s\n", error);
                return r;
        }
        for (int i = first; i < argc; i++) {
                const Option *option = config_option_find(argv[i]);
                if (!option) {
                        fprintf(stderr, "%s: no such option, see crypto-pulse.conf(5)\n", argv[i]);
                        return -1;
                }
                print_option(config, option);
        }
        return fflush(stdout) == 0 ? 0 : -1;
}

int main(int argc, char **argv) {
        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
