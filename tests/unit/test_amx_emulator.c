/* SPDX-License-Identifier: MIT
 *
 * The emulator against values worked out by hand. On a CPU that has AMX the same tests run on it.
 */
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "amx_emulator.h"
#include "check.h"
#include "src/cpu.h"

enum { ROW_BYTES = 64, ROWS = 16 };

struct configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

#define LOAD(tile, from, stride)                                                                   \
    __asm__ volatile("tileloadd (%0,%1), %%tmm" #tile                                              \
                     :                                                                             \
                     : "r"(from), "r"((ptrdiff_t)(stride))                                         \
                     : "memory")
#define STORE(tile, to, stride)                                                                    \
    __asm__ volatile("tilestored %%tmm" #tile ", (%0,%1)"                                          \
                     :                                                                             \
                     : "r"(to), "r"((ptrdiff_t)(stride))                                           \
                     : "memory")

static void configure(const struct configuration *c)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*c));
}

/* Tile 0: rows x row_bytes, tile 1 (first factor): rows x depth_bytes, tile 2: fits both. */
static struct configuration product_shapes(int rows, int row_bytes, int depth_bytes)
{
    struct configuration c = {.palette = 1};
    c.rows[0] = c.rows[1] = (uint8_t)rows;
    c.row_bytes[0] = c.row_bytes[2] = (uint16_t)row_bytes;
    c.row_bytes[1] = (uint16_t)depth_bytes;
    c.rows[2] = (uint8_t)(depth_bytes / 4);
    return c;
}

/* ----------------------------------------------------------------------------------- addresses --
 */

/* The rows lie 72 bytes apart from `rows` on; below it there is room for a signal's frame, as the
 * stack pointer is used for a base too. */
static struct {
    unsigned char below[1 << 16];
    unsigned char rows[ROWS * 72 + 4096];
} memory;

/* Operands without a register of their own: there is none left. */
static const unsigned char *given_base;
static int64_t given_index;

/* 16 rows of 8 bytes: loaded by `address`, whose base and index registers are set before, and
 * stored plainly. The stack pointer is kept in r15, or in r14 where r15 is used. */
#define ADDRESS_CASE(base, index, address, base_offset, index_value, keep)                         \
    do {                                                                                           \
        unsigned char back[ROWS][8];                                                               \
        given_base = (const unsigned char *)((uintptr_t)memory.rows - (uintptr_t)(base_offset));   \
        given_index = index_value;                                                                 \
        __asm__ volatile("mov %%rsp, %%" #keep "\n\t"                                              \
                         "mov %0, %%rdi\n\tmov %1, %%rsi\n\t"                                      \
                         "mov %%rsi, %%" #index "\n\tmov %%rdi, %%" #base "\n\t"                   \
                         "tileloadd " address ", %%tmm3\n\t"                                       \
                         "mov %%" #keep ", %%rsp"                                                  \
                         :                                                                         \
                         : "m"(given_base), "m"(given_index)                                       \
                         : "memory", "rdi", "rsi", SAVED_REGISTERS);                               \
        STORE(3, back, 8);                                                                         \
        int wrong = 0;                                                                             \
        for (int row = 0; row < ROWS; row++)                                                       \
            wrong += memcmp(back[row], memory.rows + row * 72, 8) != 0;                            \
        CHECK(wrong == 0, "%s: %d rows wrong", address, wrong);                                    \
    } while (0)
#define SAVED_REGISTERS                                                                            \
    "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rbx"

