/* SPDX-License-Identifier: MIT
 *
 * The models that the library carries, however many. test_built_in MODEL...: their files, in the
 * order of the build's list.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"

enum { MOST_BYTES = 64 << 20 };

/* PATH is FOLDER/NAME.safetensors. */
static bool is_path_of(const char *path, const char *name)
{
    const char *base = strrchr(path, '/');
    const size_t length = strlen(name);
    base = base ? base + 1 : path;
    return strncmp(base, name, length) == 0 && strcmp(base + length, ".safetensors") == 0;
}

static void test_bytes(const pipersr_built_in_model *built_in, const char *path)
{
    unsigned char *bytes = malloc(MOST_BYTES);
    FILE *file = fopen(path, "rb");
    CHECK(bytes && file, "%s cannot be read", path);
    if (bytes && file) {
        const size_t size = fread(bytes, 1, MOST_BYTES, file);
        CHECK(size == built_in->size_bytes && memcmp(bytes, built_in->data, size) == 0,
              "%s: %zu bytes in the file, %zu built in", path, size, built_in->size_bytes);
    }
    if (file)
        fclose(file);
    free(bytes);
}

/* What the list says of it is what the file says. */
static void test_loads(const pipersr_built_in_model *built_in)
{
    pipersr_model *model = NULL;
    pipersr_model_info info;
    pipersr_error error = {""};
    CHECK(pipersr_model_load_memory(built_in->data, built_in->size_bytes, &model, &error) ==
              PIPERSR_OK,
          "%s: %s", built_in->name, error.message);
    if (!model)
        return;
    pipersr_model_get_info(model, &info);
    CHECK(strcmp(info.name, built_in->name) == 0, "%s calls itself %s", built_in->name, info.name);
    CHECK(strcmp(info.description, built_in->description) == 0, "%s: '%s', and in the list '%s'",
          built_in->name, info.description, built_in->description);
    CHECK(built_in->description[0], "%s has no description", built_in->name);
    pipersr_model_free(model);
}

static void test_default(void)
{
    const pipersr_built_in_model *first = pipersr_model_built_in(0);
    size_t size = 0;
    CHECK(pipersr_model_default_data(&size) == first->data && size == first->size_bytes,
          "the default's bytes are not the first's");
    pipersr_model *model = NULL;
    pipersr_model_info info;
    CHECK(pipersr_model_load_default(&model, NULL) == PIPERSR_OK, "the default does not load");
    pipersr_model_get_info(model, &info);
    CHECK(strcmp(info.name, first->name) == 0, "the default is %s, not %s", info.name, first->name);
    pipersr_model_free(model);
}

static void test_uses(void)
{
    const pipersr_built_in_model *video = pipersr_model_find_built_in("pipersr-x2-video");
    CHECK(pipersr_model_built_in_for(PIPERSR_USE_PHOTO) == pipersr_model_built_in(0), "photos");
    CHECK(pipersr_model_built_in_for(PIPERSR_USE_VIDEO) ==
              (video ? video : pipersr_model_built_in(0)),
          "videos");
}

static void test_unknown_names(const char *name)
{
    char other[80];
    CHECK(!pipersr_model_find_built_in(NULL), "NULL names one");
    CHECK(!pipersr_model_find_built_in(""), "'' names one");
    snprintf(other, sizeof other, "%.*s", (int)strlen(name) - 1, name);
    CHECK(!pipersr_model_find_built_in(other), "'%s' names one", other);
    snprintf(other, sizeof other, "%s-", name);
    CHECK(!pipersr_model_find_built_in(other), "'%s' names one", other);
    snprintf(other, sizeof other, "P%s", name + 1);
    CHECK(!pipersr_model_find_built_in(other), "'%s' names one", other);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    const size_t count = (size_t)argc - 1;
    for (size_t i = 0; i < count; i++) {
        const pipersr_built_in_model *built_in = pipersr_model_built_in(i);
        CHECK(built_in, "number %zu of %zu is missing", i, count);
        if (!built_in)
            continue;
        CHECK(is_path_of(argv[i + 1], built_in->name), "'%s' is from %s", built_in->name,
              argv[i + 1]);
        /* That of another with the same name would be found first. */
        CHECK(pipersr_model_find_built_in(built_in->name) == built_in, "by name: %s",
              built_in->name);
        test_bytes(built_in, argv[i + 1]);
        test_loads(built_in);
        test_unknown_names(built_in->name);
    }
    CHECK(!pipersr_model_built_in(count) && !pipersr_model_built_in(SIZE_MAX), "one too many");
    test_default();
    test_uses();
    return check_result();
}
