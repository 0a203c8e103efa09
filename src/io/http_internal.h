/* A request as http_request.c reads it and http_server.c answers it. */
#pragma once

#include "core/buffer.h"
#include "io/http_server.h"
#include "io/web_internal.h"

struct HeaderCopy;

struct HttpRequest {
        struct HttpConn *conn; /* NULL once the client has gone */
        struct lws *wsi;       /* the same */
        const char *method;
        char *path;        /* owns the memory of the parameters, too */
        char **parameters; /* NULL-terminated */
        struct HeaderCopy *headers;
        Buffer body;
        uint64_t connection;
        char peer[WEB_PEER_SIZE];
        bool http_1_0;
        bool keep_alive;
        bool head;
        bool dispatched;
};

/* Reads method, path, parameters and version of the request whose headers WSI has just parsed. */
_must_check_ int http_request_new(HttpRequest **ret, const WebConn *conn, const char *path,
                                  size_t path_length);
void http_request_free(HttpRequest *r); /* accepts NULL */

/* True if header TOKEN is VALUE, but for case. */
bool http_header_is(struct lws *wsi, enum lws_token_indexes token, const char *value);
/* The declared length of the body: 0 if there is none; -EBADMSG: malformed; -ENODATA: there is
 * one, but its length is not declared. */
int64_t http_body_length(struct lws *wsi);
bool http_headers_too_large(struct lws *wsi, const HttpRequest *r);
