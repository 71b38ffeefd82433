/* SPDX-License-Identifier: MIT */
#include "media/video_join.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_segment_file.h"
#include "media/video_timing.h"

static enum media_status fail_memory(struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_MEMORY, "out of memory");
}

static enum media_status fail_segment(uint64_t number, const char *what, struct media_error *error)
{
    return media_fail(error, MEDIA_ERROR_INPUT, "segment %" PRIu64 " %s; make it again", number,
                      what);
}

/* ----------------------------------------------------------------------------------- the times */

/* Times of all packets of the picture, as if one encoder had made them: the n-th decoding time is
 * the presentation time of the frame `reorder` places before, in the order of showing. */
struct times {
    int64_t *sorted_pts;
    uint64_t n_frames;
    unsigned reorder;
};

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum media_status add_segment(struct times *times, const struct media_segment_entry *entry,
                                     struct media_error *error)
{
    int64_t *here = times->sorted_pts + times->n_frames;
    for (uint64_t i = 0; i < entry->frames; i++) {
        here[i] = entry->times[i].pts;
    }
    qsort(here, (size_t)entry->frames, sizeof *here, compare_times);
    if (times->n_frames > 0 && here[0] <= here[-1]) {
        return fail_segment(entry->number, "overlaps the one before it", error);
    }
    times->n_frames += entry->frames;
    if (entry->reorder > times->reorder) {
        times->reorder = entry->reorder;
    }
    return MEDIA_OK;
}

static enum media_status make_times(struct times *times, const struct media_segment_entry *entries,
                                    uint64_t n_entries, struct media_error *error)
{
    uint64_t total = 0;
    for (uint64_t i = 0; i < n_entries; i++) {
        total += entries[i].frames;
    }
    *times = (struct times){.sorted_pts = calloc((size_t)total, sizeof(int64_t))};
    enum media_status status = times->sorted_pts != NULL ? MEDIA_OK : fail_memory(error);
    for (uint64_t i = 0; status == MEDIA_OK && i < n_entries; i++) {
        status = add_segment(times, &entries[i], error);
    }
    return status;
}

static int64_t decoding_time(const struct times *times, uint64_t n)
{
    const int64_t *pts = times->sorted_pts;
    unsigned reorder = times->reorder < times->n_frames ? times->reorder : 0;
    return n >= reorder ? pts[n - reorder] : pts[n] - (pts[reorder] - pts[0]);
}

/* ---------------------------------------------------------------------------------- the picture */

struct picture {
    const struct media_pipeline *whole;
    const struct media_parts *parts;
    const struct media_segment_entry *entries;
    uint64_t n_entries;
    struct times times;
    struct media_segment_reader reader;
    bool is_open;
    uint64_t segment;   /* being read */
    uint64_t in_packet; /* packets of it that were read */
    uint64_t n_packets; /* of all segments */
    AVPacket *packet;
    bool has_packet;
};

static enum media_status open_segment(struct picture *picture, struct media_error *error)
{
    const struct media_segment_entry *entry = &picture->entries[picture->segment];
    if (!media_segment_entry_verify(entry, picture->parts)) {
        return fail_segment(entry->number, "is damaged", error);
    }
    enum media_status status = media_segment_reader_open(
        &picture->reader, picture->parts, entry->number, picture->whole->job->cancel, error);
    picture->is_open = true;
    if (status != MEDIA_OK) {
        return status;
    }
    const AVCodecParameters *made = media_segment_reader_codec(&picture->reader);
    const AVCodecParameters *expected = picture->whole->output.stream->codecpar;
    bool same = made->codec_id == expected->codec_id && made->width == expected->width &&
                made->height == expected->height &&
                made->extradata_size == expected->extradata_size &&
                (made->extradata_size == 0 ||
                 memcmp(made->extradata, expected->extradata, (size_t)made->extradata_size) == 0);
    return same ? MEDIA_OK : fail_segment(entry->number, "was encoded with other settings", error);
}

static void close_segment(struct picture *picture)
{
    if (picture->is_open) {
        media_segment_reader_close(&picture->reader);
    }
    picture->is_open = false;
}

/* The next packet with its times; has_packet is false after the last. */
static enum media_status next_of_picture(struct picture *picture, struct media_error *error)
{
    enum media_status status = MEDIA_OK;
    picture->has_packet = false;
    if (picture->is_open && picture->in_packet == picture->entries[picture->segment].frames) {
        close_segment(picture);
        picture->segment++;
        picture->in_packet = 0;
    }
    if (picture->segment == picture->n_entries) {
        return MEDIA_OK;
    }
    if (!picture->is_open) {
        status = open_segment(picture, error);
    }
    if (status != MEDIA_OK) {
        return status;
    }
    const struct media_segment_entry *entry = &picture->entries[picture->segment];
    AVPacket *packet = picture->packet;
    if (!media_segment_reader_get(&picture->reader, packet)) {
        return fail_segment(entry->number, "ends early", error);
    }
    if (picture->in_packet == 0 && (packet->flags & AV_PKT_FLAG_KEY) == 0) {
        return fail_segment(entry->number, "does not begin with a keyframe", error);
    }
    packet->pts = entry->times[picture->in_packet].pts;
    packet->duration = entry->times[picture->in_packet].duration;
    packet->dts = decoding_time(&picture->times, picture->n_packets);
    picture->in_packet++;
    picture->n_packets++;
    picture->has_packet = true;
    return MEDIA_OK;
}