static void test_addresses(void)
{
    struct configuration c = {.palette = 1};
    c.rows[3] = ROWS;
    c.row_bytes[3] = 8;
    unsigned seed = 5;
    for (size_t i = 0; i < sizeof memory.rows; i++)
        memory.rows[i] = (unsigned char)check_random(&seed);
    configure(&c);

    ADDRESS_CASE(rax, rcx, "(%%rax,%%rcx)", 0, 72, r15);
    ADDRESS_CASE(rcx, rax, "5(%%rcx,%%rax,2)", 5, 36, r15);
    ADDRESS_CASE(rdx, rbx, "-128(%%rdx,%%rbx,4)", -128, 18, r15);
    ADDRESS_CASE(rbx, rdx, "127(%%rbx,%%rdx,8)", 127, 9, r15);
    ADDRESS_CASE(rsi, rax, "128(%%rsi,%%rax)", 128, 72, r15);
    ADDRESS_CASE(rdi, rsi, "-4096(%%rdi,%%rsi)", -4096, 72, r15);
    ADDRESS_CASE(r8, r9, "(%%r8,%%r9,8)", 0, 9, r15);
    ADDRESS_CASE(r9, r8, "64(%%r9,%%r8,4)", 64, 18, r15);
    ADDRESS_CASE(r10, r11, "(%%r10,%%r11)", 0, 72, r15);
    ADDRESS_CASE(r11, r10, "(%%r11,%%r10)", 0, 72, r15);
    /* The encodings that mean something else in the lower eight. */
    ADDRESS_CASE(r12, r13, "(%%r12,%%r13)", 0, 72, r15);
    ADDRESS_CASE(r13, r12, "(%%r13,%%r12,8)", 0, 9, r15);
    ADDRESS_CASE(rsp, r12, "(%%rsp,%%r12)", 0, 72, r15);
    ADDRESS_CASE(rsp, rcx, "1000(%%rsp,%%rcx,2)", 1000, 36, r15);
    ADDRESS_CASE(r14, r15, "(%%r14,%%r15)", 0, 72, r11);
    ADDRESS_CASE(r15, r14, "(%%r15,%%r14)", 0, 72, r11);
    /* rbp may hold the function's frame: it is kept by hand. */
    unsigned char back[ROWS][8];
    __asm__ volatile("mov %0, %%rax\n\tmov $72, %%ecx\n\tmov %%rbp, %%rdx\n\t"
                     "mov %%rax, %%rbp\n\ttileloadd (%%rbp,%%rcx), %%tmm3\n\t"
                     "mov $36, %%ebp\n\ttilezero %%tmm3\n\ttileloaddt1 (%%rax,%%rbp,2), %%tmm3\n\t"
                     "mov %%rdx, %%rbp"
                     :
                     : "r"(memory.rows)
                     : "memory", "rax", "rcx", "rdx");
    STORE(3, back, 8);
    CHECK(memcmp(back[15], memory.rows + 15 * 72, 8) == 0, "rbp");
    /* No base register, and no index: all rows are the first. */
    __asm__ volatile("mov $72, %%ecx\n\tmov %0, %%rax\n\ttileloadd (%%rax), %%tmm3"
                     :
                     : "r"(memory.rows)
                     : "memory", "rax", "rcx");
    STORE(3, back, 8);
    CHECK(memcmp(back[15], memory.rows, 8) == 0 && memcmp(back[1], memory.rows, 8) == 0,
          "without an index");
    __asm__ volatile("tilerelease");
}

/* ---------------------------------------------------------------------------- configurations -- */

static void test_configuration(void)
{
    static struct configuration given = {.palette = 1}, found;
    given.rows[7] = 3;
    given.row_bytes[7] = 20;
    configure(&given);
    __asm__ volatile("sttilecfg %0" : "=m"(found));
    CHECK(memcmp(&given, &found, sizeof given) == 0, "the configuration is not what was given");

    /* Nothing is read or written beside three rows of 20 bytes. */
    unsigned char from[3 * 20], to[4][24];
    memset(from, 7, sizeof from);
    memset(to, 9, sizeof to);
    LOAD(7, from, 20);
    STORE(7, to, 24);
    int wrong = 0;
    for (int row = 0; row < 4; row++) {
        for (int i = 0; i < 24; i++)
            wrong += to[row][i] != (row < 3 && i < 20 ? 7 : 9);
    }
    CHECK(wrong == 0, "%d bytes wrong around a small tile", wrong);
    __asm__ volatile("tilezero %tmm7");
    STORE(7, to, 24);
    CHECK(to[0][0] == 0 && to[2][19] == 0 && to[2][20] == 9 && to[3][0] == 9, "TILEZERO");

    /* A new configuration empties the tiles. */
    LOAD(7, from, 20);
    configure(&given);
    STORE(7, to, 24);
    CHECK(to[1][3] == 0, "LDTILECFG left a tile's contents");

    __asm__ volatile("tilerelease");
    const struct configuration none = {0};
    __asm__ volatile("sttilecfg %0" : "=m"(found));
    CHECK(memcmp(&none, &found, sizeof none) == 0, "TILERELEASE left a configuration");
}

/* ------------------------------------------------------------------------------------ products --
 */

