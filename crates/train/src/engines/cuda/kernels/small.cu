// Small models: a warp a model, a sample a lane, parameters and sums in registers (contract, items 1 to 8 for small models).
//
// Words are drawn for 8 N planes of sixteen at a time, turned into inputs of 32 samples, of which those that are not all zero are kept in
// order; whenever there are 32, every lane takes one.

#define N FEATURES
#define M HIDDEN
#define E EXPERTS

// Capacity for samples: those of 8 N planes, and fewer than 32 left over from before.
#define ROOM (256 + 32)

#define PAIRS (E * (E - 1) / 2)
// Rows of sums over lanes: counts and mean probabilities of experts 1.., products of probabilities, W, b, L.
#define COUNTS 0
#define MEANS (E - 1)
#define PRODUCTS (2 * (E - 1))
#define WEIGHTS (PRODUCTS + PAIRS * N)
#define BIASES (WEIGHTS + E * N * M)
#define LOSSES (BIASES + E * N)
#define ROWS (LOSSES + N)
// The stride of rows is odd, so that lanes that read one each have no bank conflicts.
#define ROW 33

struct Parameters { float w[E][N][M], b[E][N], g[E][N]; };

// What a lane sums up over its samples, in the order of rows.
union Sums {
    float row[ROWS];
    struct {
#if E > 1
        float count[E - 1], mean[E - 1], product[PAIRS][N];
#endif
        float w[E][N][M], b[E][N], loss[N];
    };
};

// One sample, forward and backward.
INLINE void sample(const Parameters &p, const float *slope, const float *x, Sums &sums) {
    int mine = 0;
#if E > 1
    float score[E];
    UNROLL for (int e = 0; e < E; ++e) {
        score[e] = x[0] * p.g[e][0];
        UNROLL for (int i = 1; i < N; ++i) score[e] = fmaf(x[i], p.g[e][i], score[e]);
    }
    float best = score[0];
    UNROLL for (int e = 1; e < E; ++e) {
        mine = score[e] > best ? e : mine;
        best = score[e] > best ? score[e] : best;
    }
    float q[E], sum = 0.0f;
    UNROLL for (int e = 0; e < E; ++e) {
        q[e] = exponential(score[e] - best);
        sum = sum + q[e];
    }
    const float share = 1.0f / sum;
    UNROLL for (int e = 0; e < E; ++e) q[e] = q[e] * share;
    UNROLL for (int e = 1; e < E; ++e) {
        sums.count[e - 1] += mine == e ? 1.0f : 0.0f;
        sums.mean[e - 1] = sums.mean[e - 1] + q[e];
    }
    // Pairs of experts: 0 and 1, 0 and 2, 1 and 2.
    UNROLL for (int a = 0; a < E; ++a) {
        UNROLL for (int b = a + 1; b < E; ++b) {
            const float product = q[a] * q[b];
            UNROLL for (int i = 0; i < N; ++i) sums.product[a + b - 1][i] = fmaf(x[i], product, sums.product[a + b - 1][i]);
        }
    }
#endif
    float w[N][M], b[N];
    UNROLL for (int i = 0; i < N; ++i) {
        b[i] = p.b[0][i];
        UNROLL for (int k = 0; k < M; ++k) w[i][k] = p.w[0][i][k];
        UNROLL for (int e = 1; e < E; ++e) {
            b[i] = mine == e ? p.b[e][i] : b[i];
            UNROLL for (int k = 0; k < M; ++k) w[i][k] = mine == e ? p.w[e][i][k] : w[i][k];
        }
    }
    float h[M], dh[M], g[N];
    UNROLL for (int k = 0; k < M; ++k) {
        h[k] = x[0] * w[0][k];
        UNROLL for (int i = 1; i < N; ++i) h[k] = fmaf(x[i], w[i][k], h[k]);
    }
    UNROLL for (int i = 0; i < N; ++i) {
        float z = b[i];
        UNROLL for (int k = 0; k < M; ++k) z = fmaf(h[k], w[i][k], z);
        const float d = positive(z) - x[i];
        sums.loss[i] = fmaf(d, d, sums.loss[i]);
        g[i] = z > 0.0f ? slope[i] * d : 0.0f;
    }
    UNROLL for (int k = 0; k < M; ++k) {
        dh[k] = g[0] * w[0][k];
        UNROLL for (int i = 1; i < N; ++i) dh[k] = fmaf(g[i], w[i][k], dh[k]);
    }
    UNROLL for (int i = 0; i < N; ++i) {
        UNROLL for (int e = 0; e < E; ++e) sums.b[e][i] = mine == e ? sums.b[e][i] + g[i] : sums.b[e][i];
        UNROLL for (int k = 0; k < M; ++k) {
            const float d = fmaf(x[i], dh[k], g[i] * h[k]);
            UNROLL for (int e = 0; e < E; ++e) sums.w[e][i][k] = mine == e ? sums.w[e][i][k] + d : sums.w[e][i][k];
        }
    }
}

