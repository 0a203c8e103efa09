/* What the parts of the simulator know of each other. */
#pragma once

#include "io/http_server.h"
#include "sim/api.h"
#include "sim/call_log.h"
#include "sim/fault.h"
#include "sim/replay.h"
#include "sim/sim.h"

struct Sim {
        SimOptions options;
        WebLoop *loop;
        HttpServer *server;
        Market *market;
        CallLog *log;
        FaultList *faults;
        Replay *replay; /* or NULL */
        struct Delayed *delayed;
};

/* Answers a request for /sim/...: the side door for tests. */
void admin_handle(Sim *sim, HttpRequest *request);

/* Answers with JSON, compressed if that is worth it and the client takes it. */
void sim_respond_json(HttpRequest *request, int status, const HttpHeader *headers, const void *body,
                      size_t length);

/* The body to refuse a request without the right key with, and its status; 0: let it pass. */
_must_check_ int key_check(const SimOptions *options, HttpRequest *request, int64_t now_ms,
                           Buffer *body);
/* The name of the header or parameter that a key came in, or NULL. */
const char *key_name(HttpRequest *request);
