/* SPDX-License-Identifier: MIT */
#include "src/model.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/error.h"
#include "src/safetensors.h"

/* Largest model file that makes sense: 32 blocks of 128 channels are 38 MB in fp32. */
enum { MAX_FILE_BYTES = 256 * 1024 * 1024 };

/* A metadata number, `fallback` where the key is missing (0: it must be there). */
static int metadata_number(const struct psr_safetensors *file, const char *key, uint32_t fallback,
                           uint32_t *value)
{
    const char *text = psr_safetensors_metadata(file, key);
    if (!text) {
        *value = fallback;
        return fallback ? 0 : -1;
    }
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || number > 1000000)
        return -1;
    *value = (uint32_t)number;
    return 0;
}

/* Metadata that, where present, must have the one value that this engine computes. */
static pipersr_status require_metadata(const struct psr_safetensors *file, pipersr_error *error)
{
    static const struct {
        const char *key, *value;
        bool optional;
    } required[] = {
        {"architecture", "pipersr", false}, {"version", "1", false},
        {"activation", "silu", true},       {"long_skip", "true", true},
        {"colour_order", "RGB", true},      {"value_range", "0..1", true},
    };
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        const char *found = psr_safetensors_metadata(file, required[i].key);
        if (!found && required[i].optional)
            continue;
        if (!found)
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: metadata lacks '%s': not a PiperSR model",
                            required[i].key);
        if (strcmp(found, required[i].value) != 0)
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: %s is '%.40s', this version runs '%s' only",
                            required[i].key, found, required[i].value);
    }
    return PIPERSR_OK;
}

/* Finds a tensor of exactly this shape. */
static pipersr_status find_tensor(const struct psr_safetensors *file, const char *name,
                                  const uint32_t *shape, uint32_t rank,
                                  const struct psr_tensor **tensor, pipersr_error *error)
{
    *tensor = psr_safetensors_find(file, name);
    if (!*tensor)
        return psr_fail(error, PIPERSR_ERROR_MODEL, "model file: tensor '%s' is missing", name);
    bool fits = (*tensor)->rank == rank;
    for (uint32_t i = 0; fits && i < rank; i++)
        fits = (*tensor)->shape[i] == shape[i];
    if (!fits)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: tensor '%s' has not the shape that channels, blocks and "
                        "scale in the metadata ask for",
                        name);
    return PIPERSR_OK;
}

/* Finds a tensor of floats and converts it. */
static pipersr_status read_tensor(const struct psr_safetensors *file, const char *name,
                                  const uint32_t *shape, uint32_t rank, float *values,
                                  pipersr_error *error)
{
    const struct psr_tensor *tensor;
    pipersr_status status = find_tensor(file, name, shape, rank, &tensor, error);
    if (status)
        return status;
    if (tensor->dtype == PSR_DTYPE_OTHER || tensor->dtype == PSR_DTYPE_U8 ||
        tensor->dtype == PSR_DTYPE_I8)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: tensor '%s' is not F32, F16 or BF16", name);
    if (psr_tensor_to_float(tensor, values))
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: tensor '%s' holds a NaN or an infinity", name);
    return PIPERSR_OK;
}

/* Batch norm y = (x - mean) / sqrt(var + eps) * weight + bias, folded into the convolution before
 * it: each output channel's kernel and bias are scaled and shifted once. */
