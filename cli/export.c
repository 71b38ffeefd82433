/* SPDX-License-Identifier: MIT
 *
 * `pipersr export`: a model as a file for other programs. Python writes it (python/pipersr_export),
 * because Core ML packages are made by Apple's own Python package; this finds Python and the model.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/exit_status.h"
#include "cli/message.h"
#include "cli/model_bytes.h"
#include "cli/model_choice.h"

static const char help[] =
    "Usage: pipersr export --format F -o OUTPUT [options]\n"
    "\n"
    "Writes a model as a file of another format. Needs Python 3.9 or later with NumPy, and for\n"
    "Core ML coremltools (pip install coremltools); neither PyTorch nor ONNX.\n"
    "\n"
    "      --format F           onnx, or coreml: a package for Apple's machines\n"
    "  -o, --output OUTPUT      MODEL.onnx or MODEL.mlpackage\n"
    "  -f, --force              overwrite it if it exists\n"
    "      --model NAME|FILE    the weights (default: the default model); pipersr info --models\n"
    "      --precision P        onnx: fp32 (default), fp16, or int8 with the model's own codings;\n"
    "                           coreml: fp16 alone\n"
    "      --size WxH           size of the input, such as 640x360, the best for the Neural "
    "Engine,\n"
    "                           or 128x128 for tiles; default: any\n"
    "  -h, --help               this text\n"
    "\n"
    "The environment variable PIPERSR_PYTHON names another Python than python3.\n"
    "Exit status: 0 done, 2 wrong usage, 3 bad model file, 4 no Python, or it or the model lacks\n"
    "something, 5 the output cannot be written.\n";

/* Where the Python package is, from the folder that the program is in: in the tree that it was
 * built in, and where it is installed. */
static const char *const places[] = {"../python", "../share/pipersr/python"};

/* Returns false where it is in neither. */
static bool find_package(char *folder, size_t size)
{
    char program[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    char *const name = strrchr(program, '/');
    if (!name)
        return false;
    *name = '\0';
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char module[PATH_MAX];
        const int needed =
            snprintf(module, sizeof module, "%s/%s/pipersr_export", program, places[i]);
        if (needed < 0 || (size_t)needed >= sizeof module || access(module, X_OK) != 0)
            continue;
        const int written = snprintf(folder, size, "%s/%s", program, places[i]);
        return written >= 0 && (size_t)written < size;
    }
    return false;
}

/* In front of what the user has there. */
static bool add_to_python_path(const char *folder)
{
    const char *const old = getenv("PYTHONPATH");
    char path[2 * PATH_MAX];
    const int written =
        snprintf(path, sizeof path, "%s%s%s", folder, old && *old ? ":" : "", old ? old : "");
    return written >= 0 && (size_t)written < sizeof path && setenv("PYTHONPATH", path, 1) == 0;
}

/* A built-in model has no file. Python gets one without a name, which ends with it. */
static int model_as_file(const char *value, char *path, size_t size)
{
    struct cli_model_choice choice;
    int status = cli_model_choose(value, PIPERSR_USE_PHOTO, 0, &choice);
    if (status != CLI_EXIT_OK)
        return status;
    if (!choice.built_in) {
        const int written = snprintf(path, size, "%s", choice.path);
        if (written >= 0 && (size_t)written < size)
            return CLI_EXIT_OK;
        cli_error("%.60s...: the name of the model file is too long", choice.path);
        return CLI_EXIT_INPUT;
    }
    const int file = memfd_create(choice.built_in->name, 0);
    signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is to be an error; Python has it so too */
    const unsigned char *data = choice.built_in->data;
    size_t left = choice.built_in->size_bytes;
    while (file >= 0 && left > 0) {
        const ssize_t written = write(file, data, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            close(file);
            cli_error("the model could not be handed to Python: %s", strerror(errno));
            return CLI_EXIT_MEMORY;
        }
        data += written;
        left -= (size_t)written;
    }
    if (file < 0) {
        cli_error("the model could not be handed to Python: %s", strerror(errno));
        return CLI_EXIT_MEMORY;
    }
    snprintf(path, size, "/proc/self/fd/%d", file);
    return CLI_EXIT_OK;
}

/* Replaces this process by Python, which prints its own errors; returns only where it cannot. */
static int run_python(char **options, size_t n_options, const char *model)
{
    const char *chosen = getenv("PIPERSR_PYTHON");
    const char *const python = chosen && *chosen ? chosen : "python3";
    char module_option[] = "-m", module[] = "pipersr_export", model_option[] = "--model";
    char *arguments[4 + 64 + 2 + 1];
    size_t n = 0;
    if (n_options > 64)
        return cli_usage_error("export", "too many arguments");
    char name[PATH_MAX], model_path[PATH_MAX];
    snprintf(name, sizeof name, "%s", python);
    snprintf(model_path, sizeof model_path, "%s", model);
    arguments[n++] = name;
    arguments[n++] = module_option;
    arguments[n++] = module;
    for (size_t i = 0; i < n_options; i++)
        arguments[n++] = options[i];
    arguments[n++] = model_option;
    arguments[n++] = model_path;
    arguments[n] = NULL;
    execvp(name, arguments);
    cli_error("%s: cannot be run: %s; PIPERSR_PYTHON can name another Python", python,
              strerror(errno));
    return CLI_EXIT_UNSUPPORTED;
}

int cli_export(int argc, char **argv)
{
    static const char model_option[] = "--model";
    const char *model = NULL;
    char *options[64];
    size_t n_options = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return cli_flush_stdout();
        }
        if (strncmp(argv[i], "--model=", sizeof model_option) == 0) {
            model = argv[i] + sizeof model_option;
        } else if (strcmp(argv[i], model_option) == 0) {
            if (++i == argc)
                return cli_usage_error("export", "--model takes a name or a file");
            model = argv[i];
        } else if (n_options < sizeof options / sizeof options[0]) {
            options[n_options++] = argv[i];
        } else {
            return cli_usage_error("export", "too many arguments");
        }
    }
    if (model && !*model)
        return cli_usage_error("export", "--model takes a name or a file, not ''");
    char folder[PATH_MAX], path[PATH_MAX];
    if (!find_package(folder, sizeof folder)) {
        cli_error("the Python package pipersr_export is not beside this program; install it again");
        return CLI_EXIT_UNSUPPORTED;
    }
    if (!add_to_python_path(folder)) {
        cli_error("PYTHONPATH is too long");
        return CLI_EXIT_UNSUPPORTED;
    }
    const int status = model_as_file(model, path, sizeof path);
    return status == CLI_EXIT_OK ? run_python(options, n_options, path) : status;
}
