/* SPDX-License-Identifier: MIT
 *
 * The kernel table: for each instruction set one entry that holds the convolution, the packer that
 * lays weights out for it, and its loop for measuring the arithmetic peak, so that they cannot be
 * mismatched. A new instruction set or precision is a new file and a new line in table.c.
 *
 * Kernels allocate nothing and know nothing of models, threads or pictures.
 */
#ifndef PSR_KERNELS_H
#define PSR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "pipersr.h"

enum psr_activation { PSR_LINEAR, PSR_SILU };

/* How an int8 convolution's input x of channel c is coded, as an unsigned byte:
 *
 *     code = clamp(round(x * inverse_scale[c]) + zero[c], 0, 255)
 *
 * so zero[c] is the code of 0, and what lies outside the picture. Rounded to nearest even. */
struct psr_coding {
    const float *inverse_scale; /* [channels], positive and finite */
    const uint8_t *zero;        /* [channels] */
};

/* A layer before packing. */
struct psr_weights {
    const float *weight; /* [c_out][c_in][3][3] */
    const float *bias;   /* [c_out] */
    uint32_t c_in, c_out;
    struct psr_coding coding; /* of its input; NULL pointers where the model has none */
};

/* Most rows that an entry makes in a call. */
enum { PSR_MAX_TILE_ROWS = 4 };

/* Where a row goes, and what is added to it. Pixels lie out_px elements apart in all of these. */
struct psr_conv_row {
    void *out;              /* float, or of the narrow type if narrow_out */
    const float *residual;  /* NULL, or a row to add; may be `out` itself */
    const float *residual2; /* NULL, or another, added after it */
    uint8_t *codes; /* entries with codes_rows: NULL, or where `out`, floats, goes in codes */
};

/* One row of a 3x3 convolution, or up to PSR_MAX_TILE_ROWS, zero padding already lying in the rows:
 *
 *     sum     = bias[o] + sum over dy, dx, i of in[dy][x + dx][i] * weight[o][i][dy][dx]
 *     out[x][o] = activation(sum) + residual[x][o] + residual2[x][o]
 *
 * Sums are accumulated in this one order for every output: bias, then dy, dx, i rising (in pairs of
 * i where an instruction adds two products at once; for AMX in bf16 see amx_bf16.c). So an output's
 * bits depend on its inputs only, not on where in a row or tile it lies. Entries that use
 * Winograd's filtering (winograd.h) have another order, and bits that depend on the whole tile. A
 * pixel's channels lie together; `*_px` is the distance from a pixel to the next, in elements.
 * Inputs are of the entry's narrow type (fp32: float, bf16: the upper half of one, int8: a code);
 * sums (int8: after exact integers), residuals and the trunk are float.
 *
 * int8 gives the same bits everywhere: what follows the integer sum s is, with fma for a
 * multiply-add that is rounded once, x = fma(float(s), scale[o], bias[o]); SiLU as written out at
 * silu_fused() in ref.c; the residuals' additions; the coding above, x * inverse_scale rounded
 * before it is rounded to a whole number.
 */
struct psr_conv {
    /* Rows y-1, y, y+1 and so on, two more than the entry makes at once (its tile_rows), each at
     * the pixel left of the first output pixel. */
    const void *in[PSR_MAX_TILE_ROWS + 2];
    size_t in_px;
    const void *packed;                         /* weights and bias, by the same entry's pack() */
    struct psr_conv_row row[PSR_MAX_TILE_ROWS]; /* the first n_rows of them */
    bool narrow_out;
    struct psr_coding out_coding; /* int8, of narrow_out or `codes`: how the next layer reads it */
    size_t out_px;
    uint32_t c_in;   /* a multiple of PSR_CHANNEL_GROUP where inputs are narrower than float */
    uint32_t c_out;  /* a multiple of PSR_CHANNEL_GROUP: those that pad it have zero weights */
    uint32_t n_px;   /* output pixels; exactly n_px * c_out elements of a row are written */
    uint32_t n_rows; /* rows to write, 1..tile_rows */
    void *scratch;   /* scratch_bytes(), 64-byte aligned; contents mean nothing between calls */
    enum psr_activation activation;
};

/* Output channels are padded to a multiple of this. */
enum { PSR_CHANNEL_GROUP = 16 };

static inline uint32_t psr_padded_channels(uint32_t channels)
{
    return (channels + PSR_CHANNEL_GROUP - 1) / PSR_CHANNEL_GROUP * PSR_CHANNEL_GROUP;
}

