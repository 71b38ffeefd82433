/* SPDX-License-Identifier: MIT
 *
 * A program that gives pipersrupscale a pool of one buffer, as a display with little memory may.
 * The element keeps its last buffer, so it has to ask for one more, or wait for ever.
 *
 * Prints how many frames came.
 */
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { TIMEOUT_S = 60 };

/* Answers the question about allocation with the pool; counts frames. */
static GstPadProbeReturn watch(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
    (void)pad;
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        atomic_fetch_add((atomic_int *)data, 1);
        return GST_PAD_PROBE_OK;
    }
    GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
    if (GST_QUERY_TYPE(query) != GST_QUERY_ALLOCATION)
        return GST_PAD_PROBE_OK;
    GstCaps *caps;
    GstVideoInfo video;
    gst_query_parse_allocation(query, &caps, NULL);
    gst_video_info_from_caps(&video, caps);
    GstBufferPool *pool = gst_video_buffer_pool_new();
    gst_query_add_allocation_pool(query, pool, (guint)video.size, 1, 1);
    gst_object_unref(pool);
    return GST_PAD_PROBE_HANDLED;
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    GstElement *pipeline = gst_parse_launch(
        "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,height=48 ! pipersrupscale "
        "model=pipersr-x2-fast ! fakesink name=sink enable-last-sample=false",
        NULL);
    GstElement *sink = pipeline ? gst_bin_get_by_name(GST_BIN(pipeline), "sink") : NULL;
    if (!sink)
        return 1;
    atomic_int n_frames = 0;
    GstPad *pad = gst_element_get_static_pad(sink, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM, watch,
                      &n_frames, NULL);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus *bus = gst_element_get_bus(pipeline);
    GstMessage *message = gst_bus_timed_pop_filtered(bus, TIMEOUT_S * GST_SECOND,
                                                     GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_print("%d\n", atomic_load(&n_frames));
    if (!message) {
        g_printerr("no more frames come\n");
        _Exit(1); /* the thread that waits for a buffer cannot be ended */
    }
    const gboolean is_error = GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR;
    gst_message_unref(message);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(pad);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
    return is_error;
}
