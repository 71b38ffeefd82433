/* SPDX-License-Identifier: MIT
 *
 * The options of video jobs whose values are texts with a meaning: checked when a job is made,
 * understood again in the job's process.
 */
#ifndef SERVER_JOB_VIDEO_H
#define SERVER_JOB_VIDEO_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds, MM:SS or HH:MM:SS, the seconds with a fraction if need be; at most 1000 hours. */
bool server_video_time(const char *text, int64_t *time_us);

/* auto, yes, no: the values of enum media_deinterlace. */
bool server_video_deinterlace(const char *text, int *when);

/* A list, by commas, of dolby-vision, hdr10plus, hdr-vivid, hdr, depth: a set of bits, from 1 on in
 * that order, as enum media_loss has them. */
bool server_video_losses(const char *text, unsigned *losses);

#endif