struct psr_kernels {
    pipersr_isa isa;
    pipersr_precision precision;
    uint32_t cpu_features; /* PSR_CPU_* that must all be there */
    /* How fast the network runs, about: 100 for AVX2's or NEON's plain fp32. Only compared with
     * other precisions' entries, to tell what is worth its loss. Measured where docs/performance.md
     * has figures, else from the instructions' rates. */
    uint32_t speed;

    /* 1: an output's bits depend on nothing but the 3x3 pixels that it is computed from. Else they
     * depend on all that its tile reads, where tiles of this many pixels are counted from the first
     * pixel of a row: a row then begins at a multiple of tile_px of the picture, and must be
     * readable (true pixels, or zeros beyond the picture) to the end of its last tile's surround.
     * A divisor of PSR_STRIP_ALIGNMENT_PX. */
    uint32_t tile_px;
    /* Rows that a call makes, at most; up to PSR_MAX_TILE_ROWS. With a tile_px of 1 any rows that
     * follow each other, and of inputs beyond n_rows + 2 it does not matter what is in them. Else a
     * divisor of PSR_BAND_ALIGNMENT_ROWS, and the first row of a call is a multiple of it. */
    uint32_t tile_rows;

    uint32_t narrow_bytes; /* of an element that a convolution reads: 4, 2 or 1 */
    /* Converts n_px pixels of `channels` (a multiple of 16) to the narrow type; `coding` is looked
     * at by int8 only. NULL where the narrow type is float. */
    void (*narrow)(const float *from, size_t n_px, uint32_t channels,
                   const struct psr_coding *coding, void *to);
    bool codes_rows; /* int8: conv() writes row[].codes, which saves narrow() reading the row again
                      */
    /* The entries for the head, whose inputs are pixels and stay float, and for the tail where it
     * reads the trunk in float. NULL: this one. */
    const struct psr_kernels *head, *tail;

    /* Bytes of a packed layer; any alignment unit of it is 64 bytes. */
    size_t (*packed_bytes)(uint32_t c_in, uint32_t c_out);
    /* Lays a layer out in `packed` (64-byte aligned, zeroed). */
    void (*pack)(const struct psr_weights *weights, void *packed);
    /* NULL: none needed. */
    size_t (*scratch_bytes)(uint32_t c_in);
    void (*conv)(const struct psr_conv *conv);
    /* Runs `rounds` rounds of independent multiply-adds in registers; returns the operations done
     * (a multiply-add is 2) through *operations and a value that depends on all of them. NULL: the
     * head's. */
    float (*probe)(uint64_t rounds, uint64_t *operations);
};

/* The best entry for this precision that is allowed by `limit` (AUTO: the best there is) and runs
 * on a CPU with these features (psr_cpu_features()). NULL when there is none. An explicit limit
 * that the CPU lacks gives NULL, not the next best. */
const struct psr_kernels *psr_kernels_select(pipersr_precision precision, pipersr_isa limit,
                                             uint32_t features);

/* The whole table, best last, ended by NULL: for tests. */
const struct psr_kernels *const *psr_kernels_all(void);

/* The entries themselves, one in each instruction set's file. */
extern const struct psr_kernels psr_kernels_c_fp32;
extern const struct psr_kernels psr_kernels_avx2_fp32;
extern const struct psr_kernels psr_kernels_avx2_winograd;
extern const struct psr_kernels psr_kernels_avx512_fp32;
extern const struct psr_kernels psr_kernels_avx512_winograd;
extern const struct psr_kernels psr_kernels_c_bf16;
extern const struct psr_kernels psr_kernels_avx512_bf16;
extern const struct psr_kernels psr_kernels_c_int8;
extern const struct psr_kernels psr_kernels_avx2_int8;
extern const struct psr_kernels psr_kernels_avx_vnni;
extern const struct psr_kernels psr_kernels_avx512_vnni;
extern const struct psr_kernels psr_kernels_amx_bf16;
extern const struct psr_kernels psr_kernels_amx_int8;
extern const struct psr_kernels psr_kernels_neon_fp32;
extern const struct psr_kernels psr_kernels_neon_winograd;
extern const struct psr_kernels psr_kernels_neon_bf16;
extern const struct psr_kernels psr_kernels_neon_dotprod;
extern const struct psr_kernels psr_kernels_neon_i8mm;

/* fp32 in C with fused multiply-adds, as the vector entries have them: the int8 reference's head
 * and tail. Slow, so not in the table. */
extern const struct psr_kernels psr_kernels_c_fused;
extern const struct psr_kernels psr_kernels_c_winograd;

