/* SPDX-License-Identifier: MIT
 *
 * Writer of the safetensors file format: a file that was read, with some tensors added or replaced.
 */
#ifndef PSR_SAFETENSORS_WRITE_H
#define PSR_SAFETENSORS_WRITE_H

#include "src/safetensors.h"

/* Numbers to be written as a tensor. */
struct psr_new_tensor {
    char name[PSR_TENSOR_NAME_SIZE];
    enum psr_dtype dtype; /* F32, U8 or I8 */
    uint32_t rank;        /* 1 to 4 */
    uint32_t shape[4];
    const void *data; /* in the host's byte order */
};

/* Writes the metadata and the tensors of `file` (in the order of their bytes, without gaps between
 * them), then the new ones; one of the file's with a new one's name is left out. New names must
 * differ. *data is malloc'd, the caller's. ERROR_MEMORY leaves it NULL. */
pipersr_status psr_safetensors_write(const struct psr_safetensors *file,
                                     const struct psr_new_tensor *added, size_t n_added,
                                     void **data, size_t *size_bytes, pipersr_error *error);

#endif