static pipersr_status fold_batch_norm(const struct psr_safetensors *file, const char *prefix,
                                      double epsilon, const struct psr_layer *layer,
                                      pipersr_error *error)
{
    enum { WEIGHT, BIAS, MEAN, VARIANCE, PARTS };
    static const char *const parts[PARTS] = {"weight", "bias", "running_mean", "running_var"};
    float values[PARTS][PSR_MAX_CHANNELS];
    char name[PSR_TENSOR_NAME_SIZE];

    for (int i = 0; i < PARTS; i++) {
        snprintf(name, sizeof name, "%s.%s", prefix, parts[i]);
        pipersr_status status = read_tensor(file, name, &layer->c_out, 1, values[i], error);
        if (status)
            return status;
    }
    for (uint32_t o = 0; o < layer->c_out; o++) {
        const double variance = (double)values[VARIANCE][o] + epsilon;
        const double scale = values[WEIGHT][o] / sqrt(variance);
        const double bias = (layer->bias[o] - (double)values[MEAN][o]) * scale + values[BIAS][o];
        if (!(variance > 0) || !isfinite((float)scale) || !isfinite((float)bias))
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: batch norm '%s' has a bad variance or scale", prefix);
        float *kernel = layer->weight + (size_t)o * layer->c_in * 9;
        for (uint32_t i = 0; i < layer->c_in * 9; i++) {
            kernel[i] = (float)(kernel[i] * scale);
            if (!isfinite(kernel[i]))
                return psr_fail(error, PIPERSR_ERROR_MODEL,
                                "model file: batch norm '%s' makes a weight infinite", prefix);
        }
        layer->bias[o] = (float)bias;
    }
    return PIPERSR_OK;
}

/* A number as in "0.001" or "1e-05". strtod() would follow the program's locale. */
static int parse_decimal(const char *text, double *value)
{
    char *end;
    int digits = 0, after_point = 0;
    *value = 0;
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !after_point); text++) {
        if (*text == '.') {
            after_point = 1;
            continue;
        }
        *value = *value * 10 + (*text - '0');
        after_point += after_point > 0;
        digits++;
    }
    long exponent = 0;
    if (*text == 'e' || *text == 'E') {
        exponent = strtol(text + 1, &end, 10);
        if (end == text + 1 || exponent < -400 || exponent > 400)
            return -1;
        text = end;
    }
    *value *= pow(10, (double)exponent - (after_point ? after_point - 1 : 0));
    return digits && !*text ? 0 : -1;
}

static pipersr_status read_epsilon(const struct psr_safetensors *file, double *epsilon,
                                   pipersr_error *error)
{
    const char *text = psr_safetensors_metadata(file, "batch_norm_eps");
    *epsilon = 1e-5; /* PyTorch's default */
    if (text) {
        if (parse_decimal(text, epsilon) || !(*epsilon >= 0 && *epsilon < 1))
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: batch_norm_eps '%.40s' is not a number from 0 to 1", text);
    }
    return PIPERSR_OK;
}

static bool is_body(const pipersr_model *model, uint32_t layer)
{
    return layer > 0 && layer < model->n_layers - 1;
}

static void layer_name(const pipersr_model *model, uint32_t layer, const char *body_part,
                       char *name, size_t size)
{
    if (layer == 0)
        snprintf(name, size, "head");
    else if (layer == model->n_layers - 1)
        snprintf(name, size, "tail");
    else
        snprintf(name, size, "body.%u.%s%u", (layer - 1) / 2, body_part, (layer - 1) % 2 + 1);
}

/* The coding of a body layer's input, where the file has one: NAME.input_scale, positive numbers,
 * and NAME.input_zero, bytes. */
static pipersr_status read_coding(const struct psr_safetensors *file, const pipersr_model *model,
                                  uint32_t index, struct psr_layer *layer, pipersr_error *error)
{
    char prefix[PSR_TENSOR_NAME_SIZE - 32], name[PSR_TENSOR_NAME_SIZE];
    const struct psr_tensor *zero;

    layer_name(model, index, "conv", prefix, sizeof prefix);
    snprintf(name, sizeof name, "%s.input_scale", prefix);
    pipersr_status status =
        read_tensor(file, name, &layer->c_in, 1, layer->input_inverse_scale, error);
    if (status)
        return status;
    for (uint32_t i = 0; i < layer->c_in; i++) {
        const float scale = layer->input_inverse_scale[i];
        if (!(scale >= 1e-12f && scale <= 1e12f))
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: tensor '%s' holds a scale out of range", name);
        layer->input_inverse_scale[i] = 1.0f / scale;
    }
    snprintf(name, sizeof name, "%s.input_zero", prefix);
    status = find_tensor(file, name, &layer->c_in, 1, &zero, error);
    if (status)
        return status;
    if (zero->dtype != PSR_DTYPE_U8)
        return psr_fail(error, PIPERSR_ERROR_MODEL, "model file: tensor '%s' is not U8", name);
    memcpy(layer->input_zero, zero->data, layer->c_in);
    return PIPERSR_OK;
}

