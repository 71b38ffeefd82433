/* SPDX-License-Identifier: MIT
 *
 * Damaged and hostile model files: each is refused with the right status and a message that names
 * the fault. test_safetensors MODEL, the default model's file, is what they are made from.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "pipersr.h"

static unsigned char *good;
static size_t good_size;

static void expect(const void *data, size_t size, const char *fault)
{
    pipersr_model *model = (pipersr_model *)1;
    pipersr_error error = {""};
    /* A copy of the exact size, so that a sanitizer sees any read past its end. */
    void *copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    const pipersr_status status = pipersr_model_load_memory(copy, size, &model, &error);
    CHECK(status == PIPERSR_ERROR_MODEL && !model, "status %d where '%s' was expected", status,
          fault);
    CHECK(strstr(error.message, fault), "'%s' where '%s' was expected", error.message, fault);
    if (status == PIPERSR_OK)
        pipersr_model_free(model);
    free(copy);
}

/* The good file with a piece of its header replaced by one of any length, to be freed. */
static unsigned char *edited(const char *from, const char *to, size_t *size)
{
    uint64_t header = 0;
    memcpy(&header, good, 8);
    const size_t from_size = strlen(from), to_size = strlen(to);
    const unsigned char *at = memmem(good + 8, header, from, from_size);
    CHECK(at, "the model's header lacks %s", from);
    if (!at)
        return NULL;
    unsigned char *file = malloc(good_size + to_size);
    const size_t before = (size_t)(at - good);
    memcpy(file, good, before);
    memcpy(file + before, to, to_size);
    memcpy(file + before + to_size, at + from_size, good_size - before - from_size);
    header = header - from_size + to_size;
    memcpy(file, &header, 8);
    *size = good_size - from_size + to_size;
    return file;
}

/* That file is refused. */
static void expect_edit(const char *from, const char *to, const char *fault)
{
    size_t size;
    unsigned char *file = edited(from, to, &size);
    if (file)
        expect(file, size, fault);
    free(file);
}

/* A file of this header and `payload` zero bytes. */
static void expect_header(const char *header, size_t payload, const char *fault)
{
    const uint64_t size = strlen(header);
    unsigned char *file = calloc(1, 8 + size + payload);
    memcpy(file, &size, 8);
    memcpy(file + 8, header, size);
    expect(file, 8 + size + payload, fault);
    free(file);
}

static void test_lengths(void)
{
    uint64_t header = 0;
    memcpy(&header, good, 8);
    expect("", 0, "too few");
    expect(good, 7, "too few");
    expect(good, 8, "truncated");
    expect(good, 100, "truncated");
    expect(good, 8 + header - 1, "truncated");
    expect(good, 8 + header, "truncated");
    expect(good, good_size / 2, "truncated");
    expect(good, good_size - 1, "truncated");

    unsigned char *edited = malloc(good_size + 1);
    memcpy(edited, good, good_size);
    edited[good_size] = 0;
    expect(edited, good_size + 1, "follow the last tensor");
    const uint64_t lengths[] = {
        UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX, UINT64_MAX - 7, INT64_MAX, 100000001};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(edited, good, good_size);
        memcpy(edited, &lengths[i], 8);
        expect(edited, good_size, "over the limit");
    }
    memcpy(edited, good, good_size);
    memcpy(edited, &(uint64_t){header - 16}, 8);
    expect(edited, good_size, "header:");
    memcpy(edited, &(uint64_t){0}, 8);
    expect(edited, good_size, "header:");
    free(edited);
}

