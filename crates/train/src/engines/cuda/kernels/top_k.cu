// Mixtures with several active experts: their outputs are mixed by the renormalised weights, through which the gate learns.
//
// Active experts and weights are found for the whole batch; then CHUNK samples at a time go forward and backward through all their experts.
// A *use* is an active expert of a sample: number s ACTIVE + slot in a chunk.

// Features padded to an odd number, for outputs of every use.
#define YS XS

INLINE float gradients(const Team &team, const Model &model, u32 step, const Rates &rates) {
    float *all = INPUTS(team), *to = GRADIENTS(team), *d_in = D_INPUTS(team), *losses = LOSSES(team), *used = USED(team);
    const float *parameters = PARAMETERS(team), *slope = FIXED(team) + STRIDE;
    int *active = (int *)CHOSEN(team), *lists = (int *)LISTS(team), *lengths = (int *)LENGTHS(team);
    float *scores = SCORES(team), *weights = WEIGHTS(team);
    float *rows = ROWS(team), *errors = ERRORS(team), *slopes = SLOPES(team), *outputs = OUTPUTS(team);
    float *hidden = HIDDENS(team), *d_hidden = D_HIDDENS(team), *d_score = D_SCORES(team);
    EACH(i, LENGTH) to[i] = 0.0f;
    EACH(i, EXPERTS * HIDDEN * STRIDE) d_in[i] = 0.0f;
    EACH(j, FEATURES) losses[j] = 0.0f;
    EACH(e, EXPERTS) used[e] = 0.0f;
    draw_batch(model, step, rates, all, (int *)SOME(team));
    EACH(s, SAMPLES) {
        float *own = scores + s * EXPERTS;
        score(all + s * XS, parameters + GATE(0), own);
        // An expert is active if fewer than ACTIVE have a higher score, or the same and a lower index.
        int slot = 0;
        float high = 0.0f, sum = 0.0f, *weight = weights + s * ACTIVE;
        for (int e = 0; e < EXPERTS && slot < ACTIVE; ++e) {
            int above = 0;
            for (int other = 0; other < EXPERTS; ++other) above += own[other] > own[e] || (own[other] == own[e] && other < e);
            if (above >= ACTIVE) continue;
            high = slot == 0 || own[e] > high ? own[e] : high;
            active[s * ACTIVE + slot] = e;
            weight[slot++] = own[e];
        }
        for (slot = 0; slot < ACTIVE; ++slot) {
            weight[slot] = exponential(weight[slot] - high);
            sum = sum + weight[slot];
        }
        for (slot = 0; slot < ACTIVE; ++slot) weight[slot] = weight[slot] / sum;
    }
    for (int first = 0; first < SAMPLES; first += CHUNK) {
        const int count = smaller(CHUNK, SAMPLES - first);
        const int *uses = active + first * ACTIVE;
        const float *weight = weights + first * ACTIVE;
        EACH(item, count * FEATURES) {
            const int s = item / FEATURES, i = item % FEATURES;
            rows[s * XS + i] = all[(first + s) * XS + i];
        }
        EACH(item, TILES(HIDDEN) * count * ACTIVE) {
            const int use = item % (count * ACTIVE), top = item / (count * ACTIVE) * TILE;
            float h[TILE];
            tile_of_products(rows + use / ACTIVE * XS, FEATURES, parameters + WEIGHT(uses[use]), top, HIDDEN, h);
            UNROLL for (int t = 0; t < TILE; ++t) {
                if (top + t < HIDDEN) hidden[use * HS + top + t] = h[t];
            }
        }
        EACH(item, TILES(FEATURES) * count) {
            const int s = item % count, top = item / count * TILE;
            float mixed[TILE];
            UNROLL for (int t = 0; t < TILE; ++t) mixed[t] = 0.0f;
            for (int slot = 0; slot < ACTIVE; ++slot) {
                const int use = s * ACTIVE + slot, e = uses[use];
                float z[TILE];
                tile_of_outputs(hidden + use * HS, parameters + WEIGHT(e), parameters + BIAS(e), top, z);
                UNROLL for (int t = 0; t < TILE; ++t) {
                    const float y = positive(z[t]);
                    mixed[t] = fmaf(weight[use], y, mixed[t]);
                    if (top + t < FEATURES) outputs[use * YS + top + t] = y;
                }
            }
            UNROLL for (int t = 0; t < TILE; ++t) {
                const int j = top + t;
                if (j >= FEATURES) continue;
                const float d = mixed[t] - rows[s * XS + j];
                errors[s * XS + j] = d;
                slopes[s * XS + j] = slope[j] * d;
            }
        }
        // Sums over features, as trees: part 0 is u_e, the others are dh_k.
        EACH(item, (HIDDEN + 1) * count * ACTIVE) {
            const int use = item % (count * ACTIVE), part = item / (count * ACTIVE), s = use / ACTIVE;
            const float *column = parameters + WEIGHT(uses[use]) + (part - 1) * STRIDE;
            float lanes[32];
            UNROLL for (int l = 0; l < 32; ++l) lanes[l] = 0.0f;
            for (int top = 0; top < FEATURES; top += 32) {
                UNROLL for (int l = 0; l < 32; ++l) {
                    const int j = top + l;
                    if (j >= FEATURES) continue;
                    const float y = outputs[use * YS + j], c = slopes[s * XS + j];
                    lanes[l] = part == 0 ? fmaf(c, y, lanes[l]) : fmaf(y > 0.0f ? weight[use] * c : 0.0f, column[j], lanes[l]);
                }
            }
            const float sum = tree(lanes);
            if (part == 0) d_score[use] = sum;
            else d_hidden[use * HS + part - 1] = sum;
        }
        // The gate learns through the weights: a_e (u_e - sum a u).
        EACH(s, count) {
            float inner = 0.0f;
            for (int use = s * ACTIVE; use < (s + 1) * ACTIVE; ++use) inner = fmaf(weight[use], d_score[use], inner);
            for (int use = s * ACTIVE; use < (s + 1) * ACTIVE; ++use) d_score[use] = weight[use] * (d_score[use] - inner);
        }
        EACH(e, EXPERTS) {
            int length = 0;
            for (int use = 0; use < count * ACTIVE; ++use) {
                if (uses[use] == e) lists[e * CHUNK + length++] = use;
            }
            lengths[e] = length;
            used[e] = used[e] + (float)length;
        }
        // Sums over samples, for every expert those that use it: of g_j h_k, of x_j dh_k, and of g_j and x_j times the score's gradient.
        EACH(item, EXPERTS * (2 * TILES(HIDDEN) + 1) * FEATURES) {
            const int j = item % FEATURES, part = item / FEATURES % (2 * TILES(HIDDEN) + 1), e = item / FEATURES / (2 * TILES(HIDDEN) + 1);
            const int *list = lists + e * CHUNK, length = lengths[e];
            if (part == 2 * TILES(HIDDEN)) {
                float d_bias = to[BIAS(e) + j], d_gate = to[GATE(e) + j];
                for (int r = 0; r < length; ++r) {
                    const int use = list[r], s = use / ACTIVE;
                    const float g = outputs[use * YS + j] > 0.0f ? weight[use] * slopes[s * XS + j] : 0.0f;
                    d_bias = d_bias + g;
                    d_gate = fmaf(d_score[use], rows[s * XS + j], d_gate);
                }
                to[BIAS(e) + j] = d_bias;
                to[GATE(e) + j] = d_gate;
                continue;
            }
            const int inputs = part >= TILES(HIDDEN), top = (inputs ? part - TILES(HIDDEN) : part) * TILE;
            const float *left = inputs ? d_hidden : hidden;
            float *sums = (inputs ? d_in : to) + WEIGHT(e) + j, sum[TILE];
            int k[TILE];
            UNROLL for (int t = 0; t < TILE; ++t) {
                k[t] = smaller(top + t, HIDDEN - 1);
                sum[t] = sums[k[t] * STRIDE];
            }
            for (int r = 0; r < length; ++r) {
                const int use = list[r], s = use / ACTIVE;
                const float g = outputs[use * YS + j] > 0.0f ? weight[use] * slopes[s * XS + j] : 0.0f;
                const float y = inputs ? rows[s * XS + j] : g;
                UNROLL for (int t = 0; t < TILE; ++t) sum[t] = fmaf(left[use * HS + k[t]], y, sum[t]);
            }
            UNROLL for (int t = 0; t < TILE; ++t) {
                if (top + t < HIDDEN) sums[k[t] * STRIDE] = sum[t];
            }
        }
        EACH(j, FEATURES) {
            float loss = losses[j];
            for (int s = 0; s < count; ++s) loss = fmaf(errors[s * XS + j], errors[s * XS + j], loss);
            losses[j] = loss;
        }
    }
    EACH(i, EXPERTS * HIDDEN * STRIDE) to[i] = to[i] + d_in[i];
    float loss = total_loss(team, model);
#if BALANCED
    loss = balance(team, model, all, loss);
#endif
    return loss;
}
