//! Reports say what the rows say.

use super::*;

fn row(engine: Engine, constraints: usize, median_ms: f64) -> Row {
    Row {
        engine: engine.name().to_owned(),
        circuit: format!("c{constraints}"),
        constraints,
        threads: 2,
        median_ms,
        min_ms: median_ms - 1.0,
        max_ms: median_ms + 1.0,
        peak_rss_mb: 10.0,
        load_ms: (engine == Engine::Tacit).then_some(20.0),
    }
}

#[test]
fn table_gives_rates_and_ratios_within_each_circuit() {
    let rows = [
        row(Engine::Tacit, 1000, 100.0),
        row(Engine::ArkGroth16, 1000, 450.0),
        row(Engine::Tacit, 2000, 300.0),
    ];
    let table = table(&rows);
    assert_eq!(table.lines().count(), 5);
    assert!(
        table.contains("| c1000 | 1000 | ark-groth16 | 450 | 449 | 451 | 1111 | 10 | | 4.50 |"),
        "{table}"
    );
    assert!(
        table.contains("| c2000 | 2000 | tacit | 300 | 299 | 301 | 3333 | 10 | 20 | 1.00 |"),
        "{table}"
    );
}

#[test]
fn plot_has_a_line_for_each_engine() {
    let rows = [row(Engine::Tacit, 1000, 100.0), row(Engine::Snarkrs, 1000, 450.0)];
    let svg = plot(&rows);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    // The two that raced, and the growth of the first for comparison.
    assert_eq!(svg.matches("<polyline").count(), 3);
    assert!(svg.contains("n log n"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}
