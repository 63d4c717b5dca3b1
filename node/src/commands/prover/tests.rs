//! The list says the same in both forms.

use super::*;

#[test]
fn the_inventory_names_the_processor_and_what_auto_uses() {
    let inventory = Inventory {
        cpu: "cpu (portable)".to_owned(),
        adapters: Vec::new(),
    };
    let json = as_json(&inventory);
    assert_eq!(json["cpu"], "cpu (portable)");
    assert_eq!(json["auto"], "cpu");
    assert_eq!(json["adapters"].as_array().map(Vec::len), Some(0));
    assert!(inventory.to_string().contains("cpu (portable)"));
}
