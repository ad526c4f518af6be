// Models that are not small and send a sample through one pair of matrices: mixtures with one active expert, and models of two layers.
//
// Samples that are not all zero are grouped by expert, in order, and go through it CHUNK at a time. A thread has a sample and some hidden
// dimensions or outputs, or, for sums over samples, an output and some hidden dimensions.

// Sorting: samples are split into segments, each counted by one thread.
#define SEGMENTS 64
#define SEGMENT ((SAMPLES + SEGMENTS - 1) / SEGMENTS)

// The position of V in the parameters.
#define OUT (TWO_LAYER && !TIED ? (HIDDEN + 1) * STRIDE : 0)

// Samples by expert into ORDER, each expert's in order, from STARTS[e] on; all-zero samples, of "expert" EXPERTS, are left out.
INLINE void group(const Team &team, const int *expert) {
    int *counts = (int *)COUNTS(team), *starts = (int *)STARTS(team), *order = (int *)ORDER(team);
    EACH(g, SEGMENTS) {
        for (int e = 0; e < EXPERTS; ++e) counts[g * EXPERTS + e] = 0;
        for (int s = g * SEGMENT; s < smaller((g + 1) * SEGMENT, SAMPLES); ++s) {
            if (expert[s] < EXPERTS) ++counts[g * EXPERTS + expert[s]];
        }
    }
    // From counts to places within each expert's samples.
    EACH(e, EXPERTS) {
        int next = 0;
        for (int g = 0; g < SEGMENTS; ++g) {
            const int here = counts[g * EXPERTS + e];
            counts[g * EXPERTS + e] = next;
            next += here;
        }
        starts[e + 1] = next;
    }
    ONCE {
        starts[0] = 0;
        for (int e = 0; e < EXPERTS; ++e) starts[e + 1] += starts[e];
    }
    EACH(g, SEGMENTS) {
        for (int s = g * SEGMENT; s < smaller((g + 1) * SEGMENT, SAMPLES); ++s) {
            if (expert[s] < EXPERTS) order[starts[expert[s]] + counts[g * EXPERTS + expert[s]]++] = s;
        }
    }
    BARRIER;
}

// Up to CHUNK samples of an expert, forward and backward.
INLINE void chunk(const Team &team, const float *all, const int *order, int count, int e, float *losses) {
    const float *w = PARAMETERS(team) + WEIGHT(e), *v = w + OUT, *bias = PARAMETERS(team) + BIAS(e);
    const float *slope = FIXED(team) + STRIDE;
    float *rows = ROWS(team), *errors = ERRORS(team), *slopes = SLOPES(team), *hidden = HIDDENS(team), *d_hidden = D_HIDDENS(team);
    float *d_bias = GRADIENTS(team) + BIAS(e), *d_out = GRADIENTS(team) + WEIGHT(e) + OUT, *d_in = D_INPUTS(team) + WEIGHT(e);
    EACH(item, count * FEATURES) {
        const int s = item / FEATURES, i = item % FEATURES;
        rows[s * XS + i] = all[order[s] * XS + i];
    }
    EACH(item, TILES(HIDDEN) * CHUNK) {
        const int s = item % CHUNK, first = item / CHUNK * TILE;
        if (s >= count) continue;
        float h[TILE];
        tile_of_products(rows + s * XS, FEATURES, w, first, HIDDEN, h);
        UNROLL for (int t = 0; t < TILE; ++t) {
            if (first + t < HIDDEN) hidden[s * HS + first + t] = RECTIFIED ? positive(h[t]) : h[t];
        }
    }
    EACH(item, TILES(FEATURES) * CHUNK) {
        const int s = item % CHUNK, first = item / CHUNK * TILE;
        if (s >= count) continue;
        float z[TILE];
        tile_of_outputs(hidden + s * HS, v, bias, first, z);
        UNROLL for (int t = 0; t < TILE; ++t) {
            const int j = first + t;
            if (j >= FEATURES) continue;
            const float x = rows[s * XS + j], target = MAGNITUDE ? (x > 0.0f - x ? x : 0.0f - x) : x;
            const float d = positive(z[t]) - target;
            errors[s * XS + j] = d;
            slopes[s * XS + j] = z[t] > 0.0f ? slope[j] * d : 0.0f;
        }
    }
    EACH(item, TILES(HIDDEN) * CHUNK) {
        const int s = item % CHUNK, first = item / CHUNK * TILE;
        if (s >= count) continue;
        float d[TILE];
        tile_of_products(slopes + s * XS, FEATURES, v, first, HIDDEN, d);
        UNROLL for (int t = 0; t < TILE; ++t) {
            const int k = first + t;
            if (k < HIDDEN) d_hidden[s * HS + k] = !RECTIFIED || hidden[s * HS + k] > 0.0f ? d[t] : 0.0f;
        }
    }
    // Sums over samples: of g_j h_k, of x_j dh_k, and of g_j and d_j d_j.
    EACH(item, (2 * TILES(HIDDEN) + 1) * FEATURES) {
        const int j = item % FEATURES, part = item / FEATURES;
        if (part == 2 * TILES(HIDDEN)) {
            float sum = d_bias[j], loss = losses[j];
            for (int s = 0; s < count; ++s) {
                const float d = errors[s * XS + j];
                sum = sum + slopes[s * XS + j];
                loss = fmaf(d, d, loss);
            }
            d_bias[j] = sum;
            losses[j] = loss;
            continue;
        }
        const int inputs = part >= TILES(HIDDEN), first = (inputs ? part - TILES(HIDDEN) : part) * TILE;
        const float *right = (inputs ? rows : slopes) + j, *left = inputs ? d_hidden : hidden;
        float *to = (inputs ? d_in : d_out) + j, sum[TILE];
        int k[TILE];
        UNROLL for (int t = 0; t < TILE; ++t) {
            k[t] = smaller(first + t, HIDDEN - 1);
            sum[t] = to[k[t] * STRIDE];
        }
        for (int s = 0; s < count; ++s) {
            const float y = right[s * XS];
            UNROLL for (int t = 0; t < TILE; ++t) sum[t] = fmaf(left[s * HS + k[t]], y, sum[t]);
        }
        UNROLL for (int t = 0; t < TILE; ++t) {
            if (first + t < HIDDEN) to[k[t] * STRIDE] = sum[t];
        }
    }
}

