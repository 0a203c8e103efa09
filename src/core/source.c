#include "core/source.h"

#include <stdio.h>
#include <string.h>

#define PUBLIC_URL "https://api.coingecko.com/api/v3"
#define PRO_URL "https://pro-api.coingecko.com/api/v3"

const char *source_init(Source *ret, const Config *config) {
        bool has_key = config->coingecko_api_key[0] != '\0';
        const char *plan = config->coingecko_plan;

        if (strcmp(plan, "auto") == 0)
                plan = has_key ? "demo" : "keyless";
        if (strcmp(plan, "keyless") != 0 && !has_key)
                return "coingecko.plan needs a key, but coingecko.api_key is empty";

        bool pro = strcmp(plan, "pro") == 0;
        const char *url = pro ? PRO_URL : PUBLIC_URL;
        if (config->coingecko_base_url[0])
                url = config->coingecko_base_url;
        size_t length = strlen(url);
        while (length > 0 && url[length - 1] == '/')
                length--;
        if (length >= sizeof(ret->base_url))
                return "coingecko.base_url is too long";
        memcpy(ret->base_url, url, length);
        ret->base_url[length] = '\0';
        ret->key_header[0] = '\0';
        if (strcmp(plan, "keyless") != 0)
                snprintf(ret->key_header, sizeof(ret->key_header), "x-cg-%s-api-key: %s",
                         pro ? "pro" : "demo", config->coingecko_api_key);
        return NULL;
}