/* The convolution and, where the file has one, the batch norm behind it. */
static pipersr_status read_parameters(const struct psr_safetensors *file,
                                      const pipersr_model *model, uint32_t index, double epsilon,
                                      pipersr_error *error)
{
    const struct psr_layer *layer = &model->layers[index];
    const uint32_t shape[4] = {layer->c_out, layer->c_in, 3, 3};
    char prefix[PSR_TENSOR_NAME_SIZE - 16], name[PSR_TENSOR_NAME_SIZE];

    layer_name(model, index, "conv", prefix, sizeof prefix);
    snprintf(name, sizeof name, "%s.weight", prefix);
    pipersr_status status = read_tensor(file, name, shape, 4, layer->weight, error);
    if (status)
        return status;

    char norm[PSR_TENSOR_NAME_SIZE - 16], norm_weight[PSR_TENSOR_NAME_SIZE];
    char norm_mean[PSR_TENSOR_NAME_SIZE];
    layer_name(model, index, "bn", norm, sizeof norm);
    snprintf(norm_weight, sizeof norm_weight, "%s.weight", norm);
    snprintf(norm_mean, sizeof norm_mean, "%s.running_mean", norm);
    const bool has_norm = is_body(model, index) && (psr_safetensors_find(file, norm_weight) ||
                                                    psr_safetensors_find(file, norm_mean));

    snprintf(name, sizeof name, "%s.bias", prefix);
    /* A convolution before a batch norm is often trained without a bias of its own. */
    if (psr_safetensors_find(file, name) || !has_norm)
        status = read_tensor(file, name, shape, 1, layer->bias, error);
    if (!status && has_norm)
        status = fold_batch_norm(file, norm, epsilon, layer, error);
    return status;
}

/* A body convolution's int8.NAME.weight, codes, times int8.NAME.weight_scale of the output channel,
 * over the input's scale: packing gives the codes back. */
static pipersr_status read_codes(const struct psr_safetensors *file, const char *prefix,
                                 const struct psr_layer *layer, pipersr_error *error)
{
    const uint32_t shape[4] = {layer->c_out, layer->c_in, 3, 3};
    float scale[PSR_MAX_CHANNELS];
    char name[PSR_TENSOR_NAME_SIZE];
    const struct psr_tensor *codes;

    snprintf(name, sizeof name, "%s.weight_scale", prefix);
    pipersr_status status = read_tensor(file, name, shape, 1, scale, error);
    if (status)
        return status;
    snprintf(name, sizeof name, "%s.weight", prefix);
    status = find_tensor(file, name, shape, 4, &codes, error);
    if (status)
        return status;
    if (codes->dtype != PSR_DTYPE_I8)
        return psr_fail(error, PIPERSR_ERROR_MODEL, "model file: tensor '%s' is not I8", name);
    float *weight = layer->int8_weight;
    for (size_t n = 0; n < codes->elements; n++) {
        const size_t o = n / 9 / layer->c_in, i = n / 9 % layer->c_in;
        weight[n] = (float)(int8_t)codes->data[n] * scale[o] * layer->input_inverse_scale[i];
        if (!isfinite(weight[n]))
            return psr_fail(error, PIPERSR_ERROR_MODEL,
                            "model file: tensor '%s' makes a weight infinite", name);
    }
    return PIPERSR_OK;
}

