// Products in G2's field, written out: for the kernel in which nearly all of the time is spent.

// Karatsuba: three products instead of four.
fn fe_mul(a: Fe, b: Fe) -> Fe {
    let low = fq_mul(a.c0, b.c0);
    let high = fq_mul(a.c1, b.c1);
    let cross = fq_mul(fq_add(a.c0, a.c1), fq_add(b.c0, b.c1));
    return Fe(fq_sub(low, high), fq_sub(fq_sub(cross, low), high));
}

// (c0 + c1)(c0 - c1) and 2 c0 c1.
fn fe_sqr(a: Fe) -> Fe {
    let real = fq_mul(fq_add(a.c0, a.c1), fq_sub(a.c0, a.c1));
    return Fe(real, fq_double(fq_mul(a.c0, a.c1)));
}
