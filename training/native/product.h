/* SPDX-License-Identifier: MIT
 *
 * Products of matrices of floats that lie in the caches.
 */
#ifndef PIPERSR_TRAINING_PRODUCT_H
#define PIPERSR_TRAINING_PRODUCT_H

#include <stddef.h>

#include "widest.h"

/* The registers hold the sums of so many rows of VECS vectors. */
enum { MOST_ROWS = VEC_BYTES == 64 ? 12 : 6, VECS = 2 };

/* c [rows][columns] (+)= a [rows][n_k] times b [n_k][columns]; rows: a multiple of 4. a_row and a_k
 * are the numbers between a's rows and along them. Meanwhile the numbers `next`, as many as b or c
 * has, are brought to the second cache. */
struct product {
    uint32_t rows, columns, n_k;
    const float *a;
    size_t a_row, a_k;
    const float *b;
    float *c;
    int add;
    const float *next;
    size_t n_next;
};

INLINE void multiply_tile(const struct product *p, uint32_t rows, uint32_t vecs, const float *a,
                          const float *b, float *c, const float *next, size_t next_step)
{
    const size_t a_row = p->a_row, a_k = p->a_k, columns = p->columns;
    vec sums[MOST_ROWS][VECS];
    UNROLLED
    for (uint32_t r = 0; r < rows; r++) {
        UNROLLED
        for (uint32_t v = 0; v < vecs; v++)
            sums[r][v] = p->add ? vec_load(c + r * columns + v * LANES) : vec_of(0);
    }
    /* Pointers to every third row, and a row's length and its double, fit into registers. */
    const float *a3[MOST_ROWS / 3];
    UNROLLED
    for (uint32_t r = 0; r < rows; r += 3)
        a3[r / 3] = a + r * a_row;
    for (uint32_t k = p->n_k; k > 0; k--) {
        vec right[VECS];
        UNROLLED
        for (uint32_t v = 0; v < vecs; v++)
            right[v] = vec_load(b + v * LANES);
        UNROLLED
        for (uint32_t r = 0; r < rows; r++) {
            const vec left = vec_of(a3[r / 3][r % 3 * a_row]);
            UNROLLED
            for (uint32_t v = 0; v < vecs; v++)
                sums[r][v] += left * right[v];
        }
        __builtin_prefetch(next, 0, 2);
        next += next_step;
        UNROLLED
        for (uint32_t r = 0; r < rows; r += 3)
            a3[r / 3] += a_k;
        b += columns;
    }
    UNROLLED
    for (uint32_t r = 0; r < rows; r++) {
        UNROLLED
        for (uint32_t v = 0; v < vecs; v++)
            vec_store(c + r * columns + v * LANES, sums[r][v]);
    }
}

/* All rows of `vecs` vectors of columns; where what is to be brought goes on. */
INLINE const float *multiply_panel(const struct product *p, uint32_t vecs, uint32_t column,
                                   const float *next, size_t next_step)
{
    const float *a = p->a, *b = p->b + column;
    float *c = p->c + column;
    for (uint32_t left = p->rows, now; left; left -= now) {
        /* 16 as 8 + 8 rather than 12 + 4, and 8 as 4 + 4. */
        if (left >= MOST_ROWS && left != MOST_ROWS / 3 * 4) {
            now = MOST_ROWS;
            multiply_tile(p, MOST_ROWS, vecs, a, b, c, next, next_step);
        } else if (MOST_ROWS > 8 && left >= 8) {
            now = 8;
            multiply_tile(p, 8, vecs, a, b, c, next, next_step);
        } else {
            now = 4;
            multiply_tile(p, 4, vecs, a, b, c, next, next_step);
        }
        a += now * p->a_row;
        c += now * p->columns;
        next += p->n_k * next_step;
    }
    return next;
}

INLINE void multiply(const struct product *p)
{
    const uint32_t panel = VECS * LANES, panels = (p->columns + panel - 1) / panel,
                   tiles = (p->rows + MOST_ROWS - 1) / MOST_ROWS;
    const size_t turns = (size_t)panels * tiles * p->n_k,
                 next_step = (p->n_next + turns - 1) / turns;
    const float *next = p->next;
    uint32_t column = 0;
    for (; column + panel <= p->columns; column += panel)
        next = multiply_panel(p, VECS, column, next, next_step);
    for (; column < p->columns; column += LANES)
        next = multiply_panel(p, 1, column, next, next_step);
}

#endif
