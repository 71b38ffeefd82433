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
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "method.h"
#include "tile.h"

enum { MOST_THREADS = 256, MOST_SIDE = 512, CHANNEL_MULTIPLE = 32, SIDE_MULTIPLE = 16 };

struct worker {
    struct step *step;
    struct workspace *workspace;
    float *sums[MOST_LAYERS], *sums_memory;
    double loss;
    pthread_t thread;
    uint32_t index;
    double square_sum; /* of its part of the gradient */
};

struct step {
    struct shape shape;
    const struct method *method;
    uint32_t n_layers, n_threads;
    struct layer layers[MOST_LAYERS];
    void *packed[MOST_LAYERS], *packed_memory;
    size_t n_weights, n_sums;
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
    step->n_layers = 2 * s->blocks + 2;
    size_t place = 0;
    for (uint32_t i = 0; i < step->n_layers; i++) {
        struct layer *layer = &step->layers[i];
        *layer = (struct layer){.shape = s, .index = i, .c_in = s->channels, .c_out = s->channels};
        if (i == 0)
            layer->c_in = COLOURS;
        else if (i + 1 == step->n_layers)
            layer->c_out = shape_made(s);
        layer->kernel = place;
        place += (size_t)layer->c_out * layer->c_in * 9;
        layer->bias = place;
        place += layer->c_out;
        step->n_sums += step->method->sums(layer);
    }
    step->n_weights = place;
}

/* Gives every layer its part of one piece of memory; 0 when that is short. */
static int take_packed(struct step *step)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < step->n_layers; i++)
        bytes += step->method->packed_bytes(&step->layers[i]);
    uint8_t *memory = step->packed_memory = aligned_alloc(64, bytes);
    if (!memory)
        return 0;
    memset(memory, 0, bytes);
    for (uint32_t i = 0; i < step->n_layers; i++) {
        step->packed[i] = memory;
        memory += step->method->packed_bytes(&step->layers[i]);
    }
    return 1;
}

static int take_sums(const struct step *step, struct worker *worker)
{
    float *sums = worker->sums_memory = aligned_alloc(64, step->n_sums * sizeof(float));
    if (!sums)
        return 0;
    for (uint32_t i = 0; i < step->n_layers; i++) {
        worker->sums[i] = sums;
        sums += step->method->sums(&step->layers[i]);
    }
    return 1;
}

/* Adds all threads' sums of a layer to the gradient. */
static void add_layer(struct step *step, uint32_t i)
{
    const struct layer *layer = &step->layers[i];
    const size_t n = step->method->sums(layer);
    float *sums = step->workers[0].sums[i];
    for (uint32_t t = 1; t < step->n_threads; t++) {
        const float *more = step->workers[t].sums[i];
#pragma omp simd
        for (size_t k = 0; k < n; k++)
            sums[k] += more[k];
    }
    step->method->unpack(layer, sums, step->gradient);
}

/* Numbers below 1e-38 count as zero: processors take a hundred times as long for them, and where
 * SiLU cuts a channel off there is nothing else. What to give to small_numbers_end(). */
static unsigned small_numbers_begin(void)
{
#if defined(__SSE__)
    enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };
    const unsigned kept = _mm_getcsr();
    _mm_setcsr(kept | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    return kept;
#else
    return 0;
#endif
}

static void small_numbers_end(unsigned kept)
{
#if defined(__SSE__)
    _mm_setcsr(kept);
#else
    (void)kept;
#endif
}

static void run_patches(struct worker *worker)
{
    const struct step *step = worker->step;
    const unsigned kept = small_numbers_begin();
    memset(worker->sums_memory, 0, step->n_sums * sizeof(float));
    worker->loss = 0;
    tile_begin();
    for (uint32_t p = worker->index; p < step->loss.patches; p += step->n_threads) {
        struct pixels pixels = {step->low, step->high, {0}};
        memcpy(pixels.choice, step->choices + (size_t)p * 5, sizeof pixels.choice);
        worker->loss +=
            step->method->run(worker->workspace, step->packed, &step->loss, &pixels, worker->sums);
    }
    tile_end();
    small_numbers_end(kept);
}

static void work(struct worker *worker)
{
    struct step *step = worker->step;
    for (uint32_t i = worker->index; i < step->n_layers; i += step->n_threads)
        step->method->pack(&step->layers[i], step->weights, step->packed[i]);
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
                      uint32_t threads, uint32_t precision)
{
    static const struct method *const methods[] = {&method_bf16, &method_bf16x3, &method_fp32};
    if (precision >= sizeof methods / sizeof *methods)
        return NULL;
    if (!channels || channels % CHANNEL_MULTIPLE || channels > 1024 || !blocks ||
        blocks > MOST_BLOCKS || scale < 2 || scale > 4 || !side || side % SIDE_MULTIPLE ||
        side > MOST_SIDE || !threads || threads > MOST_THREADS)
        return NULL;
    struct step *step = calloc(1, sizeof *step);
    if (!step)
        return NULL;
    step->shape = (struct shape){channels, blocks, scale, side};
    step->method = methods[precision];
    plan_layers(step);
    step->workers = calloc(threads, sizeof *step->workers);
    if (!take_packed(step) || !step->workers)
        goto failed;
    pthread_mutex_init(&step->gate, NULL);
    step->n_workers = threads;
    for (uint32_t t = 0; t < threads; t++) {
        struct worker *worker = &step->workers[t];
        worker->step = step;
        worker->index = t;
        worker->workspace = step->method->workspace_new(&step->shape);
        if (!worker->workspace || !take_sums(step, worker))
            goto failed;
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
        step->method->workspace_free(step->workers[t].workspace);
        free(step->workers[t].sums_memory);
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
                const int64_t *choices, uint32_t patches, float y_share, float mse, float *gradient)
{
    step->weights = weights;
    step->low = low;
    step->high = high;
    step->choices = choices;
    step->loss = (struct loss){.y_share = y_share, .mse = mse, .patches = patches};
    step->gradient = gradient;
    run_job(step, work);
    double loss = 0;
    for (uint32_t t = 0; t < step->n_threads; t++)
        loss += step->workers[t].loss;
    return loss;
}
