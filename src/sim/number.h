/* Numbers as CoinGecko writes them. Pure; any thread.
 *
 * Its JSON holds the shortest text that gives the same double, always with a fraction (2.0) or an
 * exponent (8.69e-05) unless the number was rounded to an integer. What is shown to people is
 * rounded first: 70052, 2034.79, 1.003, 0.079441, 0.03206073, 5.63e-06. */
#pragma once

#include "core/buffer.h"

/* What CoinGecko makes of a price before it writes it. */
double number_display(double value);

/* All return what buffer_append() returns. */
_must_check_ int number_append_exact(Buffer *b, double value);
_must_check_ int number_append_integer(Buffer *b, double value);
/* Rounded for display, as an integer from 10,000 on. */
_must_check_ int number_append_price(Buffer *b, double value);
/* Differences: rounded for display when positive, exact when negative, as the real API does. */
_must_check_ int number_append_change(Buffer *b, double value);
/* Rounded to DECIMALS digits after the point (0 to 18). */
_must_check_ int number_append_rounded(Buffer *b, double value, int decimals);
