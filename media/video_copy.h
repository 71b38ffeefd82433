/* SPDX-License-Identifier: MIT
 *
 * What goes from one container to another beside the picture: streams as they are, chapters,
 * metadata.
 */
#ifndef MEDIA_VIDEO_COPY_H
#define MEDIA_VIDEO_COPY_H

#include <libavformat/avformat.h>

#include "media/job.h"
#include "media/video_range.h"

enum media_copy_verdict {
    MEDIA_COPY_KEEP,
    MEDIA_COPY_REDUNDANT, /* the muxer makes it again from what is kept: chapters, time code */
    MEDIA_COPY_IMPOSSIBLE /* the container cannot hold it */
};

/* Can `stream` of `from` be added to the streams that `to` has? Asks the muxer, and where its
 * answer is not to be relied on tries it with a header that goes nowhere. */
enum media_copy_verdict media_copy_judge(const AVFormatContext *to, const AVFormatContext *from,
                                         const AVStream *stream);

/* How strictly this muxer is to keep to standards, for AVFormatContext.strict_std_compliance. */
int media_copy_compliance(const AVOutputFormat *muxer);

/* What must be added to the times of a copied stream because the muxer forgets to, in
 * microseconds. */
int64_t media_copy_delay_us(const AVOutputFormat *muxer, const AVCodecParameters *parameters);

/* "stream 3 (subtitle, mov_text)" */
void media_copy_describe(const AVStream *stream, char *text, size_t size_bytes);

/* Adds a stream to `to` for the packets of `stream`. NULL when out of memory. Matroska holds covers
 * as attachments: for those no packet is to be written. */
AVStream *media_copy_add_stream(AVFormatContext *to, const AVStream *stream, bool strip);

/* Metadata of the whole file and chapters; times are moved by `offset_us` and cut to the range.
 * False when out of memory. */
bool media_copy_metadata(AVFormatContext *to, const AVFormatContext *from);
bool media_copy_chapters(AVFormatContext *to, const AVFormatContext *from, int64_t offset_us,
                         const struct media_range *range, bool strip);

/* Metadata of a stream that is encoded anew: without what describes the old one's bytes. */
bool media_copy_encoded_metadata(AVStream *to, const AVStream *from);

#endif
