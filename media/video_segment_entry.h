/* SPDX-License-Identifier: MIT
 *
 * What is known of a whole segment, kept as 000012.json beside 000012.nut. It is written after the
 * segment: where the entry is, the segment is.
 */
#ifndef MEDIA_VIDEO_SEGMENT_ENTRY_H
#define MEDIA_VIDEO_SEGMENT_ENTRY_H

#include <libavutil/rational.h>

#include "media/video_manifest.h"

/* The exact times of a packet, in the order of decoding; containers round them. */
struct media_packet_time {
    int64_t pts, duration; /* in the entry's time base */
};

struct media_segment_entry {
    uint64_t number, first_frame, frames;
    bool last;                    /* no frame follows */
    struct media_frame_mark next; /* the frame that follows */
    /* The input's counters at the end of the segment: packets, and frames. */
    uint64_t damaged, faulty, retimed, interlaced;
    uint64_t captioned; /* frames of this segment with closed captions */
    AVRational time_base;
    unsigned reorder; /* by how many frames the encoder's decoding times are behind */
    struct media_packet_time *times; /* of `frames` packets */
    uint64_t size_bytes;             /* of the segment's file */
    char sha256[MEDIA_DIGEST_BYTES]; /* of the segment's file */
};

enum media_status media_segment_entry_write(const struct media_segment_entry *entry,
                                            const struct media_manifest *manifest,
                                            const struct media_parts *parts,
                                            struct media_error *error);

/* *found is false where there is no entry, or none that belongs to this manifest; the contents of
 * the segment's file are not looked at. Free it if found. */
enum media_status media_segment_entry_read(struct media_segment_entry *entry, uint64_t number,
                                           const struct media_manifest *manifest,
                                           const struct media_parts *parts, bool *found,
                                           struct media_error *error);

/* Is the segment's file there, with the bytes that it was written with? */
bool media_segment_entry_verify(const struct media_segment_entry *entry,
                                const struct media_parts *parts);

/* Harmless on a zeroed one. */
void media_segment_entry_free(struct media_segment_entry *entry);

#endif
