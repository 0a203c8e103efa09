/* Reproducible noise: pure functions of a seed and a place. Any thread. */
#pragma once

#include <stdint.h>

/* 64 well-mixed bits. */
uint64_t noise_hash(uint64_t seed, uint64_t a, uint64_t b);
/* Evenly spread in [0, 1). */
double noise_uniform(uint64_t seed, uint64_t a, uint64_t b);
/* A smooth curve between random values in [-1, 1] at the whole numbers of X. */
double noise_curve(uint64_t seed, uint64_t a, double x);
