//! `[llm]`: the models of a world, who gives them, and their price.

use std::collections::{BTreeMap, BTreeSet};

use oikos_agents::{Api, Http, ModelName, Price, ProviderSettings, Structured, TapeMode};
use oikos_kernel::{
    founding::Founder,
    limits,
    mind::{Mind, check_model},
    rules::Rules,
};

use super::{
    file::check_name,
    reader::{Read, Reader, amount},
    tree::{Node, Tree},
};

/// The most requests that one provider is sent at the same time.
const IN_FLIGHT_MAX: usize = 1_024;
/// The most providers of a world, and the most prices.
const ENTRIES_MAX: usize = 256;

/// The keys of `[llm]` that are no rules of the world.
pub(super) const NO_RULES: [&str; 5] = ["tape", "tape_file", "providers", "prices", "budget"];

/// How a world's models are asked. None of it is a rule of the world, so it may differ when a world goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlmPlan {
    /// How the tape is used.
    pub tape: TapeMode,
    /// A file with answers that a fresh world begins with, relative to the world file.
    pub tape_file: Option<String>,
    /// The most that all answers of the world may cost, in micro-dollars.
    pub budget: Option<u64>,
    /// The providers that the file declares.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// The prices that the file declares.
    pub prices: Vec<(ModelName, Price)>,
    /// The models that the file names: the world's own, and those of the minds in it.
    pub models: BTreeSet<ModelName>,
}

impl Default for LlmPlan {
    fn default() -> Self {
        let (providers, prices, models) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        Self { tape: TapeMode::Auto, tape_file: None, budget: None, providers, prices, models }
    }
}

impl LlmPlan {
    /// Whether the file names a provider: agents reach no other, whatever keys there are.
    pub(crate) fn names(&self, provider: &str) -> bool {
        let models = self.models.iter().chain(self.prices.iter().map(|(model, _)| model));
        self.providers.contains_key(provider) || models.into_iter().any(|model| model.provider == provider)
    }
}

/// The models that a world's rules and the minds of its founders name, and whether clients decide for any of them.
pub(super) fn named(rules: &Rules, founders: &[Founder]) -> (BTreeSet<ModelName>, bool) {
    let mut models: BTreeSet<&str> = rules.llm_model.as_deref().into_iter().collect();
    let mut minds = Vec::new();
    let mut has_clients = false;
    for founder in founders {
        match Mind::of(founder.content.value(), rules.llm_model.as_deref()) {
            Ok(Mind::Llm(mind)) => minds.push(mind),
            Ok(Mind::External { .. }) => has_clients = true,
            Ok(Mind::Script) | Err(_) => {}
        }
    }
    models.extend(minds.iter().map(|mind| mind.model.as_str()));
    (models.into_iter().filter_map(ModelName::parse).collect(), has_clients)
}

/// Reads the section; the rules in it go to the rules.
pub(super) fn read(section: &Reader<'_>, rules: &mut Rules) -> Read<LlmPlan> {
    if let (Some(model), Some(node)) = (section.text("model")?, section.node("model")) {
        check_model(model)
            .map_err(|problem| section.document.error(&node.span, format!("`model` {problem}")))?;
        rules.llm_model = Some(model.to_owned());
    }
    rules.think_time_ms = section.duration_ms("think_time", 1)?.unwrap_or(limits::THINK_TIME_MS);
    let tape = section.word("tape", &TapeMode::ALL.map(|mode| (mode.as_str(), mode)))?;
    let tape_file = section.text("tape_file")?.map(str::to_owned);
    if let (Some(name), Some(node)) = (&tape_file, section.node("tape_file")) {
        let wrong = |problem| section.document.error(&node.span, format!("`tape_file` {name:?}: {problem}"));
        check_name(name).map_err(wrong)?;
    }
    Ok(LlmPlan {
        tape: tape.unwrap_or(TapeMode::Auto),
        tape_file,
        budget: dollars(section, "budget")?,
        providers: providers(section)?,
        prices: prices(section)?,
        models: BTreeSet::new(),
    })
}

/// An amount of dollars, in micro-dollars.
fn dollars(section: &Reader<'_>, key: &str) -> Read<Option<u64>> {
    let Some(node) = section.node(key) else { return Ok(None) };
    if matches!(node.value, Tree::Str(_))
        && let Ok(micro) = amount(section.document, "llm_budget", node)
    {
        return Ok(Some(micro.unsigned_abs()));
    }
    section.wrong(node, key, "dollars such as \"$2.00\", to a millionth")
}

