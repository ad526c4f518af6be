//! The numerics contract: what makes trained bytes a function of the recipe alone.
//!
//! Operations are IEEE 754 binary32 add, subtract, multiply, divide, square root and fused multiply-add (fma), each rounded once, in
//! the order given here and in no other; `exp`, `ln`, `sin` and `cos` are the polynomials of `math.rs`. Sizes: n features, m hidden,
//! E experts, k active, B samples.
//!
//! 1. **Random numbers.** Philox4x32 with 7 rounds, key = seed (low, high word), counter = (t, step, stream, 0). A batch has
//!    t = sample * ceil(n/4) + c; word w of it is feature i = w * ceil(n/4) + c. The word x makes the feature present when
//!    x <= p 2^32 - 1, with value (x >> 8) * f32(1 / (p 2^24)).
//! 2. **Scores** s_e are a chain of fma over the present features, ascending, from 0. The k experts with the highest scores are active;
//!    ties go to the lowest index. Their weights a_e are exp(s_e - max) divided by the sum over the active, ascending; 1 if k = 1.
//! 3. **Forward.** h_k: fma chain over present features ascending, from 0. z_j: fma chain over k ascending, from b_j. y_j = max(z_j, 0);
//!    for k > 1 the output is an fma chain of a_e y_j over active experts ascending, from 0. The error is d_j = y_j - x_j.
//! 4. **Virtual lanes.** A sum over features has 32 lanes, lane l an fma chain over j = l, l + 32, ...; then lanes l and l + 16 are
//!    added, then 8, 4, 2, 1 apart. The loss of a sample is such a sum of (I_j d_j) d_j; the batch's loss is such a sum over samples,
//!    times 1/B or 1/(B n).
//! 5. **Gradients.** g_j = c_j d_j (times a_e if k > 1) where z_j > 0, else 0, with c_j = f32(2 I_j / B) or f32(2 I_j / (B n)).
//!    dh_k is a 32-lane sum of g_j W_jk. Every element of dW, db and dG is a chain over samples ascending: outputs (g_j h_k, fma) in one
//!    chain, inputs (x_i dh_k, fma) in another, added at the end.
//! 6. **All-zero samples** of models with k = 1 go to expert 0 (a tie) and are evaluated once: their number times the common loss is
//!    added to the loss, and times the common gradient to db. With k > 1 they are ordinary samples.
//! 7. **Optimizer.** See `engines/cpu/adam.rs`. Bias corrections and the schedule are binary64, rounded to binary32 once a step.
//!
//! Threads, vector width and batching of points are not in the contract because they cannot change any of the above.

/// Part of every training run's manifest. A change of anything above, or of an initialiser, raises it.
pub const CONTRACT_VERSION: u32 = 1;
