/* SPDX-License-Identifier: MIT
 *
 * Encodings and operations: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
 * and volume 1, chapters 13 (XSAVE) and 18 (AMX).
 */
#include "amx_emulator.h"

#include <cpuid.h>
#include <immintrin.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "src/cpu.h"

/* ---------------------------------------------------------------------------------- decoding -- */

/* All of them have a three-byte VEX prefix of map 2 with W = 0. */
enum opcode {
    OPCODE_CONFIG = 0x49, /* LDTILECFG, STTILECFG, TILERELEASE, TILEZERO */
    OPCODE_MOVE = 0x4b,   /* TILELOADD, TILELOADDT1, TILESTORED */
    OPCODE_VPDPBUSD = 0x50,
    OPCODE_BF16 = 0x5c, /* TDPBF16PS */
    OPCODE_INT8 = 0x5e  /* TDPBUUD, TDPBUSD, TDPBSUD, TDPBSSD */
};
enum prefix { PREFIX_NONE = 0, PREFIX_66 = 1, PREFIX_F3 = 2, PREFIX_F2 = 3 };

struct instruction {
    enum opcode opcode;
    enum prefix prefix;
    bool is_256; /* VEX.L */
    unsigned reg, vvvv, rm;
    bool is_memory, has_sib;
    unsigned char *base;   /* base register + displacement */
    ptrdiff_t index;       /* scaled index register; 0 without one */
    const uint8_t *behind; /* the next instruction */
};

static ptrdiff_t general_register(const greg_t *registers, unsigned number)
{
    static const int place[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    return (ptrdiff_t)registers[place[number]];
}

/* The memory operand that begins with `modrm`, whose own byte lies before `at`. */
static void decode_memory(const greg_t *registers, const uint8_t *at, unsigned modrm,
                          unsigned more_index, unsigned more_base, struct instruction *to)
{
    const unsigned mod = modrm >> 6;
    unsigned base = modrm & 7;
    ptrdiff_t address = 0, displacement = 0;
    int32_t far;

    to->has_sib = base == 4;
    if (to->has_sib) {
        const unsigned sib = *at++, index = (sib >> 3 & 7) | more_index;
        base = sib & 7;
        if (index != 4)
            to->index = general_register(registers, index) * (1 << (sib >> 6));
    }
    const bool no_base = base == 5 && mod == 0;
    if (!no_base)
        address = general_register(registers, base | more_base);
    if (mod == 1) {
        displacement = (int8_t)*at++;
    } else if (mod == 2 || no_base) {
        memcpy(&far, at, sizeof far);
        displacement = far;
        at += sizeof far;
    }
    if (no_base && !to->has_sib)
        address = (ptrdiff_t)at; /* relative to the next instruction */
    to->base = (unsigned char *)(address + displacement);
    to->behind = at;
}

/* False where there is another instruction than those above. */
static bool decode(const greg_t *registers, const uint8_t *at, struct instruction *to)
{
    if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 || at[2] & 0x80)
        return false;
    const unsigned more_reg = at[1] & 0x80 ? 0 : 8, more_index = at[1] & 0x40 ? 0 : 8;
    const unsigned more_base = at[1] & 0x20 ? 0 : 8, modrm = at[4];
    *to = (struct instruction){
        .opcode = (enum opcode)at[3],
        .prefix = (enum prefix)(at[2] & 3),
        .is_256 = at[2] & 4,
        .vvvv = ~at[2] >> 3 & 15,
        .reg = (modrm >> 3 & 7) | more_reg,
        .rm = (modrm & 7) | more_base,
        .is_memory = modrm >> 6 != 3,
        .behind = at + 5,
    };
    if (to->is_memory)
        decode_memory(registers, at + 5, modrm, more_index, more_base, to);
    return true;
}

/* ------------------------------------------------------------------------------------- tiles -- */

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

struct configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
_Static_assert(sizeof(struct configuration) == 64, "the operand of LDTILECFG");

