/* SPDX-License-Identifier: MIT
 *
 * 3x3 convolutions of one patch on tiles, and the gradient of their weights.
 *
 * Planes. A patch of side x side pixels (side a multiple of 16) lies in a plane of (side + 2)^2
 * pixels whose border is zero, channels last. A pixel's place in all planes of a patch is the same.
 */
#ifndef PIPERSR_TRAINING_CONV_H
#define PIPERSR_TRAINING_CONV_H

#include <stddef.h>
#include <stdint.h>

enum { TAPS = 9 };

/* What happens to the sums of 16 channels of a pixel. The planes are those of struct conv. */
enum conv_use {
    CONV_TO_SILU,    /* z = sum + bias; before = z; out, out_low = silu(z) */
    CONV_TO_TRUNK,   /* trunk += sum + bias; out, out_low = trunk (+ skip) */
    CONV_BACK_SILU,  /* out = sum * silu'(before) */
    CONV_BACK_TRUNK, /* trunk += sum; out = trunk (+ skip) */
    CONV_START,      /* trunk, skip and out, out_low = sum + bias */
    CONV_PLAIN,      /* trunk = sum + bias */
};

/* One term of the sums: a plane of bf16 numbers times packed weights. Three of them make up a
 * product of 16 bits' precision, from numbers that are each the sum of two. */
struct conv_term {
    const uint16_t *in;      /* [places][c_in] */
    const uint16_t *weights; /* conv_pack's */
};

struct conv {
    enum conv_use use;
    uint32_t side, c_in, c_out; /* channels: c_in a multiple of 32, c_out of 16 */
    uint32_t n_terms;
    struct conv_term terms[3];
    const float *bias; /* [c_out], or NULL */
    uint16_t *before, *out,
        *out_low; /* [places][c_out]; out_low may be NULL, out too for CONV_PLAIN */
    float *trunk; /* [places][c_out] */
    float *skip;  /* [places][c_out], added to what goes to out, or NULL */
};

void conv_run(const struct conv *c);

/* Floats [c_out][c_in][3][3], times `factor`, -> tiles, c_in and c_out filled up to c_in_padded (of
 * 32) and c_out_padded (of 16) with zeros; `low`, unless NULL, gets what rounding lost. `turned`
 * packs the weights of the convolution that takes gradients back: the channels swapped, the taps
 * mirrored; the c_... are then those of what is packed, not of `weights`. Each holds TAPS *
 * c_in_padded * c_out_padded numbers. */
void conv_pack(const float *weights, uint32_t c_out, uint32_t c_in, uint32_t c_out_padded,
               uint32_t c_in_padded, int turned, float factor, uint16_t *high, uint16_t *low);

/* The gradient of the weights: sums over a patch's pixels of the output's gradient times the input
 * at each tap. */
struct weight_gradient {
    uint32_t side, c_in, c_out;             /* channels: multiples of 32 */
    const uint16_t *columns;                /* the output's gradient, by columns_of() */
    const uint16_t *even_pairs, *odd_pairs; /* the input, by pairs_of() */
    float *sums;                            /* [TAPS][c_out / 16][c_in / 16][16][16], added to */
};

void weight_gradient_run(const struct weight_gradient *w);

/* plane [places][channels] -> columns [channels / 16][side * (side + 2) / 32][16][32] of the rows
 * between the border's, pixels last; adds each channel's sum to sums [channels]. */
void columns_of(const uint16_t *plane, uint32_t side, uint32_t channels, uint16_t *columns,
                float *sums);

/* plane [places][channels] -> the pairs of places that begin with an even and with an odd one (the
 * first with place -1), [channels / 16][places / 2 + 1][16][2]; each has room for pairs_size()
 * numbers. */
void pairs_of(const uint16_t *plane, uint32_t side, uint32_t channels, uint16_t *even,
              uint16_t *odd);
size_t pairs_size(uint32_t side, uint32_t channels);

#endif
