/* SPDX-License-Identifier: MIT
 *
 * GIMP plug-in: Filters > Enhance > "Upscale 2x (PiperSR)". As Image > Scale Image does, it
 * enlarges the whole image: every layer with its mask, channels, selection, paths and guides; only
 * that the layers' pixels come from the network.
 *
 * GIMP ends a cancelled plug-in by killing it. So the image is not touched before all pixels are
 * made: then GIMP scales the image, and the layers' pixels are put in the place of GIMP's own.
 */
#include <libgimp/gimp.h>
#include <stdbool.h>
#include <string.h>

#include "pipersr.h"
#include "pixels.h"

#define PROCEDURE "plug-in-pipersr-upscale"

/* The arguments' places, as query() declares them. */
enum { ARG_RUN_MODE, ARG_IMAGE, ARG_DRAWABLE, ARG_MODEL, ARG_PRECISION, N_ARGS };

struct layer {
    gint32 id;
    bool is_group; /* has no pixels of its own */
    bool was_locked;
    struct pixels_format format;
    GeglBuffer *pixels; /* twice as wide and high; NULL for a group */
};

struct job {
    gint32 image;
    pipersr_upscaler *upscaler;
    gint scale;
    GArray *layers; /* of struct layer */
    gdouble pixels_total, pixels_done;
    pipersr_error error;
};

static bool fail(struct job *job, const char *message)
{
    g_strlcpy(job->error.message, message, sizeof job->error.message);
    return false;
}

/* ------------------------------------------------------------------------------------- model -- */

static pipersr_status load_model(const gchar *name, pipersr_model **model, pipersr_error *error)
{
    if (!name || !*name)
        return pipersr_model_load_default(model, error);
    const pipersr_built_in_model *built_in = pipersr_model_find_built_in(name);
    return built_in ? pipersr_model_load_memory(built_in->data, built_in->size_bytes, model, error)
                    : pipersr_model_load_file(name, model, error);
}

static bool open_upscaler(struct job *job, const gchar *model_name, const gchar *precision)
{
    pipersr_options options = pipersr_options_default();
    if (precision && *precision &&
        pipersr_precision_parse(precision, &options.precision) != PIPERSR_OK)
        return fail(job, "precision is auto, fp32, bf16 or int8");
    pipersr_model *model;
    if (load_model(model_name, &model, &job->error) != PIPERSR_OK)
        return false;
    pipersr_model_info info;
    pipersr_model_get_info(model, &info);
    job->scale = (gint)info.scale;
    const pipersr_status status =
        pipersr_upscaler_create(model, &options, &job->upscaler, &job->error);
    pipersr_model_free(model);
    return status == PIPERSR_OK;
}

/* ------------------------------------------------------------------------------------ layers -- */

static void collect(struct job *job, const gint *ids, gint n_ids)
{
    for (gint i = 0; i < n_ids; i++) {
        struct layer layer = {.id = ids[i], .is_group = gimp_item_is_group(ids[i])};
        if (layer.is_group) {
            gint n_children;
            gint *children = gimp_item_get_children(ids[i], &n_children);
            collect(job, children, n_children);
            g_free(children);
        } else {
            job->pixels_total +=
                (gdouble)gimp_drawable_width(ids[i]) * gimp_drawable_height(ids[i]);
        }
        g_array_append_val(job->layers, layer);
    }
}

static void count_pixels(void *user_data, gdouble pixels_done)
{
    struct job *job = user_data;
    job->pixels_done += pixels_done;
    gimp_progress_update(job->pixels_done / job->pixels_total);
}

static bool check_image(struct job *job)
{
    if (gimp_image_base_type(job->image) == GIMP_INDEXED)
        return fail(job, "An image with indexed colours cannot be upscaled: convert it first "
                         "(Image > Mode > RGB).");
    if (gimp_image_get_floating_sel(job->image) >= 0)
        return fail(job, "There is a floating selection: anchor it, or make it a layer, first.");
    gint width = gimp_image_width(job->image), height = gimp_image_height(job->image);
    for (guint i = 0; i < job->layers->len; i++) {
        const gint32 id = g_array_index(job->layers, struct layer, i).id;
        width = MAX(width, gimp_drawable_width(id));
        height = MAX(height, gimp_drawable_height(id));
    }
    if (width > GIMP_MAX_IMAGE_SIZE / job->scale || height > GIMP_MAX_IMAGE_SIZE / job->scale)
        return fail(job, "The image would be larger than GIMP allows.");
    return true;
}

static bool upscale_layer(struct job *job, struct layer *layer)
{
    GeglBuffer *in = gimp_drawable_get_buffer(layer->id);
    layer->format =
        pixels_format_of(gimp_drawable_get_format(layer->id), gimp_drawable_is_gray(layer->id),
                         gimp_drawable_has_alpha(layer->id));
    layer->pixels =
        pixels_upscale(job->upscaler, in, &layer->format, count_pixels, job, &job->error);
    g_object_unref(in);
    return layer->pixels != NULL;
}

/* ------------------------------------------------------------------------------------- image -- */

/* GIMP kills a plug-in that writes to a layer whose content, or whose group's, is locked. */
static void set_locks(struct job *job, bool lock)
{
    for (guint i = 0; i < job->layers->len; i++) {
        struct layer *layer = &g_array_index(job->layers, struct layer, i);
        if (!lock)
            layer->was_locked = gimp_item_get_lock_content(layer->id);
        if (layer->was_locked)
            gimp_item_set_lock_content(layer->id, lock);
    }
}