static void test_metadata(void)
{
    expect_edit("\"pipersr\"", "\"edsr\"", "architecture is 'edsr'");
    expect_edit("\"architecture\"", "\"architektur\"", "lacks 'architecture'");
    expect_edit("\"version\":\"1\"", "\"version\":\"2\"", "version is '2'");
    expect_edit("\"silu\"", "\"relu\"", "activation");
    expect_edit("\"RGB\"", "\"BGR\"", "colour_order");
    expect_edit("\"0..1\"", "\"0..255\"", "value_range");
    expect_edit("\"channels\":\"64\"", "\"channels\":\"63\"", "channels");
    expect_edit("\"channels\":\"64\"", "\"channels\":\"4294967360\"", "channels");
    expect_edit("\"channels\":\"64\"", "\"channels\":\"-64\"", "channels");
    expect_edit("\"channels\":\"64\"", "\"channels\":\"\"", "channels");
    expect_edit("\"channels\":\"64\"", "\"channels\":\"32\"", "shape");
    expect_edit("\"channels\":\"64\"", "\"channels\":64", "a string was expected");
    expect_edit("\"blocks\":\"6\"", "\"blocks\":\"7\"", "'body.6.conv1.weight' is missing");
    expect_edit("\"blocks\":\"6\"", "\"blocks\":\"5\"", "more blocks");
    expect_edit("\"blocks\":\"6\"", "\"blocks\":\"0\"", "blocks");
    expect_edit("\"blocks\":\"6\"", "\"blocks\":\"33\"", "blocks");
    expect_edit("\"scale\":\"2\"", "\"scale\":\"3\"", "shape");
    expect_edit("\"scale\":\"2\"", "\"scale\":\"5\"", "scale");
    expect_edit("\"scale\":\"2\"", "\"scale\":\"2\",\"batch_norm_eps\":\"x\"", "batch_norm_eps");
    expect_edit("\"scale\":\"2\"", "\"scale\":\"2\",\"batch_norm_eps\":\"1e-5x\"",
                "batch_norm_eps");
    expect_edit("\"scale\":\"2\"", "\"scale\":\"2\",\"batch_norm_eps\":\"1e5\"", "batch_norm_eps");
    expect_edit("\"scale\":\"2\"", "\"scale\":\"2\",\"batch_norm_eps\":\".\"", "batch_norm_eps");
}

/* The good file with this description, the inside of a JSON string: malloc'd. The first counts. */
static unsigned char *described(const char *text, size_t *size)
{
    char entry[512];
    const int added = snprintf(entry, sizeof entry, "\"description\":\"%s\",", text);
    uint64_t header = 0;
    memcpy(&header, good, 8);
    const unsigned char *key = memmem(good + 8, header, "\"architecture\"", 14);
    const size_t before = key ? (size_t)(key - good) : 0;
    *size = good_size + (size_t)added;
    unsigned char *edited = malloc(*size);
    memcpy(edited, good, before);
    memcpy(edited + before, entry, (size_t)added);
    memcpy(edited + before + added, good + before, good_size - before);
    header += (uint64_t)added;
    memcpy(edited, &header, 8);
    CHECK(before, "the model's header lacks its architecture");
    return edited;
}

static void test_bad_description(const char *text)
{
    size_t size;
    unsigned char *file = described(text, &size);
    expect(file, size, "description is not one line of text of at most 127 bytes");
    free(file);
}

static void test_good_description(const char *text, const char *shown)
{
    size_t size;
    unsigned char *file = described(text, &size);
    pipersr_model *model = NULL;
    pipersr_model_info info = {.description = ""};
    pipersr_error error = {""};
    CHECK(pipersr_model_load_memory(file, size, &model, &error) == PIPERSR_OK, "'%s': %s", shown,
          error.message);
    free(file);
    if (model)
        pipersr_model_get_info(model, &info);
    CHECK(strcmp(info.description, shown) == 0, "'%s' where '%s' was expected", info.description,
          shown);
    pipersr_model_free(model);
}

