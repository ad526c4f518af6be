// One source for two compilers: CUDA C for NVRTC, and plain C++ in which one thread does the work of a whole team.
//
// A *team* trains one model: a warp for small models, a block for others. Its code is a sequence of phases.
//   EACH(i, n) { ... }  distributes i = 0..n over the threads of the team. No iteration may read what another one writes.
//   ONCE { ... }        is run by one thread.
// Every phase begins with a barrier, so what earlier phases wrote may be read. Code between phases is run by all threads alike and
// reads team memory only after BARRIER. On the host a phase is a loop, forwards or (REPRO_BACKWARDS) backwards: a phase that depends on the
// order of its iterations gives different bytes backwards.
#ifdef __CUDACC_RTC__

#define INLINE __device__ __forceinline__
#if TEAM == 32
#define KERNEL extern "C" __global__ void __launch_bounds__(BLOCK)
#define BARRIER __syncwarp()
#define MEMBER ((int)(threadIdx.x & 31))
#define NUMBER ((int)(blockIdx.x * (BLOCK / 32) + threadIdx.x / 32))
#define OWN_SHARED(all) ((all) + (threadIdx.x / 32) * SHARED)
#else
// Limits registers so that two blocks fit on a multiprocessor.
#define KERNEL extern "C" __global__ void __launch_bounds__(BLOCK, 2)
#define BARRIER __syncthreads()
#define MEMBER ((int)threadIdx.x)
#define NUMBER ((int)blockIdx.x)
#define OWN_SHARED(all) (all)
#endif
#define EACH(i, n) BARRIER; for (int i = MEMBER; i < (int)(n); i += TEAM)
#define ONCE BARRIER; if (MEMBER == 0)

// What a thread of a warp keeps from phase to phase: `float sum[COPIES]`, read and written as `sum[MINE(l)]` in EACH(l, 32).
#define COPIES 1
#define MINE(l) 0

// Bit l: the flag of thread l of a warp.
INLINE unsigned ballot(const int *flags) { return __ballot_sync(0xffffffffu, flags[0]); }
INLINE int ones(unsigned bits) { return __popc(bits); }
INLINE unsigned high_product(unsigned a, unsigned b) { return __umulhi(a, b); }
INLINE float number_of(unsigned bits) { return __uint_as_float(bits); }
INLINE float root(float x) { return __fsqrt_rn(x); }
INLINE double root(double x) { return __dsqrt_rn(x); }
#define UNROLL _Pragma("unroll")

#else

#define INLINE static inline
#define BARRIER
#ifdef REPRO_BACKWARDS
#define EACH(i, n) for (int i = (int)(n) - 1; i >= 0; --i)
#else
#define EACH(i, n) for (int i = 0; i < (int)(n); ++i)
#endif
#define ONCE
#define COPIES 32
#define MINE(l) (l)

INLINE unsigned ballot(const int *flags) {
    unsigned bits = 0;
    for (int l = 0; l < 32; ++l) bits |= (unsigned)(flags[l] != 0) << l;
    return bits;
}
INLINE int ones(unsigned bits) { return __builtin_popcount(bits); }
INLINE unsigned high_product(unsigned a, unsigned b) { return (unsigned)(((unsigned long long)a * b) >> 32); }
INLINE float number_of(unsigned bits) { float x; __builtin_memcpy(&x, &bits, 4); return x; }
INLINE float root(float x) { return __builtin_sqrtf(x); }
INLINE double root(double x) { return __builtin_sqrt(x); }
INLINE float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
INLINE double floor(double x) { return __builtin_floor(x); }
#define UNROLL

#endif
