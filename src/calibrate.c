/* SPDX-License-Identifier: MIT
 *
 * Calibration for int8: runs the network in fp32, counts what the body convolutions read, and
 * writes the model file with the codings and the rounded weights that fit it best.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipersr.h"
#include "src/cpu.h"
#include "src/error.h"
#include "src/frame.h"
#include "src/histogram.h"
#include "src/int8_layer.h"
#include "src/mem.h"
#include "src/model.h"
#include "src/moments.h"
#include "src/safetensors_write.h"
#include "src/strip.h"

enum { MAX_WEIGHT = 65535 };

/* What a frame of less weight shows counts as no further from 0 than so many times what the
 * heaviest did. Noise can drive a network a thousand times as far as photos do, and however little
 * it weighs, ranges that hold that leave photos a handful of codes. */
static const float furthest = 2;

struct range {
    float low, high; /* low <= 0 <= high */
};

struct pipersr_calibrator {
    unsigned char *file; /* the model file's bytes */
    size_t file_bytes;
    pipersr_model *model;
    struct psr_mem mem;
    struct psr_network network;
    struct psr_observer observer;
    struct psr_strip strip;
    struct psr_histogram *histograms; /* [body layers][channels] */
    struct range *ranges;             /* the same, of the heaviest frames */
    struct psr_moments *moments;      /* [body layers] */
    uint64_t sampled;                 /* pixels that the moments were taken from, of each layer */
    uint32_t weight;                  /* of the frame in progress */
    uint32_t heaviest;                /* of the frames before it */
    uint64_t frames;
    bool overflowed; /* a number was not finite */
};

/* ------------------------------------------------------------------------------- the counting --
 */

static struct psr_histogram *layer_histograms(const pipersr_calibrator *calibrator, uint32_t layer)
{
    return calibrator->histograms + (size_t)(layer - 1) * calibrator->network.channels;
}

static void count_row(void *opaque, uint32_t reader, const float *row, uint32_t n_px)
{
    pipersr_calibrator *calibrator = opaque;
    struct psr_histogram *histograms = layer_histograms(calibrator, reader);
    const uint32_t channels = calibrator->network.channels;
    struct range *ranges = calibrator->ranges + (size_t)(reader - 1) * channels;
    struct psr_moments *moments = &calibrator->moments[reader - 1];
    float *kept = psr_moments_next_row(moments);
    const bool light = calibrator->weight < calibrator->heaviest;
    for (uint32_t x = 0; x < n_px; x++) {
        for (uint32_t c = 0; c < channels; c++, row++) {
            float value = *row;
            if (!isfinite(value)) {
                calibrator->overflowed = true;
                value = 0;
            }
            if (light) {
                value = fminf(fmaxf(value, furthest * ranges[c].low), furthest * ranges[c].high);
            } else {
                ranges[c].low = fminf(ranges[c].low, value);
                ranges[c].high = fmaxf(ranges[c].high, value);
            }
            psr_histogram_add(&histograms[c], value, calibrator->weight);
            *kept++ = value;
        }
    }
    psr_moments_add_row(moments);
}

static pipersr_status prepare(pipersr_calibrator *calibrator, const void *model_data,
                              size_t size_bytes, pipersr_error *error)
{
    pipersr_status status =
        pipersr_model_load_memory(model_data, size_bytes, &calibrator->model, error);
    if (status)
        return status;
    pipersr_model *const model = calibrator->model;
    const size_t channels = model->info.channels;
    const size_t n_body = model->n_layers - 2;
    const size_t n = n_body * channels;
    calibrator->file = malloc(size_bytes);
    calibrator->histograms = malloc(n * sizeof *calibrator->histograms);
    calibrator->ranges = calloc(n, sizeof *calibrator->ranges);
    calibrator->moments = calloc(n_body, sizeof *calibrator->moments);
    bool enough =
        calibrator->file && calibrator->histograms && calibrator->ranges && calibrator->moments;
    for (size_t i = 0; i < n_body && enough; i++)
        enough = psr_moments_init(&calibrator->moments[i], (uint32_t)channels) == 0;
    if (!enough)
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for a calibrator");
    memcpy(calibrator->file, model_data, size_bytes);
    calibrator->file_bytes = size_bytes;
    for (size_t i = 0; i < n; i++)
        psr_histogram_init(&calibrator->histograms[i]);

    const struct psr_kernels *kernels =
        psr_kernels_select(PIPERSR_PRECISION_FP32, PIPERSR_ISA_AUTO, psr_cpu_features());
    if (psr_network_init(&calibrator->network, calibrator->model, kernels, &calibrator->mem))
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for the packed weights");
    calibrator->observer = (struct psr_observer){count_row, calibrator};
    calibrator->network.observer = &calibrator->observer;
    return PIPERSR_OK;
}

