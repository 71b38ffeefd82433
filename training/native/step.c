/* SPDX-License-Identifier: MIT
 *
 * Each thread has its own patches, always the same ones, and its own sums: a run repeats to the
 * bit.
 */
#define _GNU_SOURCE
#include "step.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "conv.h"
#include "patch.h"
#include "tile.h"

enum { MOST_THREADS = 256, MOST_SIDE = 512 };

struct layer {
    uint32_t c_in, c_out;               /* of the network */
    uint32_t c_in_padded, c_out_padded; /* forward */
    uint32_t back_in, back_out;         /* of the convolution that takes gradients back; 0: none */
    uint32_t sums_in, sums_out;         /* of struct weight_gradient */
    float factor;                       /* of the weights that inputs meet */
    size_t kernel, bias;                /* places in the vector of weights */
};

struct worker {
    struct step *step;
    struct workspace *workspace;
    struct gradient gradient;
    float *sums; /* all layers' */
    pthread_t thread;
    uint32_t index;
    double square_sum; /* of its part of the gradient */
};

struct step {
    struct shape shape;
    uint32_t n_layers, n_threads;
    struct layer layers[2 * MOST_BLOCKS + 2];
    struct weights packed;
    size_t n_weights, n_sums;
    void *packed_memory;
    struct worker *workers;
    uint32_t n_workers;   /* asked for; n_threads of them could be started */
    pthread_mutex_t gate; /* held until the barrier is there */
    pthread_barrier_t barrier;
    void (*job)(struct worker *); /* NULL: to end */
    const struct step_adam *adam;
    /* step_run()'s */
    const float *weights;
    const uint8_t *low, *high;
    const int64_t *choices;
    struct loss loss;
    float *gradient;
};

int step_tiles(void)
{
#if HAS_TILES
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) ? -1 : 1;
#else
    return 0;
#endif
}

static void plan_layers(struct step *step)
{
    const struct shape *s = &step->shape;
    const uint32_t tail_channels = COLOURS * s->scale * s->scale;
    step->n_layers = 2 * s->blocks + 2;
    size_t place = 0;
    for (uint32_t i = 0; i < step->n_layers; i++) {
        struct layer *layer = &step->layers[i];
        layer->c_in = layer->c_in_padded = layer->sums_in = s->channels;
        layer->c_out = layer->c_out_padded = layer->sums_out = s->channels;
        layer->back_in = layer->back_out = s->channels;
        layer->factor = 1;
        if (i == 0) {
            layer->c_in = COLOURS;
            layer->c_in_padded = layer->sums_in = HEAD_IN;
            layer->back_in = layer->back_out = 0;
            layer->factor = 1.0f / 255;
        } else if (i + 1 == step->n_layers) {
            layer->c_out = tail_channels;
            layer->c_out_padded = shape_tail_sums(s);
            layer->back_in = layer->sums_out = shape_tail_inputs(s);
        }
        layer->kernel = place;
        place += (size_t)layer->c_out * layer->c_in * TAPS;
        layer->bias = place;
        place += layer->c_out;
    }
    step->n_weights = place;
}

/* Gives every layer its part of one piece of memory; with NULL, how many bytes that takes. */
static size_t place_packed(struct step *step, uint8_t *memory)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < step->n_layers; i++) {
        const struct layer *layer = &step->layers[i];
        const size_t forward =
            (size_t)TAPS * layer->c_in_padded * layer->c_out_padded * sizeof(uint16_t);
        const size_t back = (size_t)TAPS * layer->back_in * layer->back_out * sizeof(uint16_t);
        if (memory)
            step->packed.layers[i] = (struct layer_weights){
                .high = (uint16_t *)(void *)(memory + bytes),
                .low = (uint16_t *)(void *)(memory + bytes + forward),
                .back = (uint16_t *)(void *)(memory + bytes + 2 * forward),
                .bias = (float *)(void *)(memory + bytes + 2 * forward + back),
            };
        bytes += 2 * forward + back + (layer->c_out_padded * sizeof(float) + 63) / 64 * 64;
    }
    return bytes;
}

static size_t place_sums(const struct step *step, struct worker *worker)
{
    size_t floats = 0;
    for (uint32_t i = 0; i < step->n_layers; i++) {
        const struct layer *layer = &step->layers[i];
        const size_t kernel = (size_t)TAPS * layer->sums_in * layer->sums_out;
        if (worker->sums)
            worker->gradient.layers[i] =
                (struct layer_gradient){worker->sums + floats, worker->sums + floats + kernel};
        floats += kernel + (layer->sums_out + 15) / 16 * 16;
    }
    return floats;
}