#define PRODUCT(name)                                                                              \
    static void name##_012(void)                                                                   \
    {                                                                                              \
        __asm__ volatile(#name " %tmm2, %tmm1, %tmm0");                                            \
    }
PRODUCT(tdpbuud)
PRODUCT(tdpbusd)
PRODUCT(tdpbsud)
PRODUCT(tdpbssd)
PRODUCT(tdpbf16ps)

static void test_signs(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
        int32_t expected;
    } cases[] = {
        /* 255 and 128, which are -1 and -128 where signed; four of them, on 1000. */
        {"TDPBUUD", tdpbuud_012, 1000 + 4 * 255 * 128},
        {"TDPBUSD", tdpbusd_012, 1000 - 4 * 255 * 128},
        {"TDPBSUD", tdpbsud_012, 1000 - 4 * 128},
        {"TDPBSSD", tdpbssd_012, 1000 + 4 * 128},
    };
    const struct configuration shapes = product_shapes(1, 4, 4);
    const uint8_t a[4] = {255, 255, 255, 255}, b[4] = {128, 128, 128, 128};
    const int32_t start = 1000;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t sum;
        configure(&shapes);
        LOAD(0, &start, 4);
        LOAD(1, a, 4);
        LOAD(2, b, 4);
        cases[i].run();
        STORE(0, &sum, 4);
        CHECK(sum == cases[i].expected, "%s: %d instead of %d", cases[i].name, sum,
              cases[i].expected);
    }
    __asm__ volatile("tilerelease");
}

/* 2 x 8 bytes by 8 x 2:    1 2 3 4  5 6 7 8         column 0: 1 1 1 1  2 2 2 2
 *                          0 0 0 1  0 0 0 200       column 1: -1 0 0 0  0 0 0 -128 */
static void test_places(void)
{
    const struct configuration shapes = product_shapes(2, 8, 8);
    const uint8_t a[2][8] = {{1, 2, 3, 4, 5, 6, 7, 8}, {0, 0, 0, 1, 0, 0, 0, 200}};
    const int8_t b[2][8] = {{1, 1, 1, 1, -1, 0, 0, 0}, {2, 2, 2, 2, 0, 0, 0, -128}};
    const int32_t start[2][2] = {{100, 200}, {300, 400}};
    const int32_t expected[2][2] = {{100 + 10 + 52, 200 - 1 - 1024}, {300 + 1 + 400, 400 - 25600}};
    int32_t sum[2][2];
    configure(&shapes);
    LOAD(0, start, 8);
    LOAD(1, a, 8);
    LOAD(2, b, 8);
    tdpbusd_012();
    STORE(0, sum, 8);
    CHECK(memcmp(sum, expected, sizeof sum) == 0, "%d %d %d %d", sum[0][0], sum[0][1], sum[1][0],
          sum[1][1]);
    __asm__ volatile("tilerelease");
}

static uint16_t bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* start + the products of two pairs. */
static float bf16_product(float start, const uint16_t a[4], const uint16_t b[4])
{
    const struct configuration shapes = product_shapes(1, 4, 8);
    float sum;
    configure(&shapes);
    LOAD(0, &start, 4);
    LOAD(1, a, 8);
    LOAD(2, b, 4);
    tdpbf16ps_012();
    STORE(0, &sum, 4);
    __asm__ volatile("tilerelease");
    return sum;
}

static void test_bf16(void)
{
    const uint16_t one = bf16(1), least = bf16(0x1p-126f), denormal = 0x0040;
    const uint16_t small = bf16(0x1p-12f);
    const struct {
        const char *what;
        float start;
        uint16_t a[4], b[4];
        float expected;
    } cases[] = {
        {"plain",
         10,
         {bf16(1), bf16(2), bf16(3), bf16(4)},
         {bf16(5), bf16(-6), bf16(7), bf16(0.5f)},
         10 + 5 - 12 + 21 + 2},
        /* 2^-24 alone is half of the last place of 1, and even wins; twice it is a whole one, but
         * only where the two are added before the 1. */
        {"tie", 1, {small, 0, 0, 0}, {small, 0, 0, 0}, 1},
        {"even and odd first", 1, {small, small, 0, 0}, {small, small, 0, 0}, 1 + 0x1p-23f},
        {"both even", 1, {small, 0, small, 0}, {small, 0, small, 0}, 1 + 0x1p-23f},
        /* The even ones are summed apart from the odd: 2^24 + 1 is 2^24, and then -2^24 is odd. */
        {"apart", 0, {bf16(0x1p24f), bf16(-0x1p24f), one, one}, {one, one, one, one}, 1},
        /* 1 + 2^-6 + 2^-14, less 1 + 2^-6: the product was not rounded to bf16. */
        {"exact product",
         0,
         {bf16(1.0078125f), one, 0, 0},
         {bf16(1.0078125f), bf16(-1.015625f), 0, 0},
         0x1p-14f},
        {"denormal factor", 0, {denormal, 0, 0, 0}, {bf16(0x1p100f), 0, 0, 0}, 0},
        {"denormal product", 0, {least, 0, 0, 0}, {bf16(0.5f), 0, 0, 0}, 0},
        {"denormal start", 0x1p-130f, {0, 0, 0, 0}, {0, 0, 0, 0}, 0},
        {"least normal", 0, {least, 0, 0, 0}, {one, 0, 0, 0}, 0x1p-126f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float sum = bf16_product(cases[i].start, cases[i].a, cases[i].b);
        CHECK(sum == cases[i].expected, "%s: %a instead of %a", cases[i].what, (double)sum,
              (double)cases[i].expected);
    }
    /* The control register's rounding (here: up) has no say. */
    unsigned before, up = 0x5f80;
    __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(before) : "m"(up));
    const float sum = bf16_product(cases[1].start, cases[1].a, cases[1].b);
    unsigned after;
    __asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(after) : "m"(before));
    CHECK(sum == 1, "rounded as MXCSR says: %a", (double)sum);
    CHECK((after & 0x6000) == 0x4000, "MXCSR was changed to 0x%x", after);
}

