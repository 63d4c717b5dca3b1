// Points of a curve y^2 = x^3 + b over the field Fe.
//
// A Point has extended Jacobian coordinates: x = X/ZZ, y = Y/ZZZ, ZZ^3 = ZZZ^2; the identity has
// ZZ = 0. The formulas are those of the Explicit-Formulas Database for XYZZ coordinates.
// Coordinates are below twice the modulus, so equality is that of fe_is_zero of a difference.

struct Affine { x: Fe, y: Fe }
struct Point { x: Fe, y: Fe, zz: Fe, zzz: Fe }

fn point_identity() -> Point { return Point(fe_one(), fe_one(), fe_zero(), fe_zero()); }

fn point_of(a: Affine) -> Point { return Point(a.x, a.y, fe_one(), fe_one()); }

// Doubling; right for the identity too, and no point of order two is on these curves.
fn point_double(p: Point) -> Point {
    let u = fe_double(p.y);
    let v = fe_sqr(u);
    let w = fe_mul(u, v);
    let s = fe_mul(p.x, v);
    let xx = fe_sqr(p.x);
    let m = fe_add(fe_double(xx), xx);
    let x = fe_sub(fe_sqr(m), fe_double(s));
    let y = fe_sub(fe_mul(m, fe_sub(s, x)), fe_mul(w, p.y));
    return Point(x, y, fe_mul(v, p.zz), fe_mul(w, p.zzz));
}

// p + a. The same point twice is doubled, opposite points give the identity.
fn point_add_affine(p: Point, a: Affine) -> Point {
    if fe_is_zero(p.zz) {
        return point_of(a);
    }
    let h = fe_sub(fe_mul(a.x, p.zz), p.x);
    let r = fe_sub(fe_mul(a.y, p.zzz), p.y);
    if fe_is_zero(h) {
        if fe_is_zero(r) {
            return point_double(p);
        }
        return point_identity();
    }
    let hh = fe_sqr(h);
    let hhh = fe_mul(h, hh);
    let q = fe_mul(p.x, hh);
    let x = fe_sub(fe_sub(fe_sqr(r), hhh), fe_double(q));
    let y = fe_sub(fe_mul(r, fe_sub(q, x)), fe_mul(p.y, hhh));
    return Point(x, y, fe_mul(p.zz, hh), fe_mul(p.zzz, hhh));
}

fn point_add(p: Point, o: Point) -> Point {
    if fe_is_zero(p.zz) {
        return o;
    }
    if fe_is_zero(o.zz) {
        return p;
    }
    let u = fe_mul(p.x, o.zz);
    let s = fe_mul(p.y, o.zzz);
    let h = fe_sub(fe_mul(o.x, p.zz), u);
    let r = fe_sub(fe_mul(o.y, p.zzz), s);
    if fe_is_zero(h) {
        if fe_is_zero(r) {
            return point_double(p);
        }
        return point_identity();
    }
    let hh = fe_sqr(h);
    let hhh = fe_mul(h, hh);
    let q = fe_mul(u, hh);
    let x = fe_sub(fe_sub(fe_sqr(r), hhh), fe_double(q));
    let y = fe_sub(fe_mul(r, fe_sub(q, x)), fe_mul(s, hhh));
    return Point(x, y, fe_mul(fe_mul(p.zz, o.zz), hh), fe_mul(fe_mul(p.zzz, o.zzz), hhh));
}