/* int8's own parameters. */
static pipersr_status read_int8_parameters(const struct psr_safetensors *file,
                                           const pipersr_model *model, uint32_t index,
                                           pipersr_error *error)
{
    const struct psr_layer *layer = &model->layers[index];
    const uint32_t shape[4] = {layer->c_out, layer->c_in, 3, 3};
    char layer_of[PSR_TENSOR_NAME_SIZE - 32], prefix[PSR_TENSOR_NAME_SIZE - 16];
    char name[PSR_TENSOR_NAME_SIZE];
    pipersr_status status;

    layer_name(model, index, "conv", layer_of, sizeof layer_of);
    snprintf(prefix, sizeof prefix, PSR_INT8_PREFIX "%s", layer_of);
    if (is_body(model, index)) {
        status = read_codes(file, prefix, layer, error);
    } else {
        snprintf(name, sizeof name, "%s.weight", prefix);
        status = read_tensor(file, name, shape, 4, layer->int8_weight, error);
    }
    if (status)
        return status;
    snprintf(name, sizeof name, "%s.bias", prefix);
    return read_tensor(file, name, shape, 1, layer->int8_bias, error);
}

static pipersr_status read_layer(const struct psr_safetensors *file, pipersr_model *model,
                                 uint32_t index, double epsilon, pipersr_error *error)
{
    pipersr_status status = read_parameters(file, model, index, epsilon, error);
    if (!status && is_body(model, index) && model->has_int8)
        status = read_coding(file, model, index, &model->layers[index], error);
    if (!status && model->int8_apart)
        status = read_int8_parameters(file, model, index, error);
    return status;
}

/* Lays the layers out over one block of numbers. */
static int allocate_layers(pipersr_model *model)
{
    const uint32_t c = model->info.channels, s = model->info.scale;
    model->n_layers = 2 * model->info.blocks + 2;
    uint64_t numbers = 0, kernels = 0;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        struct psr_layer *layer = &model->layers[i];
        layer->c_in = i == 0 ? 3 : c;
        layer->c_out = i == model->n_layers - 1 ? 3 * s * s : c;
        kernels += (uint64_t)layer->c_in * layer->c_out * 9;
        numbers += (uint64_t)layer->c_in * layer->c_out * 9 + layer->c_out;
    }
    model->info.parameters = numbers;
    model->info.macs_per_px = kernels;
    const size_t inputs = (size_t)model->n_layers * PSR_MAX_CHANNELS;
    const size_t sets = model->int8_apart ? 2 : 1;
    model->numbers = calloc(sets * (size_t)numbers + inputs, sizeof *model->numbers);
    model->zeros = calloc(inputs, sizeof *model->zeros);
    if (!model->numbers || !model->zeros)
        return -1;
    float *next = model->numbers;
    for (uint32_t i = 0; i < model->n_layers; i++) {
        struct psr_layer *layer = &model->layers[i];
        layer->weight = next;
        layer->bias = next + (size_t)layer->c_in * layer->c_out * 9;
        next = layer->bias + layer->c_out;
        layer->int8_weight = model->int8_apart ? next : layer->weight;
        layer->int8_bias = model->int8_apart ? next + (layer->bias - layer->weight) : layer->bias;
        layer->input_inverse_scale = layer->int8_bias + layer->c_out;
        layer->input_zero = model->zeros + (size_t)i * PSR_MAX_CHANNELS;
        next = layer->input_inverse_scale + layer->c_in;
    }
    return 0;
}

/* "precision_loss_db" is a list like "bf16 0.002, int8 0.027". What it does not say, or not as a
 * number from 0 on, counts as too much. */
static float precision_loss(const struct psr_safetensors *file, const char *precision)
{
    const char *text = psr_safetensors_metadata(file, "precision_loss_db");
    const size_t length = strlen(precision);
    while (text && *text) {
        text += strspn(text, " ");
        if (strncmp(text, precision, length) == 0 && text[length] == ' ') {
            char *end;
            const float loss = strtof(text + length, &end);
            end += strspn(end, " ");
            return (*end == ',' || *end == '\0') && loss >= 0 ? loss : INFINITY;
        }
        text = strchr(text, ',');
        text += text ? 1 : 0;
    }
    return INFINITY;
}