/* -------------------------------------------------------------------------------------- faults --
 */

static void without_configuration(void)
{
    __asm__ volatile("tilezero %tmm0");
}

static void twice_the_same(void)
{
    const struct configuration shapes = product_shapes(4, 16, 16);
    configure(&shapes);
    /* Assemblers refuse to write TDPBUSD tmm0, tmm1, tmm1. */
    __asm__ volatile(".byte 0xc4, 0xe2, 0x71, 0x5e, 0xc1");
}

static void shapes_that_differ(void)
{
    struct configuration shapes = product_shapes(4, 16, 16);
    shapes.rows[2] = 3;
    configure(&shapes);
    tdpbusd_012();
}

static void too_many_rows(void)
{
    struct configuration shapes = product_shapes(4, 16, 16);
    shapes.rows[0] = 17;
    configure(&shapes);
}

static void ninth_tile(void)
{
    struct configuration shapes = product_shapes(4, 16, 16);
    shapes.rows[8] = 1;
    shapes.row_bytes[8] = 4;
    configure(&shapes);
}

static void never_an_instruction(void)
{
    __asm__ volatile("ud2");
}

/* Each must end a process by a signal, as it would on a CPU. */
static void test_faults(void)
{
    static const struct {
        const char *what;
        void (*run)(void);
    } cases[] = {
        {"without a configuration", without_configuration},
        {"one tile twice", twice_the_same},
        {"shapes that differ", shapes_that_differ},
        {"too many rows", too_many_rows},
        {"a ninth tile", ninth_tile},
        {"ud2", never_an_instruction},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            close(STDERR_FILENO);
            /* A CPU that has the tiles says SIGSEGV, which a sanitizer would take for our mistake.
             */
            signal(SIGSEGV, SIG_DFL);
            cases[i].run();
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGILL || WTERMSIG(status) == SIGSEGV),
              "%s was let through (status 0x%x)", cases[i].what, (unsigned)status);
    }
}

/* ------------------------------------------------------------------------------------- threads --
 */

static void *use_tiles(void *argument)
{
    const int rows = *(const int *)argument;
    const struct configuration shapes = product_shapes(rows, 64, 64);
    static const uint8_t ones[ROW_BYTES] = {1, 1, 1, 1, 1, 1, 1, 1};
    int32_t sum[ROWS][16];
    intptr_t wrong = 0;
    for (int round = 0; round < 200; round++) {
        memset(sum, 0, sizeof sum);
        configure(&shapes);
        LOAD(1, ones, 0);
        LOAD(2, ones, 0);
        tdpbusd_012();
        tdpbusd_012();
        STORE(0, sum, 64);
        /* Two columns of ones, the first two numbers of each row being used. */
        for (int row = 0; row < ROWS; row++)
            wrong += sum[row][0] != (row < rows ? 2 * 8 : 0) || sum[row][2] != 0;
        __asm__ volatile("tilerelease");
    }
    return (void *)wrong;
}

static void test_threads(void)
{
    const int rows[2] = {3, 16};
    pthread_t other;
    void *wrong = NULL;
    pthread_create(&other, NULL, use_tiles, (void *)&rows[0]);
    CHECK(use_tiles((void *)&rows[1]) == NULL, "wrong sums beside another thread");
    pthread_join(other, &wrong);
    CHECK(wrong == NULL, "wrong sums in the other thread");
}

/* ------------------------------------------------------------------------------------- vectors --
 */

/* Lane i of the first is i, of the factors all bytes i and -i; registers above 7 are other bits of
 * the encoding. */
