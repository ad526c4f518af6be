// What all kernels share: arithmetic as in the contract (crates/train/src/contract.rs), random words, rates, the optimizer, the training loop.
// The compiler must not contract, so a * b + c is two roundings and fmaf is one.

typedef unsigned int u32;
typedef unsigned long long u64;

// The settings of one model and its state without arrays. `model_batch.rs` has the same fields.
struct Model {
    double probability, lr, beta1, beta2, eps, weight_decay, drop_below, factor, stop_below;
    double powers[2], drop;
    u64 seed;
    u32 samples, steps, schedule, has_stop, history_interval;
    u32 is_signed, correlated, anticorrelated;
    float scale, balance;
    u32 step, stopped, entries;
    float loss;
};

// Entries of a model's history: step and loss.
#define HISTORY 104

INLINE float positive(float x) { return x > 0.0f ? x : 0.0f; }
INLINE int smaller(int a, int b) { return a < b ? a : b; }

// e^x for x <= 0: `math::exp`.
INLINE float exponential(float x) {
    const float log2e = 1.44269504088896340736f;
    x = x > -64.0f ? x : -64.0f;
    const float q = fmaf(x, log2e, 12582912.0f) - 12582912.0f;
    const float f = fmaf(x, log2e, -q);
    float p = 1.3264727e-3f;
    p = fmaf(p, f, 9.671513e-3f);
    p = fmaf(p, f, 5.5507336e-2f);
    p = fmaf(p, f, 0.24022242f);
    p = fmaf(p, f, 0.693147f);
    p = fmaf(p, f, 1.0f);
    return p * number_of((u32)((int)q + 127) << 23);
}

// cos(2 pi t) for t in [0, 1]: `math::cos_turns`.
INLINE double cosine_series(double x, double first, int offset) {
    const double x2 = x * x;
    double term = first, sum = first;
    for (int i = 1; i < 10; ++i) {
        const double k = (double)(2 * i + offset);
        term *= -x2 / (k * (k - 1.0));
        sum += term;
    }
    return sum;
}
INLINE double cosine_of_turns(double t) {
    const double tau = 6.28318530717958647692528676655900577;
    t = t > 0.5 ? 1.0 - t : t;
    const double sign = t > 0.25 ? -1.0 : 1.0;
    t = t > 0.25 ? 0.5 - t : t;
    const double sine = (0.25 - t) * tau;
    return sign * (t <= 0.125 ? cosine_series(t * tau, 1.0, 0) : cosine_series(sine, sine, 1));
}

// The contract's tree over 32 lanes.
INLINE float tree(const float *lanes) {
    float sum[16];
    UNROLL for (int l = 0; l < 16; ++l) sum[l] = lanes[l] + lanes[l + 16];
    UNROLL for (int width = 8; width > 0; width /= 2) {
        UNROLL for (int l = 0; l < width; ++l) sum[l] = sum[l] + sum[l + width];
    }
    return sum[0];
}

