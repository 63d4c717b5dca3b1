//! Results of the race as a table, as JSON and as a plot.

use std::fmt::Write;

use super::{Engine, Row};

/// A table in Markdown, with the ratio of each median to ours on the same circuit.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| circuit | constraints | engine | median ms | min | max | constraints/s per core | peak MiB | key load ms | time ÷ ours |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in rows {
        let ours = rows
            .iter()
            .find(|r| r.circuit == row.circuit && r.engine == Engine::Tacit.name());
        let ratio = ours.map_or(f64::NAN, |ours| row.median_ms / ours.median_ms);
        let rate = constraints(row) / (row.median_ms / 1000.0) / f64::from(threads(row));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {}| {:.2} |",
            row.circuit,
            row.constraints,
            row.engine,
            row.median_ms,
            row.min_ms,
            row.max_ms,
            rate,
            row.peak_rss_mb,
            row.load_ms.map_or(String::new(), |load| format!("{load:.0} ")),
            ratio
        );
    }
    text
}

fn threads(row: &Row) -> u32 {
    u32::try_from(row.threads).unwrap_or(u32::MAX)
}

fn constraints(row: &Row) -> f64 {
    f64::from(u32::try_from(row.constraints).unwrap_or(u32::MAX))
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;

/// A plot in SVG: time over constraints, both logarithmic, one line per engine, and what n·log n would
/// make of our smallest circuit.
#[must_use]
pub fn plot(rows: &[Row]) -> String {
    let range = |value: fn(&Row) -> f64| {
        let logs = rows.iter().map(|r| value(r).log10());
        let (low, high) = logs.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
        (low.floor(), high.ceil().max(low.floor() + 1.0))
    };
    let (x_range, y_range) = (range(constraints), range(|r| r.median_ms));
    let place = |x: f64, (low, high): (f64, f64), length: f64| (x - low) / (high - low) * length;
    let x = |value: f64| MARGIN + place(value.log10(), x_range, WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - place(value.log10(), y_range, HEIGHT - 2.0 * MARGIN);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, text) in ticks(x_range) {
        let _ = writeln!(
            svg,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{MARGIN}\" y2=\"{1}\" stroke=\"#ddd\"/><text x=\"{0:.1}\" y=\"{2}\" text-anchor=\"middle\">{text}</text>",
            x(at),
            HEIGHT - MARGIN,
            HEIGHT - MARGIN + 18.0
        );
    }
    for (at, text) in ticks(y_range) {
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{1}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/><text x=\"{2}\" y=\"{0:.1}\" text-anchor=\"end\">{text}</text>",
            y(at),
            WIDTH - MARGIN,
            MARGIN - 6.0
        );
    }
    if let Some(first) = rows.iter().find(|r| r.engine == Engine::Tacit.name()) {
        let work = |n: f64| n * n.log2();
        let points: Vec<String> = rows
            .iter()
            .filter(|r| r.engine == first.engine)
            .map(|r| {
                (
                    constraints(r),
                    first.median_ms * work(constraints(r)) / work(constraints(first)),
                )
            })
            .map(|(n, ms)| format!("{:.1},{:.1}", x(n), y(ms)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#888\" stroke-dasharray=\"4 4\"/><text x=\"{}\" y=\"{}\" fill=\"#888\" text-anchor=\"end\">dashed: n log n</text>",
            points.join(" "),
            WIDTH - MARGIN,
            HEIGHT - MARGIN - 8.0
        );
    }
    let colours = ["#1b6ac9", "#7b3cc9", "#4d94de", "#7fb2e8", "#c9481b", "#3c9a4e"];
    for (engine, colour) in Engine::ALL.into_iter().zip(colours) {
        let points: Vec<(f64, f64)> = rows
            .iter()
            .filter(|r| r.engine == engine.name())
            .map(|r| (x(constraints(r)), y(r.median_ms)))
            .collect();
        if points.is_empty() {
            continue;
        }
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        if let Some((x, y)) = points.last() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
                x + 8.0,
                y + 4.0,
                engine.name()
            );
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">constraints</text><text x=\"{MARGIN}\" y=\"{}\">milliseconds per proof</text>\n</svg>",
        WIDTH / 2.0,
        HEIGHT - 14.0,
        MARGIN - 20.0
    );
    svg
}

/// Powers of ten in a range of logarithms, with their labels.
fn ticks((low, high): (f64, f64)) -> impl Iterator<Item = (f64, String)> {
    (0..16u8)
        .map(move |i| low + f64::from(i))
        .take_while(move |at| *at <= high)
        .map(|at| (10f64.powf(at), format!("{}", 10f64.powf(at))))
}

#[cfg(test)]
mod tests;
