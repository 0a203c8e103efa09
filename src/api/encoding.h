/* Which content coding a client takes (RFC 9110 section 12.5.3). Pure. */
#pragma once

#include <stdbool.h>

/* True if ACCEPT_ENCODING (may be NULL) lists CODING and not with q=0. */
bool encoding_is_accepted(const char *accept_encoding, const char *coding);
