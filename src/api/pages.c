#include "api/pages.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "api/encoding.h"
#include "api/reply.h"
#include "config.h"
#include "core/buffer.h"

#define MAX_TOTAL_BYTES (64u << 20)

/* The same file, as it is and precompressed; the latter two may be empty. */
enum { PLAIN, GZIP, BROTLI, N_CODINGS };

static const struct {
        const char *suffix; /* of the file beside the plain one */
        const char *name;   /* in Content-Encoding */
} codings[N_CODINGS] = {
        [PLAIN] = { "", NULL }, [GZIP] = { ".gz", "gzip" }, [BROTLI] = { ".br", "br" }
};

typedef struct Page {
        char *path; /* "/assets/index-1a2b3c.js" */
        Buffer content[N_CODINGS];
        char etags[N_CODINGS][32]; /* in quotes; each representation has its own */
} Page;

struct Pages {
        const Config *config;
        void *tree; /* of Page, by path */
        size_t total_bytes;
        const Page *index;
};

static const struct {
        const char *extension, *type;
} content_types[] = {
        { ".html", "text/html; charset=utf-8" },
        { ".js", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },
        { ".json", "application/json" },
        { ".map", "application/json" },
        { ".webmanifest", "application/manifest+json" },
        { ".svg", "image/svg+xml" },
        { ".png", "image/png" },
        { ".ico", "image/x-icon" },
        { ".webp", "image/webp" },
        { ".woff2", "font/woff2" },
        { ".txt", "text/plain; charset=utf-8" },
};

static bool has_suffix(const char *text, const char *suffix) {
        size_t n = strlen(text), m = strlen(suffix);
        return n >= m && strcmp(text + n - m, suffix) == 0;
}

static const char *content_type_of(const char *path) {
        for (size_t i = 0; i < ELEMENTS(content_types); i++)
                if (has_suffix(path, content_types[i].extension))
                        return content_types[i].type;
        return "application/octet-stream";
}

/* ---- loading --------------------------------------------------------------------------------- */

static int compare_pages(const void *a, const void *b) {
        return strcmp(((const Page *) a)->path, ((const Page *) b)->path);
}

static void page_free(void *node) {
        Page *page = node;
        for (size_t i = 0; i < N_CODINGS; i++)
                buffer_done(&page->content[i]);
        free(page->path);
        free(page);
}

