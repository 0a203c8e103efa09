/* An HTTP/1.1 server on a WebLoop: requests come to one handler, which answers at once or later.
 *
 * The handler is called when a request is complete. What is too large or malformed is answered
 * here: 400, 411 (a chunked body), 413 (also any body of a GET or HEAD, unless
 * http_server_allow_bodies() was called; other methods' bodies are then passed over), 431;
 * what libwebsockets refuses itself (an unknown method, a target without a leading slash, a bad
 * escape) gets its 403 or is dropped; no callback comes before that.
 * Requests of one connection are handled one after the other, pipelined or not. A request other
 * than GET or HEAD can only be answered at once, unless bodies are allowed and it has a
 * Content-Length: later its connection is gone.
 *
 * Ownership: the handler gets a request and must end it exactly once, with
 * http_request_respond() or http_request_reset(), now or from a later event of the same loop.
 * A client that has gone away meanwhile makes the answer a no-op, never an error. Loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "io/web_loop.h"

#define HTTP_BODY_MAX 65536

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;

typedef struct HttpHeader {
        const char *name; /* "cache-control" */
        const char *value;
} HttpHeader;

typedef struct HttpResponse {
        int status;
        const char *content_type;  /* NULL: the body's type is not told */
        const HttpHeader *headers; /* ended by a NULL name; may be NULL */
        const void *body;          /* copied (or sent) before the call returns */
        size_t body_length;
        bool close; /* end the connection afterwards */
        /* For a simulated fault: declare body_length, send only this much, close. 0: all of it. */
        size_t cut_after;
} HttpResponse;

typedef void (*HttpHandler)(HttpRequest *request, void *user);

/* Serves connections that arrive at LISTEN_FD (taken over, also on failure; closed with the
 * server). */
_must_check_ int http_server_new(HttpServer **ret, WebLoop *loop, int listen_fd,
                                 HttpHandler handler, void *user);
/* Serves those of one more socket, too. */
_must_check_ int http_server_listen(HttpServer *server, int listen_fd);
/* Takes request bodies of at most HTTP_BODY_MAX; before the first request. */
void http_server_allow_bodies(HttpServer *server);
/* For an end that fails nobody: stops listening (whoever was not accepted yet waits in an inherited
 * socket for the successor), and every answer from now on is its connection's last. */
void http_server_stop(HttpServer *server);
size_t http_server_count(const HttpServer *server); /* connections */
/* Closes the connections on which no request is under way; of those on which none has come yet only
 * if ALSO_UNUSED. */
void http_server_drop_idle(HttpServer *server, bool also_unused);
/* Accepts NULL; before its loop. Requests that are still open stay valid until they are ended. */
void http_server_free(HttpServer *server);
DEFINE_CLEANUP(HttpServer *, http_server_free)

/* Borrowed until the request is ended. */
const char *http_request_method(const HttpRequest *r); /* "GET"; as sent */
const char *http_request_path(const HttpRequest *r);   /* percent-decoded, without the query */
const char *http_request_peer(const HttpRequest *r);   /* "127.0.0.1" */
/* The decoded value of query parameter NAME, or NULL if it was not given ("" if it is empty). */
const char *http_request_query(const HttpRequest *r, const char *name);
/* The query parameters by number: "name=value", decoded, in the order they were sent; NULL after
 * the last one. */
const char *http_request_parameter(const HttpRequest *r, size_t i);
/* A header's value, or NULL. NAME in lower case. NULL also once the client has gone, unless it
 * was asked for before. */
const char *http_request_header(HttpRequest *r, const char *name);
/* The request's body; NUL-terminated, "" if there is none. */
const char *http_request_body(const HttpRequest *r, size_t *ret_length);
/* Counts the server's connections from 1, so that logs can show which requests shared one. */
uint64_t http_request_connection(const HttpRequest *r);

/* HEAD requests get the same headers without the body. Date, Content-Length and keep-alive are
 * the server's own business. */
void http_request_respond(HttpRequest *r, const HttpResponse *response);
/* Breaks the connection (TCP RST), for a simulated fault. */
void http_request_reset(HttpRequest *r);
