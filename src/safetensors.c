/* SPDX-License-Identifier: MIT */
#include "src/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/error.h"

/* The format's own limit; more is an attack or a mistake. */
enum { MAX_HEADER_BYTES = 100 * 1000 * 1000, MAX_TENSORS = 4096, MAX_METADATA = 256 };

/* ------------------------------------------------------------------------- the JSON we need -- */

/* A position in the header. The first failure sets `fault` and every later step does nothing, so
 * that the grammar below reads straight through. */
struct cursor {
    const char *at, *end;
    const char *fault;
};

static void fault(struct cursor *c, const char *what)
{
    if (!c->fault)
        c->fault = what;
    c->at = c->end;
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

/* Is the next token this character? If so, steps over it. */
static bool take(struct cursor *c, char wanted)
{
    skip_space(c);
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static void expect(struct cursor *c, char wanted, const char *what)
{
    if (!take(c, wanted))
        fault(c, what);
}

static unsigned hex4(struct cursor *c)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char digit = c->at < c->end ? *c->at++ : '\0';
        if (digit >= '0' && digit <= '9')
            value = value * 16 + (unsigned)(digit - '0');
        else if ((digit | 32) >= 'a' && (digit | 32) <= 'f')
            value = value * 16 + (unsigned)((digit | 32) - 'a' + 10);
        else
            fault(c, "bad \\u escape in a string");
    }
    return value;
}

static char *put_utf8(char *to, unsigned code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

/* One escape sequence after its backslash. */
static char *take_escape(struct cursor *c, char *to)
{
    static const char plain[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    char kind = c->at < c->end ? *c->at++ : '\0';
    const char *found = kind ? strchr(plain, kind) : NULL;
    if (found) {
        *to++ = meaning[found - plain];
    } else if (kind == 'u') {
        unsigned code = hex4(c);
        if (code >= 0xd800 && code < 0xdc00) {
            if (c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u') {
                fault(c, "half a surrogate pair in a string");
                return to;
            }
            c->at += 2;
            unsigned low = hex4(c);
            if (low < 0xdc00 || low > 0xdfff)
                fault(c, "half a surrogate pair in a string");
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        if (!c->fault)
            to = put_utf8(to, code);
    } else {
        fault(c, "unknown escape in a string");
    }
    return to;
}

/* Reads a string into `to`, which has room for as many bytes as are left in the header (decoding
 * never lengthens), and terminates it. Returns the end, or `to` after a fault. */
static char *take_string(struct cursor *c, char *to)
{
    char *start = to;
    expect(c, '"', "a string was expected");
    while (c->at < c->end && *c->at != '"') {
        char letter = *c->at++;
        if (letter == '\\')
            to = take_escape(c, to);
        else if ((unsigned char)letter < 0x20)
            fault(c, "control character in a string");
        else
            *to++ = letter;
    }
    expect(c, '"', "a string does not end");
    if (c->fault || memchr(start, '\0', (size_t)(to - start))) {
        fault(c, "zero byte in a string");
        to = start;
    }
    *to = '\0';
    return to;
}

static uint64_t take_number(struct cursor *c)
{
    uint64_t value = 0;
    skip_space(c);
    if (c->at >= c->end || *c->at < '0' || *c->at > '9')
        fault(c, "a whole number was expected");
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        unsigned digit = (unsigned)(*c->at++ - '0');
        if (value > (UINT64_MAX - digit) / 10)
            fault(c, "a number is too large");
        else
            value = value * 10 + digit;
    }
    return value;
}

/* [n, n, ...] into values; returns how many. */
static uint32_t take_numbers(struct cursor *c, uint64_t *values, uint32_t most)
{
    uint32_t n = 0;
    expect(c, '[', "a list of numbers was expected");
    if (take(c, ']'))
        return 0;
    do {
        uint64_t value = take_number(c);
        if (n == most)
            fault(c, "a list of numbers is too long");
        else
            values[n++] = value;
    } while (!c->fault && take(c, ','));
    expect(c, ']', "a list of numbers does not end");
    return n;
}

/* ------------------------------------------------------------------------------- the header -- */

static uint64_t dtype_bytes(const char *name, enum psr_dtype *dtype)
{
    static const struct {
        const char *name;
        uint64_t bytes;
        enum psr_dtype dtype;
    } known[] = {
        {"F32", 4, PSR_DTYPE_F32},    {"F16", 2, PSR_DTYPE_F16},   {"BF16", 2, PSR_DTYPE_BF16},
        {"F64", 8, PSR_DTYPE_OTHER},  {"I64", 8, PSR_DTYPE_OTHER}, {"I32", 4, PSR_DTYPE_OTHER},
        {"I16", 2, PSR_DTYPE_OTHER},  {"I8", 1, PSR_DTYPE_I8},     {"U8", 1, PSR_DTYPE_U8},
        {"U16", 2, PSR_DTYPE_OTHER},  {"U32", 4, PSR_DTYPE_OTHER}, {"U64", 8, PSR_DTYPE_OTHER},
        {"BOOL", 1, PSR_DTYPE_OTHER},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) == 0) {
            *dtype = known[i].dtype;
            return known[i].bytes;
        }
    }
    return 0;
}