pipersr_status pipersr_calibrator_create(const void *model_data, size_t size_bytes,
                                         pipersr_calibrator **calibrator, pipersr_error *error)
{
    if (!calibrator)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no place for the calibrator was given");
    *calibrator = NULL;
    pipersr_calibrator *made = calloc(1, sizeof *made);
    if (!made)
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for a calibrator");
    const pipersr_status status = prepare(made, model_data, size_bytes, error);
    if (status) {
        pipersr_calibrator_free(made);
        return status;
    }
    *calibrator = made;
    return PIPERSR_OK;
}

void pipersr_calibrator_free(pipersr_calibrator *calibrator)
{
    if (!calibrator)
        return;
    psr_mem_free(&calibrator->mem, calibrator->strip.memory);
    for (uint32_t i = 0; calibrator->moments && i < calibrator->model->n_layers - 2; i++)
        psr_moments_free(&calibrator->moments[i]);
    psr_network_free(&calibrator->network, &calibrator->mem);
    pipersr_model_free(calibrator->model);
    free(calibrator->moments);
    free(calibrator->histograms);
    free(calibrator->ranges);
    free(calibrator->file);
    free(calibrator);
}

/* The whole picture as one strip. Its enlarged rows are not wanted: each is written over the last.
 */
static pipersr_status run_network(pipersr_calibrator *calibrator, const struct psr_picture *picture,
                                  const pipersr_frame *frame, pipersr_error *error)
{
    const struct psr_network *network = &calibrator->network;
    size_t strip_bytes, row_bytes;
    void *row = NULL;
    if (psr_size_multiply((size_t)picture->width * network->scale, picture->format.pixel_bytes,
                          &row_bytes) == 0)
        row = psr_mem_alloc(&calibrator->mem, row_bytes);
    if (!row || psr_strip_bytes(network, picture, picture->width, &strip_bytes) ||
        psr_strip_reserve(&calibrator->strip, &calibrator->mem, strip_bytes)) {
        psr_mem_free(&calibrator->mem, row);
        return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory: a picture %u pixels wide is large",
                        (unsigned)picture->width);
    }
    const struct psr_rows in = {frame->data, frame->stride_bytes, 0}, out = {row, 0, 0};
    atomic_bool cancel;
    atomic_init(&cancel, false);
    psr_strip_begin(&calibrator->strip, network, picture, 0, picture->width, 0, picture->height);
    psr_strip_advance(&calibrator->strip, network, psr_strip_end(&calibrator->strip, network), &in,
                      &out, &cancel);
    psr_mem_free(&calibrator->mem, row);
    return PIPERSR_OK;
}

/* So many pixels of a frame say what neighbouring channels have in common: many of the first
 * frames, as there may be no others, and few of light ones, which count for little. */
static uint32_t sample_px(const pipersr_calibrator *calibrator)
{
    if (calibrator->weight < calibrator->heaviest)
        return 128;
    return calibrator->sampled < 16384 ? 4096 : 1024;
}

