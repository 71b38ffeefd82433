/* SPDX-License-Identifier: MIT
 *
 * Loss and gradient of a training step, by all threads. native_step.py calls this.
 *
 * Weights and their gradient are one vector of floats, as optimiser.py has it: head, body and tail
 * in order, of each layer the kernel [c_out][c_in][3][3], then the bias [c_out].
 */
#ifndef PIPERSR_TRAINING_STEP_H
#define PIPERSR_TRAINING_STEP_H

#include <stddef.h>
#include <stdint.h>

struct step;

/* 1 where the library was compiled with tile instructions that this processor and kernel let it
 * use, 0 where it was compiled without, -1 where it needs them in vain. */
int step_tiles(void);

/* How numbers are multiplied; sums are fp32 always. */
enum step_precision {
    STEP_BF16,   /* 8 bits; 16 in the forward sums of head and tail */
    STEP_BF16X3, /* 16 bits in all forward sums */
    STEP_FP32,
};

/* channels: a multiple of 32; blocks: 1 ... 32; scale: 2 ... 4; side: of a patch, low-resolution
 * pixels, a multiple of 16, at most 512; precision: of enum step_precision. NULL for other numbers
 * and when memory or threads are short. */
struct step *step_new(uint32_t channels, uint32_t blocks, uint32_t scale, uint32_t side,
                      uint32_t threads, uint32_t precision);
void step_free(struct step *step);

size_t step_weights(const struct step *step); /* floats */

/* Adds the gradient to `gradient`; the loss.
 * low, high: the corpus, 8-bit R, G, B. choices: [patches][5], as corpus.py's; that they lie inside
 * is the caller's matter. y_share, mse: as device_step.py's. */
double step_run(struct step *step, const float *weights, const uint8_t *low, const uint8_t *high,
                const int64_t *choices, uint32_t patches, float y_share, float mse,
                float *gradient);

/* The vectors [count] and numbers of optimiser.py's Adam, which says what they are. */
struct step_adam {
    float *weights, *gradient, *mean, *square, *average;
    const float *rates;
    float rate, mean_correction, square_correction, average_share, clip_norm, beta1, beta2, epsilon;
    size_t count;
};

/* Adam.step(): clips the gradient, changes the weights and their average, zeroes the gradient. */
void step_adam(struct step *step, const struct step_adam *adam);

#endif