/* {"dtype": "F16", "shape": [..], "data_offsets": [begin, end]}; `scratch` takes any string. */
static void take_tensor(struct cursor *c, struct psr_tensor *tensor, char *scratch)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4 };
    unsigned seen = 0;
    uint64_t element_bytes = 0, offsets[2] = {0, 0};

    expect(c, '{', "a tensor's description was expected");
    do {
        take_string(c, scratch);
        expect(c, ':', "':' was expected");
        if (strcmp(scratch, "dtype") == 0 && !(seen & DTYPE)) {
            take_string(c, scratch);
            element_bytes = dtype_bytes(scratch, &tensor->dtype);
            if (element_bytes)
                strcpy(tensor->dtype_name, scratch); /* one of the known names, all short */
            else
                fault(c, "a tensor has an unknown dtype");
            seen |= DTYPE;
        } else if (strcmp(scratch, "shape") == 0 && !(seen & SHAPE)) {
            tensor->rank = take_numbers(c, tensor->shape, PSR_TENSOR_MAX_RANK);
            seen |= SHAPE;
        } else if (strcmp(scratch, "data_offsets") == 0 && !(seen & OFFSETS)) {
            if (take_numbers(c, offsets, 2) != 2)
                fault(c, "data_offsets needs two numbers");
            seen |= OFFSETS;
        } else {
            fault(c, "a tensor's description has an unknown or doubled key");
        }
    } while (!c->fault && take(c, ','));
    expect(c, '}', "a tensor's description does not end");
    if (seen != (DTYPE | SHAPE | OFFSETS))
        fault(c, "a tensor lacks dtype, shape or data_offsets");

    tensor->begin = offsets[0];
    tensor->end = offsets[1];
    tensor->elements = 1;
    uint64_t bytes = element_bytes;
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (__builtin_mul_overflow(tensor->elements, tensor->shape[i], &tensor->elements))
            fault(c, "a tensor's shape is too large");
    }
    if (__builtin_mul_overflow(bytes, tensor->elements, &bytes))
        fault(c, "a tensor's shape is too large");
    if (tensor->end < tensor->begin || tensor->end - tensor->begin != bytes)
        fault(c, "a tensor's data_offsets do not fit its shape");
}

/* Grows an array by one element of `size` bytes; capacity is a power of two, so the array is full
 * exactly when n is one. */
static void *grow(void *array, size_t n, size_t size)
{
    if (n & (n - 1))
        return array;
    return realloc(array, (n ? 2 * n : 1) * size);
}

static char *take_metadata(struct cursor *c, struct psr_safetensors *file, char *text)
{
    expect(c, '{', "__metadata__ must be an object");
    if (take(c, '}'))
        return text;
    do {
        struct psr_metadata *list = grow(file->metadata, file->n_metadata, sizeof *file->metadata);
        if (list)
            file->metadata = list;
        if (!list || file->n_metadata == MAX_METADATA) {
            fault(c, "too much metadata");
            break;
        }
        struct psr_metadata *entry = &list[file->n_metadata];
        entry->key = text;
        text = take_string(c, text) + 1;
        expect(c, ':', "':' was expected");
        entry->value = text;
        if (!c->fault)
            text = take_string(c, text) + 1;
        if (!c->fault)
            file->n_metadata++;
    } while (!c->fault && take(c, ','));
    expect(c, '}', "__metadata__ does not end");
    return text;
}

/* One entry of the header after its name; the name itself is overwritten by what follows it. */
static void take_named_tensor(struct cursor *c, struct psr_safetensors *file, char *name,
                              const char *name_end)
{
    struct psr_tensor *list = grow(file->tensors, file->n_tensors, sizeof *file->tensors);
    if (list)
        file->tensors = list;
    if (!list || file->n_tensors == MAX_TENSORS) {
        fault(c, "too many tensors");
        return;
    }
    if (name_end - name >= PSR_TENSOR_NAME_SIZE) {
        fault(c, "a tensor's name is too long");
        return;
    }
    struct psr_tensor *tensor = &list[file->n_tensors++];
    memset(tensor, 0, sizeof *tensor);
    memcpy(tensor->name, name, (size_t)(name_end - name) + 1);
    take_tensor(c, tensor, name);
}

static void take_header(struct cursor *c, struct psr_safetensors *file)
{
    char *text = file->text;
    bool has_metadata = false;

    expect(c, '{', "the header is not a JSON object");
    const bool empty = take(c, '}');
    while (!empty && !c->fault) {
        char *name = text;
        char *name_end = take_string(c, name);
        expect(c, ':', "':' was expected");
        if (c->fault)
            return;
        if (strcmp(name, "__metadata__") == 0) {
            if (has_metadata)
                fault(c, "__metadata__ stands there twice");
            has_metadata = true;
            text = take_metadata(c, file, text);
        } else {
            take_named_tensor(c, file, name, name_end);
        }
        if (!take(c, ','))
            break;
    }
    if (!empty)
        expect(c, '}', "the header does not end");
    skip_space(c);
    if (c->at != c->end)
        fault(c, "something follows the header's JSON");
}

