//! The numerics contract: what makes trained bytes a function of the recipe alone.
//!
//! Operations are IEEE 754 binary32 add, subtract, multiply, divide, square root and fused multiply-add (fma), each rounded once, in
//! the order given here and in no other; `exp`, `ln` and `cos` are the polynomials of `math.rs`. Sizes: n features, m hidden, E experts,
//! k active, B samples. A *chain* over a range adds its terms one after another, in ascending order, to what it starts from (0 unless
//! said); a product is added by fma. A *tree* over 32 lanes adds lanes l and l + 16, then 8, 4, 2, 1 apart.
//!
//! A model is *small* if k = 1, n <= 3, m <= 2 and E <= 3: what is summed over samples has a lane for each sample, so that everything stays in
//! the registers of a lane. In other models sums over samples are chains, which any grouping and blocking of the work reproduces.
//!
//! 1. **Random numbers.** Words are those of Philox4x32 with 7 rounds, key = seed (low, high word), counter = (t, step, stream, 0). Word
//!    number f is word (f mod 64) / 16, rounded down, of the counter with t = 16 (f / 64) + f mod 16. A *draw* has 16 bits if p >= 1/64
//!    and then is half a word, else the upper 24 bits of a word. Sample s, feature i has the draw
//!    - at position d = s n + i: the low (d even) or high half of word d / 2; or word d if draws have 24 bits;
//!    - in the training of a small model: the low (s mod 32 < 16) or high half of word 16 (n (s / 32) + i) + s mod 16; or word
//!      16 (n (s / 16) + i) + s mod 16 if draws have 24 bits.
//!
//!    With b bits, step t has the threshold T = floor(2^b p (t + 1)) - floor(2^b p t) (binary64), so that p is exact over the steps. A
//!    feature is present when its draw u is below T; its value is fma(u, r, r/2) with r = f32(1/T), never 0.
//! 2. **Scores** s_e are chains over features of x_i G_ei. The k experts with the highest scores are active; ties go to the lowest index.
//!    Their weights a_e are exp(s_e - max) over the chain of these, ascending; 1 if k = 1.
//! 3. **Forward.** h_k: chain over features of x_i W_ik. z_j: chain over k of h_k W_jk, from b_j. y_j = max(z_j, 0); for k > 1 the output
//!    is a chain over active experts, ascending, of a_e y_j. The error is d_j = y_j - x_j.
//! 4. **Loss.** L_j is the sum over samples of d_j d_j. The batch's loss is the sum over features of I_j L_j, times 1/B or 1/(B n): a chain
//!    for small models, else a tree whose lane l is a chain over j = l, l + 32, ...
//! 5. **Gradients.** g_j = c_j d_j (a_e (c_j d_j) if k > 1) where z_j > 0, else 0, with c_j = f32(2 I_j / B) or f32(2 I_j / (B n)).
//!    dh_k is the sum over outputs of g_j W_jk: a chain if k = 1, else a tree with lanes as in item 4. An element of dW is the sum over
//!    samples of outputs g_j h_k and inputs x_j dh_k, one of db that of g_j. If k > 1, the gradient of a score is a_e (u_e - U), with
//!    u_e the tree of (c_j d_j) y_j and U the chain over active experts of a_e u_e; dG sums x_i times it.
//! 6. **Sums over samples.** All-zero samples of models with k = 1 go to expert 0 (a tie), and are left out here.
//!    - Small models number the other samples in order; sample r is in lane r mod 32, in order; then the tree. A term of dW is
//!      fma(x_j, dh_k, g_j h_k). Each expert has sums of its own except for L_j.
//!    - Others, k = 1: each expert has a chain over its samples for each element of db, of L_j, and two of dW (outputs; inputs) that are added.
//!      L_j is the chain over experts of theirs, from what all-zero samples give.
//!    - Others, k > 1: chains over all samples, again two for dW.
//!
//!    Then N all-zero samples add, by fma, N (y_j y_j) to L_j and N (c_j y_j) to db of expert 0, with y_j = max(b_j, 0).
//! 7. **Load balancing** adds lambda E times the chain over e of f_e P_e to the loss by fma. f_e is the share of samples that use e; if E = 1, f = P = 1.
//!    - Others than small: q_e = exp(s_e - max) over the chain of these; P_e = the chain over samples of q_e, over B. dG sums x_i times
//!      (lambda E / B) q_e (f_e - F), with F the chain over e of q_e f_e, after what item 5 gives.
//!    - Small: q_e = exp(s_e - max) r with r one over that chain. P_e for e > 0 is the tree of q_e, plus by fma N/E for N all-zero samples,
//!      over B; P_0 is what these leave of 1. With A the tree of x_i (q_e q_e'), dG_ei = (lambda E / B) times the chain over e' != e of
//!      (f_e - f_e') A.
//! 8. **Optimizer.** See `engines/cpu/adam.rs`. Bias corrections and the schedule are binary64, rounded to binary32 once a step.
//!
//! ## Models of two layers
//! `linear-bottleneck`, `neurons` and `absolute-value`: W is \[m, n\]; V is \[n, m\], or the transpose of W if tied. None of them is small.
//!
//! 9. **Inputs** are those of item 1, with two additions. Signed values are fma(u, 2r, r - 1). Of a pair of features only the first has
//!    its draw u for presence. The second of a correlated pair is present when the first is; with its own draw v of b bits and
//!    q = 2^-b its value is fma(v, q, q/2), signed fma(v, 2q, q - 1). The second of an anticorrelated pair takes 2^b - 1 - u as its draw.
//! 10. **Forward.** a_k: chain over features of x_i W_ki; h_k = max(a_k, 0), or a_k in `linear-bottleneck`. z_j: chain over k of h_k V_jk,
//!     from b_j. y_j = max(z_j, 0). The error is d_j = y_j - t_j; the target t_j is x_j, or max(x_j, -x_j) in `absolute-value`.
//! 11. **Gradients.** g_j = c_j d_j where z_j > 0, else 0. e_k: chain over outputs of g_j V_jk, 0 where a_k is rectified and not above 0.
//!     Over the samples that are not all zero, in order, L_j is a chain of d_j d_j, an element of dV one of g_j h_k, of dW one of x_i e_k,
//!     of db one of g_j. If tied, dW is its dV plus its dW. Then the all-zero samples add to L_j and db as in item 6. The loss is that of
//!     item 4, a tree.
//!
//! Terms that are exactly zero may be left out: all that can change is the sign of a sum that is zero, which the optimizer
//! does not see. Threads, vector width and batching of points are not in the contract because they cannot change any of the
//! above. All this holds while numbers are finite: a step whose loss is not ends the run before its update.

/// Part of every training run's manifest. A change of anything above, or of an initialiser, raises it.
pub const CONTRACT_VERSION: u32 = 3;

/// Part of the key of every run of the reference engine. A change of its arithmetic raises it.
pub const REFERENCE_VERSION: u32 = 1;
