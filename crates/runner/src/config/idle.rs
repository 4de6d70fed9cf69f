//! Keys of a world file that do nothing where they stand, as a `pace` in a world of ticks does.

use oikos_kernel::rules::{Renewal, Rules};

use super::{ClockKind, Lasts, reader::Reader};

/// The keys of `[execution]` that are named and do nothing, each in a sentence.
pub(super) fn keys(section: &Reader<'_>, lasts: Lasts, clock: ClockKind, rules: &Rules) -> Vec<String> {
    let by_themselves = matches!(lasts, Lasts::Ms(_));
    let has_ticks = !by_themselves || matches!(rules.renewal, Renewal::Tick { .. });
    let alone = "agents go by themselves (`mode = \"autonomous\"`)";
    let ticks = "agents go by ticks (`mode = \"tick\"`)";
    let each = [
        ("ticks", by_themselves, format!("{alone}, for as long as `duration` says")),
        ("tick_duration", !has_ticks, format!("{alone}, and nothing comes back by ticks")),
        ("duration", !by_themselves, format!("{ticks}, for as many as `ticks` says")),
        ("pace", !by_themselves, format!("{ticks}, each once a tick")),
        ("external_timeout", clock == ClockKind::Virtual, "the virtual clock waits for clients".to_owned()),
    ];
    let idle = each.into_iter().filter(|(key, is_idle, _)| *is_idle && section.node(key).is_some());
    idle.map(|(key, _, why)| format!("`{key}` in `[execution]` does nothing here: {why}")).collect()
}
