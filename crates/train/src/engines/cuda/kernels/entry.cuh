// The entry point of a launch, on GPU and host: team t trains models[t] for up to `steps` steps.
//
// values [count][3][LENGTH]: parameters, first and second moments; fixed [count][2][STRIDE]: importance I and slope c; history [count][HISTORY][2];
// work [count][WORK].
#ifdef __CUDACC_RTC__

KERNEL train(Model *models, float *values, const float *fixed, u32 *history, float *work, int count, int steps) {
    extern __shared__ float fast_memory[];
    const size_t t = NUMBER;
    if (t >= (size_t)count) return;
    run_team(models + t, values + t * 3 * LENGTH, fixed + t * 2 * STRIDE, history + t * 2 * HISTORY, OWN_SHARED(fast_memory), work + t * WORK, steps);
}

#else

extern "C" unsigned long model_bytes() { return sizeof(Model); }

extern "C" void train(Model *models, float *values, const float *fixed, u32 *history, float *work, int count, int steps) {
    float *shared = (float *)__builtin_malloc(4 * (SHARED + 1));
    for (long t = 0; t < count; ++t) {
        // Reads of memory that was not written show as NaN.
        for (long i = 0; i < SHARED; ++i) shared[i] = number_of(0x7fc00000u);
        run_team(models + t, values + t * 3 * LENGTH, fixed + t * 2 * STRIDE, history + t * 2 * HISTORY, shared, work + t * WORK, steps);
    }
    __builtin_free(shared);
}

#endif
