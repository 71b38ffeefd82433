/* SPDX-License-Identifier: MIT
 *
 * How a job's errors speak of its files (server/worker_message.h).
 */
#include <string.h>

#include "check.h"
#include "server/worker_message.h"

static bool becomes(const char *message, bool own_input, const char *output, const char *expected)
{
    char text[64];
    json_t *order = json_pack("{s:s, s:s, s:s, s:b, s:s*}", "input", "/state/jobs/1/input", "work",
                              "/state/jobs/1/temp", "name", "my clip.mp4", "own_input", own_input,
                              "output", output);
    snprintf(text, sizeof text, "%s", message);
    server_worker_name_files(order, text, sizeof text);
    json_decref(order);
    if (strcmp(text, expected) != 0)
        printf("it is '%s'\n", text);
    return strcmp(text, expected) == 0;
}

int main(void)
{
    CHECK(becomes("cannot open /state/jobs/1/input: why", false, NULL,
                  "cannot open my clip.mp4: why"),
          "the input has its own name");
    CHECK(becomes("cannot open /state/jobs/1/input: why", true, NULL,
                  "cannot open /state/jobs/1/input: why"),
          "a path that the client gave stays");
    CHECK(becomes("cannot write '/state/jobs/1/temp/result.mp4': why", false, "/films/out.mp4",
                  "cannot write '/films/out.mp4': why"),
          "what lies in the work folder is the output");
    CHECK(becomes("cannot write /state/jobs/1/temp/.result.ab12cd.mp4: why", false, NULL,
                  "cannot write the result: why"),
          "or the result");
    CHECK(becomes("/state/jobs/1/temp/a and /state/jobs/1/temp/b", false, "/out", "/out and /out"),
          "every path is replaced");
    CHECK(becomes("/state/jobs/1/temp/a is not /state/jobs/1/input", false, "/state/jobs/1/temp/a",
                  "/state/jobs/1/temp/a is not my clip.mp4"),
          "a replacement is not replaced again");
    CHECK(becomes("0123456789012345678901234567890123456789 /state/jobs/1/temp/a: b", false,
                  "/a/path/that/is/too/long/for/the/rest",
                  "0123456789012345678901234567890123456789 /a/path/that/is/too/lo"),
          "a message that grows too long is cut");
    return check_result();
}
