/* SPDX-License-Identifier: MIT
 *
 * What a job's process is told, and what it says. One JSON object on standard input:
 *
 *     {"kind": "video"|"image", "input": PATH, "work": PATH, "name": the input's name,
 *      "own_input": true if the client gave the input's path, "output": the path at which the
 * client wants the result, if it gave one, "options": {...}, "threads": N, "parent": the server's
 * process number, "pixels": N, "duration_s": N, "memory_bytes": N, "file_bytes": N, "cpu_s": N}
 *
 * and one a line on standard output, "event" first:
 *
 *     {"event": "progress", "done": N, "total": N (0: unknown), "unit": "frames"|"rows"}
 *     {"event": "note", "text": one line for the user}
 *     {"event": "done", "file": in the work folder, "name": to be saved under, "content_type": ...,
 *      "width_px": N, "height_px": N, "frames": N}
 *     {"event": "failed", "status": N of HTTP, "name": of the problem, "detail": one line}
 *
 * With the kind "still", and "seconds" (a real number) besides, it makes one picture of a video,
 * work/still.png: enlarged if there are "options", else as it is.
 *
 * "done" is also in work/outcome.json, written when the result is on the disk: a server that was
 * killed before it could read the line finds it there.
 */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#define SERVER_WORKER_OUTCOME    "outcome.json"
#define SERVER_WORKER_STILL      "still"
#define SERVER_WORKER_STILL_FILE "still.png"
/* In the work folder: what a long video's job has done so far. */
#define SERVER_WORKER_PARTS "parts"

#endif
