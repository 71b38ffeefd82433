/* SPDX-License-Identifier: MIT
 *
 * The sub-commands of this room. Each prints its own errors and returns the exit status, which has
 * the meanings of cli/exit_status.h.
 */
#ifndef SERVER_COMMANDS_H
#define SERVER_COMMANDS_H

/* `pipersr serve`: argv[0] is the sub-command's name. Ends on SIGTERM or SIGINT. */
int server_serve(int argc, char **argv);

/* `pipersr mcp`: the Model Context Protocol over standard input and output, until that ends. */
int server_mcp_command(int argc, char **argv);

/* What a job runs in: started by the server alone, told what to do on standard input. No person
 * calls it, so no help names it. */
#define SERVER_WORKER_COMMAND "job-worker"
int server_worker(const char *program_path);

#endif
