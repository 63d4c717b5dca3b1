// Products in G2's field with one product of the base field in the text: kernels that add points have
// two dozen of these, and compilers need far more than three times the time for three times the text.

// Karatsuba: c0 d0, c1 d1, and (c0 + c1)(d0 + d1) last.
fn fe_mul(a: Fe, b: Fe) -> Fe {
    var x = a.c0;
    var y = b.c0;
    var low = fq_zero();
    var high = fq_zero();
    var product = fq_zero();
    for (var k = 0u; k < 3u; k++) {
        product = fq_mul(x, y);
        if k == 0u {
            low = product;
            x = a.c1;
            y = b.c1;
        } else if k == 1u {
            high = product;
            x = fq_add(a.c0, a.c1);
            y = fq_add(b.c0, b.c1);
        }
    }
    return Fe(fq_sub(low, high), fq_sub(fq_sub(product, low), high));
}

fn fe_sqr(a: Fe) -> Fe { return fe_mul(a, a); }