static void pack_layer(struct step *step, uint32_t i)
{
    const struct layer *layer = &step->layers[i];
    const struct layer_weights *packed = &step->packed.layers[i];
    const float *kernel = step->weights + layer->kernel;
    const int needs_low = step->loss.precise || i == 0 || i + 1 == step->n_layers;
    conv_pack(kernel, layer->c_out, layer->c_in, layer->c_out_padded, layer->c_in_padded, 0,
              layer->factor, packed->high, needs_low ? packed->low : NULL);
    if (layer->back_in)
        conv_pack(kernel, layer->c_in, layer->c_out, layer->back_out, layer->back_in, 1, 1,
                  packed->back, NULL);
    memcpy(packed->bias, step->weights + layer->bias, layer->c_out * sizeof(float));
}

/* Adds all threads' sums of a layer to the gradient. */
static void add_layer(struct step *step, uint32_t i)
{
    const struct layer *layer = &step->layers[i];
    const size_t n = (size_t)TAPS * layer->sums_in * layer->sums_out;
    float *sums = step->workers[0].gradient.layers[i].sums,
          *bias = step->workers[0].gradient.layers[i].bias;
    for (uint32_t t = 1; t < step->n_threads; t++) {
        const struct layer_gradient *more = &step->workers[t].gradient.layers[i];
        for (size_t k = 0; k < n; k++)
            sums[k] += more->sums[k];
        for (uint32_t o = 0; o < layer->c_out; o++)
            bias[o] += more->bias[o];
    }
    float *kernel = step->gradient + layer->kernel;
    const size_t tap_step = (size_t)layer->sums_in * layer->sums_out;
    for (uint32_t o = 0; o < layer->c_out; o++)
        for (uint32_t c = 0; c < layer->c_in; c++) {
            const float *from =
                sums +
                (size_t)(o / LANES * layer->sums_in + c / LANES * LANES + o % LANES) * LANES +
                c % LANES;
            for (uint32_t tap = 0; tap < TAPS; tap++)
                *kernel++ += layer->factor * from[tap * tap_step];
        }
    for (uint32_t o = 0; o < layer->c_out; o++)
        step->gradient[layer->bias + o] += bias[o];
}

static void run_patches(struct worker *worker)
{
    const struct step *step = worker->step;
    memset(worker->sums, 0, step->n_sums * sizeof(float));
    worker->gradient.loss = 0;
    tile_begin();
    for (uint32_t p = worker->index; p < step->loss.patches; p += step->n_threads) {
        struct pixels pixels = {step->low, step->high, {0}};
        memcpy(pixels.choice, step->choices + (size_t)p * 5, sizeof pixels.choice);
        patch_run(worker->workspace, &step->packed, &step->loss, &pixels, &worker->gradient);
    }
    tile_end();
}

static void work(struct worker *worker)
{
    struct step *step = worker->step;
    for (uint32_t i = worker->index; i < step->n_layers; i += step->n_threads)
        pack_layer(step, i);
    pthread_barrier_wait(&step->barrier);
    run_patches(worker);
    pthread_barrier_wait(&step->barrier);
    for (uint32_t i = worker->index; i < step->n_layers; i += step->n_threads)
        add_layer(step, i);
    pthread_barrier_wait(&step->barrier);
}

static void adam(struct worker *worker)
{
    struct step *step = worker->step;
    const struct step_adam a = *step->adam;
    const size_t begin = a.count * worker->index / step->n_threads;
    const size_t end = a.count * (worker->index + 1) / step->n_threads;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = begin; i < end; i++)
        sum += (double)a.gradient[i] * a.gradient[i];
    worker->square_sum = sum;
    pthread_barrier_wait(&step->barrier);
    double total = 0;
    for (uint32_t t = 0; t < step->n_threads; t++)
        total += step->workers[t].square_sum;
    const int usable = isfinite(total);
    const float factor = usable ? (float)fmin(1, a.clip_norm / (sqrt(total) + 1e-12)) : 0;
    const float rate = usable ? a.rate : 0;