/* The fp32 packing that the entries share, parametrised by the tile's width in output channels:
 * channels are cut into groups of `group`, the last one may be a narrower multiple of
 * PSR_CHANNEL_GROUP. A group is its biases, then its weights as [dy][dx][c_in][group]. */
size_t psr_packed_bytes_fp32(uint32_t c_in, uint32_t c_out);
void psr_pack_fp32(const struct psr_weights *weights, uint32_t group, void *packed);

/* The same for bf16: a group is its biases in float, then its weights, rounded to nearest even, as
 * [dy][dx][c_in / 2][group][2]. c_in must be even. */
size_t psr_packed_bytes_bf16(uint32_t c_in, uint32_t c_out);
void psr_pack_bf16(const struct psr_weights *weights, uint32_t group, void *packed);

/* The same for int8. The input's scales are multiplied into the weights, which are then rounded to
 * -127..127 with one scale for each output channel, its largest weight / 127. A group is, each
 * [group]: the sums' start values (int32, minus what the codes of 0 add up to), the channels'
 * scales (float), the biases (float); then the weights as [dy][dx][c_in / 4][group][4]. c_in must
 * be a multiple of 4. */
size_t psr_packed_bytes_int8(uint32_t c_in, uint32_t c_out);
void psr_pack_int8(const struct psr_weights *weights, uint32_t group, void *packed);

/* The same for winograd.h: a group is its biases in float, then the transformed weights, computed
 * in double, as [position][c_in][group] in float, or rounded to bf16 as [position][c_in /
 * 2][group][2]. */
enum { PSR_WINOGRAD_POSITIONS = 24 };
size_t psr_packed_bytes_winograd_fp32(uint32_t c_in, uint32_t c_out);
void psr_pack_winograd_fp32(const struct psr_weights *weights, uint32_t group, void *packed);
size_t psr_packed_bytes_winograd_bf16(uint32_t c_in, uint32_t c_out);
void psr_pack_winograd_bf16(const struct psr_weights *weights, uint32_t group, void *packed);

/* The same for int8 in 16 bits (avx2_int8.c): a group is start values, scales and biases as for
 * psr_pack_int8(), then the codes of the weights, transformed in integers, as
 * [position][c_in / 2][group][2]. The transform is winograd.h's times 48, divided by 2, 1, 1, 2 for
 * the lines of F(2, 3) and by 6, 4, 4, 1, 1, 24 for those of F(4, 3). */
size_t psr_packed_bytes_winograd_int8(uint32_t c_in, uint32_t c_out);
void psr_pack_winograd_int8(const struct psr_weights *weights, uint32_t group, void *packed);

/* The parts of int8's packing, for packers of another layout: the scale of output channel o, and
 * the code of one of its weights, -127..127. `tap` is 3 * dy + dx. */
float psr_weight_scale_int8(const struct psr_weights *weights, uint32_t o);
int32_t psr_weight_code_int8(const struct psr_weights *weights, uint32_t o, uint32_t i,
                             uint32_t tap, float scale);

/* The upper half of a finite float, rounded to nearest even, and back. */
static inline uint16_t psr_bf16_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float psr_float_of_bf16(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Before a loop of at most N rounds over registers: all of it is to be unrolled. clang obeys GCC's
 * pragma too late to keep arrays of registers out of memory, which halves the speed; under the
 * address sanitizer, where its own takes long, it has GCC's all the same. */
#define PSR_PRAGMA(TEXT) _Pragma(#TEXT)
#if defined(__clang__)
#if __has_feature(address_sanitizer)
#define PSR_UNROLL(N) PSR_PRAGMA(GCC unroll N)
#else
#define PSR_UNROLL(N) PSR_PRAGMA(clang loop unroll(full))
#endif
#else
#define PSR_UNROLL(N) PSR_PRAGMA(GCC unroll N)
#endif

/* 2^f on [-0.5, 0.5] by a polynomial, relative error below 2e-7 with its rounding: a least-squares
 * fit on Chebyshev nodes, reweighted towards the largest relative error until it was level, c0 held
 * at 1. Lowest power first. */
#define PSR_EXP2_COEFFICIENTS                                                                      \
    {                                                                                              \
        1.0f, 0x1.62e430p-1f, 0x1.ebfbdcp-3f, 0x1.c6aee8p-5f, 0x1.3b2d4cp-7f, 0x1.5f3e54p-10f,     \
            0x1.41fbbcp-13f                                                                        \
    }

#endif
