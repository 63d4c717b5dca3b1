//! The operations of a prime field, written out limb by limb.

use super::{Field, LIMBS, Words};

/// Lines of a function's body.
#[derive(Default)]
struct Body(String);

impl Body {
    fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str("    ");
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }
}

fn list(text: impl Fn(usize) -> String) -> String {
    (0..LIMBS).map(text).collect::<Vec<_>>().join(", ")
}

impl Field {
    /// All of the field: its type and constants, `_add`, `_sub`, `_double`, `_neg`, `_mul`, `_sqr`,
    /// `_is_zero`, `_canonical`, and `_pack`, `_lo`, `_hi` between limbs and vectors of four.
    pub(in super::super) fn text(&self) -> String {
        let mut text = self.shape();
        text += &self.add();
        text += &self.sub();
        text += &self.mul();
        text += &self.canonical();
        text
    }

    fn shape(&self) -> String {
        let (name, ty) = (self.name, self.ty());
        let members = list(|i| format!("l{i}: u32"));
        let constant = |limbs: &[u32; LIMBS]| list(|i| format!("{}u", limbs[i]));
        let all = |what: &dyn Fn(usize) -> String| (0..LIMBS).map(what).collect::<Vec<_>>().join(" & ");
        let any_bit = (0..LIMBS)
            .map(|i| format!("a.l{i}"))
            .collect::<Vec<_>>()
            .join(" | ");
        let modulus = all(&|i| format!("(a.l{i} == {}u)", self.modulus[i]));
        let lo = (0..4).map(|i| format!("a.l{i}")).collect::<Vec<_>>().join(", ");
        let hi = (4..8).map(|i| format!("a.l{i}")).collect::<Vec<_>>().join(", ");
        format!(
            "struct {ty} {{ {members} }}
fn {name}_zero() -> {ty} {{ return {ty}({zero}); }}
fn {name}_one() -> {ty} {{ return {ty}({one}); }}
fn {name}_is_zero(a: {ty}) -> bool {{ return (({any_bit}) == 0u) | ({modulus}); }}
fn {name}_pack(lo: vec4<u32>, hi: vec4<u32>) -> {ty} {{
    return {ty}(lo.x, lo.y, lo.z, lo.w, hi.x, hi.y, hi.z, hi.w);
}}
fn {name}_lo(a: {ty}) -> vec4<u32> {{ return vec4<u32>({lo}); }}
fn {name}_hi(a: {ty}) -> vec4<u32> {{ return vec4<u32>({hi}); }}
fn {name}_double(a: {ty}) -> {ty} {{ return {name}_add(a, a); }}
fn {name}_neg(a: {ty}) -> {ty} {{ return {name}_sub({name}_zero(), a); }}
fn {name}_sqr(a: {ty}) -> {ty} {{ return {name}_mul(a, a); }}
",
            zero = constant(&[0; LIMBS]),
            one = constant(&self.one),
        )
    }

    /// Lines for `out_i = x_i + y_i` with carries; the carry out of the top is dropped.
    fn carry_chain(
        &self,
        body: &mut Body,
        out: &str,
        x: impl Fn(usize) -> String,
        y: impl Fn(usize) -> String,
    ) {
        for i in 0..LIMBS {
            let (x, y) = (x(i), y(i));
            match (self.spelling.words, i) {
                (Words::U64, 0) => body.line(format!("let {out}w0 = u64({x}) + u64({y});")),
                (Words::U64, _) => {
                    let before = i - 1;
                    body.line(format!(
                        "let {out}w{i} = u64({x}) + u64({y}) + ({out}w{before} >> 32u);"
                    ));
                }
                (Words::U32, 0) => {
                    body.line(format!("let {out}0 = {x} + {y};"));
                    body.line(format!("let {out}c0 = u32({out}0 < {x});"));
                }
                (Words::U32, _) => {
                    let before = i - 1;
                    body.line(format!("let {out}t{i} = {x} + {y};"));
                    body.line(format!("let {out}{i} = {out}t{i} + {out}c{before};"));
                    body.line(format!(
                        "let {out}c{i} = u32({out}t{i} < {x}) | u32({out}{i} < {out}t{i});"
                    ));
                }
            }
            if self.spelling.words == Words::U64 {
                body.line(format!("let {out}{i} = u32({out}w{i});"));
            }
        }
    }

