/* SPDX-License-Identifier: MIT
 *
 * The sub-commands. Each takes its own argv (argv[0] is the sub-command's name), prints its own
 * errors and returns the exit status.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

/* `program_path`: argv[0] of the process, from which libvips finds its files. */
int cli_upscale(const char *program_path, int argc, char **argv);
int cli_info(const char *program_path, int argc, char **argv);
int cli_calibrate(const char *program_path, int argc, char **argv);
int cli_export(int argc, char **argv);
int cli_segment(int argc, char **argv);
int cli_bench(const char *program_path, int argc, char **argv);

int cli_bench_speed(int argc, char **argv);
int cli_bench_quality(const char *program_path, int argc, char **argv);
int cli_bench_video(int argc, char **argv);

#endif