// Philox4x32 with 7 rounds; the counter is (t, step, stream of training, 0).
struct Words { u32 plane[4]; };
INLINE Words philox(u64 seed, u32 t, u32 step) {
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
    u32 c0 = t, c1 = step, c2 = 0, c3 = 0;
    UNROLL for (int round = 0; round < 7; ++round) {
        const u32 ah = high_product(0xD2511F53u, c0), al = 0xD2511F53u * c0;
        const u32 bh = high_product(0xCD9E8D57u, c2), bl = 0xCD9E8D57u * c2;
        c0 = bh ^ c1 ^ k0;
        c1 = bl;
        c2 = ah ^ c3 ^ k1;
        c3 = al;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return Words{{c0, c1, c2, c3}};
}

// What depends on the number of a step alone: which draws are present, their values, and the optimizer's scalars.
struct Rates { float below, scale, offset, step, correction, keep; };
// Steps whose rates are computed at once, one a thread.
#define AHEAD_STEPS 32

INLINE int is_wide(const Model &model) { return model.probability < 1.0 / 64.0; }

// Denormal powers count as 0.
INLINE double power(double value, double beta) { return value < 1e-300 ? 0.0 : value * beta; }

// The rates of a step whose beta1^t and beta2^t are `first` and `second`.
INLINE Rates rates_of(const Model &model, u32 step, double first, double second, double drop) {
    const double levels = model.probability * (is_wide(model) ? 16777216.0 : 65536.0);
    const double below = floor(levels * ((double)step + 1.0)) - floor(levels * (double)step);
    Rates rates;
    rates.below = (float)below;
    rates.scale = below > 0.0 ? (float)(1.0 / below) : 0.0f;
    rates.offset = 0.5f * rates.scale;
    if (model.is_signed && rates.below > 0.0f) {
        rates.offset = rates.scale - 1.0f;
        rates.scale = 2.0f * rates.scale;
    }
    double schedule = 1.0;
    const double steps = (double)model.steps;
    if (model.schedule == 1) schedule = 1.0 - (double)step / steps;
    if (model.schedule == 2) {
        const double last = steps - 1.0 > 1.0 ? steps - 1.0 : 1.0;
        schedule = cosine_of_turns(0.25 * (double)step / last);
    }
    const double lr = model.lr * schedule * drop;
    rates.step = (float)(-lr / (1.0 - first));
    rates.correction = (float)(1.0 / root(1.0 - second));
    rates.keep = (float)(1.0 - lr * model.weight_decay);
    return rates;
}

// Compute the rates of the 32 steps from `step` on into AHEAD.
INLINE void precompute_rates(const Model &model, u32 step, double first, double second, double drop, Rates *ahead) {
    EACH(l, AHEAD_STEPS) {
        double a = first, b = second;
        for (int i = 0; i <= l; ++i) {
            a = power(a, model.beta1);
            b = power(b, model.beta2);
        }
        ahead[l] = rates_of(model, step + (u32)l, a, b, drop);
    }
}

// AdamW: `engines/cpu/adam.rs`.
struct Betas { float first, one_minus_first, second, one_minus_second, eps; };
INLINE void update(float *p, float *m, float *v, float g, const Betas &beta, const Rates &rates) {
    const float tiny = 0x1p-100f;
    float first = fmaf(beta.first, *m, beta.one_minus_first * g);
    first = (first > 0.0f ? first : -first) > tiny ? first : 0.0f;
    float second = fmaf(beta.second, *v, beta.one_minus_second * (g * g));
    second = second > tiny ? second : 0.0f;
    *m = first;
    *v = second;
    const float denominator = fmaf(root(second), rates.correction, beta.eps);
    *p = fmaf(rates.step, first / denominator, *p * rates.keep);
}

// All memory of a team: `shared` is fast, `work` is not, `own` is where parameters and moments are between launches. The header that is
// generated before this text says in which of them each array lies, as an expression of these three.
struct Team {
    float *shared, *work, *own;
    const float *fixed;
};

// Loss of a batch; the gradients go to GRADIENTS. What each kernel defines.
INLINE float gradients(const Team &team, const Model &model, u32 step, const Rates &rates);

INLINE int is_finite(float x) { return x - x == 0.0f; }

// Up to `steps` steps of one model.
INLINE void run_team(Model *where, float *own, const float *fixed, u32 *history, float *shared, float *work, int count) {
    const Team team = {shared, work, own, fixed};
    BARRIER;
    const Model model = *where;
    double first = model.powers[0], second = model.powers[1], drop = model.drop;
    u32 step = model.step, stopped = model.stopped, entries = model.entries;
    float loss = model.loss;
    u32 last = 0xffffffffu;
    if (entries > 0) last = history[2 * (entries - 1)];
    // Copy the arrays that are not used in place.
    EACH(i, LENGTH) {
        if (PARAMETERS(team) != own) PARAMETERS(team)[i] = own[i];
        if (FIRST(team) != own + LENGTH) FIRST(team)[i] = own[LENGTH + i];
        if (SECOND(team) != own + 2 * LENGTH) SECOND(team)[i] = own[2 * LENGTH + i];
    }
    EACH(i, 2 * STRIDE) FIXED(team)[i] = fixed[i];
    Rates *ahead = (Rates *)AHEAD(team);
    const Betas beta = {(float)model.beta1, (float)(1.0 - model.beta1), (float)model.beta2, (float)(1.0 - model.beta2), (float)model.eps};
    int known = 0, at = 0;
    for (int done = 0; done < count && step < model.steps && !stopped; ++done, ++at) {
        if (at == known) {
            precompute_rates(model, step, first, second, drop, ahead);
            known = AHEAD_STEPS;
            at = 0;
        }
        BARRIER;
        const Rates rates = ahead[at];
        loss = gradients(team, model, step, rates);
        int note = 0;
        if (!is_finite(loss)) {
            // Diverged: the run ends before its update.
            loss = number_of(0x7fc00000u);
            stopped = 1;
            note = 1;
        } else {
            EACH(i, LENGTH) {
                update(PARAMETERS(team) + i, FIRST(team) + i, SECOND(team) + i, GRADIENTS(team)[i], beta, rates);
            }
            first = power(first, model.beta1);
            second = power(second, model.beta2);
            note = step % model.history_interval == 0 || step + 1 == model.steps;
            if (model.has_stop) {
                if ((double)loss < model.drop_below) {
                    drop *= model.factor;
                    known = at + 1;
                }
                if ((double)loss < model.stop_below) {
                    stopped = 1;
                    note = 1;
                }
            }
        }
        if (note && last != step && entries < HISTORY) {
            last = step;
            ONCE {
                history[2 * entries] = step;
                ((float *)history)[2 * entries + 1] = loss;
            }
            ++entries;
        }
        if (is_finite(loss)) ++step;
    }
    EACH(i, LENGTH) {
        if (PARAMETERS(team) != own) own[i] = PARAMETERS(team)[i];
        if (FIRST(team) != own + LENGTH) own[LENGTH + i] = FIRST(team)[i];
        if (SECOND(team) != own + 2 * LENGTH) own[2 * LENGTH + i] = SECOND(team)[i];
    }
    ONCE {
        where->powers[0] = first;
        where->powers[1] = second;
        where->drop = drop;
        where->step = step;
        where->stopped = stopped;
        where->entries = entries;
        where->loss = loss;
    }
}
