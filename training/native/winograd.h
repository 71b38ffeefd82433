/* SPDX-License-Identifier: MIT
 *
 * 3x3 convolutions of one patch in fp32, and the gradient of their kernels, by Winograd's minimal
 * filtering: a quarter of the plain sum's multiplications.
 *
 * Planes are those of conv.h, but of floats, and channels are multiples of 16. A kernel's and a
 * gradient's spectrum is [WINOGRAD_POINTS][c_in][c_out].
 */
#ifndef PIPERSR_TRAINING_WINOGRAD_H
#define PIPERSR_TRAINING_WINOGRAD_H

#include <stddef.h>
#include <stdint.h>

enum { WINOGRAD_POINTS = 36, WINOGRAD_CHANNELS = 16 };

/* What happens to the sums of a pixel's channels. */
enum winograd_use {
    WINOGRAD_ADD,       /* out = sum + bias + add + skip */
    WINOGRAD_SILU,      /* z = sum + bias; out = silu(z), slope = silu'(z) */
    WINOGRAD_BACK_SILU, /* out = sum * slope */
};

struct winograd {
    enum winograd_use use;
    uint32_t side, c_in, c_out;
    const float *in;         /* [places][c_in] */
    const float *kernel;     /* winograd_pack()'s */
    const float *bias;       /* [c_out], or NULL */
    float *out, *slope;      /* [places][c_out] */
    const float *add, *skip; /* [places][c_out], or NULL; may be `out` */
};

/* What a thread's calls work in: winograd_room() floats for c_in and c_out up to `channels`. */
size_t winograd_room(uint32_t channels);

void winograd_run(const struct winograd *w, float *room);

/* Adds to `spectrum` and `bias` [c_out] what the output's gradient [places][c_out] and the input
 * [places][c_in] of one patch make. */
void winograd_gradient(const float *in, uint32_t c_in, const float *out_gradient, uint32_t c_out,
                       uint32_t side, float *spectrum, float *bias, float *room);

/* Floats [c_out][c_in][3][3] -> spectrum, filled up to c_in_padded and c_out_padded with zeros.
 * `turned` packs the weights of the convolution that takes gradients back: the channels swapped,
 * the taps mirrored; the c_... are then those of what is packed, not of `weights`. */
void winograd_pack(const float *weights, uint32_t c_out, uint32_t c_in, uint32_t c_out_padded,
                   uint32_t c_in_padded, int turned, float *spectrum);

/* The way back for gradients: adds to `gradient` [c_out][c_in][3][3]. */
void winograd_unpack(const float *spectrum, uint32_t c_out, uint32_t c_in, uint32_t c_out_padded,
                     uint32_t c_in_padded, float *gradient);

#endif
