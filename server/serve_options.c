/* SPDX-License-Identifier: MIT */
#include "server/serve_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/access.h"
#include "server/exit_status.h"

static const char help[] =
    "Usage: pipersr serve [options]\n"
    "\n"
    "Makes this machine an upscaling service for its owner: a page for browsers and an HTTP API.\n"
    "    curl -X POST http://127.0.0.1:9998/v1/video/upscale -H \"X-Session-Key: $SK\" \\\n"
    "         -F file=@input.mp4\n"
    "\n"
    "Where:\n"
    "      --listen ADDRESS     an address of this machine (default 127.0.0.1). Others than\n"
    "                           loopback need --key or --key-file, and --tls-cert unless a proxy\n"
    "                           has TLS\n"
    "      --port N             default 9998; 0: any free one\n"
    "      --unix PATH          a socket in the file system in place of --listen, or beside it\n"
    "      --tls-cert FILE      certificate chain, PEM; needs --tls-key FILE\n"
    "      --tls-key FILE       its private key, PEM\n"
    "      --state FOLDER       jobs, results and the key (default $STATE_DIRECTORY, else\n"
    "                           $XDG_STATE_HOME/pipersr, else ~/.local/state/pipersr)\n"
    "\n"
    "Who:\n"
    "      --key KEY            the session key, 16 characters and more (default: 256 random "
    "bits,\n"
    "                           new at each start, in FOLDER/key)\n"
    "      --key-file FILE      read it from FILE, which only its owner may read; made if missing\n"
    "      --allow-origin URL   pages of this origin may use the API; may be repeated\n"
    "      --allow-host NAME    answer to this name too; may be repeated\n"
    "      --allow-dir DIR      MCP clients may name files in it; may be repeated (default: the\n"
    "                           current folder, if that is not / and --listen is a loopback\n"
    "                           address)\n"
    "\n"
    "How much (sizes as 512M or 2G, times in seconds):\n"
    "      --max-upload SIZE    of one input (default 8G)\n"
    "      --max-pixels N       of a frame, or of a picture's pages together (default 100M)\n"
    "      --max-duration S     of a video (default 14400)\n"
    "      --max-queued N       jobs that wait (default 100)\n"
    "      --max-running N      jobs at the same time (default 1)\n"
    "      --max-rate N         new jobs and uploads of one address in a minute (default 120)\n"
    "      --max-disk SIZE      of all inputs and results (default 64G)\n"
    "      --keep S             how long a finished job is kept (default 604800)\n"
    "      --job-memory SIZE    of one job (default: half of the machine's)\n"
    "      --job-time S         how long a job may run (default 86400)\n"
    "      --stall-time S       how long it may show no progress (default 600)\n"
    "      --max-connections N  at the same time (default 1000)\n"
    "      --client-connections N  of one address (default 500)\n"
    "      --threads N          of all running jobs together (default 0: all CPUs)\n"
    "      --drain S            how long running jobs may go on after SIGTERM (default 0: they\n"
    "                           start again with the next server)\n"
    "\n"
    "  -h, --help               this text\n"
    "\n"
    "docs/server.md has the API, docs/security.md what is promised.\n";

enum {
    OPTION_LISTEN = 256,
    OPTION_PORT,
    OPTION_UNIX,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_STATE,
    OPTION_KEY,
    OPTION_KEY_FILE,
    OPTION_ALLOW_ORIGIN,
    OPTION_ALLOW_HOST,
    OPTION_ALLOW_DIR,
    OPTION_DRAIN,
    OPTION_OF_LIMITS /* first of number_options */
};