INLINE float gradients(const Team &team, const Model &model, u32 step, const Rates &rates) {
    float *all = INPUTS(team), *to = GRADIENTS(team), *d_in = D_INPUTS(team), *losses = LOSSES(team);
    const float *bias = PARAMETERS(team) + BIAS(0), *slope = FIXED(team) + STRIDE;
    int *expert = (int *)EXPERT(team), *starts = (int *)STARTS(team), *order = (int *)ORDER(team);
    EACH(i, LENGTH) to[i] = 0.0f;
    EACH(i, EXPERTS * HIDDEN * STRIDE) d_in[i] = 0.0f;
    draw_batch(model, step, rates, all, expert);
    EACH(s, SAMPLES) {
        int mine = 0;
#if EXPERTS > 1
        float best = 0.0f;
        for (int e = 0; e < EXPERTS; e += TILE) {
            float sum[TILE];
            tile_of_products(all + s * XS, FEATURES, PARAMETERS(team) + GATE(0), e, EXPERTS, sum);
            UNROLL for (int t = 0; t < TILE; ++t) {
                if (e + t >= EXPERTS) continue;
#if BALANCED
                SCORES(team)[s * EXPERTS + e + t] = sum[t];
#endif
                const int better = e + t == 0 || sum[t] > best;
                mine = better ? e + t : mine;
                best = better ? sum[t] : best;
            }
        }
#endif
        expert[s] = expert[s] ? mine : EXPERTS;
    }
    group(team, expert);
    const float zeros = (float)(SAMPLES - starts[EXPERTS]);
    EACH(j, FEATURES) {
        const float y = positive(bias[j]);
        losses[j] = TWO_LAYER ? 0.0f : zeros * (y * y);
    }
    for (int e = 0; e < EXPERTS; ++e) {
        float *own = TWO_LAYER ? losses : OWN_LOSSES(team);
        if (!TWO_LAYER) {
            EACH(j, FEATURES) own[j] = 0.0f;
        }
        for (int first = starts[e]; first < starts[e + 1]; first += CHUNK) {
            chunk(team, all, order + first, smaller(CHUNK, starts[e + 1] - first), e, own);
        }
        if (!TWO_LAYER) {
            EACH(j, FEATURES) losses[j] = losses[j] + own[j];
        }
    }
    // All-zero samples: y = max(b, 0), evaluated once.
    EACH(j, FEATURES) {
        const float y = positive(bias[j]);
        if (TWO_LAYER) losses[j] = fmaf(zeros, y * y, losses[j]);
        to[BIAS(0) + j] = fmaf(zeros, slope[j] * y, to[BIAS(0) + j]);
    }
    // The two parts of the gradient of W meet.
    EACH(i, EXPERTS * HIDDEN * STRIDE) to[i] = OUT > 0 ? d_in[i] : to[i] + d_in[i];
    float loss = total_loss(team, model);
#if EXPERTS == 1
    loss = loss + model.balance;
#elif BALANCED
    EACH(e, EXPERTS) USED(team)[e] = (float)(starts[e + 1] - starts[e]) + (e == 0 ? zeros : 0.0f);
    loss = balance(team, model, all, loss);
#endif
    return loss;
}