/* Written past the undo, which gimp_image_scale() has already fed with the layer as it was. */
static bool put_pixels(struct job *job, const struct layer *layer)
{
    GeglBuffer *target = gimp_drawable_get_buffer(layer->id);
    const gint width = gegl_buffer_get_width(layer->pixels);
    const gint height = gegl_buffer_get_height(layer->pixels);
    const bool fits = target && gegl_buffer_get_width(target) == width &&
                      gegl_buffer_get_height(target) == height;
    if (fits)
        gegl_buffer_copy(layer->pixels, NULL, GEGL_ABYSS_NONE, target, NULL);
    if (target)
        g_object_unref(target); /* which sends the last tiles to GIMP */
    if (!fits)
        return fail(job, "GIMP scaled a layer to another size than the network.");
    return gimp_drawable_update(layer->id, 0, 0, width, height);
}

static bool scale_image(struct job *job)
{
    gimp_context_push();
    /* For what the network does not make: masks, channels, the selection. */
    gimp_context_set_interpolation(GIMP_INTERPOLATION_CUBIC);
    const bool scaled = gimp_image_scale(job->image, gimp_image_width(job->image) * job->scale,
                                         gimp_image_height(job->image) * job->scale);
    gimp_context_pop();
    return scaled ? true : fail(job, "GIMP could not scale the image.");
}

static bool replace_image(struct job *job)
{
    gimp_image_undo_group_start(job->image);
    set_locks(job, false);
    bool done = scale_image(job);
    for (guint i = 0; i < job->layers->len && done; i++) {
        const struct layer *layer = &g_array_index(job->layers, struct layer, i);
        done = layer->is_group || put_pixels(job, layer);
    }
    set_locks(job, true);
    gimp_image_undo_group_end(job->image);
    return done;
}

static bool upscale_image(struct job *job)
{
    gint n_layers;
    gint *ids = gimp_image_get_layers(job->image, &n_layers);
    collect(job, ids, n_layers);
    g_free(ids);
    if (!check_image(job))
        return false;
    gimp_progress_init("Upscaling by PiperSR");
    for (guint i = 0; i < job->layers->len; i++) {
        struct layer *layer = &g_array_index(job->layers, struct layer, i);
        if (!layer->is_group && !upscale_layer(job, layer))
            return false;
    }
    return replace_image(job);
}

/* ----------------------------------------------------------------------------------- plug-in -- */

static void clear_layer(void *data)
{
    g_clear_object(&((struct layer *)data)->pixels);
}

static void run(const gchar *name, gint n_args, const GimpParam *args, gint *n_results,
                GimpParam **results)
{
    (void)name;
    /* GIMP reads these after the return. */
    static GimpParam values[2];
    static struct job job;
    *n_results = 1;
    *results = values;
    values[0].type = GIMP_PDB_STATUS;
    values[0].data.d_status = GIMP_PDB_SUCCESS;

    /* From the menu only the first three are given. */
    const bool is_call = n_args > 0 && args[ARG_RUN_MODE].data.d_int32 == GIMP_RUN_NONINTERACTIVE;
    if (n_args <= ARG_DRAWABLE || (is_call && n_args != N_ARGS)) {
        values[0].data.d_status = GIMP_PDB_CALLING_ERROR;
        return;
    }
    gegl_init(NULL, NULL);
    job = (struct job){.image = args[ARG_IMAGE].data.d_image};
    job.layers = g_array_new(FALSE, FALSE, sizeof(struct layer));
    g_array_set_clear_func(job.layers, clear_layer);
    const bool done = open_upscaler(&job, is_call ? args[ARG_MODEL].data.d_string : NULL,
                                    is_call ? args[ARG_PRECISION].data.d_string : NULL) &&
                      upscale_image(&job);
    pipersr_upscaler_free(job.upscaler);
    g_array_free(job.layers, TRUE);
    if (done) {
        gimp_progress_end();
        gimp_displays_flush();
    } else {
        *n_results = 2;
        values[0].data.d_status = GIMP_PDB_EXECUTION_ERROR;
        values[1].type = GIMP_PDB_STRING;
        values[1].data.d_string = job.error.message;
    }
    gegl_exit();
}

static void query(void)
{
    static const GimpParamDef args[N_ARGS] = {
        [ARG_RUN_MODE] = {GIMP_PDB_INT32, (gchar *)"run-mode",
                          (gchar *)"{ RUN-INTERACTIVE (0), RUN-NONINTERACTIVE (1) }"},
        [ARG_IMAGE] = {GIMP_PDB_IMAGE, (gchar *)"image", (gchar *)"The image"},
        [ARG_DRAWABLE] = {GIMP_PDB_DRAWABLE, (gchar *)"drawable",
                          (gchar *)"Not used: all layers are upscaled"},
        [ARG_MODEL] = {GIMP_PDB_STRING, (gchar *)"model",
                       (gchar *)"Name of a built-in model, or a model file; \"\": pipersr-x2"},
        [ARG_PRECISION] = {GIMP_PDB_STRING, (gchar *)"precision",
                           (gchar *)"auto, fp32, bf16 or int8; \"\": auto"},
    };
    gimp_install_procedure(
        PROCEDURE, "Doubles width and height by a small neural network, and keeps the image sharp",
        "Upscales all layers of the image, on the CPU. Masks, channels, selection, paths and "
        "guides "
        "are scaled along. One step of undo.",
        "The PiperSR authors", "MIT", "2026", "_Upscale 2x (PiperSR)", "RGB*, GRAY*", GIMP_PLUGIN,
        N_ARGS, 0, args, NULL);
    gimp_plugin_menu_register(PROCEDURE, "<Image>/Filters/Enhance");
}

const GimpPlugInInfo PLUG_IN_INFO = {NULL, NULL, query, run};

int main(int argc, char **argv)
{
    return gimp_main(&PLUG_IN_INFO, argc, argv);
}