/* Options that are numbers with a range: where they go in the limits. */
static const struct number_option {
    const char *name;
    size_t offset;
    bool is_size; /* uint64_t with a unit; else uint32_t */
    uint64_t minimum, maximum;
} number_options[] = {
#define SIZE(name, field, minimum)                                                                 \
    {                                                                                              \
        name, offsetof(struct server_limits, field), true, minimum, 1ull << 60                     \
    }
#define COUNT(name, field, minimum, maximum)                                                       \
    {                                                                                              \
        name, offsetof(struct server_limits, field), false, minimum, maximum                       \
    }
    SIZE("max-upload", upload_bytes, 1),
    SIZE("max-pixels", pixels, 1),
    SIZE("max-disk", disk_bytes, 1),
    SIZE("job-memory", job_memory_bytes, 64 << 20),
    COUNT("max-duration", duration_s, 1, 1000000000),
    COUNT("max-queued", queued, 1, 10000),
    COUNT("max-running", running, 1, 64),
    COUNT("max-rate", rate_per_min, 1, 1000000000),
    COUNT("keep", keep_s, 1, 1000000000),
    COUNT("job-time", job_s, 1, 1000000000),
    COUNT("stall-time", stall_s, 1, 1000000000),
    COUNT("max-connections", connections, 8, 100000),
    COUNT("client-connections", client_connections, 1, 100000),
    COUNT("threads", threads, 0, 1024),
};
enum { NUMBER_OPTIONS = sizeof number_options / sizeof *number_options };

static const struct option word_options[] = {
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"port", required_argument, NULL, OPTION_PORT},
    {"unix", required_argument, NULL, OPTION_UNIX},
    {"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
    {"tls-key", required_argument, NULL, OPTION_TLS_KEY},
    {"state", required_argument, NULL, OPTION_STATE},
    {"key", required_argument, NULL, OPTION_KEY},
    {"key-file", required_argument, NULL, OPTION_KEY_FILE},
    {"allow-origin", required_argument, NULL, OPTION_ALLOW_ORIGIN},
    {"allow-host", required_argument, NULL, OPTION_ALLOW_HOST},
    {"allow-dir", required_argument, NULL, OPTION_ALLOW_DIR},
    {"drain", required_argument, NULL, OPTION_DRAIN},
    {"help", no_argument, NULL, 'h'},
};
enum { WORD_OPTIONS = sizeof word_options / sizeof *word_options };

static int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int usage_error(const char *format, ...)
{
    va_list arguments;
    fputs("pipersr: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("; see 'pipersr serve --help'\n", stderr);
    return SERVER_EXIT_USAGE;
}

/* Digits, with a unit of K, M, G or T: powers of 1024, of 1000 for pixels. */
static bool parse_number(const char *text, uint64_t thousand, uint64_t *number)
{
    static const char units[] = "KMGT";
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || errno)
        return false;
    const char *unit = *end ? strchr(units, *end) : NULL;
    if (*end && (!unit || end[1]))
        return false;
    for (; unit && unit >= units; unit--) {
        if (*number > UINT64_MAX / thousand)
            return false;
        *number *= thousand;
    }
    return true;
}

static int set_number(const struct number_option *option, const char *text,
                      struct server_limits *limits)
{
    uint64_t number;
    const uint64_t thousand = strcmp(option->name, "max-pixels") == 0 ? 1000 : 1024;
    const bool has_unit = *text && (text[strlen(text) - 1] < '0' || text[strlen(text) - 1] > '9');
    if (!parse_number(text, thousand, &number) || (has_unit && !option->is_size) ||
        number < option->minimum || number > option->maximum)
        return usage_error("--%s takes %s, not '%s'", option->name,
                           option->is_size ? "a size such as 512M" : "a whole number in its range",
                           text);
    void *place = (char *)limits + option->offset;
    if (option->is_size)
        *(uint64_t *)place = number;
    else
        *(uint32_t *)place = (uint32_t)number;
    return SERVER_EXIT_OK;
}

static int add_name(const char *names[SERVER_MAX_NAMES + 1], const char *option, const char *name)
{
    size_t count = 0;
    while (names[count])
        count++;
    if (count == SERVER_MAX_NAMES || !*name)
        return usage_error("%s: %s", option, *name ? "too many of them" : "it is empty");
    names[count] = name;
    return SERVER_EXIT_OK;
}