    /// Lines for `out_i = x_i − y_i` with borrows, and `let out_borrow: bool`.
    fn borrow_chain(
        &self,
        body: &mut Body,
        out: &str,
        x: impl Fn(usize) -> String,
        y: impl Fn(usize) -> String,
    ) {
        for i in 0..LIMBS {
            let (x, y) = (x(i), y(i));
            match (self.spelling.words, i) {
                (Words::U64, 0) => body.line(format!("let {out}w0 = u64({x}) - u64({y});")),
                (Words::U64, _) => {
                    let before = i - 1;
                    body.line(format!(
                        "let {out}w{i} = u64({x}) - u64({y}) - ({out}w{before} >> 63u);"
                    ));
                }
                (Words::U32, 0) => {
                    body.line(format!("let {out}0 = {x} - {y};"));
                    body.line(format!("let {out}c0 = u32({x} < {y});"));
                }
                (Words::U32, _) => {
                    let before = i - 1;
                    body.line(format!("let {out}t{i} = {x} - {y};"));
                    body.line(format!("let {out}{i} = {out}t{i} - {out}c{before};"));
                    body.line(format!(
                        "let {out}c{i} = u32({x} < {y}) | u32({out}t{i} < {out}c{before});"
                    ));
                }
            }
            if self.spelling.words == Words::U64 {
                body.line(format!("let {out}{i} = u32({out}w{i});"));
            }
        }
        let top = LIMBS - 1;
        body.line(match self.spelling.words {
            Words::U64 => format!("let {out}_borrow = ({out}w{top} >> 63u) != 0lu;"),
            Words::U32 => format!("let {out}_borrow = {out}c{top} != 0u;"),
        });
    }

    fn function(&self, operation: &str, parameters: &[&str], body: &Body) -> String {
        let (name, ty) = (self.name, self.ty());
        let parameters: Vec<_> = parameters.iter().map(|p| format!("{p}: {ty}")).collect();
        let parameters = parameters.join(", ");
        format!("fn {name}_{operation}({parameters}) -> {ty} {{\n{}}}\n", body.0)
    }

    /// `s − limit` where that is not negative, else `s`: what brings a sum back below `limit`.
    fn reduce(&self, body: &mut Body, limit: &[u32; LIMBS]) {
        self.borrow_chain(body, "d", |i| format!("s{i}"), |i| format!("{}u", limit[i]));
        let limbs = list(|i| format!("select(d{i}, s{i}, d_borrow)"));
        body.line(format!("return {}({limbs});", self.ty()));
    }

    /// Operands are below `2q`, so the sum is below `4q < 2^256`: no carry is lost.
    fn add(&self) -> String {
        let mut body = Body::default();
        self.carry_chain(&mut body, "s", |i| format!("a.l{i}"), |i| format!("b.l{i}"));
        self.reduce(&mut body, &self.double);
        self.function("add", &["a", "b"], &body)
    }

    fn sub(&self) -> String {
        let mut body = Body::default();
        self.borrow_chain(&mut body, "d", |i| format!("a.l{i}"), |i| format!("b.l{i}"));
        body.line("let back = select(0u, 0xffffffffu, d_borrow);");
        self.carry_chain(
            &mut body,
            "s",
            |i| format!("d{i}"),
            |i| format!("({}u & back)", self.double[i]),
        );
        body.line(format!("return {}({});", self.ty(), list(|i| format!("s{i}"))));
        self.function("sub", &["a", "b"], &body)
    }

    /// The Montgomery product `a·b / 2^256`, one limb of `b` at a time: add `a·b_i`, add the multiple
    /// of `q` that clears the lowest limb, drop that limb.
    ///
    /// Let `R = 2^256` and `a, b < 2q`. Before each step the accumulator is below `a + q < 3q`: from
    /// `T < a + q` follows `(T + (2^32 − 1)(a + q)) / 2^32 < a + q`. So it needs no ninth limb and the
    /// two carries of a step can be added into the eighth. The result is at most
    /// `(a·b + (R − 1)·q) / R < 4q²/R + q < 2q`, because `4q < R`.
    pub(super) fn mul(&self) -> String {
        let mut body = Body::default();
        if self.spelling.unrolled {
            for i in 0..LIMBS {
                let before = |j: usize| match i {
                    0 => "0u".to_owned(),
                    _ => format!("t{}_{j}", i - 1),
                };
                self.mul_step(&mut body, &i.to_string(), &format!("b.l{i}"), before);
            }
            let last = LIMBS - 1;
            body.line(format!(
                "return {}({});",
                self.ty(),
                list(|j| format!("t{last}_{j}"))
            ));
        } else {
            for j in 0..LIMBS {
                body.line(format!("var r{j} = b.l{j};"));
                body.line(format!("var s{j} = 0u;"));
            }
            body.line("for (var i = 0u; i < 8u; i++) {");
            self.mul_step(&mut body, "", "r0", |j| format!("s{j}"));
            for j in 0..LIMBS {
                body.line(format!("s{j} = t_{j};"));
                // The next limb of b comes to the front.
                body.line(format!("r{j} = r{};", (j + 1) % LIMBS));
            }
            body.line("}");
            body.line(format!("return {}({});", self.ty(), list(|j| format!("s{j}"))));
        }
        let mut text = self.function("mul", &["a", "b"], &body);
        if self.spelling.words == Words::U32 {
            text += &WIDE.replace("NAME", self.name);
        }
        text
    }