/// The entries of a table of tables.
fn entries<'a>(section: &Reader<'a>, key: &str) -> Read<Vec<(&'a str, &'a Node)>> {
    let Some(node) = section.node(key) else { return Ok(Vec::new()) };
    let Tree::Table(table) = &node.value else {
        return section.wrong(node, key, &format!("tables [llm.{key}.NAME]"));
    };
    if table.0.len() > ENTRIES_MAX {
        let message = format!("`{key}` may have {ENTRIES_MAX} entries");
        return Err(section.document.error(&node.span, message));
    }
    Ok(table.0.iter().map(|(name, _, node)| (name.as_str(), node)).collect())
}

fn providers(section: &Reader<'_>) -> Read<BTreeMap<String, ProviderSettings>> {
    let mut providers = BTreeMap::new();
    for (name, node) in entries(section, "providers")? {
        if check_model(&format!("{name}::m")).is_err() {
            let message = format!("a provider can't be called {name:?}; letters, digits, `_` and `-` are");
            return Err(section.document.error(&node.span, message));
        }
        let one = Reader::new(section.document, "llm.providers.NAME", node)?;
        providers.insert(name.to_owned(), provider(name, &one)?);
    }
    Ok(providers)
}

fn provider(name: &str, one: &Reader<'_>) -> Read<ProviderSettings> {
    let usual = Api::from_word(name);
    let Some(api) = one.word("api", &Api::ALL.map(|api| (api.as_str(), api)))?.or(usual) else {
        return one.missing("api");
    };
    let mut settings = ProviderSettings::of(api);
    match (one.text("url")?, one.node("url")) {
        (Some(url), Some(node)) => {
            Http::check_url(url)
                .map_err(|problem| one.document.error(&node.span, format!("`url`: {problem}")))?;
            settings.url = url.to_owned();
            // A key goes to the place that it was made for, and nowhere else unless the file says so.
            settings.key_env = None;
        }
        _ if usual == Some(api) => {}
        _ => return one.missing("url"),
    }
    if let (Some(variable), Some(node)) = (one.text("key_env")?, one.node("key_env")) {
        let is_name = !variable.is_empty()
            && variable.len() <= limits::MODEL_BYTES_MAX
            && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            // The text is not repeated: it may be the key itself.
            let message = "`key_env` must be the name of an environment variable, not a key";
            return Err(one.document.error(&node.span, message));
        }
        settings.key_env = Some(variable.to_owned());
    }
    if let (Some(count), Some(node)) = (one.integer("in_flight", 1)?, one.node("in_flight")) {
        match usize::try_from(count).ok().filter(|count| *count <= IN_FLIGHT_MAX) {
            Some(count) => settings.in_flight = count,
            None => return one.wrong(node, "in_flight", &format!("an integer from 1 to {IN_FLIGHT_MAX}")),
        }
    }
    let requests = one.integer("requests_per_minute", 1)?;
    settings.rates.requests_per_minute = requests.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    settings.rates.tokens_per_minute = one.integer("tokens_per_minute", 1)?.map(i64::unsigned_abs);
    if let Some(ms) = one.duration_ms("timeout", 1)? {
        settings.timeout = std::time::Duration::from_millis(ms.unsigned_abs());
    }
    if let Some(rung) = one.word("structured", &Structured::ALL.map(|rung| (rung.as_str(), rung)))? {
        settings.structured = rung;
    }
    Ok(settings)
}

fn prices(section: &Reader<'_>) -> Read<Vec<(ModelName, Price)>> {
    let mut prices = Vec::new();
    for (name, node) in entries(section, "prices")? {
        let Some(model) = ModelName::parse(name) else {
            let message = format!("a price is that of a `PROVIDER::MODEL`, and {name:?} is none");
            return Err(section.document.error(&node.span, message));
        };
        let one = Reader::new(section.document, "llm.prices.MODEL", node)?;
        let Some(input) = dollars(&one, "input")? else { return one.missing("input") };
        let Some(output) = dollars(&one, "output")? else { return one.missing("output") };
        let cached_input = dollars(&one, "cached_input")?.unwrap_or(input);
        let internal = one.flag("internal")?.unwrap_or(false);
        prices.push((model, Price { input, cached_input, output, internal }));
    }
    Ok(prices)
}