static _Thread_local struct {
    struct configuration configuration; /* all zero: tiles are not in use */
    _Alignas(64) uint8_t tile[TILES][ROWS][ROW_BYTES];
    uint64_t count;
} state;

/* NULL, or the rule that the configuration breaks. */
static const char *load_configuration(const void *from)
{
    struct configuration new;
    memcpy(&new, from, sizeof new);
    if (new.palette == 0) {
        memset(&state.configuration, 0, sizeof state.configuration);
        memset(state.tile, 0, sizeof state.tile);
        return NULL;
    }
    if (new.palette != 1)
        return "LDTILECFG: no such palette";
    if (new.start_row)
        return "LDTILECFG: the row to start with is not emulated";
    for (int i = 0; i < 14; i++) {
        if (new.reserved[i])
            return "LDTILECFG: a reserved byte is not 0";
    }
    for (int i = 0; i < 16; i++) {
        if (new.rows[i] > ROWS || new.row_bytes[i] > ROW_BYTES)
            return "LDTILECFG: a tile is too large";
        if (i >= TILES && (new.rows[i] || new.row_bytes[i]))
            return "LDTILECFG: there are 8 tiles";
        if (!new.rows[i] != !new.row_bytes[i])
            return "LDTILECFG: a tile has rows without bytes or bytes without rows";
    }
    state.configuration = new;
    memset(state.tile, 0, sizeof state.tile);
    return NULL;
}

static bool is_valid_tile(unsigned tile)
{
    return tile < TILES && state.configuration.rows[tile];
}

static const char *execute_config(const struct instruction *in)
{
    if (in->is_memory && in->reg == 0 && in->prefix == PREFIX_NONE)
        return load_configuration(in->base + in->index);
    if (in->is_memory && in->reg == 0 && in->prefix == PREFIX_66) {
        memcpy(in->base + in->index, &state.configuration, sizeof state.configuration);
        return NULL;
    }
    if (!in->is_memory && in->prefix == PREFIX_NONE && in->reg == 0 && in->rm == 0) {
        memset(&state.configuration, 0, sizeof state.configuration);
        memset(state.tile, 0, sizeof state.tile);
        return NULL;
    }
    if (!in->is_memory && in->prefix == PREFIX_F2 && in->rm == 0) {
        if (!is_valid_tile(in->reg))
            return "TILEZERO: the tile is not configured";
        memset(state.tile[in->reg], 0, sizeof state.tile[in->reg]);
        return NULL;
    }
    return "no such instruction of group 49";
}

static const char *execute_move(const struct instruction *in)
{
    if (!in->is_memory || !in->has_sib || in->prefix == PREFIX_NONE)
        return "no such instruction of group 4b";
    if (!is_valid_tile(in->reg))
        return "TILELOADD, TILESTORED: the tile is not configured";
    const size_t bytes = state.configuration.row_bytes[in->reg];
    const bool is_store = in->prefix == PREFIX_F3;
    if (!is_store)
        memset(state.tile[in->reg], 0, sizeof state.tile[in->reg]);
    for (int row = 0; row < state.configuration.rows[in->reg]; row++) {
        unsigned char *memory = in->base + row * in->index;
        if (is_store)
            memcpy(memory, state.tile[in->reg][row], bytes);
        else
            memcpy(state.tile[in->reg][row], memory, bytes);
    }
    return NULL;
}

/* Are the shapes those of a product? Sums: reg, first factor: rm, second: vvvv. */
static const char *check_product(const struct instruction *in)
{
    const struct configuration *c = &state.configuration;
    const unsigned sums = in->reg, a = in->rm, b = in->vvvv;
    if (in->is_memory || in->is_256)
        return "a product: no such form";
    if (sums == a || sums == b || a == b)
        return "a product: a tile is used twice";
    if (!is_valid_tile(sums) || !is_valid_tile(a) || !is_valid_tile(b))
        return "a product: a tile is not configured";
    if (c->row_bytes[sums] % 4 || c->row_bytes[a] % 4 || c->row_bytes[b] % 4)
        return "a product: rows are not of whole numbers";
    if (c->rows[sums] != c->rows[a] || c->row_bytes[sums] != c->row_bytes[b] ||
        c->row_bytes[a] / 4 != c->rows[b])
        return "a product: the shapes do not match";
    return NULL;
}

