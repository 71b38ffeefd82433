/* SPDX-License-Identifier: MIT */
#include "src/safetensors_write.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/error.h"

/* Bytes written one after the other; without memory they are only counted. */
struct sink {
    unsigned char *bytes;
    size_t size;
};

static void put(struct sink *sink, const void *bytes, size_t size)
{
    if (sink->bytes && size)
        memcpy(sink->bytes + sink->size, bytes, size);
    sink->size += size;
}

static void put_format(struct sink *sink, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void put_format(struct sink *sink, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(sink, text, (size_t)length);
}

static void put_string(struct sink *sink, const char *text)
{
    put(sink, "\"", 1);
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            put_format(sink, "\\u%04x", (unsigned)*text);
        else if (*text == '"' || *text == '\\')
            put_format(sink, "\\%c", *text);
        else
            put(sink, text, 1);
    }
    put(sink, "\"", 1);
}

/* ------------------------------------------------------------------------------- the header -- */

static void put_metadata(struct sink *header, const struct psr_safetensors *file)
{
    const char *separator = "";
    put_format(header, "\"__metadata__\":{");
    for (size_t i = 0; i < file->n_metadata; i++) {
        const struct psr_metadata *entry = &file->metadata[i];
        /* Of a key that stands there twice the first one counts. */
        if (psr_safetensors_metadata(file, entry->key) != entry->value)
            continue;
        put_format(header, "%s", separator);
        put_string(header, entry->key);
        put(header, ":", 1);
        put_string(header, entry->value);
        separator = ",";
    }
    put(header, "}", 1);
}

static void put_tensor(struct sink *header, const char *name, const char *dtype,
                       const uint64_t *shape, uint32_t rank, uint64_t begin, uint64_t end)
{
    put(header, ",", 1);
    put_string(header, name);
    put_format(header, ":{\"dtype\":\"%s\",\"shape\":[", dtype);
    for (uint32_t i = 0; i < rank; i++)
        put_format(header, "%s%" PRIu64, i ? "," : "", shape[i]);
    put_format(header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, end);
}

static size_t elements_of(const struct psr_new_tensor *tensor)
{
    size_t elements = 1;
    for (uint32_t i = 0; i < tensor->rank; i++)
        elements *= tensor->shape[i];
    return elements;
}

static size_t bytes_of(const struct psr_new_tensor *tensor)
{
    return elements_of(tensor) * (tensor->dtype == PSR_DTYPE_F32 ? sizeof(float) : 1);
}

static const char *dtype_of(const struct psr_new_tensor *tensor)
{
    return tensor->dtype == PSR_DTYPE_F32 ? "F32" : tensor->dtype == PSR_DTYPE_I8 ? "I8" : "U8";
}

static void put_header(struct sink *header, const struct psr_safetensors *file,
                       const struct psr_tensor *const *kept, size_t n_kept,
                       const struct psr_new_tensor *added, size_t n_added)
{
    uint64_t at = 0;
    put(header, "{", 1);
    put_metadata(header, file);
    for (size_t i = 0; i < n_kept; i++) {
        const uint64_t end = at + (kept[i]->end - kept[i]->begin);
        put_tensor(header, kept[i]->name, kept[i]->dtype_name, kept[i]->shape, kept[i]->rank, at,
                   end);
        at = end;
    }
    for (size_t i = 0; i < n_added; i++) {
        const uint64_t end = at + bytes_of(&added[i]);
        uint64_t shape[4];
        for (uint32_t d = 0; d < added[i].rank; d++)
            shape[d] = added[i].shape[d];
        put_tensor(header, added[i].name, dtype_of(&added[i]), shape, added[i].rank, at, end);
        at = end;
    }
    put(header, "}", 1);
    while (header->size % 8)
        put(header, " ", 1);
}

/* ------------------------------------------------------------------------------- the tensors -- */

static void put_new_data(struct sink *sink, const struct psr_new_tensor *tensor)
{
    if (tensor->dtype != PSR_DTYPE_F32) {
        put(sink, tensor->data, bytes_of(tensor));
        return;
    }
    const size_t elements = elements_of(tensor);
    for (size_t i = 0; i < elements; i++) {
        uint32_t bits;
        memcpy(&bits, (const float *)tensor->data + i, sizeof bits);
        const unsigned char little[4] = {(unsigned char)bits, (unsigned char)(bits >> 8),
                                         (unsigned char)(bits >> 16), (unsigned char)(bits >> 24)};
        put(sink, little, sizeof little);
    }
}

static void put_file(struct sink *sink, const struct sink *header,
                     const struct psr_tensor *const *kept, size_t n_kept,
                     const struct psr_new_tensor *added, size_t n_added)
{
    for (int i = 0; i < 8; i++)
        put(sink, &(unsigned char){(unsigned char)((uint64_t)header->size >> 8 * i)}, 1);
    put(sink, header->bytes, header->size);
    for (size_t i = 0; i < n_kept; i++)
        put(sink, kept[i]->data, (size_t)(kept[i]->end - kept[i]->begin));
    for (size_t i = 0; i < n_added; i++)
        put_new_data(sink, &added[i]);
}

static int by_place(const void *a, const void *b)
{
    const struct psr_tensor *s = *(const struct psr_tensor *const *)a;
    const struct psr_tensor *t = *(const struct psr_tensor *const *)b;
    if (s->begin != t->begin)
        return s->begin < t->begin ? -1 : 1;
    if (s->end != t->end)
        return s->end < t->end ? -1 : 1;
    return strcmp(s->name, t->name); /* empty ones at one place */
}

/* The file's tensors that no new one replaces, in the order of their bytes. */
static size_t list_kept(const struct psr_safetensors *file, const struct psr_new_tensor *added,
                        size_t n_added, const struct psr_tensor **kept)
{
    size_t n = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        bool replaced = false;
        for (size_t j = 0; j < n_added && !replaced; j++)
            replaced = strcmp(file->tensors[i].name, added[j].name) == 0;
        if (!replaced)
            kept[n++] = &file->tensors[i];
    }
    qsort(kept, n, sizeof *kept, by_place);
    return n;
}

pipersr_status psr_safetensors_write(const struct psr_safetensors *file,
                                     const struct psr_new_tensor *added, size_t n_added,
                                     void **data, size_t *size_bytes, pipersr_error *error)
{
    struct sink header = {0}, whole = {0};
    const struct psr_tensor **kept = malloc((file->n_tensors + 1) * sizeof *kept);
    *data = NULL;
    if (kept) {
        const size_t n_kept = list_kept(file, added, n_added, kept);
        put_header(&header, file, kept, n_kept, added, n_added);
        header.bytes = malloc(header.size);
        put_file(&whole, &header, kept, n_kept, added, n_added);
        whole.bytes = malloc(whole.size);
        *size_bytes = whole.size;
        if (header.bytes && whole.bytes) {
            header.size = whole.size = 0;
            put_header(&header, file, kept, n_kept, added, n_added);
            put_file(&whole, &header, kept, n_kept, added, n_added);
            *data = whole.bytes;
        }
    }
    if (!*data)
        free(whole.bytes);
    free(header.bytes);
    free(kept);
    return *data ? PIPERSR_OK
                 : psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for the model file");
}
