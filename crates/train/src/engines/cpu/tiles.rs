//! Matrix products of a few rows at a time, blocked so that accumulators stay in registers. Every element of a result is one chain of fma
//! in the order of the summed index, whatever the blocking, so that the contract need not mention it.

use crate::numerics::simd::{Simd, SimdKernel};

/// Arguments of [`product`], as a function of its own.
struct ProductTask {
    left: GatheredRows,
    count: usize,
    right: Matrix,
    terms: usize,
    width: usize,
    start: *const f32,
    out: MatrixMut,
}

/// Arguments of [`outer`].
struct OuterTask {
    left: Matrix,
    columns: usize,
    right: GatheredRows,
    count: usize,
    width: usize,
    sums: MatrixMut,
}

/// Arguments of [`transpose`].
struct TransposeTask {
    from: Matrix,
    rows: usize,
    columns: usize,
    to: MatrixMut,
}

/// Rows gathered by an index: row r is at `base + index[r] * stride`.
#[derive(Clone, Copy)]
pub struct GatheredRows {
    pub base: *const f32,
    pub stride: usize,
    pub index: *const u32,
}

impl GatheredRows {
    #[inline(always)]
    pub unsafe fn row(&self, r: usize) -> *const f32 {
        unsafe { self.base.add(*self.index.add(r) as usize * self.stride) }
    }
}

/// A matrix with rows `stride` apart.
#[derive(Clone, Copy)]
pub struct Matrix {
    pub base: *const f32,
    pub stride: usize,
}

/// A matrix to write to, with rows `stride` apart.
#[derive(Clone, Copy)]
pub struct MatrixMut {
    pub base: *mut f32,
    pub stride: usize,
}

/// Rows in a tile: their sums stay in registers.
const TILE_ROWS: usize = 8;

/// out\[r\] = start + sum over t < terms, ascending, of left\[r\]\[t\] right\[t\], for `count` rows r and `width` numbers.
/// `start` may be null: zeros.
///
/// # Safety
/// The machine must have the instructions of `V`; the matrices must hold what is read, whole vectors being read and written, and `out`
/// also rows up to the next multiple of eight, which are overwritten.
#[inline(always)]
pub unsafe fn product<V: Simd>(
    left: GatheredRows,
    count: usize,
    right: Matrix,
    terms: usize,
    width: usize,
    start: *const f32,
    out: MatrixMut,
) {
    unsafe { V::call_kernel(ProductTask { left, count, right, terms, width, start, out }) }
}

