/* SPDX-License-Identifier: MIT
 *
 * A program that plays with pipersrupscale for the test of its properties: before frames flow and
 * while they do, one thread writes them, another reads them, and caps are negotiated anew.
 *
 * usage: gstreamer_properties MODEL OTHER-MODEL
 * OTHER-MODEL has another scale. Prints the width of the frames before a new start and after it.
 */
#include <gst/gst.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { N_QUESTIONS = 500, N_FRAMES = 40, TIMEOUT_S = 120 };

struct play {
    GstElement *pipeline, *upscale;
    const gchar *models[2];
    atomic_bool done;
    atomic_int n_frames, width_px, n_widths;
};

static G_NORETURN void fail(const gchar *message)
{
    g_printerr("%s\n", message);
    exit(1);
}

static GstPadProbeReturn count(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    (void)info;
    struct play *play = data;
    GstCaps *caps = gst_pad_get_current_caps(pad);
    gint width = 0;
    gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
    gst_caps_unref(caps);
    if (atomic_exchange(&play->width_px, width) != width)
        atomic_fetch_add(&play->n_widths, 1);
    atomic_fetch_add(&play->n_frames, 1);
    return GST_PAD_PROBE_OK;
}

static gpointer write_properties(gpointer data)
{
    struct play *play = data;
    static const gchar *const precisions[] = {"fp32", "auto"};
    for (int i = 0; !atomic_load(&play->done); i++)
        g_object_set(play->upscale, "model", play->models[i % 2], "precision", precisions[i % 2],
                     "threads", 1 + i % 2, NULL);
    return NULL;
}

static gpointer read_properties(gpointer data)
{
    struct play *play = data;
    while (!atomic_load(&play->done)) {
        gchar *model = NULL;
        g_object_get(play->upscale, "model", &model, NULL);
        if (!model || (strcmp(model, play->models[0]) != 0 && strcmp(model, play->models[1]) != 0))
            fail("the model's name that was read is none that was written");
        g_free(model);
    }
    return NULL;
}

static void set_state(struct play *play, GstState state)
{
    if (gst_element_set_state(play->pipeline, state) == GST_STATE_CHANGE_FAILURE)
        fail("the pipeline does not change its state");
}

/* Returns when N_FRAMES more have come. */
static void wait_for_frames(struct play *play)
{
    GstBus *bus = gst_element_get_bus(play->pipeline);
    const gint64 end = g_get_monotonic_time() + TIMEOUT_S * G_TIME_SPAN_SECOND;
    const int wanted = atomic_load(&play->n_frames) + N_FRAMES;
    while (atomic_load(&play->n_frames) < wanted) {
        GstMessage *message = gst_bus_timed_pop_filtered(bus, 5 * GST_MSECOND, GST_MESSAGE_ERROR);
        if (message) {
            GError *error;
            gchar *details;
            gst_message_parse_error(message, &error, &details);
            g_printerr("%s: %s\n", error->message, details);
            fail("the pipeline stopped");
        }
        if (g_get_monotonic_time() > end)
            fail("no more frames come");
    }
    gst_object_unref(bus);
}

static void change_properties(struct play *play, GstPad *in, GstPad *out)
{
    atomic_store(&play->done, false);
    GThread *threads[] = {g_thread_new("writer", write_properties, play),
                          g_thread_new("reader", read_properties, play)};
    for (int i = 0; i < N_QUESTIONS; i++) {
        gst_caps_unref(gst_pad_query_caps(in, NULL));
        gst_pad_mark_reconfigure(out);
        g_usleep(200);
    }
    atomic_store(&play->done, true);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    if (argc != 3)
        fail("usage: gstreamer_properties MODEL OTHER-MODEL");
    struct play play = {.models = {argv[1], argv[2]}};
    play.pipeline = gst_parse_launch("videotestsrc ! video/x-raw,format=I420,width=32,height=24 ! "
                                     "pipersrupscale name=upscale ! fakesink",
                                     NULL);
    play.upscale = play.pipeline ? gst_bin_get_by_name(GST_BIN(play.pipeline), "upscale") : NULL;
    if (!play.upscale)
        fail("no such element");
    g_object_set(play.upscale, "model", play.models[0], NULL);
    GstPad *out = gst_element_get_static_pad(play.upscale, "src");
    GstPad *in = gst_element_get_static_pad(play.upscale, "sink");
    gst_pad_add_probe(out, GST_PAD_PROBE_TYPE_BUFFER, count, &play, NULL);
    set_state(&play, GST_STATE_READY);
    change_properties(&play, in, out); /* each question about caps loads the model */
    g_object_set(play.upscale, "model", play.models[0], NULL);
    set_state(&play, GST_STATE_PLAYING);
    wait_for_frames(&play);

    change_properties(&play, in, out);
    wait_for_frames(&play);
    g_print("%d", atomic_load(&play.width_px));
    if (atomic_load(&play.n_widths) != 1)
        fail("the size changed while frames flowed");

    set_state(&play, GST_STATE_READY);
    g_object_set(play.upscale, "model", play.models[1], NULL);
    set_state(&play, GST_STATE_PLAYING);
    wait_for_frames(&play);
    g_print(" %d\n", atomic_load(&play.width_px));

    set_state(&play, GST_STATE_NULL);
    gst_object_unref(in);
    gst_object_unref(out);
    gst_object_unref(play.upscale);
    gst_object_unref(play.pipeline);
    return 0;
}
