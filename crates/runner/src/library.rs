//! The genesis library: ordinary artifacts that every world starts with, from `genesis/`.

use oikos_kernel::{founding::Founder, op};
use serde_json::Value;

/// A service: id, code, interface as JSON.
macro_rules! service {
    ($name:literal) => {
        (
            concat!("genesis_", $name),
            include_str!(concat!("../../../genesis/", $name, ".py")),
            include_str!(concat!("../../../genesis/", $name, ".json")),
        )
    };
}

/// The services, in the order in which they are founded.
const SERVICES: &[(&str, &str, &str)] = &[
    service!("ledger"),
    service!("event_log"),
    service!("rights_registry"),
    service!("escrow"),
    service!("vote"),
    service!("debt"),
    service!("mint"),
    service!("scorer"),
    service!("store"),
    service!("tasks"),
    service!("market"),
    service!("space"),
];

/// Pages of the handbook that are written by hand; `handbook_ops` is made from the table of ops.
const HANDBOOK: &[(&str, &str)] = &[
    ("handbook_start", include_str!("../../../genesis/handbook/start.md")),
    ("handbook_trade", include_str!("../../../genesis/handbook/trade.md")),
    ("handbook_contracts", include_str!("../../../genesis/handbook/contracts.md")),
    ("handbook_code", include_str!("../../../genesis/handbook/code.md")),
    ("handbook_resources", include_str!("../../../genesis/handbook/resources.md")),
    ("handbook_memory", include_str!("../../../genesis/handbook/memory.md")),
    ("handbook_institutions", include_str!("../../../genesis/handbook/institutions.md")),
    ("handbook_prompt", include_str!("../../../genesis/prompts/agent.md")),
];

/// Whether an artifact of the library acts by itself when it is due.
#[must_use]
pub(crate) fn acts_by_itself(founder: &Founder) -> bool {
    founder.code.as_deref().is_some_and(|code| code.contains("\ndef due("))
}

/// Whether code of the library is that of a contract.
#[must_use]
pub(crate) fn decides(code: &str) -> bool {
    code.contains("\ndef check_permission(")
}

/// The library, in the order in which it is founded.
#[must_use]
pub fn founders() -> Vec<Founder> {
    let services = SERVICES.iter().map(|(id, code, interface)| Founder {
        kind: "service".into(),
        code: Some((*code).into()),
        interface: serde_json::from_str::<Value>(interface).unwrap_or_default().into(),
        has_standing: true,
        owns_itself: true,
        ..Founder::new(id)
    });
    let page = |id: &str, text: String| Founder {
        kind: "handbook".into(),
        content: Value::String(text).into(),
        owns_itself: true,
        ..Founder::new(id)
    };
    let written = HANDBOOK.iter().map(|(id, text)| page(id, (*text).to_owned()));
    let ops = std::iter::once(page("handbook_ops", op::reference()));
    services.chain(written).chain(ops).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_interface() {
        for founder in founders().iter().filter(|founder| founder.code.is_some()) {
            let tools = founder.interface.value().as_array().expect("an array of tools");
            assert!(!tools.is_empty(), "{}", founder.id);
            for tool in tools {
                let name = tool["name"].as_str().expect("a name");
                let code = founder.code.as_deref().unwrap_or_default();
                assert!(code.contains(&format!("def {name}(")), "{} lacks {name}", founder.id);
            }
        }
    }
}