static pipersr_status begin_moments(pipersr_calibrator *calibrator,
                                    const struct psr_picture *picture, pipersr_error *error)
{
    const uint32_t n_body = calibrator->network.n_layers - 2, sample = sample_px(calibrator);
    for (uint32_t i = 0; i < n_body; i++) {
        if (psr_moments_begin(&calibrator->moments[i], picture->width, picture->height, sample,
                              calibrator->weight))
            return psr_fail(error, PIPERSR_ERROR_MEMORY,
                            "no memory: a picture %u pixels wide is large",
                            (unsigned)picture->width);
    }
    calibrator->sampled += sample;
    return PIPERSR_OK;
}

pipersr_status pipersr_calibrator_add(pipersr_calibrator *calibrator, const pipersr_frame *frame,
                                      uint32_t weight, pipersr_error *error)
{
    struct psr_picture picture;
    if (!calibrator || !frame)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no calibrator or frame was given");
    if (weight < 1 || weight > MAX_WEIGHT)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "a frame's weight must be 1 to %d",
                        MAX_WEIGHT);
    picture = (struct psr_picture){.width = frame->width_px, .height = frame->height_px};
    pipersr_status status = psr_check_size_and_format(frame->width_px, frame->height_px,
                                                      frame->format, &picture.format, error);
    if (!status)
        status = psr_check_rows(frame->data, frame->stride_bytes, frame->width_px, frame->height_px,
                                &picture.format, "frame", error);
    calibrator->weight = weight;
    if (!status)
        status = begin_moments(calibrator, &picture, error);
    if (!status)
        status = run_network(calibrator, &picture, frame, error);
    if (status)
        return status;
    if (calibrator->overflowed)
        return psr_fail(error, PIPERSR_ERROR_MODEL,
                        "the model cannot be calibrated: a number in the network became infinite");
    if (weight > calibrator->heaviest)
        calibrator->heaviest = weight;
    calibrator->frames++;
    return PIPERSR_OK;
}

/* ---------------------------------------------------------------------------------- the file --
 */

/* What the old codings lost says nothing about the new ones. */
static void forget_losses(struct psr_safetensors *file)
{
    size_t kept = 0;
    for (size_t i = 0; i < file->n_metadata; i++) {
        if (strcmp(file->metadata[i].key, "precision_loss_db") != 0)
            file->metadata[kept++] = file->metadata[i];
    }
    file->n_metadata = kept;
}

static pipersr_status write_file(const pipersr_calibrator *calibrator,
                                 const struct psr_new_tensor *tensors, size_t n, void **data,
                                 size_t *size_bytes, pipersr_error *error)
{
    struct psr_safetensors file;
    pipersr_model *check;
    pipersr_status status =
        psr_safetensors_parse(calibrator->file, calibrator->file_bytes, &file, error);
    if (status)
        return status;
    forget_losses(&file);
    status = psr_safetensors_write(&file, tensors, n, data, size_bytes, error);
    psr_safetensors_free(&file);
    /* A file at the format's limits may pass them by its new tensors. */
    if (!status) {
        status = pipersr_model_load_memory(*data, *size_bytes, &check, error);
        pipersr_model_free(check);
    }
    if (status) {
        free(*data);
        *data = NULL;
    }
    return status;
}

static struct psr_new_tensor tensor_of(const char *prefix, uint32_t body_layer, const char *part,
                                       enum psr_dtype dtype, uint32_t channels, const void *data)
{
    struct psr_new_tensor tensor = {.dtype = dtype,
                                    .rank = dtype == PSR_DTYPE_I8 ? 4 : 1,
                                    .shape = {channels, channels, 3, 3},
                                    .data = data};
    const unsigned block = body_layer / 2, conv = body_layer % 2 + 1;
    snprintf(tensor.name, sizeof tensor.name, "%sbody.%u.conv%u.%s", prefix, block, conv, part);
    return tensor;
}