static int32_t extend(uint8_t byte, bool is_signed)
{
    return is_signed ? (int8_t)byte : byte;
}

/* Loops over all columns of a tile, whose bytes beyond the configured ones are 0, so that the
 * compiler can unroll them: a whole network is millions of these sums. */
enum { COLUMNS = ROW_BYTES / 4 };

static void clear_columns(unsigned tile)
{
    const size_t bytes = state.configuration.row_bytes[tile];
    for (int row = 0; row < ROWS; row++)
        memset(state.tile[tile][row] + bytes, 0, ROW_BYTES - bytes);
}

__attribute__((target("avx2"))) static const char *execute_int8(const struct instruction *in)
{
    const char *fault = check_product(in);
    if (fault)
        return fault;
    const bool a_signed = in->prefix == PREFIX_F2 || in->prefix == PREFIX_F3;
    const bool b_signed = in->prefix == PREFIX_F2 || in->prefix == PREFIX_66;
    const int depth_bytes = state.configuration.row_bytes[in->rm];
    int32_t b[ROW_BYTES][COLUMNS];

    for (int k = 0; k < depth_bytes; k++) {
        for (int n = 0; n < COLUMNS; n++)
            b[k][n] = extend(state.tile[in->vvvv][k / 4][4 * n + k % 4], b_signed);
    }
    for (int m = 0; m < state.configuration.rows[in->reg]; m++) {
        uint32_t sum[COLUMNS]; /* wraps around */
        memcpy(sum, state.tile[in->reg][m], sizeof sum);
        for (int k = 0; k < depth_bytes; k++) {
            const int32_t a = extend(state.tile[in->rm][m][k], a_signed);
            for (int n = 0; n < COLUMNS; n++)
                sum[n] += (uint32_t)(a * b[k][n]);
        }
        memcpy(state.tile[in->reg][m], sum, sizeof sum);
    }
    clear_columns(in->reg);
    return NULL;
}