INLINE float gradients(const Team &team, const Model &model, u32 step, const Rates &rates) {
    u32 *words = (u32 *)WORDS(team);
    float *kept = KEPT(team);
    const float *importance = FIXED(team), *slope = FIXED(team) + STRIDE;
    const int samples = (int)model.samples;
    const int wide = is_wide(model);
    const int per_chunk = wide ? 128 : 256;

    Parameters p;
    const float *parameters = PARAMETERS(team);
    BARRIER;
    UNROLL for (int e = 0; e < E; ++e) {
        UNROLL for (int i = 0; i < N; ++i) {
            UNROLL for (int k = 0; k < M; ++k) p.w[e][i][k] = parameters[(e * N + i) * M + k];
            p.b[e][i] = parameters[E * N * M + e * N + i];
            p.g[e][i] = parameters[E * N * (M + 1) + e * N + i];
        }
    }
    Sums sums[COPIES];
    EACH(l, 32) {
        UNROLL for (int r = 0; r < ROWS; ++r) sums[MINE(l)].row[r] = 0.0f;
    }

    int count = 0, waiting = 0;
    for (int chunk = 0; chunk * per_chunk < samples; ++chunk) {
        EACH(l, 32) {
            UNROLL for (int i = 0; i < N; ++i) {
                const int c = 32 * i + l;
                const Words w = philox(model.seed, (u32)(32 * N * chunk + c), step);
                UNROLL for (int plane = 0; plane < 4; ++plane) words[(4 * (c / 16) + plane) * 16 + c % 16] = w.plane[plane];
            }
        }
        for (int base = 0; base < per_chunk && chunk * per_chunk + base < samples; base += 32) {
            float x[COPIES][N];
            int any[COPIES];
            EACH(l, 32) {
                const int s = base + l;
                any[MINE(l)] = 0;
                UNROLL for (int i = 0; i < N; ++i) {
                    const u32 word = words[(wide ? N * (s / 16) + i : N * (s / 32) + i) * 16 + s % 16];
                    const float draw = (float)(wide ? word >> 8 : s % 32 < 16 ? word & 0xffff : word >> 16);
                    const int present = rates.below > draw;
                    any[MINE(l)] |= present;
                    x[MINE(l)][i] = present ? fmaf(draw, rates.scale, rates.offset) : 0.0f;
                }
                any[MINE(l)] &= chunk * per_chunk + s < samples;
            }
            const u32 bits = ballot(any);
            EACH(l, 32) {
                if (bits >> l & 1) {
                    const int place = waiting + ones(bits & ((1u << l) - 1));
                    UNROLL for (int i = 0; i < N; ++i) kept[i * ROOM + place] = x[MINE(l)][i];
                }
            }
            waiting += ones(bits);
        }
        const int full = waiting / 32;
        for (int v = 0; v < full; ++v) {
            EACH(l, 32) {
                float x[N];
                UNROLL for (int i = 0; i < N; ++i) x[i] = kept[i * ROOM + 32 * v + l];
                sample(p, slope, x, sums[MINE(l)]);
            }
        }
        count += 32 * full;
        waiting -= 32 * full;
        if (full > 0) {
            EACH(l, waiting) {
                UNROLL for (int i = 0; i < N; ++i) kept[i * ROOM + l] = kept[i * ROOM + 32 * full + l];
            }
        }
    }
    EACH(l, waiting) {
        float x[N];
        UNROLL for (int i = 0; i < N; ++i) x[i] = kept[i * ROOM + l];
        sample(p, slope, x, sums[MINE(l)]);
    }
    count += waiting;

    // The tree over lanes, a row a lane. The rows take the place of words and inputs.
    float *rows = ROWS_OF_LANES(team), *total = TOTAL(team);
    EACH(l, 32) {
        UNROLL for (int r = 0; r < ROWS; ++r) rows[r * ROW + l] = sums[MINE(l)].row[r];
    }
    EACH(r, ROWS) total[r] = tree(rows + r * ROW);
    BARRIER;

    const float zeros = (float)(samples - count);
    float loss = 0.0f, zero_bias[N];
    UNROLL for (int i = 0; i < N; ++i) {
        // All-zero samples belong to expert 0.
        const float y = positive(p.b[0][i]);
        loss = fmaf(importance[i], fmaf(zeros, y * y, total[LOSSES + i]), loss);
        zero_bias[i] = slope[i] * y;
    }
    loss = loss * model.scale;
    float gate[E][N];
#if E == 1
    loss = loss + model.balance;
    UNROLL for (int i = 0; i < N; ++i) gate[0][i] = 0.0f;
#else
    const float batch = (float)samples, strength = model.balance * (float)E, factor = strength / batch;
    float share[E], mean[E], used = batch, even = 0.0f;
    UNROLL for (int e = 1; e < E; ++e) used = used - total[COUNTS + e - 1];
    mean[0] = 1.0f;
    share[0] = used / batch;
    UNROLL for (int e = 1; e < E; ++e) {
        share[e] = total[COUNTS + e - 1] / batch;
        mean[e] = fmaf(zeros, 1.0f / (float)E, total[MEANS + e - 1]) / batch;
        mean[0] = mean[0] - mean[e];
    }
    UNROLL for (int e = 0; e < E; ++e) even = fmaf(share[e], mean[e], even);
    loss = fmaf(strength, even, loss);
    UNROLL for (int e = 0; e < E; ++e) {
        UNROLL for (int i = 0; i < N; ++i) {
            float d = 0.0f;
            UNROLL for (int other = 0; other < E; ++other) {
                if (other != e) d = fmaf(share[e] - share[other], total[PRODUCTS + (e + other - 1) * N + i], d);
            }
            gate[e][i] = factor * d;
        }
    }
#endif
    // Every lane has all gradients; the first stores them.
    float *to = GRADIENTS(team);
    ONCE {
        UNROLL for (int q = 0; q < E * N * (M + 1); ++q) to[q] = total[WEIGHTS + q];
        UNROLL for (int i = 0; i < N; ++i) {
            to[E * N * M + i] = fmaf(zeros, zero_bias[i], total[BIASES + i]);
            UNROLL for (int e = 0; e < E; ++e) to[E * N * (M + 1) + e * N + i] = gate[e][i];
        }
    }
    return loss;
}
