// What models that are not small have in common: matrices in tiles, the loss of a batch, load balancing.
//
// W is [EXPERTS][HIDDEN][STRIDE], b [EXPERTS][STRIDE] and G [EXPERTS][STRIDE] one after another; of two layers W [HIDDEN][STRIDE],
// b [STRIDE] and, unless tied, the transpose of V [HIDDEN][STRIDE]. STRIDE is FEATURES rounded up to 16.

// Hidden dimensions, outputs or experts that a thread keeps in registers: it reads a number of a row once for all of them. Changes no bit.
#define TILE 4
#define TILES(n) (((n) + TILE - 1) / TILE)

// The stride of hidden values, odd as that of rows.
#define HS (HIDDEN | 1)

// Ranges of the parameters.
#define WEIGHT(e) ((e) * HIDDEN * STRIDE)
#define BIAS(e) ((EXPERTS * HIDDEN + (e)) * STRIDE)
#define GATE(e) ((EXPERTS * (HIDDEN + 1) + (e)) * STRIDE)

// sum[t] = chain over i < terms of row[i] matrix[t][i], for TILE rows t of the matrix from `first` on; those past `rows` repeat the last.
INLINE void tile_of_products(const float *row, int terms, const float *matrix, int first, int rows, float *sum) {
    const float *of[TILE];
    UNROLL for (int t = 0; t < TILE; ++t) {
        of[t] = matrix + smaller(first + t, rows - 1) * STRIDE;
        sum[t] = 0.0f;
    }
    for (int i = 0; i < terms; ++i) {
        const float x = row[i];
        UNROLL for (int t = 0; t < TILE; ++t) sum[t] = fmaf(x, of[t][i], sum[t]);
    }
}

// z[t] = chain over k of h[k] V_(first + t)k from b_(first + t), for TILE outputs. Columns past the features are zeros, or another's: not used.
INLINE void tile_of_outputs(const float *h, const float *v, const float *bias, int first, float *z) {
    UNROLL for (int t = 0; t < TILE; ++t) z[t] = bias[first + t];
    for (int k = 0; k < HIDDEN; ++k) {
        const float x = h[k];
        UNROLL for (int t = 0; t < TILE; ++t) z[t] = fmaf(x, v[k * STRIDE + first + t], z[t]);
    }
}

// Scores of a sample's experts into `scores`.
INLINE void score(const float *row, const float *gate, float *scores) {
    for (int e = 0; e < EXPERTS; e += TILE) {
        float sum[TILE];
        tile_of_products(row, FEATURES, gate, e, EXPERTS, sum);
        UNROLL for (int t = 0; t < TILE; ++t) {
            if (e + t < EXPERTS) scores[e + t] = sum[t];
        }
    }
}

// The loss of the batch from L_j.
INLINE float total_loss(const Team &team, const Model &model) {
    const float *importance = FIXED(team), *losses = LOSSES(team);
    float *lanes = LANES(team);
    EACH(l, 32) {
        float sum = 0.0f;
        for (int j = l; j < FEATURES; j += 32) sum = fmaf(importance[j], losses[j], sum);
        lanes[l] = sum;
    }
    BARRIER;
    return tree(lanes) * model.scale;
}

#if BALANCED && EXPERTS > 1
// Adds the load-balancing loss to `loss` and its gradient to that of the gate. SCORES has the scores of all samples, USED the numbers of samples
// of each expert.
INLINE float balance(const Team &team, const Model &model, const float *rows, float loss) {
    const float samples = (float)SAMPLES, strength = model.balance * (float)EXPERTS, factor = strength / samples;
    const float *used = USED(team);
    float *q = SCORES(team), *mean = MEANS(team), *to = GRADIENTS(team) + GATE(0);
    EACH(s, SAMPLES) {
        float *own = q + s * EXPERTS;
        float high = own[0], sum = 0.0f;
        for (int e = 1; e < EXPERTS; ++e) high = own[e] > high ? own[e] : high;
        for (int e = 0; e < EXPERTS; ++e) {
            own[e] = exponential(own[e] - high);
            sum = sum + own[e];
        }
        for (int e = 0; e < EXPERTS; ++e) own[e] = own[e] / sum;
    }
    EACH(e, EXPERTS) {
        float sum = 0.0f;
        for (int s = 0; s < SAMPLES; ++s) sum = sum + q[s * EXPERTS + e];
        mean[e] = sum;
    }
    EACH(s, SAMPLES) {
        float *own = q + s * EXPERTS, inner = 0.0f;
        for (int e = 0; e < EXPERTS; ++e) inner = fmaf(own[e], used[e] / samples, inner);
        for (int e = 0; e < EXPERTS; ++e) own[e] = factor * own[e] * (used[e] / samples - inner);
    }
    EACH(item, TILES(EXPERTS) * FEATURES) {
        const int j = item % FEATURES, first = item / FEATURES * TILE;
        float sum[TILE];
        UNROLL for (int t = 0; t < TILE; ++t) sum[t] = to[smaller(first + t, EXPERTS - 1) * STRIDE + j];
        for (int s = 0; s < SAMPLES; ++s) {
            const float x = rows[s * XS + j];
            UNROLL for (int t = 0; t < TILE; ++t) sum[t] = fmaf(q[s * EXPERTS + smaller(first + t, EXPERTS - 1)], x, sum[t]);
        }
        UNROLL for (int t = 0; t < TILE; ++t) {
            if (first + t < EXPERTS) to[(first + t) * STRIDE + j] = sum[t];
        }
    }
    float even = 0.0f;
    for (int e = 0; e < EXPERTS; ++e) even = fmaf(used[e] / samples, mean[e] / samples, even);
    return fmaf(strength, even, loss);
}
#endif
