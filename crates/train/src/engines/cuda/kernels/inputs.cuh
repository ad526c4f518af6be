// The batch of a model that is not small, as rows: item 1 of the contract, and item 9 for pairs of features.
//
// The stride of rows, XS, is odd, so that threads that read a sample each have no bank conflicts.

#define XS (FEATURES | 1)

// Word number f of the step.
INLINE u32 word_of(u64 seed, u32 step, u32 f) { return philox(seed, 16 * (f / 64) + f % 16, step).plane[f % 64 / 16]; }

INLINE u32 draw_of(u64 seed, u32 step, int wide, u32 position) {
    if (wide) return word_of(seed, step, position) >> 8;
    const u32 word = word_of(seed, step, position / 2);
    return position % 2 ? word >> 16 : word & 0xffff;
}

// Draws all inputs into `rows` [SAMPLES][XS]; `some[s]` says whether any feature of a sample is present.
INLINE void draw_batch(const Model &model, u32 step, const Rates &rates, float *rows, int *some) {
    const int wide = is_wide(model);
    const u32 draws = (u32)SAMPLES * FEATURES, words = wide ? draws : (draws + 1) / 2;
    EACH(s, SAMPLES) some[s] = 0;
    EACH(c, (words + 63) / 64 * 16) {
        const Words block = philox(model.seed, (u32)c, step);
        UNROLL for (int plane = 0; plane < 4; ++plane) {
            const u32 f = (u32)c / 16 * 64 + 16 * plane + (u32)c % 16, word = block.plane[plane];
            UNROLL for (int half = 0; half < 2; ++half) {
                const u32 position = wide ? f : 2 * f + half;
                if (position >= draws || (wide && half)) continue;
                const float draw = (float)(wide ? word >> 8 : half ? word >> 16 : word & 0xffff);
                const int present = rates.below > draw;
                const u32 s = position / FEATURES;
                // Several threads may write this: all write the same.
                if (present) some[s] = 1;
                rows[s * XS + position % FEATURES] = present ? fmaf(draw, rates.scale, rates.offset) : 0.0f;
            }
        }
    }
#if TWO_LAYER
    // The second of each pair is drawn again.
    const int pairs = (int)(model.correlated + model.anticorrelated);
    if (pairs == 0) return;
    const u32 bits = wide ? 24 : 16;
    const float unit = 1.0f / (float)(1u << bits);
    const float scale = model.is_signed ? 2.0f * unit : unit, half = model.is_signed ? unit - 1.0f : 0.5f * unit;
    EACH(s, SAMPLES) {
        float *row = rows + s * XS;
        for (int pair = 0; pair < pairs; ++pair) {
            const u32 position = (u32)(s * FEATURES + 2 * pair);
            const u32 first = draw_of(model.seed, step, wide, position);
            float x = 0.0f;
            if (pair < (int)model.correlated) {
                const float own = (float)draw_of(model.seed, step, wide, position + 1);
                if ((float)first < rates.below) x = fmaf(own, scale, half);
            } else {
                const float mirrored = (float)((1u << bits) - 1 - first);
                if (mirrored < rates.below) x = fmaf(mirrored, rates.scale, rates.offset);
            }
            row[2 * pair + 1] = x;
        }
        int any = 0;
        for (int i = 0; i < FEATURES; ++i) any |= row[i] != 0.0f;
        some[s] = any;
    }
#endif
}