static int set_key(struct server_serve_options *options, const char *key)
{
    const size_t length = strlen(key);
    if (length < 16 || length >= SERVER_MAX_KEY_SIZE)
        return usage_error("--key takes 16 to %d characters", SERVER_MAX_KEY_SIZE - 1);
    for (const char *c = key; *c; c++)
        if (*c <= ' ' || *c > '~')
            return usage_error("--key takes printable ASCII characters without spaces");
    options->key = key;
    return SERVER_EXIT_OK;
}

static int set_bounded(const char *option, const char *text, unsigned maximum, unsigned *value)
{
    uint64_t number;
    if (!parse_number(text, 0, &number) || number > maximum)
        return usage_error("%s takes 0 to %u, not '%s'", option, maximum, text);
    *value = (unsigned)number;
    return SERVER_EXIT_OK;
}

static int set_word(int option, const char *value, struct server_serve_options *options)
{
    switch (option) {
    case OPTION_PORT:
        return set_bounded("--port", value, 65535, &options->port);
    case OPTION_DRAIN:
        return set_bounded("--drain", value, 1000000, &options->drain_s);
    case OPTION_KEY:
        return set_key(options, value);
    case OPTION_ALLOW_ORIGIN:
        return add_name(options->allowed_origins, "--allow-origin", value);
    case OPTION_ALLOW_HOST:
        return add_name(options->allowed_hosts, "--allow-host", value);
    case OPTION_ALLOW_DIR:
        return add_name(options->allowed_folders, "--allow-dir", value);
    default:
        break;
    }
    const char **const places[] = {[OPTION_LISTEN - OPTION_LISTEN] = &options->listen_address,
                                   [OPTION_UNIX - OPTION_LISTEN] = &options->unix_path,
                                   [OPTION_TLS_CERT - OPTION_LISTEN] = &options->certificate,
                                   [OPTION_TLS_KEY - OPTION_LISTEN] = &options->private_key,
                                   [OPTION_STATE - OPTION_LISTEN] = &options->state_folder,
                                   [OPTION_KEY_FILE - OPTION_LISTEN] = &options->key_file};
    if (!*value)
        return usage_error("an option has an empty value");
    *places[option - OPTION_LISTEN] = value;
    return SERVER_EXIT_OK;
}

static int check(const struct server_serve_options *options, int argc, char **argv)
{
    if (optind < argc)
        return usage_error("'%s' is too much: this command takes options only", argv[optind]);
    if (!options->certificate != !options->private_key)
        return usage_error("--tls-cert and --tls-key belong together");
    if (options->key && options->key_file)
        return usage_error("--key and --key-file exclude each other");
    return SERVER_EXIT_OK;
}

bool server_serve_parse(int argc, char **argv, struct server_serve_options *options,
                        int *exit_status)
{
    struct option table[WORD_OPTIONS + NUMBER_OPTIONS + 1] = {0};
    *options = (struct server_serve_options){.port = SERVER_DEFAULT_PORT};
    server_limits_set_defaults(&options->limits);
    memcpy(table, word_options, sizeof word_options);
    for (size_t i = 0; i < NUMBER_OPTIONS; i++)
        table[WORD_OPTIONS + i] = (struct option){number_options[i].name, required_argument, NULL,
                                                  OPTION_OF_LIMITS + (int)i};
    opterr = 0;
    *exit_status = SERVER_EXIT_OK;
    for (int option; (option = getopt_long(argc, argv, ":h", table, NULL)) != -1;) {
        if (option == 'h') {
            fputs(help, stdout);
            *exit_status = fflush(stdout) == 0 ? SERVER_EXIT_OK : SERVER_EXIT_OUTPUT;
            return false;
        }
        if (option == ':' || option == '?')
            *exit_status = usage_error(option == ':' ? "'%s' needs a value" : "unknown option '%s'",
                                       argv[optind - 1]);
        else if (option >= OPTION_OF_LIMITS)
            *exit_status =
                set_number(&number_options[option - OPTION_OF_LIMITS], optarg, &options->limits);
        else
            *exit_status = set_word(option, optarg, options);
        if (*exit_status != SERVER_EXIT_OK)
            return false;
    }
    *exit_status = check(options, argc, argv);
    return *exit_status == SERVER_EXIT_OK;
}
