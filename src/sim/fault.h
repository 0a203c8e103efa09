/* What goes wrong on purpose, and when. Pure; the simulator's thread.
 *
 * A fault has a kind (fault_kinds() names them all) and says which requests it meets: those whose
 * path begins with PATH; of these every EVERYth; not the first AFTER; at most COUNT times. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macro.h"

typedef enum FaultEffect {
        EFFECT_NONE,      /* only its latency */
        EFFECT_ANSWER,    /* another answer instead of the real one */
        EFFECT_TRUNCATED, /* the real body, cut off in the middle, as if it were whole */
        EFFECT_CUT,       /* the connection ends in the middle of the real body */
        EFFECT_MALFORMED, /* the real body, with a comma too many and a bracket too few */
        EFFECT_RESET,     /* the connection is reset instead of an answer */
        EFFECT_STALE,     /* these coins stopped being renewed some time ago */
        EFFECT_MISSING,   /* these coins are left out */
        EFFECT_NULL,      /* these coins have no price */
} FaultEffect;

typedef struct Fault {
        struct Fault *next;
        char *path;       /* a beginning, such as "/coins/markets"; "/" for all */
        const char *kind; /* static */
        FaultEffect effect;
        int status;               /* of EFFECT_ANSWER */
        const char *content_type; /* static */
        char *body;               /* of EFFECT_ANSWER; "%s" of the built-in ones already filled */
        char *coins;              /* comma-separated; NULL: every tenth coin */
        int64_t retry_after_s;    /* -1: the answer does not say */
        int64_t latency_ms;
        int64_t age_ms;    /* EFFECT_STALE: for how long */
        int64_t every;     /* 1: each matching request */
        int64_t after;     /* so many pass first */
        int64_t remaining; /* -1: no end */
        int64_t seen;      /* matching requests so far */
} Fault;

typedef struct FaultList FaultList;

_must_check_ int fault_list_new(FaultList **ret);
void fault_list_free(FaultList *list); /* accepts NULL */
DEFINE_CLEANUP(FaultList *, fault_list_free)
void fault_list_clear(FaultList *list);

/* "markets:429:every=10:retry-after=2". -EINVAL with a line for a person in ERROR; -ENOMEM. */
_must_check_ int fault_list_add_text(FaultList *list, const char *text, char *error,
                                     size_t error_size);
/* {"path":"/coins/markets","fault":"429","retry_after":2,"count":3,...} or an array of such. */
_must_check_ int fault_list_add_json(FaultList *list, const json_t *json, char *error,
                                     size_t error_size);
/* The first fault that meets this request, counted as used; NULL: none. Valid until the list is
 * changed. */
const Fault *fault_list_match(FaultList *list, const char *path);
_must_check_ int fault_list_append_json(const FaultList *list, Buffer *b);

/* "429 429-plain ...", for --help and errors. Static. */
const char *fault_kinds(void);
