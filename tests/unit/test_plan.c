/* SPDX-License-Identifier: MIT
 *
 * The planner: cuts cover the picture exactly, keep the threads busy, and follow what was asked
 * for.
 */
#include "check.h"
#include "src/cache.h"
#include "src/plan.h"

static struct psr_plan_request request_of(uint32_t width, uint32_t height, uint32_t threads)
{
    return (struct psr_plan_request){
        .width_px = width,
        .height_px = height,
        .n_pictures = 1,
        .threads = threads,
        .surround_px = 14,
        .surround_rows = 14,
        .bytes_per_column = 11500,
        .cache_bytes = 5 << 20,
        .max_bands = UINT32_MAX,
    };
}

/* Every column and row belongs to one part, none is empty, strips begin where kernels may. */
static void check_cut(const struct psr_plan_request *request)
{
    const struct psr_plan plan = psr_plan_cut(request);
    const uint32_t width = request->width_px, height = request->height_px;
    const uint32_t widest = psr_plan_widest_strip(width, plan.strips);
    int faults = 0;

    CHECK(plan.strips >= 1 && plan.bands >= 1 && plan.bands <= request->max_bands, "%ux%u: %u x %u",
          width, height, plan.strips, plan.bands);
    faults += psr_plan_strip_border(width, plan.strips, 0) != 0;
    faults += psr_plan_strip_border(width, plan.strips, plan.strips) != width;
    for (uint32_t i = 0; i < plan.strips; i++) {
        const uint32_t from = psr_plan_strip_border(width, plan.strips, i);
        const uint32_t to = psr_plan_strip_border(width, plan.strips, i + 1);
        faults += from % PSR_STRIP_ALIGNMENT_PX != 0 || to <= from || to - from > widest;
    }
    faults += psr_plan_band_border(height, plan.bands, 0) != 0;
    faults += psr_plan_band_border(height, plan.bands, plan.bands) != height;
    for (uint32_t i = 0; i < plan.bands; i++) {
        const uint32_t from = psr_plan_band_border(height, plan.bands, i);
        faults += from % PSR_BAND_ALIGNMENT_ROWS != 0 ||
                  psr_plan_band_border(height, plan.bands, i + 1) <= from;
    }
    CHECK(faults == 0, "%ux%u for %u threads: %u x %u parts, %d faults", width, height,
          request->threads, plan.strips, plan.bands, faults);
}

static void test_cuts_cover(void)
{
    static const uint32_t threads[] = {1, 2, 3, 16, 1024};
    unsigned seed = 99;
    for (int i = 0; i < 400; i++) {
        const uint32_t most = i % 4 == 0 ? 20 : i % 4 == 1 ? 300 : i % 4 == 2 ? 5000 : 1 << 20;
        struct psr_plan_request request =
            request_of(1 + check_random(&seed) % most,
                       1 + check_random(&seed) % (i % 3 ? 400 : 20000), threads[i % 5]);
        if (i % 7 == 0)
            request.strip_width_px = 8 + check_random(&seed) % 500;
        if (i % 5 == 0)
            request.band_height_px = 8 + check_random(&seed) % 500;
        if (i % 6 == 0)
            request.max_bands = 1;
        check_cut(&request);
    }
    const struct psr_plan_request largest = request_of(1 << 20, INT32_MAX / 4, 1024);
    check_cut(&largest);
}

static void test_threads_are_busy(void)
{
    for (uint32_t threads = 1; threads <= 32; threads++) {
        const struct psr_plan_request request = request_of(1280, 720, threads);
        const struct psr_plan plan = psr_plan_cut(&request);
        const uint32_t jobs = plan.strips * plan.bands;
        const uint32_t rounds = (jobs + threads - 1) / threads;
        CHECK(jobs * 10 >= rounds * threads * 8, "%u jobs for %u threads", jobs, threads);
    }
}

static void test_many_pictures_need_no_bands(void)
{
    struct psr_plan_request request = request_of(640, 360, 16);
    CHECK(psr_plan_cut(&request).bands > 1, "one picture is too small for 16 threads");
    request.n_pictures = psr_plan_pictures_at_once(&request);
    CHECK(request.n_pictures > 1 && request.n_pictures <= 16, "%u at once", request.n_pictures);
    CHECK(psr_plan_cut(&request).bands == 1, "%u pictures still have bands", request.n_pictures);
    request.threads = 1;
    CHECK(psr_plan_pictures_at_once(&request) == 1, "one thread, one picture");
}

static void test_cache_sets_the_width(void)
{
    struct psr_plan_request request = request_of(4000, 3000, 1);
    const uint32_t wide = psr_plan_widest_strip(4000, psr_plan_cut(&request).strips);
    request.cache_bytes /= 4;
    const uint32_t narrow = psr_plan_widest_strip(4000, psr_plan_cut(&request).strips);
    CHECK(narrow < wide, "%u columns with a quarter of the cache, %u with all", narrow, wide);

    const struct psr_cache none = {0, 0}, l2_alone = {2 << 20, 0}, both = {2 << 20, 1 << 20};
    const struct psr_cache huge_l3 = {1 << 20, 1 << 30};
    CHECK(psr_cache_per_thread(&none) == 1 << 20, "unknown caches");
    CHECK(psr_cache_per_thread(&l2_alone) == 2 << 20, "L2 alone");
    CHECK(psr_cache_per_thread(&both) == 3 << 20, "L2 and a share of L3");
    CHECK(psr_cache_per_thread(&huge_l3) == 5 << 20, "a share that no core has");
    const struct psr_cache here = psr_cache_describe();
    CHECK(here.l2_bytes < 1 << 30, "%llu bytes of L2", (unsigned long long)here.l2_bytes);
}

int main(void)
{
    test_cuts_cover();
    test_threads_are_busy();
    test_many_pictures_need_no_bands();
    test_cache_sets_the_width();
    return check_result();
}
