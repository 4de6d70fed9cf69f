//! `[resources.NAME] regrow`: resources that grow back.

use oikos_kernel::{
    founding::Founder,
    limits,
    rules::{Regrow, ResourceId, Rules},
};

use super::{
    reader::{Read, Reader, amount},
    tree::Tree,
};

/// Reads the growth of all resources. `founders` are those of the world file.
pub(super) fn read(section: &Reader<'_>, rules: &Rules, founders: &[Founder]) -> Read<Vec<Regrow>> {
    let mut all = Vec::new();
    for (name, _, node) in &section.table.0 {
        let Tree::Table(_) = &node.value else { continue };
        let resource = Reader::new(section.document, "resources.NAME", node)?;
        let (Some(regrow), Some(id)) = (resource.node("regrow"), rules.resource(name)) else { continue };
        if name == ResourceId::LLM_BUDGET {
            return Err(section.document.error(&regrow.span, "`regrow`: dollars don't grow back"));
        }
        let Tree::Table(_) = &regrow.value else {
            let form = "a table as { rate_ppm = 250000, cap = 1000, every = \"1h\" }";
            return resource.wrong(regrow, "regrow", form);
        };
        let one = Reader::new(section.document, "resources.NAME.regrow", regrow)?;
        let Some(rate_ppm) = one.integer("rate_ppm", 0)? else { return one.missing("rate_ppm") };
        let Some(cap_node) = one.node("cap") else { return one.missing("cap") };
        let cap = amount(section.document, name, cap_node)?;
        let Some(every_ms) = one.duration_ms("every", 1)? else { return one.missing("every") };
        let rate = u32::try_from(rate_ppm).ok().filter(|rate| *rate <= limits::REGROW_RATE_PPM_MAX);
        let (Some(rate_ppm), Some(rate_node)) = (rate, one.node("rate_ppm")) else {
            let most = limits::REGROW_RATE_PPM_MAX;
            let node = one.node("rate_ppm").unwrap_or(regrow);
            let message = format!("`rate_ppm` may be {most} at most: a small stock doubles in each interval");
            return Err(section.document.error(&node.span, message).help("give a shorter `every`"));
        };
        if cap > limits::REGROW_CAP_MAX {
            let message = format!("`cap` may be {} at most", limits::REGROW_CAP_MAX);
            return Err(section.document.error(&cap_node.span, message));
        }
        let holds = |founder: &&Founder| !founder.has_loop && founder.resources.contains_key(name);
        let holders: Vec<String> = founders.iter().filter(holds).map(|founder| founder.id.clone()).collect();
        if holders.is_empty() {
            let message =
                format!("`regrow`: no artifact of this file holds `{name}`, and with agents nothing grows");
            let help = format!("give some to one with has_standing = true: `resources = {{ {name} = 500 }}`");
            return Err(section.document.error(&rate_node.span, message).help(help));
        }
        if holders.len() > limits::REGROW_HOLDERS_MAX {
            let message = format!("`{name}` grows with {} artifacts at most", limits::REGROW_HOLDERS_MAX);
            return Err(section.document.error(&regrow.span, message));
        }
        all.push(Regrow { resource: id, rate_ppm, cap, every_ms, holders });
    }
    all.sort_by_key(|regrow| regrow.resource);
    Ok(all)
}