#pragma omp simd
    for (size_t i = begin; i < end; i++) {
        const float g = usable ? a.gradient[i] * factor : 0;
        a.mean[i] = a.beta1 * a.mean[i] + (1 - a.beta1) * g;
        a.square[i] = a.beta2 * a.square[i] + (1 - a.beta2) * (g * g);
        const float change =
            a.mean[i] * a.mean_correction / (sqrtf(a.square[i] * a.square_correction) + a.epsilon);
        a.weights[i] -= change * a.rates[i] * rate;
        a.average[i] += (a.weights[i] - a.average[i]) * a.average_share;
        a.gradient[i] = 0;
    }
    pthread_barrier_wait(&step->barrier);
}

static void *thread(void *argument)
{
    struct worker *worker = argument;
    pthread_mutex_lock(&worker->step->gate);
    pthread_mutex_unlock(&worker->step->gate);
    for (;;) {
        pthread_barrier_wait(&worker->step->barrier);
        if (!worker->step->job)
            return NULL;
        worker->step->job(worker);
    }
}

struct step *step_new(uint32_t channels, uint32_t blocks, uint32_t scale, uint32_t side,
                      uint32_t threads)
{
    if (!channels || channels % TILE_K || channels > 1024 || !blocks || blocks > MOST_BLOCKS ||
        scale < 2 || scale > 4 || !side || side % TILE_PX || side > MOST_SIDE || !threads ||
        threads > MOST_THREADS)
        return NULL;
    struct step *step = calloc(1, sizeof *step);
    if (!step)
        return NULL;
    step->shape = (struct shape){channels, blocks, scale, side};
    plan_layers(step);
    const size_t bytes = place_packed(step, NULL);
    step->packed_memory = aligned_alloc(64, bytes);
    step->workers = calloc(threads, sizeof *step->workers);
    if (!step->packed_memory || !step->workers)
        goto failed;
    memset(step->packed_memory, 0, bytes);
    place_packed(step, step->packed_memory);
    pthread_mutex_init(&step->gate, NULL);
    step->n_workers = threads;
    for (uint32_t t = 0; t < threads; t++) {
        struct worker *worker = &step->workers[t];
        worker->step = step;
        worker->index = t;
        worker->workspace = workspace_new(&step->shape);
        step->n_sums = place_sums(step, worker);
        worker->sums = aligned_alloc(64, (step->n_sums * sizeof(float) + 63) / 64 * 64);
        if (!worker->workspace || !worker->sums)
            goto failed;
        place_sums(step, worker);
    }
    pthread_mutex_lock(&step->gate);
    for (step->n_threads = 1; step->n_threads < threads; step->n_threads++) {
        struct worker *worker = &step->workers[step->n_threads];
        if (pthread_create(&worker->thread, NULL, thread, worker))
            break; /* fewer do it, too */
    }
    pthread_barrier_init(&step->barrier, NULL, step->n_threads);
    pthread_mutex_unlock(&step->gate);
    return step;
failed:
    step_free(step);
    return NULL;
}

void step_free(struct step *step)
{
    if (!step)
        return;
    if (step->n_threads) {
        step->job = NULL;
        pthread_barrier_wait(&step->barrier);
        for (uint32_t t = 1; t < step->n_threads; t++)
            pthread_join(step->workers[t].thread, NULL);
        pthread_barrier_destroy(&step->barrier);
    }
    for (uint32_t t = 0; step->workers && t < step->n_workers; t++) {
        workspace_free(step->workers[t].workspace);
        free(step->workers[t].sums);
    }
    free(step->workers);
    free(step->packed_memory);
    free(step);
}

size_t step_weights(const struct step *step)
{
    return step->n_weights;
}

static void run_job(struct step *step, void (*job)(struct worker *))
{
    step->job = job;
    pthread_barrier_wait(&step->barrier);
    job(&step->workers[0]);
}

void step_adam(struct step *step, const struct step_adam *numbers)
{
    step->adam = numbers;
    run_job(step, adam);
}

double step_run(struct step *step, const float *weights, const uint8_t *low, const uint8_t *high,
                const int64_t *choices, uint32_t patches, float y_share, float mse, int precise,
                float *gradient)
{
    step->weights = weights;
    step->low = low;
    step->high = high;
    step->choices = choices;
    step->loss =
        (struct loss){.y_share = y_share, .mse = mse, .patches = patches, .precise = precise};
    step->gradient = gradient;
    run_job(step, work);
    double loss = 0;
    for (uint32_t t = 0; t < step->n_threads; t++)
        loss += step->workers[t].gradient.loss;
    return loss;
}