static void copy_metadata(const struct psr_safetensors *file, const char *key, char *to,
                          size_t size)
{
    const char *value = psr_safetensors_metadata(file, key);
    snprintf(to, size, "%s", value ? value : "");
    for (char *p = to; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' '; /* it will be shown on somebody's terminal */
    }
}

/* The length of the character of UTF-8 at `text`; 0 where there is none, or one that controls a
 * terminal. A character cut short ends at the terminator, which continues none. */
static size_t printable_utf8(const unsigned char *text)
{
    const size_t length = text[0] < 0x80   ? 1
                          : text[0] < 0xc2 ? 0 /* a continuation, or two bytes for one of ASCII */
                          : text[0] < 0xe0 ? 2
                          : text[0] < 0xf0 ? 3
                          : text[0] < 0xf5 ? 4
                                           : 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    switch (text[0]) {
    case 0x7f:
        return 0;
    case 0xc2:
        return text[1] < 0xa0 ? 0 : length; /* C1 controls */
    case 0xe0:
        return text[1] < 0xa0 ? 0 : length; /* two bytes suffice */
    case 0xed:
        return text[1] >= 0xa0 ? 0 : length; /* surrogates */
    case 0xf0:
        return text[1] < 0x90 ? 0 : length; /* three bytes suffice */
    case 0xf4:
        return text[1] >= 0x90 ? 0 : length; /* beyond U+10FFFF */
    default:
        return text[0] < 0x20 ? 0 : length;
    }
}

/* The description is shown in a line of a table: what does not fit one is refused. */
static pipersr_status read_description(const struct psr_safetensors *file, pipersr_model *model,
                                       pipersr_error *error)
{
    const char *text = psr_safetensors_metadata(file, "description");
    if (!text)
        return PIPERSR_OK;
    const size_t size = strlen(text), most = sizeof model->description - 1;
    size_t at = 0, length = 1;
    while (at < size && length) {
        length = printable_utf8((const unsigned char *)text + at);
        at += length;
    }
    if (size > most || at < size)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: description is not one line of text of at most %zu bytes",
                        most);
    memcpy(model->description, text, size + 1);
    return PIPERSR_OK;
}

static pipersr_status read_model(const struct psr_safetensors *file, pipersr_model *model,
                                 pipersr_error *error)
{
    pipersr_model_info *info = &model->info;
    double epsilon;
    pipersr_status status = require_metadata(file, error);
    if (!status)
        status = read_epsilon(file, &epsilon, error);
    if (!status)
        status = read_description(file, model, error);
    if (status)
        return status;

    if (metadata_number(file, "channels", 0, &info->channels) || info->channels < 16 ||
        info->channels > PSR_MAX_CHANNELS || info->channels % 16)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: channels must be a multiple of 16 from 16 to %d",
                        PSR_MAX_CHANNELS);
    if (metadata_number(file, "blocks", 0, &info->blocks) || info->blocks < 1 ||
        info->blocks > PSR_MAX_BLOCKS)
        return psr_fail(error, PIPERSR_ERROR_MODEL, "model file: blocks must be 1 to %d",
                        PSR_MAX_BLOCKS);
    if (metadata_number(file, "scale", 0, &info->scale) || info->scale < 2 ||
        info->scale > PSR_MAX_SCALE)
        return psr_fail(error, PIPERSR_ERROR_MODEL, "model file: scale must be 2, 3 or 4");

    char next_block[PSR_TENSOR_NAME_SIZE];
    snprintf(next_block, sizeof next_block, "body.%u.conv1.weight", info->blocks);
    if (psr_safetensors_find(file, next_block))
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "model file: it holds more blocks than the %u that its metadata name",
                        info->blocks);

    model->has_int8 = psr_safetensors_find(file, "body.0.conv1.input_scale") != NULL;
    model->int8_apart =
        model->has_int8 && psr_safetensors_find(file, PSR_INT8_PREFIX "head.weight");
    if (allocate_layers(model))
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for the model's weights");
    for (uint32_t i = 0; i < model->n_layers; i++) {
        status = read_layer(file, model, i, epsilon, error);
        if (status)
            return status;
    }

    copy_metadata(file, "name", model->name, sizeof model->name);
    if (!model->name[0])
        snprintf(model->name, sizeof model->name, "pipersr-x%u", info->scale);
    copy_metadata(file, "licence", model->licence, sizeof model->licence);
    copy_metadata(file, "training", model->training, sizeof model->training);
    model->loss_bf16_db = precision_loss(file, "bf16");
    model->loss_int8_db = precision_loss(file, "int8");
    info->name = model->name;
    info->licence = model->licence;
    info->training = model->training;
    info->description = model->description;
    info->has_int8 = model->has_int8;
    info->radius_px = model->n_layers;
    return PIPERSR_OK;
}

