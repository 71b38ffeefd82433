/* SPDX-License-Identifier: MIT
 *
 * Sixteen bits for the input of an int8 convolution, by two of eight: its codes, and codes of what
 * they leave over. The convolution runs over both and adds up the sums. A model says which layers
 * are worth it, of the second convolutions of blocks, by a scale for what is left over.
 *
 *     place = x * inverse_scale
 *     code  = clamp(round(place) + zero, 0, 255)
 *     rest  = place - (code - zero)
 *     and its code, clamp(round(rest * rest_inverse_scale) + 128, 0, 255)
 *
 * A rest lies between -1/2 and 1/2 where the code was not clamped: 254 steps of it fit into one of
 * the code's.
 */
#ifndef PSR_FINE_H
#define PSR_FINE_H

#include <stddef.h>
#include <stdint.h>

#include "src/kernels/kernels.h"
#include "src/mem.h"
#include "src/model.h"

enum { PSR_REST_ZERO = 128 };

/* What a layer needs to run over the codes of the rest. */
struct psr_fine {
    void *packed;                   /* the weights, for those codes, without a bias */
    struct psr_coding coding;       /* of a rest */
    uint8_t zero[PSR_MAX_CHANNELS]; /* its */
};

/* rest_inverse_scale: [c_in], must live as long. NULL: no memory. To be freed with psr_fine_free().
 */
struct psr_fine *psr_fine_new(const struct psr_weights *weights, const float *rest_inverse_scale,
                              const struct psr_kernels *kernels, struct psr_mem *mem);
void psr_fine_free(struct psr_fine *fine, struct psr_mem *mem);

/* n_px pixels of `channels` numbers that have the codes `codes`: numbers -> rests. */
void psr_fine_rest(float *numbers, const uint8_t *codes, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding);

#endif