    /// One step of the product: the accumulator `t` becomes `t<i>_0 …`.
    fn mul_step(&self, body: &mut Body, i: &str, b: &str, t: impl Fn(usize) -> String) {
        let modulus = |j: usize| format!("{}u", self.modulus[j]);
        self.mul_add(body, &format!("x{i}_0"), "a.l0", b, &[&t(0)]);
        body.line(format!("let m{i} = x{i}_0 * {}u;", self.inverse));
        self.mul_add(
            body,
            &format!("y{i}_0"),
            &format!("m{i}"),
            &modulus(0),
            &[&format!("x{i}_0")],
        );
        for j in 1..LIMBS {
            let below = j - 1;
            let carry = format!("x{i}_{below}h");
            self.mul_add(
                body,
                &format!("x{i}_{j}"),
                &format!("a.l{j}"),
                b,
                &[&t(j), &carry],
            );
            let terms = [format!("x{i}_{j}"), format!("y{i}_{below}h")];
            let terms = terms.each_ref().map(String::as_str);
            self.mul_add(body, &format!("y{i}_{j}"), &format!("m{i}"), &modulus(j), &terms);
            body.line(format!("let t{i}_{below} = y{i}_{j};"));
        }
        let last = LIMBS - 1;
        body.line(format!("let t{i}_{last} = x{i}_{last}h + y{i}_{last}h;"));
    }

    /// Lines for `out + 2^32·outh = x·y + Σ terms`, at most two terms: that never overflows.
    fn mul_add(&self, body: &mut Body, out: &str, x: &str, y: &str, terms: &[&str]) {
        match self.spelling.words {
            Words::U64 => {
                let terms: String = terms.iter().map(|term| format!(" + u64({term})")).collect();
                body.line(format!("let {out}w = u64({x}) * u64({y}){terms};"));
                body.line(format!("let {out} = u32({out}w);"));
                body.line(format!("let {out}h = u32({out}w >> 32u);"));
            }
            Words::U32 => {
                let second = terms.get(1).unwrap_or(&"0u");
                body.line(format!(
                    "let {out}w = {}_wide({x}, {y}, {}, {second});",
                    self.name, terms[0]
                ));
                body.line(format!("let {out} = {out}w.x;"));
                body.line(format!("let {out}h = {out}w.y;"));
            }
        }
    }

    /// The integer that an element is the residue of. The product with the plain integer one is at
    /// most `(2q − 1 + (R − 1)·q) / R ≤ q`.
    fn canonical(&self) -> String {
        let (name, ty) = (self.name, self.ty());
        let mut body = Body::default();
        let one = list(|i| if i == 0 { "1u" } else { "0u" }.to_owned());
        body.line(format!("let s = {name}_mul(a, {ty}({one}));"));
        for i in 0..LIMBS {
            body.line(format!("let s{i} = s.l{i};"));
        }
        self.reduce(&mut body, &self.modulus);
        self.function("canonical", &["a"], &body)
    }
}

/// `x·y + c + d` as low and high word, from products of 16-bit halves.
const WIDE: &str = "
fn NAME_wide(x: u32, y: u32, c: u32, d: u32) -> vec2<u32> {
    let xl = x & 0xffffu;
    let xh = x >> 16u;
    let yl = y & 0xffffu;
    let yh = y >> 16u;
    let ll = xl * yl;
    // At most (2^16 - 1)^2 + (2^16 - 1) < 2^32.
    let middle = xh * yl + (ll >> 16u);
    let other = xl * yh + (middle & 0xffffu);
    let low = (other << 16u) | (ll & 0xffffu);
    let high = xh * yh + (middle >> 16u) + (other >> 16u);
    let lc = low + c;
    let ld = lc + d;
    return vec2<u32>(ld, high + u32(lc < c) + u32(ld < d));
}
";