pipersr_status pipersr_model_load_memory(const void *data, size_t size_bytes, pipersr_model **model,
                                         pipersr_error *error)
{
    if (!model)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no place for the model was given");
    *model = NULL;
    if (!data)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no model data were given");

    struct psr_safetensors file;
    pipersr_status status = psr_safetensors_parse(data, size_bytes, &file, error);
    if (status)
        return status;
    pipersr_model *made = calloc(1, sizeof *made);
    if (!made) {
        psr_safetensors_free(&file);
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for the model");
    }
    atomic_init(&made->references, 1);
    status = read_model(&file, made, error);
    psr_safetensors_free(&file);
    if (status) {
        pipersr_model_free(made);
        return status;
    }
    *model = made;
    return PIPERSR_OK;
}

/* The whole file in malloc'd memory, NULL with errno set. */
static unsigned char *read_file(FILE *stream, size_t *size)
{
    struct stat stat;
    if (fstat(fileno(stream), &stat))
        return NULL;
    if (S_ISDIR(stat.st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    if (stat.st_size < 0 || stat.st_size > MAX_FILE_BYTES) {
        errno = EFBIG;
        return NULL;
    }
    /* One byte more than needed shows a file that has grown meanwhile. */
    size_t room = (size_t)stat.st_size + 1;
    unsigned char *data = malloc(room);
    if (!data)
        return NULL;
    *size = fread(data, 1, room, stream);
    if (ferror(stream) || *size == room) {
        if (!errno)
            errno = EIO;
        free(data);
        return NULL;
    }
    return data;
}

pipersr_status pipersr_model_load_file(const char *path, pipersr_model **model,
                                       pipersr_error *error)
{
    if (!model || !path)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no model path or place was given");
    *model = NULL;
    errno = 0;
    FILE *stream = fopen(path, "rb");
    size_t size = 0;
    unsigned char *data = stream ? read_file(stream, &size) : NULL;
    const int reason = errno;
    if (stream)
        fclose(stream);
    if (!data)
        return psr_fail(error, PIPERSR_ERROR_IO, "model file '%.120s': %s", path, strerror(reason));
    pipersr_status status = pipersr_model_load_memory(data, size, model, error);
    free(data);
    return status;
}

void pipersr_model_get_info(const pipersr_model *model, pipersr_model_info *info)
{
    *info = model->info;
}

const pipersr_model *psr_model_reference(const pipersr_model *model)
{
    atomic_fetch_add(&((pipersr_model *)model)->references, 1);
    return model;
}

void pipersr_model_free(pipersr_model *model)
{
    if (model && atomic_fetch_sub(&model->references, 1) == 1) {
        free(model->numbers);
        free(model->zeros);
        free(model);
    }
}
