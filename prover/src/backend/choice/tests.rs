//! Engines by name, and the inventory.

use super::*;

#[test]
fn engines_are_chosen_by_name() {
    for choice in [Choice::Cpu, Choice::Gpu, Choice::Auto] {
        assert_eq!(choice.to_string().parse(), Ok(choice));
    }
    let unknown: Result<Choice, _> = "tpu".parse();
    assert!(unknown.is_err_and(|error| error.to_string().contains("cpu, gpu or auto")));
}

#[test]
fn automatic_choice_always_finds_an_engine_and_takes_no_software_for_a_card() {
    let inventory = Inventory::take();
    assert!(
        inventory
            .automatic()
            .is_none_or(|adapter| adapter.kind != Kind::Software)
    );
    let text = inventory.to_string();
    assert!(
        inventory
            .adapters
            .iter()
            .all(|adapter| text.contains(&adapter.name))
    );
    if inventory.automatic().is_none() {
        let engine = engine(Choice::Auto).expect("there is always the processor");
        assert_eq!(engine.name(), inventory.cpu);
    }
}
