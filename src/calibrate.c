/* SPDX-License-Identifier: MIT
 *
 * Calibration for int8: runs the network in fp32, counts what the body convolutions read, channel
 * by channel, and writes the model file with the codings that fit it best.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipersr.h"
#include "src/coding.h"
#include "src/cpu.h"
#include "src/error.h"
#include "src/frame.h"
#include "src/histogram.h"
#include "src/mem.h"
#include "src/model.h"
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
    const bool light = calibrator->weight < calibrator->heaviest;
    for (uint32_t x = 0; x < n_px; x++) {
        for (uint32_t c = 0; c < channels; c++, row++) {
            float value = *row;
            if (!isfinite(value)) {
                calibrator->overflowed = true;
                continue;
            }
            if (light) {
                value = fminf(fmaxf(value, furthest * ranges[c].low), furthest * ranges[c].high);
            } else {
                ranges[c].low = fminf(ranges[c].low, value);
                ranges[c].high = fmaxf(ranges[c].high, value);
            }
            psr_histogram_add(&histograms[c], value, calibrator->weight);
        }
    }
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
    /* What int8 reads is what its own parameters make of pictures, where it has some. */
    for (uint32_t i = 0; i < model->n_layers; i++) {
        model->layers[i].weight = model->layers[i].int8_weight;
        model->layers[i].bias = model->layers[i].int8_bias;
    }
    const size_t n = (calibrator->model->n_layers - 2) * channels;
    calibrator->file = malloc(size_bytes);
    calibrator->histograms = malloc(n * sizeof *calibrator->histograms);
    calibrator->ranges = calloc(n, sizeof *calibrator->ranges);
    if (!calibrator->file || !calibrator->histograms || !calibrator->ranges)
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
    psr_network_free(&calibrator->network, &calibrator->mem);
    pipersr_model_free(calibrator->model);
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

/* ------------------------------------------------------------------------------- the codings -- */

struct layer_coding {
    float scale[PSR_MAX_CHANNELS];
    uint8_t zero[PSR_MAX_CHANNELS];
};

/* An error by clipping counts as so many by rounding. Those scatter around 0 and average out in a
 * convolution's sum, while a clipped edge is wrong in all its pixels to one side; and what goes
 * wrong in an early layer, all later ones amplify. So the penalty falls by equal ratios from the
 * first layer to 1 at the last: photos held back from calibration lost a quarter less by that than
 * by 8 for every layer, at the same gain on edges and noise. */
static double clip_penalty(uint32_t layer, uint32_t n_body)
{
    const double first = 128;
    return pow(first, (double)(n_body - layer) / (n_body - 1));
}

/* A channel that is always 0 gets the finest scale of its layer: scales are multiplied into the
 * weights, and a large one would cost the other channels' weights their precision. */
static void choose_layer(const struct psr_histogram *histograms, uint32_t channels, double penalty,
                         struct layer_coding *layer)
{
    /* What a model file may hold lies between 1e-12 and 1e12. */
    const float least = 1e-11f, most = 1e11f;
    float finest = most;
    for (uint32_t c = 0; c < channels; c++) {
        const struct psr_channel_coding coding = psr_choose_coding(&histograms[c], penalty);
        layer->scale[c] = fminf(coding.scale, most);
        layer->zero[c] = coding.zero;
        if (coding.scale > 0)
            finest = fminf(finest, fmaxf(coding.scale, least));
    }
    for (uint32_t c = 0; c < channels; c++)
        layer->scale[c] = fmaxf(layer->scale[c], layer->scale[c] > 0 ? least : finest);
}

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

/* int8's own weights of a layer anew: their codes hold the scales of the inputs. */
struct layer_codes {
    float scale[PSR_MAX_CHANNELS];
    int8_t weight[PSR_MAX_CHANNELS * PSR_MAX_CHANNELS * 9];
};

static void code_layer(const struct psr_layer *layer, const struct layer_coding *coding,
                       struct layer_codes *codes)
{
    float inverse_scale[PSR_MAX_CHANNELS];
    for (uint32_t i = 0; i < layer->c_in; i++)
        inverse_scale[i] = 1.0f / coding->scale[i];
    const struct psr_weights weights = {
        .weight = layer->int8_weight,
        .bias = layer->int8_bias,
        .c_in = layer->c_in,
        .c_out = layer->c_out,
        .coding = {inverse_scale, coding->zero},
    };
    int8_t *to = codes->weight;
    for (uint32_t o = 0; o < layer->c_out; o++) {
        codes->scale[o] = psr_weight_scale_int8(&weights, o);
        for (uint32_t i = 0; i < layer->c_in; i++) {
            for (uint32_t tap = 0; tap < 9; tap++)
                *to++ = (int8_t)psr_weight_code_int8(&weights, o, i, tap, codes->scale[o]);
        }
    }
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

/* Floats before bytes: they stay aligned as well as the file's own tensors. codes: or NULL. Returns
 * how many. */
static size_t list_tensors(const struct layer_coding *codings, const struct layer_codes *codes,
                           uint32_t n_body, uint32_t channels, struct psr_new_tensor *tensors)
{
    const char *const own = PSR_INT8_PREFIX;
    size_t n = 0;
    for (uint32_t i = 0; i < n_body; i++)
        tensors[n++] = tensor_of("", i, "input_scale", PSR_DTYPE_F32, channels, codings[i].scale);
    for (uint32_t i = 0; i < n_body && codes; i++)
        tensors[n++] = tensor_of(own, i, "weight_scale", PSR_DTYPE_F32, channels, codes[i].scale);
    for (uint32_t i = 0; i < n_body; i++)
        tensors[n++] = tensor_of("", i, "input_zero", PSR_DTYPE_U8, channels, codings[i].zero);
    for (uint32_t i = 0; i < n_body && codes; i++)
        tensors[n++] = tensor_of(own, i, "weight", PSR_DTYPE_I8, channels, codes[i].weight);
    return n;
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

    const uint32_t channels = calibrator->network.channels;
    const uint32_t n_body = calibrator->network.n_layers - 2;
    const bool apart = calibrator->model->int8_apart;
    struct layer_coding *codings = malloc(n_body * sizeof *codings);
    struct layer_codes *codes = apart ? malloc(n_body * sizeof *codes) : NULL;
    struct psr_new_tensor *tensors = calloc(4 * (size_t)n_body, sizeof *tensors);
    pipersr_status status = PIPERSR_ERROR_MEMORY;
    if (codings && tensors && (codes || !apart)) {
        for (uint32_t i = 0; i < n_body; i++) {
            choose_layer(layer_histograms(calibrator, i + 1), channels, clip_penalty(i + 1, n_body),
                         &codings[i]);
            if (apart)
                code_layer(&calibrator->model->layers[i + 1], &codings[i], &codes[i]);
        }
        const size_t n = list_tensors(codings, codes, n_body, channels, tensors);
        status = write_file(calibrator, tensors, n, data, size_bytes, error);
    } else {
        psr_fail(error, status, "no memory for the codings");
    }
    free(codings);
    free(codes);
    free(tensors);
    return status;
}