impl SimdKernel for ProductTask {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        let ProductTask { left, count, right, terms, width, start, out } = self;
        let vectors = width.div_ceil(V::N);
        let mut v = 0;
        while v < vectors {
            let right = Matrix { base: unsafe { right.base.add(v * V::N) }, ..right };
            let start = if start.is_null() { start } else { unsafe { start.add(v * V::N) } };
            let out = MatrixMut { base: unsafe { out.base.add(v * V::N) }, ..out };
            unsafe {
                if V::N == 16 && vectors - v >= 2 {
                    product_columns::<V, 2>(left, count, right, terms, start, out);
                    v += 2;
                } else {
                    product_columns::<V, 1>(left, count, right, terms, start, out);
                    v += 1;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn product_columns<V: Simd, const R: usize>(
    left: GatheredRows,
    count: usize,
    right: Matrix,
    terms: usize,
    start: *const f32,
    out: MatrixMut,
) {
    unsafe {
        let mut first = 0;
        while first < count {
            let mut sums = [[V::splat(0.0); R]; TILE_ROWS];
            let mut rows = [std::ptr::null(); TILE_ROWS];
            for r in 0..TILE_ROWS {
                // Rows past the end repeat the last one.
                rows[r] = left.row((first + r).min(count - 1));
                if !start.is_null() {
                    for c in 0..R {
                        sums[r][c] = V::load(start.add(c * V::N));
                    }
                }
            }
            let mut from = right.base;
            for t in 0..terms {
                let mut w = [V::splat(0.0); R];
                for c in 0..R {
                    w[c] = V::load(from.add(c * V::N));
                }
                for r in 0..TILE_ROWS {
                    let x = V::splat(*rows[r].add(t));
                    for c in 0..R {
                        sums[r][c] = V::fma(x, w[c], sums[r][c]);
                    }
                }
                from = from.add(right.stride);
            }
            for r in 0..TILE_ROWS {
                for c in 0..R {
                    V::store(out.base.add((first + r) * out.stride + c * V::N), sums[r][c]);
                }
            }
            first += TILE_ROWS;
        }
    }
}

/// sums\[k\] += sum over r < count, ascending, of left\[r\]\[k\] right\[r\], for k < `columns` and `width` numbers: an outer product a row.
///
/// # Safety
/// The machine must have the instructions of `V`; the matrices must hold what is read and written, whole vectors at a time.
#[inline(always)]
pub unsafe fn outer<V: Simd>(
    left: Matrix,
    columns: usize,
    right: GatheredRows,
    count: usize,
    width: usize,
    sums: MatrixMut,
) {
    unsafe { V::call_kernel(OuterTask { left, columns, right, count, width, sums }) }
}

impl SimdKernel for OuterTask {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        let OuterTask { left, columns, right, count, width, sums } = self;
        let vectors = width.div_ceil(V::N);
        // Columns in equal blocks of at most five.
        let blocks = columns.div_ceil(5);
        let mut k = 0;
        for block in 0..blocks {
            let here = (columns - k).div_ceil(blocks - block);
            let left = Matrix { base: unsafe { left.base.add(k) }, ..left };
            let sums = MatrixMut { base: unsafe { sums.base.add(k * sums.stride) }, ..sums };
            macro_rules! columns {
                ($k:literal) => {{
                    let mut v = 0;
                    while v < vectors {
                        let right = GatheredRows { base: unsafe { right.base.add(v * V::N) }, ..right };
                        let sums = MatrixMut { base: unsafe { sums.base.add(v * V::N) }, ..sums };
                        unsafe {
                            match (V::N, vectors - v) {
                                (16, 4..) => outer_block::<V, $k, 4>(left, right, count, sums),
                                (16, 3) => outer_block::<V, $k, 3>(left, right, count, sums),
                                (_, 2..) => outer_block::<V, $k, 2>(left, right, count, sums),
                                _ => outer_block::<V, $k, 1>(left, right, count, sums),
                            }
                        }
                        v += if V::N == 16 { 4.min(vectors - v) } else { 2.min(vectors - v) };
                    }
                }};
            }
            match here {
                5 => columns!(5),
                4 => columns!(4),
                3 => columns!(3),
                2 => columns!(2),
                _ => columns!(1),
            }
            k += here;
        }
    }
}

#[inline(always)]
unsafe fn outer_block<V: Simd, const K: usize, const R: usize>(
    left: Matrix,
    right: GatheredRows,
    count: usize,
    sums: MatrixMut,
) {
    unsafe {
        let mut block = [[V::splat(0.0); R]; K];
        for k in 0..K {
            for c in 0..R {
                block[k][c] = V::load(sums.base.add(k * sums.stride + c * V::N));
            }
        }
        for r in 0..count {
            let row = right.row(r);
            let mut y = [V::splat(0.0); R];
            for c in 0..R {
                y[c] = V::load(row.add(c * V::N));
            }
            for k in 0..K {
                let x = V::splat(*left.base.add(r * left.stride + k));
                for c in 0..R {
                    block[k][c] = V::fma(x, y[c], block[k][c]);
                }
            }
        }
        for k in 0..K {
            for c in 0..R {
                V::store(sums.base.add(k * sums.stride + c * V::N), block[k][c]);
            }
        }
    }
}

/// to\[c\]\[r\] = from\[r\]\[c\] for r < `rows`, c < `columns`. Columns of `to` up to the next multiple of 16 become zero.
///
/// # Safety
/// The machine must have the instructions of `V`; rows of `from` and the rows of `to` come in whole sixteens.
#[inline(always)]
pub unsafe fn transpose<V: Simd>(from: Matrix, rows: usize, columns: usize, to: MatrixMut) {
    unsafe { V::call_kernel(TransposeTask { from, rows, columns, to }) }
}

impl SimdKernel for TransposeTask {
    type Output = ();
    #[inline(always)]
    unsafe fn run<V: Simd>(self) {
        let TransposeTask { from, rows, columns, to } = self;
        for r in (0..rows.div_ceil(16) * 16).step_by(V::N) {
            for c in (0..columns).step_by(V::N) {
                unsafe {
                    let mut tile = [V::splat(0.0); 16];
                    for l in 0..V::N {
                        if r + l < rows {
                            tile[l] = V::load(from.base.add((r + l) * from.stride + c));
                        }
                    }
                    V::transpose(&mut tile[..V::N]);
                    for l in 0..V::N {
                        V::store(to.base.add((c + l) * to.stride + r), tile[l]);
                    }
                }
            }
        }
    }
}