static int read_file(const char *path, Buffer *ret) {
        _cleanup_buffer_ Buffer b = { .max = MAX_TOTAL_BYTES };
        FILE *f = fopen(path, "re");
        if (!f)
                return -errno;
        char chunk[16384];
        int r = 0;
        for (size_t n; r == 0 && (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
                r = buffer_append(&b, chunk, n);
        if (r == 0 && ferror(f))
                r = -EIO;
        fclose(f);
        if (r < 0)
                return r;
        *ret = b;
        b.data = NULL;
        return 0;
}

/* FNV-1a: tells one build's file from the next, no more is asked of an ETag. */
static void make_etags(Page *page) {
        uint64_t hash = UINT64_C(14695981039346656037);
        for (size_t i = 0; i < page->content[PLAIN].length; i++)
                hash = (hash ^ (unsigned char) page->content[PLAIN].data[i]) *
                       UINT64_C(1099511628211);
        for (size_t i = 0; i < N_CODINGS; i++)
                snprintf(page->etags[i], sizeof(page->etags[i]), "\"%016" PRIx64 "%s\"", hash,
                         codings[i].suffix);
}

static int read_codings(const char *file, Page *page, size_t *total) {
        char path[4096 + 8];

        for (size_t i = 0; i < N_CODINGS; i++) {
                if (snprintf(path, sizeof(path), "%s%s", file, codings[i].suffix) >=
                    (int) sizeof(path))
                        return -ENAMETOOLONG;
                int r = read_file(path, &page->content[i]);
                if (r < 0 && (i == PLAIN || r != -ENOENT))
                        return r;
                *total += page->content[i].length;
        }
        return *total > MAX_TOTAL_BYTES ? -EFBIG : 0;
}

static int add_page(Pages *pages, const char *file, const char *path) {
        Page *page = calloc(1, sizeof(*page));
        if (!page)
                return -ENOMEM;
        page->path = strdup(path);
        int r = page->path ? read_codings(file, page, &pages->total_bytes) : -ENOMEM;
        if (r == 0 && !tsearch(page, &pages->tree, compare_pages))
                r = -ENOMEM;
        if (r < 0) {
                page_free(page);
                return r;
        }
        make_etags(page);
        if (strcmp(path, "/index.html") == 0)
                pages->index = page;
        return 0;
}

static bool is_precompressed(const char *name) {
        return has_suffix(name, codings[GZIP].suffix) || has_suffix(name, codings[BROTLI].suffix);
}

static int add_folder(Pages *pages, const char *folder, const char *path);

static int add_entry(Pages *pages, const char *folder, const char *path, const char *name) {
        _cleanup_free_ char *file = NULL, *sub_path = NULL;
        struct stat st;

        if (name[0] == '.' || is_precompressed(name))
                return 0;
        if (asprintf(&file, "%s/%s", folder, name) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        if (asprintf(&sub_path, "%s/%s", path, name) < 0) {
                sub_path = NULL;
                return -ENOMEM;
        }
        if (stat(file, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return add_folder(pages, file, sub_path);
        return S_ISREG(st.st_mode) ? add_page(pages, file, sub_path) : 0;
}

static int add_folder(Pages *pages, const char *folder, const char *path) {
        if (strlen(path) > 1024) /* a loop of links */
                return -ELOOP;
        DIR *dir = opendir(folder);
        if (!dir)
                return -errno;
        int r = 0;
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
                r = add_entry(pages, folder, path, entry->d_name);
        closedir(dir);
        return r;
}

int pages_load(Pages **ret, const Config *config, char *error, size_t error_size) {
        _cleanup_(pages_freep) Pages *pages = calloc(1, sizeof(*pages));
        int r = pages ? 0 : -ENOMEM;

        if (r == 0) {
                pages->config = config;
                r = add_folder(pages, config->web_root, "");
        }
        if (r == 0 && !pages->index)
                r = -ENOENT;
        if (r < 0) {
                snprintf(error, error_size, "the dashboard's files in %s cannot be used: %s",
                         config->web_root, r == -ENOENT ? "no index.html there" : strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(pages);
        return 0;
}

void pages_free(Pages *pages) {
        if (!pages)
                return;
        tdestroy(pages->tree, page_free);
        free(pages);
}

/* ---- serving --------------------------------------------------------------------------------- */

static const Page *find_page(const Pages *pages, const char *path) {
        const Page key = { .path = (char *) path };
        Page *const *found = tfind(&key, &pages->tree, compare_pages);
        return found ? *found : NULL;
}

static size_t choose_coding(const Page *page, const char *accept_encoding) {
        for (size_t i = N_CODINGS - 1; i > PLAIN; i--)
                if (page->content[i].length > 0 &&
                    encoding_is_accepted(accept_encoding, codings[i].name))
                        return i;
        return PLAIN;
}

/* RFC 9110 section 13.1.2; no ETag of ours is part of another. */
static bool matches(const char *if_none_match, const char *etag) {
        return if_none_match && (strcmp(if_none_match, "*") == 0 || strstr(if_none_match, etag));
}

static void serve_page(const Page *page, HttpRequest *request) {
        size_t coding = choose_coding(page, http_request_header(request, "accept-encoding"));
        bool hashed = strncmp(page->path, "/assets/", 8) == 0;
        const char *etag = page->etags[coding];
        bool same = matches(http_request_header(request, "if-none-match"), etag);
        const HttpHeader headers[] = {
                { "cache-control", hashed ? "public, max-age=31536000, immutable" : "no-cache" },
                { "etag", etag },
                { "vary", "accept-encoding" },
                { "x-content-type-options", "nosniff" },
                /* Scripts and styles are ours alone; the stream may be on any host. */
                { "content-security-policy",
                  "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
                  "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'" },
                { "referrer-policy", "no-referrer" },
                { coding == PLAIN ? NULL : "content-encoding", codings[coding].name },
                { NULL, NULL },
        };
        const Buffer *content = &page->content[coding];
        http_request_respond(request, &(HttpResponse){ .status = same ? 304 : 200,
                                                       .content_type = content_type_of(page->path),
                                                       .headers = headers,
                                                       .body = same ? NULL : content->data,
                                                       .body_length = same ? 0 : content->length });
}

static bool looks_like_file(const char *path) {
        const char *name = strrchr(path, '/');
        return strncmp(path, "/assets/", 8) == 0 || (name && strchr(name, '.'));
}

/* What the dashboard has to know before it can ask for anything. */
static int append_config(Buffer *b, const Config *config) {
        int r = buffer_append_text(b, "{\"apiUrl\":\"/api/v1\",\"websocketUrl\":");
        if (r == 0)
                r = buffer_append_json_string(b, config->websocket_url);
        if (r == 0)
                r = buffer_append_format(b,
                                         ",\"websocketPort\":%" PRId64
                                         ",\"defaultCurrency\":\"%s\","
                                         "\"version\":\"" PACKAGE_VERSION "\"}",
                                         config->websocket_port, config->currencies[0]);
        return r;
}

static void serve_config(const Pages *pages, HttpRequest *request) {
        _cleanup_buffer_ Buffer body = { .max = 0 };

        if (append_config(&body, pages->config) < 0)
                reply_problem(request, pages->config, 503, "Out of memory; try again.", NULL, 1);
        else
                reply_json(request, pages->config, 200, body.data, body.length, CACHE_NONE);
}

void pages_serve(const Pages *pages, HttpRequest *request) {
        const char *path = http_request_path(request);

        if (strcmp(path, "/config.json") == 0) {
                serve_config(pages, request);
                return;
        }
        const Page *page = find_page(pages, path);
        if (!page && looks_like_file(path)) {
                reply_problem(request, pages->config, 404, "The dashboard has no such file.", NULL,
                              0);
                return;
        }
        serve_page(page ? page : pages->index, request);
}