/* ------------------------------------------------------------------------------- the tensors -- */

static int by_begin(const void *a, const void *b)
{
    const struct psr_tensor *s = a, *t = b;
    return s->begin != t->begin ? (s->begin > t->begin) - (s->begin < t->begin)
                                : (s->end > t->end) - (s->end < t->end);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct psr_tensor *)a)->name, ((const struct psr_tensor *)b)->name);
}

static pipersr_status place_tensors(struct psr_safetensors *file, const unsigned char *data,
                                    size_t size, pipersr_error *error)
{
    struct psr_tensor *tensors = file->tensors;
    if (file->n_tensors)
        qsort(tensors, file->n_tensors, sizeof *tensors, by_begin);
    for (size_t i = 0; i < file->n_tensors; i++) {
        if (tensors[i].end > size)
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: tensor '%.60s' ends at byte %" PRIu64
                            " of %zu data bytes: the file is truncated or damaged",
                            tensors[i].name, tensors[i].end, size);
        if (i && tensors[i].begin < tensors[i - 1].end)
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: tensors '%.60s' and '%.60s' overlap", tensors[i - 1].name,
                            tensors[i].name);
        tensors[i].data = data + tensors[i].begin;
    }
    if (size > (file->n_tensors ? tensors[file->n_tensors - 1].end : 0))
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: bytes follow the last tensor: the file is damaged");
    if (file->n_tensors)
        qsort(tensors, file->n_tensors, sizeof *tensors, by_name);
    for (size_t i = 1; i < file->n_tensors; i++) {
        if (strcmp(tensors[i].name, tensors[i - 1].name) == 0)
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: tensor '%.60s' stands there twice", tensors[i].name);
    }
    return PIPERSR_OK;
}

pipersr_status psr_safetensors_parse(const void *data, size_t size, struct psr_safetensors *file,
                                     pipersr_error *error)
{
    const unsigned char *bytes = data;
    memset(file, 0, sizeof *file);
    if (size < 8)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: %zu bytes are too few for a safetensors file", size);
    uint64_t header_bytes = 0;
    for (int i = 7; i >= 0; i--)
        header_bytes = header_bytes << 8 | bytes[i];
    if (header_bytes > MAX_HEADER_BYTES)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: header of %" PRIu64
                        " bytes is over the limit: not a safetensors file?",
                        header_bytes);
    if (header_bytes > size - 8)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: header of %" PRIu64
                        " bytes does not fit in %zu: the file is truncated",
                        header_bytes, size);

    /* Decoded text is never longer than its source, and each string's two quotes make room for its
     * terminator. */
    file->text = malloc((size_t)header_bytes + 1);
    if (!file->text)
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "model file: no memory for its header");

    struct cursor cursor = {(const char *)bytes + 8, (const char *)bytes + 8 + header_bytes, NULL};
    take_header(&cursor, file);
    pipersr_status status =
        cursor.fault
            ? psr_fail(error, PIPERSR_ERROR_MODEL, "model file: header: %s", cursor.fault)
            : place_tensors(file, bytes + 8 + header_bytes, size - 8 - (size_t)header_bytes, error);
    if (status)
        psr_safetensors_free(file);
    return status;
}

void psr_safetensors_free(struct psr_safetensors *file)
{
    free(file->tensors);
    free(file->metadata);
    free(file->text);
    memset(file, 0, sizeof *file);
}

const struct psr_tensor *psr_safetensors_find(const struct psr_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    }
    return NULL;
}

const char *psr_safetensors_metadata(const struct psr_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->n_metadata; i++) {
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].value;
    }
    return NULL;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16. */
static float float_of_half(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) {
        float value = ldexpf((float)fraction, -24);
        return sign ? -value : value;
    }
    return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

int psr_tensor_to_float(const struct psr_tensor *tensor, float *values)
{
    const unsigned char *p = tensor->data;
    for (uint64_t i = 0; i < tensor->elements; i++) {
        switch (tensor->dtype) {
        case PSR_DTYPE_F32:
            values[i] = float_of_bits((uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
                                      (uint32_t)p[1] << 8 | p[0]);
            p += 4;
            break;
        case PSR_DTYPE_F16:
            values[i] = float_of_half((uint16_t)(p[1] << 8 | p[0]));
            p += 2;
            break;
        case PSR_DTYPE_BF16:
            values[i] = float_of_bits((uint32_t)p[1] << 24 | (uint32_t)p[0] << 16);
            p += 2;
            break;
        case PSR_DTYPE_U8:
        case PSR_DTYPE_I8:
        case PSR_DTYPE_OTHER:
            return -1;
        }
        if (!isfinite(values[i]))
            return -1;
    }
    return 0;
}