static float float_of_bf16(const uint8_t *bytes)
{
    const uint32_t bits = (uint32_t)bytes[1] << 24 | (uint32_t)bytes[0] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Even and odd products are summed apart, then together, then added to what was there. */
__attribute__((target("avx2,fma"))) static const char *execute_bf16(const struct instruction *in)
{
    const char *fault = check_product(in);
    if (fault || in->prefix != PREFIX_F3)
        return fault ? fault : "no such instruction of group 5c";
    const int depth = state.configuration.row_bytes[in->rm] / 2;
    float b[ROW_BYTES / 2][COLUMNS];
    const unsigned mxcsr = _mm_getcsr();
    _mm_setcsr(0x9fc0); /* to nearest even; below the normal range is 0, in and out */

    for (int k = 0; k < depth; k++) {
        for (int n = 0; n < COLUMNS; n++)
            b[k][n] = float_of_bf16(state.tile[in->vvvv][k / 2] + 4 * n + k % 2 * 2);
    }
    for (int m = 0; m < state.configuration.rows[in->reg]; m++) {
        float sum[COLUMNS], pair[2][COLUMNS] = {{0}};
        memcpy(sum, state.tile[in->reg][m], sizeof sum);
        for (int k = 0; k < depth; k++) {
            const float a = float_of_bf16(state.tile[in->rm][m] + 2 * k);
            for (int n = 0; n < COLUMNS; n++)
                pair[k % 2][n] = __builtin_fmaf(a, b[k][n], pair[k % 2][n]);
        }
        for (int n = 0; n < COLUMNS; n++)
            sum[n] += pair[0][n] + pair[1][n];
        memcpy(state.tile[in->reg][m], sum, sizeof sum);
    }
    clear_columns(in->reg);
    _mm_setcsr(mxcsr);
    return NULL;
}

/* -------------------------------------------------------------------------- vector registers -- */

enum { HAS_XMM = 1 << 1, HAS_YMM = 1 << 2, HAS_ZMM = 1 << 6 }; /* bits of the XSAVE area */

/* The interrupted thread's registers in the signal's frame: the FXSAVE area, which has the lower
 * halves, then the XSAVE header, then the upper halves where CPUID says. */
struct vectors {
    unsigned char *area;
    size_t ymm, zmm; /* offsets of the upper halves of ymm0..15, and of zmm0..15 */
    uint64_t xfeatures;
};

enum { XMM_OFFSET = 160, SOFTWARE_OFFSET = 464, HEADER_OFFSET = 512 };

static bool find_vectors(void *frame, struct vectors *to)
{
    /* What the kernel says of the frame: a mark, two sizes, and which register sets it has. */
    const uint32_t mark = 0x46505853;
    uint32_t a, b, c, d, found;
    if (!frame)
        return false;
    to->area = frame;
    memcpy(&found, to->area + SOFTWARE_OFFSET, sizeof found);
    memcpy(&to->xfeatures, to->area + SOFTWARE_OFFSET + 8, sizeof to->xfeatures);
    if (found != mark || !(to->xfeatures & HAS_YMM) || !__get_cpuid_count(0xd, 2, &a, &b, &c, &d))
        return false;
    to->ymm = b;
    to->zmm = 0;
    if (to->xfeatures & HAS_ZMM) {
        __get_cpuid_count(0xd, 6, &a, &b, &c, &d);
        to->zmm = b;
    }
    return true;
}

/* A set whose bit in the header is clear is all zeros, whatever the area holds. */
static void write_zeros_out(const struct vectors *v)
{
    uint64_t present;
    memcpy(&present, v->area + HEADER_OFFSET, sizeof present);
    if (!(present & HAS_XMM))
        memset(v->area + XMM_OFFSET, 0, 16 * 16);
    if (!(present & HAS_YMM))
        memset(v->area + v->ymm, 0, 16 * 16);
    if ((v->xfeatures & HAS_ZMM) && !(present & HAS_ZMM))
        memset(v->area + v->zmm, 0, 16 * 32);
    present |= (HAS_XMM | HAS_YMM | HAS_ZMM) & v->xfeatures;
    memcpy(v->area + HEADER_OFFSET, &present, sizeof present);
}

static void read_vector(const struct vectors *v, unsigned number, uint8_t bytes[32])
{
    memcpy(bytes, v->area + XMM_OFFSET + number * 16, 16);
    memcpy(bytes + 16, v->area + v->ymm + number * 16, 16);
}

/* VPDPBUSD reg, vvvv, rm: the four products of unsigned bytes of vvvv and signed bytes of rm are
 * added to each number of reg. The rest of the register becomes 0. */
static const char *execute_vpdpbusd(const struct instruction *in, const struct vectors *v)
{
    uint8_t a[32], b[32];
    uint32_t sum[8];
    const int numbers = in->is_256 ? 8 : 4;

    if (in->prefix != PREFIX_66)
        return "no such instruction of group 50";
    write_zeros_out(v);
    read_vector(v, in->reg, (uint8_t *)sum);
    read_vector(v, in->vvvv, a);
    if (in->is_memory)
        memcpy(b, in->base + in->index, (size_t)numbers * 4);
    else
        read_vector(v, in->rm, b);
    for (int i = 0; i < 4 * numbers; i++)
        sum[i / 4] += (uint32_t)(extend(a[i], false) * extend(b[i], true));
    memset(sum + numbers, 0, sizeof sum - (size_t)numbers * 4);
    memcpy(v->area + XMM_OFFSET + in->reg * 16, sum, 16);
    memcpy(v->area + v->ymm + in->reg * 16, (uint8_t *)sum + 16, 16);
    if (v->xfeatures & HAS_ZMM)
        memset(v->area + v->zmm + in->reg * 32, 0, 32);
    return NULL;
}

/* --------------------------------------------------------------------------------- the signal --
 */

/* While installing: where to go on when the frame lacks what is needed. */
static sigjmp_buf refused;
static bool is_trial;

/* Ends the program as the CPU would have: the instruction is tried again without a handler. */
static void give_up(const char *fault)
{
    static const char start[] = "amx_emulator: ";
    (void)!write(STDERR_FILENO, start, sizeof start - 1);
    (void)!write(STDERR_FILENO, fault, strlen(fault));
    (void)!write(STDERR_FILENO, "\n", 1);
    signal(SIGILL, SIG_DFL);
}

/* Instructions often follow each other: all of them in one signal. The stack is aligned by hand, as
 * QEMU's user emulation calls handlers with one that is not. */
__attribute__((force_align_arg_pointer)) static void
on_illegal_instruction(int number, siginfo_t *information, void *opaque)
{
    ucontext_t *context = opaque;
    greg_t *registers = context->uc_mcontext.gregs;
    struct vectors vectors;
    struct instruction in;
    const char *fault = "an instruction that is not emulated";
    bool any = false;

    (void)number, (void)information;
    if (!find_vectors(context->uc_mcontext.fpregs, &vectors)) {
        if (is_trial)
            siglongjmp(refused, 1);
        give_up("the signal's frame has no vector registers");
        return;
    }
    while (decode(registers, (const uint8_t *)registers[REG_RIP], &in)) {
        if (in.opcode == OPCODE_CONFIG)
            fault = execute_config(&in);
        else if (in.opcode == OPCODE_MOVE)
            fault = execute_move(&in);
        else if (in.opcode == OPCODE_BF16)
            fault = execute_bf16(&in);
        else if (in.opcode == OPCODE_INT8)
            fault = execute_int8(&in);
        else if (in.opcode == OPCODE_VPDPBUSD)
            fault = execute_vpdpbusd(&in, &vectors);
        else
            break;
        if (fault)
            break;
        any = true;
        state.count++;
        registers[REG_RIP] = (greg_t)in.behind;
    }
    if (fault || !any)
        give_up(fault ? fault : "an instruction that is not emulated");
}

/* One instruction with a known result. */
__attribute__((target("avx2"))) static bool try_out(void)
{
    if (sigsetjmp(refused, 1))
        return false;
    __m256i sum = _mm256_set1_epi32(1);
    const __m256i a = _mm256_set1_epi8(-1), b = _mm256_set1_epi8(-2);
    __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    return _mm256_extract_epi32(sum, 0) == 1 - 4 * 255 * 2 &&
           _mm256_extract_epi32(sum, 7) == 1 - 4 * 255 * 2;
}

/* AMX in the CPU that the system does not let us use: some of its instructions would not be
 * refused. */
static bool has_locked_tiles(void)
{
    uint32_t a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & 1u << 24);
}

uint32_t amx_emulator_install(void)
{
    const uint32_t native = psr_cpu_features();
    uint32_t emulated = PSR_CPU_AVX_VNNI | PSR_CPU_AMX_INT8 | PSR_CPU_AMX_BF16;
    if (!(native & PSR_CPU_AVX2))
        return 0;
    if (has_locked_tiles())
        emulated = PSR_CPU_AVX_VNNI;

    struct sigaction action = {.sa_sigaction = on_illegal_instruction, .sa_flags = SA_SIGINFO};
    struct sigaction before;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGILL, &action, &before))
        return 0;
    is_trial = true;
    const bool works = try_out();
    is_trial = false;
    if (!works) {
        sigaction(SIGILL, &before, NULL);
        return 0;
    }
    return emulated & ~native;
}

uint64_t amx_emulator_count(void)
{
    return state.count;
}
