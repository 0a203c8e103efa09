#include "fuzz.h"

#include "core/config.h"

/* The first byte chooses an option, the rest is its text. A refusal leaves the configuration as
 * it was, says which option it is about, and says nothing of a secret. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(config_freep) Config *config = NULL;
        char error[512] = "";
        size_t n;
        const Option *options = config_options(&n);

        if (size == 0)
                return 0;
        const Option *option = &options[data[0] % n];
        _cleanup_free_ char *text = fuzz_text(data + 1, size - 1);
        must(config_new(&config) == 0);
        if (config_set_text(config, option, text, error, sizeof(error)) == 0) {
                must(error[0] == '\0');
                return 0;
        }
        must(strncmp(error, option->path, strlen(option->path)) == 0);
        must(!option->credential || strlen(text) < 20 || !strstr(error, text));
        return 0;
}
