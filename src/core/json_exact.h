/* JSON with the text of its numbers kept.
 *
 * jansson stores numbers as double or long long and so forgets how they were written. Before
 * jansson sees the text, every number in it is turned into a string that begins with a mark (and
 * a string that begins so already gets a blank in front, lest it be taken for a number);
 * everything else, the syntax errors included, is jansson's business. json_exact_decimal() and
 * json_exact_int() read those strings back. Pure; any thread. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "core/decimal.h"

/* Parses LENGTH bytes of JSON (RFC 8259), an object or an array; a member that is named twice is
 * an error. -EBADMSG: a syntax error, ret_error says where (positions count the added quotes);
 * -ENOMEM. The caller owns the reference in ret. */
_must_check_ int json_exact_parse(const char *text, size_t length, json_t **ret,
                                  json_error_t *ret_error);

/* Parses an array of LENGTH bytes element by element: TAKE gets each one as soon as it is complete,
 * borrowed, while what follows is not looked at yet. 0; -EBADMSG: no array, or a syntax error
 * behind the elements that were taken; -ENOMEM; or what TAKE returned if that was not 0. */
_must_check_ int json_exact_each(const char *text, size_t length,
                                 int (*take)(const json_t *element, void *user), void *user);

/* A value of its own, e.g. an array's element; errors as below. */
_must_check_ int json_exact_to_decimal(const json_t *value, Decimal *ret);
_must_check_ int json_exact_to_int(const json_t *value, int64_t *ret);

/* Member KEY of OBJECT. 0; -ENODATA: absent or null; -EINVAL: there, but not a number;
 * -ERANGE: a number out of bounds. ret_ is only touched on success. */
_must_check_ int json_exact_decimal(const json_t *object, const char *key, Decimal *ret);
_must_check_ int json_exact_int(const json_t *object, const char *key, int64_t *ret);

/* Member KEY if it is a string that was written as one in the source, else NULL. Borrowed. */
const char *json_exact_string(const json_t *object, const char *key);