static void test_description(void)
{
    static const char *const bad[] = {
        "two\\nlines",
        "a\\ttab",
        "\\u001b[31m red",
        "delete \\u007f",
        /* C1 controls, one of them as a single byte, as on a terminal of ISO 8859-1 */
        "\\u009b31m red",
        "\x9b",
        "\x9b 31m",
        /* bytes that begin no character, or end too early */
        "alone \xbf",
        "\xff",
        "cut \xc3",
        "cut \xe2\x82",
        "cut \xf0\x9f\x98",
        "cut \xf0\x9f\x98 x",
        /* longer than need be, half a pair, beyond the last */
        "\xc1\x81",
        "\xe0\x82\x80",
        "\xf0\x80\x80\x80",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        test_bad_description(bad[i]);
    char text[129] = "";
    memset(text, 'x', 128);
    test_bad_description(text);
    text[127] = '\0';
    test_good_description(text, text);
    test_good_description("", "");
    test_good_description(
        "\\u00fcber \\\"\xe2\x82\xac\\\" \\\\ \xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xed\x9f\xbf",
        "\xc3\xbc"
        "ber \"\xe2\x82\xac\" \\ \xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xed\x9f\xbf");
}

static void test_tensors(void)
{
    expect_edit("[64,3,3,3]", "[64,3,3,4]", "data_offsets do not fit");
    expect_edit("[64,3,3,3]", "[64,27]", "shape");
    expect_edit("[64,3,3,3]", "[3,64,3,3]", "shape");
    expect_edit("[64,3,3,3]", "[18446744073709551615,2]", "too large");
    expect_edit("[64,3,3,3]", "[18446744073709551616]", "too large");
    expect_edit("[64,3,3,3]", "[1,1,1,1,1,1,1,1,1]", "too long");
    expect_edit("[64,3,3,3]", "[64,3,3,-3]", "whole number");
    expect_edit("[64,3,3,3]", "[64,3,3,3", "number");
    expect_edit("\"dtype\":\"F16\"", "\"dtype\":\"F8\"", "unknown dtype");
    expect_edit("\"dtype\":\"F16\"", "\"dtype\":\"I16\"", "not F32, F16 or BF16");
    expect_edit("\"dtype\":\"F16\"", "\"dtype\":\"F32\"", "data_offsets do not fit");
    expect_edit("\"dtype\":\"F16\"", "\"dtype\":\"F16\",\"dtype\":\"F16\"", "doubled");
    expect_edit("\"dtype\":\"F16\",", "", "lacks dtype");
    expect_edit("\"head.weight\"", "\"head.wait\"", "'head.weight' is missing");
    expect_edit("\"head.weight\"", "\"head.bias\"", "twice");
    expect_edit("[0,128]", "[128,256]", "overlap");
    expect_edit("[0,128]", "[128,0]", "data_offsets do not fit");
    expect_edit("[0,128]", "[18446744073709551488,18446744073709551615]", "fit");
    expect_edit("[0,128]", "[99999999,100000127]", "truncated");
}

static void test_json(void)
{
    expect_header("", 0, "header is not a JSON object");
    expect_header("{", 0, "string was expected");
    expect_header("[]", 0, "header is not a JSON object");
    expect_header("{}", 0, "lacks 'architecture'");
    expect_header("{} x", 0, "something follows");
    expect_header("{\"a", 0, "does not end");
    expect_header("{\"a\\", 0, "escape");
    expect_header("{\"a\\q\":1}", 0, "escape");
    expect_header("{\"a\\u12\":1}", 0, "escape");
    expect_header("{\"\\ud800\":1}", 0, "surrogate");
    expect_header("{\"\\ud800\\u0041\":1}", 0, "surrogate");
    expect_header("{\"a\\u0000b\":{}}", 0, "zero byte");
    expect_header("{\"a\tb\":{}}", 0, "control character");
    expect_header("{\"__metadata__\":[]}", 0, "__metadata__ must be");
    expect_header("{\"__metadata__\":{\"a\":{}}}", 0, "string was expected");
    expect_header("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice");
    expect_header("{\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, "lacks");
    expect_header("{\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}", 4,
                  "two numbers");
    expect_header("{\"t\":{\"dtype\":\"U8\",\"shape\":[4],\"x\":1}}", 4, "unknown or doubled");

    /* A name longer than any tensor's, and more tensors than any model has. */
    static char text[1 << 20];
    char *p = text + sprintf(text, "{\"");
    memset(p, 'n', 300);
    strcpy(p + 300, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
    expect_header(text, 0, "name is too long");
    p = text + sprintf(text, "{");
    for (int i = 0; i < 5000; i++)
        p += sprintf(p, "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                     i ? "," : "", i);
    strcpy(p, "}");
    expect_header(text, 0, "too many tensors");
}

/* Where a tensor's bytes begin in the good file. */
static size_t place_of(const char *name)
{
    uint64_t header = 0, begin = 0;
    char key[64];
    memcpy(&header, good, 8);
    const int length = snprintf(key, sizeof key, "\"%s\"", name);
    const char *entry = memmem(good + 8, header, key, (size_t)length);
    const char *offsets = entry ? strstr(entry, "\"data_offsets\":[") : NULL;
    CHECK(offsets && sscanf(offsets + 16, "%" SCNu64, &begin) == 1, "no %s", name);
    return 8 + (size_t)header + (size_t)begin;
}

/* The good file with other bytes in the place of a tensor's first. */
static void expect_bytes(const char *name, const void *bytes, size_t size, const char *fault)
{
    unsigned char *edited = malloc(good_size);
    memcpy(edited, good, good_size);
    memcpy(edited + place_of(name), bytes, size);
    expect(edited, good_size, fault);
    free(edited);
}

/* Infinities and NaNs in place of the tail's first weights. */
static void test_values(void)
{
    static const uint16_t bad[] = {0x7c00, 0xfc00, 0x7e00, 0x7c01};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bytes("tail.weight", &bad[i], sizeof bad[i],
                     "'tail.weight' holds a NaN or an infinity");
}

/* The numbers that int8 needs: all of them or none, and in range. */
static void test_coding(void)
{
    static const float bad[] = {0.0f, -1.0f, 1e20f, 1e-20f};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bytes("body.0.conv1.input_scale", &bad[i], sizeof bad[i], "out of range");
    expect_edit("\"body.1.conv2.input_scale\"", "\"body.1.conv2.input_Scale\"", "is missing");
    expect_edit("\"body.1.conv2.input_zero\"", "\"body.1.conv2.input_Zero\"", "is missing");
    expect_edit("\"dtype\":\"U8\"", "\"dtype\":\"I8\"", "is not U8");
}

/* The parameters that int8 has for itself: all of them or none. */
static void test_int8_apart(void)
{
    static const float huge = 3e38f, infinite = 1.0f / 0.0f;
    static const char scale[] = "int8.body.0.conv1.weight_scale";
    expect_bytes(scale, &infinite, sizeof infinite, "holds a NaN or an infinity");
    expect_bytes(scale, &huge, sizeof huge, "'int8.body.0.conv1.weight' makes a weight infinite");
    expect_edit("\"int8.body.5.conv2.weight_scale\"", "\"int8.body.5.conv2.weight_Scale\"",
                "is missing");
    expect_edit("\"int8.body.1.conv1.weight\"", "\"int8.body.1.conv1.Weight\"", "is missing");
    expect_edit("\"int8.head.bias\"", "\"int8.head.Bias\"", "is missing");
    expect_edit("\"int8.tail.weight\"", "\"int8.tail.Weight\"", "is missing");
    expect_edit("\"int8.body.0.conv1.weight\":{\"dtype\":\"I8\"",
                "\"int8.body.0.conv1.weight\":{\"dtype\":\"U8\"", "is not I8");
}

static void test_good(void)
{
    pipersr_model *model = NULL;
    pipersr_model_info info;
    pipersr_error error = {""};
    CHECK(pipersr_model_load_memory(good, good_size, &model, &error) == PIPERSR_OK, "%s",
          error.message);
    pipersr_model_get_info(model, &info);
    CHECK(info.channels == 64 && info.blocks == 6 && info.scale == 2 && info.radius_px == 14 &&
              info.parameters == 451852 && info.macs_per_px == 451008,
          "%u channels, %u blocks, %llu parameters, %llu macs", info.channels, info.blocks,
          (unsigned long long)info.parameters, (unsigned long long)info.macs_per_px);
    CHECK(info.name[0] && info.training && info.licence && info.description, "a string is missing");
    CHECK(info.has_int8 == 1, "the codings are not told");
    pipersr_model_free(model);

    CHECK(pipersr_model_load_memory(NULL, 5, &model, &error) == PIPERSR_ERROR_ARGUMENT, "NULL");
    CHECK(pipersr_model_load_file("/nonexistent/x", &model, &error) == PIPERSR_ERROR_IO, "no file");
    CHECK(strstr(error.message, "/nonexistent/x"), "message: %s", error.message);
    CHECK(pipersr_model_load_file("/", &model, &error) == PIPERSR_ERROR_IO, "a directory");
    pipersr_model_free(NULL);
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file)
        return 2;
    good = malloc(4 << 20);
    good_size = fread(good, 1, 4 << 20, file);
    fclose(file);
    test_good();
    test_lengths();
    test_metadata();
    test_description();
    test_tensors();
    test_json();
    test_values();
    test_coding();
    test_int8_apart();
    free(good);
    return check_result();
}
