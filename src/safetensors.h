/* SPDX-License-Identifier: MIT
 *
 * Reader of the safetensors file format: 8 bytes little-endian header length, a JSON header that
 * names each tensor's type, shape and byte range, then the tensors' bytes.
 * Nothing in the file is trusted: whatever psr_safetensors_parse() accepts is in range.
 */
#ifndef PSR_SAFETENSORS_H
#define PSR_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "pipersr.h"

enum { PSR_TENSOR_MAX_RANK = 8, PSR_TENSOR_NAME_SIZE = 128 };

enum psr_dtype {
    PSR_DTYPE_OTHER,
    PSR_DTYPE_F32,
    PSR_DTYPE_F16,
    PSR_DTYPE_BF16,
    PSR_DTYPE_U8,
    PSR_DTYPE_I8
};

struct psr_tensor {
    char name[PSR_TENSOR_NAME_SIZE];
    enum psr_dtype dtype;
    char dtype_name[8]; /* as the file says it */
    uint32_t rank;
    uint64_t shape[PSR_TENSOR_MAX_RANK];
    uint64_t elements;         /* product of the shape */
    uint64_t begin, end;       /* byte range after the header; end - begin fits the shape */
    const unsigned char *data; /* inside the caller's bytes, any alignment */
};

struct psr_metadata {
    char *key, *value;
};

struct psr_safetensors {
    struct psr_tensor *tensors;
    size_t n_tensors;
    struct psr_metadata *metadata;
    size_t n_metadata;
    char *text; /* holds the metadata's strings */
};

/* `data` must live as long as the result is used. On failure nothing is held. */
pipersr_status psr_safetensors_parse(const void *data, size_t size, struct psr_safetensors *file,
                                     pipersr_error *error);
void psr_safetensors_free(struct psr_safetensors *file);

/* NULL when there is none of that name. */
const struct psr_tensor *psr_safetensors_find(const struct psr_safetensors *file, const char *name);
const char *psr_safetensors_metadata(const struct psr_safetensors *file, const char *key);

/* Converts a tensor of a floating type (F32, F16, BF16) to `values`, `tensor->elements` of them.
 * Returns -1 if one is infinite or not a number, or the type is another. */
int psr_tensor_to_float(const struct psr_tensor *tensor, float *values);

#endif
