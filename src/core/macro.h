/* The few macros that every file uses: attributes, scoped cleanup, ownership. */
#pragma once

#include <stdlib.h>

#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_ __attribute__((warn_unused_result))
#define _unused_ __attribute__((unused))
#define _cleanup_(f) __attribute__((cleanup(f)))

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* Hands the pointer over: the variable is NULL afterwards, so its cleanup does nothing. */
#define TAKE_PTR(ptr)                                                                              \
        ({                                                                                         \
                __typeof__(ptr) *_ptr = &(ptr);                                                    \
                __typeof__(ptr) _taken = *_ptr;                                                    \
                *_ptr = NULL;                                                                      \
                _taken;                                                                            \
        })

/* Defines void NAMEp(TYPE *p), for use with _cleanup_(NAMEp) on a variable of TYPE. */
#define DEFINE_CLEANUP(type, name)                                                                 \
        static inline void name##p(type *p) {                                                      \
                if (*p)                                                                            \
                        name(*p);                                                                  \
        }

static inline void freep(void *p) {
        free(*(void **) p);
}
#define _cleanup_free_ _cleanup_(freep)
