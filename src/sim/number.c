#include "sim/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_FROM 10000.0

static double round_to(double value, int decimals) {
        char text[64];

        /* By way of the text, so that 0.1 + 0.2 becomes what a person expects. */
        snprintf(text, sizeof(text), "%.*f", decimals, value);
        return strtod(text, NULL);
}

static double round_to_significant(double value, int digits) {
        char text[64];

        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        return strtod(text, NULL);
}

double number_display(double value) {
        if (value >= INTEGER_FROM)
                return round(value);
        if (value >= 1.06)
                return round_to(value, 2);
        if (value >= 1)
                return round_to(value, 3);
        if (value >= 0.05)
                return round_to(value, 6);
        if (value >= 1e-6)
                return round_to(value, 8);
        return value > 0 ? round_to_significant(value, 4) : value;
}

int number_append_exact(Buffer *b, double value) {
        char text[40];

        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        break;
        }
        if (!strpbrk(text, ".e"))
                strcat(text, ".0");
        return buffer_append_text(b, text);
}

int number_append_integer(Buffer *b, double value) {
        return buffer_append_format(b, "%.0f", value);
}

int number_append_price(Buffer *b, double value) {
        value = number_display(value);
        return value >= INTEGER_FROM ? number_append_integer(b, value)
                                     : number_append_exact(b, value);
}

int number_append_change(Buffer *b, double value) {
        return value < 0 ? number_append_exact(b, value) : number_append_price(b, value);
}

int number_append_rounded(Buffer *b, double value, int decimals) {
        if (decimals == 0)
                return number_append_integer(b, round_to(value, 0));
        return number_append_exact(b, round_to(value, decimals));
}