static void test_vpdpbusd(void)
{
    int32_t start[8], sum[8];
    uint8_t a[32];
    int8_t b[32];
    for (int i = 0; i < 32; i++) {
        start[i / 4] = i / 4;
        a[i] = (uint8_t)(100 + i / 4);
        b[i] = (int8_t)(-(i / 4));
    }
    int wrong = 0;
    __asm__ volatile("vmovdqu %1, %%ymm3\n\tvmovdqu %2, %%ymm12\n\tvmovdqu %3, %%ymm9\n\t"
                     "%{vex%} vpdpbusd %%ymm9, %%ymm12, %%ymm3\n\tvmovdqu %%ymm3, %0"
                     : "=m"(sum)
                     : "m"(start), "m"(a), "m"(b)
                     : "xmm3", "xmm9", "xmm12");
    for (int i = 0; i < 8; i++)
        wrong += sum[i] != i + 4 * (100 + i) * -i;
    CHECK(wrong == 0, "ymm: %d numbers wrong", wrong);

    __asm__ volatile("vmovdqu %1, %%ymm14\n\tvmovdqu %2, %%ymm1\n\t"
                     "%{vex%} vpdpbusd %3, %%ymm1, %%ymm14\n\tvmovdqu %%ymm14, %0"
                     : "=m"(sum)
                     : "m"(start), "m"(a), "m"(b)
                     : "xmm1", "xmm14");
    wrong = 0;
    for (int i = 0; i < 8; i++)
        wrong += sum[i] != i + 4 * (100 + i) * -i;
    CHECK(wrong == 0, "ymm and memory: %d numbers wrong", wrong);

    /* The narrow form empties the upper half. */
    __asm__ volatile("vmovdqu %1, %%ymm3\n\tvmovdqu %2, %%ymm4\n\tvmovdqu %3, %%ymm5\n\t"
                     "%{vex%} vpdpbusd %%xmm5, %%xmm4, %%xmm3\n\tvmovdqu %%ymm3, %0"
                     : "=m"(sum)
                     : "m"(start), "m"(a), "m"(b)
                     : "xmm3", "xmm4", "xmm5");
    wrong = 0;
    for (int i = 0; i < 8; i++)
        wrong += sum[i] != (i < 4 ? i + 4 * (100 + i) * -i : 0);
    CHECK(wrong == 0, "xmm: %d numbers wrong", wrong);

    /* All vector registers empty at the signal, upper halves too: 0 + 0. */
    __asm__ volatile("vzeroall\n\t%{vex%} vpdpbusd %%ymm5, %%ymm4, %%ymm3\n\tvmovdqu %%ymm3, %0"
                     : "=m"(sum)
                     :
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    for (int i = 0; i < 8; i++)
        CHECK(sum[i] == 0, "zeros became %d", sum[i]);
}

/* With AVX-512 the register is longer still, and empty above as well. */
static void test_vpdpbusd_above(void)
{
    int32_t sum[16];
    __asm__ volatile("vpternlogd $0xff, %%zmm3, %%zmm3, %%zmm3\n\tvpxor %%xmm4, %%xmm4, %%xmm4\n\t"
                     "%{vex%} vpdpbusd %%ymm4, %%ymm4, %%ymm3\n\tvmovdqu64 %%zmm3, %0"
                     : "=m"(sum)
                     :
                     : "xmm3", "xmm4");
    int wrong = 0;
    for (int i = 0; i < 16; i++)
        wrong += sum[i] != (i < 8 ? -1 : 0);
    CHECK(wrong == 0, "zmm: %d numbers wrong", wrong);
}

int main(void)
{
    const uint32_t emulated = amx_emulator_install();
    const uint32_t features = psr_cpu_features() | emulated;
    const uint32_t amx = PSR_CPU_AMX_INT8 | PSR_CPU_AMX_BF16;

    printf("emulated here: AVX-VNNI %s, AMX %s\n", emulated & PSR_CPU_AVX_VNNI ? "yes" : "no",
           emulated & PSR_CPU_AMX_INT8 ? "yes" : "no");
    if (!(features & PSR_CPU_AVX_VNNI) && (features & amx) != amx) {
        printf("nothing to test: no emulation on this CPU\n");
        return 0;
    }
    if (features & PSR_CPU_AVX_VNNI)
        test_vpdpbusd();
    if ((features & PSR_CPU_AVX_VNNI) && (features & PSR_CPU_AVX512))
        test_vpdpbusd_above();
    if ((features & amx) == amx) {
        test_addresses();
        test_configuration();
        test_signs();
        test_places();
        test_bf16();
        test_faults();
        test_threads();
    }
    CHECK(!emulated || amx_emulator_count() > 0, "nothing was emulated");
    return check_result();
}