/* Layer 0 or the last, as int8 has it for itself: as it is. */
static void list_end(const struct psr_layer *layer, const char *name,
                     struct psr_new_tensor tensors[2])
{
    tensors[0] = (struct psr_new_tensor){.dtype = PSR_DTYPE_F32,
                                         .rank = 4,
                                         .shape = {layer->c_out, layer->c_in, 3, 3},
                                         .data = layer->weight};
    tensors[1] = (struct psr_new_tensor){
        .dtype = PSR_DTYPE_F32, .rank = 1, .shape = {layer->c_out}, .data = layer->bias};
    snprintf(tensors[0].name, sizeof tensors->name, PSR_INT8_PREFIX "%s.weight", name);
    snprintf(tensors[1].name, sizeof tensors->name, PSR_INT8_PREFIX "%s.bias", name);
}

enum { TENSORS_OF_LAYER = 5, TENSORS_OF_ENDS = 4 };

/* Floats before bytes: they stay aligned as well as the file's own tensors. Returns how many. */
static size_t list_tensors(const pipersr_model *model, const struct psr_int8_layer *layers,
                           struct psr_new_tensor *tensors)
{
    const char *const own = PSR_INT8_PREFIX;
    const uint32_t channels = model->info.channels, n_body = model->n_layers - 2;
    size_t n = TENSORS_OF_ENDS;
    list_end(&model->layers[0], "head", tensors);
    list_end(&model->layers[model->n_layers - 1], "tail", tensors + 2);
    for (uint32_t i = 0; i < n_body; i++) {
        const struct psr_int8_layer *layer = &layers[i];
        tensors[n++] = tensor_of("", i, "input_scale", PSR_DTYPE_F32, channels, layer->input_scale);
        tensors[n++] =
            tensor_of(own, i, "weight_scale", PSR_DTYPE_F32, channels, layer->weight_scale);
        tensors[n++] = tensor_of(own, i, "bias", PSR_DTYPE_F32, channels, layer->bias);
    }
    for (uint32_t i = 0; i < n_body; i++) {
        tensors[n++] = tensor_of("", i, "input_zero", PSR_DTYPE_U8, channels, layers[i].input_zero);
        tensors[n++] = tensor_of(own, i, "weight", PSR_DTYPE_I8, channels, layers[i].weight);
    }
    return n;
}

static pipersr_status derive_layers(const pipersr_calibrator *calibrator,
                                    struct psr_int8_layer *layers, pipersr_error *error)
{
    const uint32_t n_body = calibrator->network.n_layers - 2;
    for (uint32_t i = 0; i < n_body; i++) {
        if (psr_int8_layer_derive(&calibrator->model->layers[i + 1], i + 1, n_body,
                                  layer_histograms(calibrator, i + 1), &calibrator->moments[i],
                                  &layers[i]))
            return psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory to round the weights");
    }
    return PIPERSR_OK;
}

pipersr_status pipersr_calibrator_finish(const pipersr_calibrator *calibrator, void **data,
                                         size_t *size_bytes, pipersr_error *error)
{
    if (!data || !size_bytes)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no place for the model file was given");
    *data = NULL;
    *size_bytes = 0;
    if (!calibrator)
        return psr_fail(error, PIPERSR_ERROR_ARGUMENT, "no calibrator was given");
    if (!calibrator->frames || calibrator->overflowed)
        return psr_fail(error, PIPERSR_ERROR_STATE, "no frames were added to calibrate with");

    const uint32_t n_body = calibrator->network.n_layers - 2;
    struct psr_int8_layer *layers = malloc(n_body * sizeof *layers);
    struct psr_new_tensor *tensors =
        malloc((TENSORS_OF_ENDS + TENSORS_OF_LAYER * (size_t)n_body) * sizeof *tensors);
    pipersr_status status = layers && tensors
                                ? derive_layers(calibrator, layers, error)
                                : psr_fail(error, PIPERSR_ERROR_MEMORY, "no memory for the file");
    if (!status) {
        const size_t n = list_tensors(calibrator->model, layers, tensors);
        status = write_file(calibrator, tensors, n, data, size_bytes, error);
    }
    free(layers);
    free(tensors);
    return status;
}