/* ------------------------------------------------------------------------------- the other ones */

struct others {
    struct media_pipeline *whole;
    size_t n_early; /* of the packets before the first frame, those that were taken */
    AVPacket *packet;
    bool has_packet, has_ended;
};

static bool is_copied(const struct media_video_output *output, const AVPacket *packet)
{
    return (unsigned)packet->stream_index < output->n_copied &&
           output->copied[packet->stream_index].output_index >= 0;
}

/* The next packet of a copied stream; has_packet is false after the last. */
static enum media_status next_of_others(struct others *others, struct media_error *error)
{
    struct media_pipeline *whole = others->whole;
    others->has_packet = false;
    while (!others->has_packet && !others->has_ended) {
        av_packet_unref(others->packet);
        if (others->n_early < whole->early.count) {
            av_packet_move_ref(others->packet, whole->early.packets[others->n_early++]);
        } else {
            enum media_status status =
                media_video_input_pass(&whole->input, others->packet, &others->has_ended, error);
            if (status != MEDIA_OK) {
                return status;
            }
        }
        others->has_packet = !others->has_ended && is_copied(&whole->output, others->packet);
    }
    return MEDIA_OK;
}

/* Is the other packet to be decoded before the picture's? */
static bool comes_first(const struct others *others, const struct picture *picture)
{
    const AVPacket *other = others->packet;
    if (!others->has_packet || !picture->has_packet || other->dts == AV_NOPTS_VALUE) {
        return others->has_packet;
    }
    const AVStream *stream = others->whole->input.format->streams[other->stream_index];
    return av_compare_ts(other->dts, stream->time_base, picture->packet->dts,
                         others->whole->output.encoder_time_base) <= 0;
}

/* ------------------------------------------------------------------------------------ the join */

static enum media_status merge(struct picture *picture, struct others *others,
                               struct media_error *error)
{
    struct media_pipeline *whole = others->whole;
    const atomic_bool *cancel = whole->job->cancel;
    enum media_status status = next_of_picture(picture, error);
    if (status == MEDIA_OK) {
        status = next_of_others(others, error);
    }
    while (status == MEDIA_OK && (picture->has_packet || others->has_packet)) {
        if (cancel != NULL && atomic_load(cancel)) {
            return media_fail(error, MEDIA_ERROR_CANCELLED, "cancelled");
        }
        if (comes_first(others, picture)) {
            status = media_video_output_copy(&whole->output, others->packet, error);
            if (status == MEDIA_OK) {
                status = next_of_others(others, error);
            }
        } else {
            status = media_video_output_encoded(&whole->output, picture->packet, error);
            if (status == MEDIA_OK) {
                status = next_of_picture(picture, error);
            }
        }
    }
    return status;
}

/* Every frame once: the segments follow each other without a gap, and the last is the last. */
static enum media_status check_entries(const struct media_segment_entry *entries,
                                       uint64_t n_entries, AVRational time_base,
                                       struct media_error *error)
{
    uint64_t n_frames = 0;
    for (uint64_t i = 0; i < n_entries; i++) {
        if (entries[i].number != i || entries[i].first_frame != n_frames ||
            entries[i].last != (i + 1 == n_entries)) {
            return fail_segment(i, "does not follow the one before it", error);
        }
        if (av_cmp_q(entries[i].time_base, time_base) != 0) {
            return fail_segment(i, "counts time otherwise than the output", error);
        }
        n_frames += entries[i].frames;
    }
    return n_entries > 0 ? MEDIA_OK : fail_segment(0, "is missing", error);
}

enum media_status media_segments_join(struct media_pipeline *whole, const struct media_parts *parts,
                                      const struct media_segment_entry *entries, uint64_t n_entries,
                                      struct media_error *error)
{
    struct picture picture = {.whole = whole,
                              .parts = parts,
                              .entries = entries,
                              .n_entries = n_entries,
                              .packet = av_packet_alloc()};
    struct others others = {.whole = whole, .packet = av_packet_alloc()};
    enum media_status status =
        check_entries(entries, n_entries, whole->output.encoder_time_base, error);
    if (status == MEDIA_OK && (picture.packet == NULL || others.packet == NULL)) {
        status = fail_memory(error);
    }
    if (status == MEDIA_OK) {
        status = make_times(&picture.times, entries, n_entries, error);
    }
    if (status == MEDIA_OK) {
        status = merge(&picture, &others, error);
    }
    if (status == MEDIA_OK) {
        /* What the whole would have counted if it had decoded and encoded. */
        const struct media_segment_entry *last = &entries[n_entries - 1];
        whole->input.n_decoded = last->first_frame + last->frames;
        whole->input.deinterlacer.n_interlaced = last->interlaced;
        for (uint64_t i = 0; i < n_entries; i++) {
            whole->n_captioned += entries[i].captioned;
        }
        whole->input.n_damaged = last->damaged;
        whole->input.n_faulty = last->faulty;
        whole->input.n_retimed = last->retimed;
        whole->encoder.n_packets = picture.n_packets;
        status = media_pipeline_complete(whole, error);
    }
    close_segment(&picture);
    free(picture.times.sorted_pts);
    av_packet_free(&picture.packet);
    av_packet_free(&others.packet);
    return status;
}
