#include "sim/noise.h"

#include <math.h>

/* The finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, 2014). */
static uint64_t mix(uint64_t x) {
        x += UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        return x ^ (x >> 31);
}

uint64_t noise_hash(uint64_t seed, uint64_t a, uint64_t b) {
        return mix(mix(mix(seed) ^ a) ^ b);
}

double noise_uniform(uint64_t seed, uint64_t a, uint64_t b) {
        return (double) (noise_hash(seed, a, b) >> 11) * 0x1p-53;
}

double noise_curve(uint64_t seed, uint64_t a, double x) {
        const double whole = floor(x), part = x - whole;
        const uint64_t place = (uint64_t) (int64_t) whole;
        const double left = 2 * noise_uniform(seed, a, place) - 1;
        const double right = 2 * noise_uniform(seed, a, place + 1) - 1;

        return left + (right - left) * part * part * (3 - 2 * part);
}
