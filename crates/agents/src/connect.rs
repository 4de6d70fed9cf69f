//! From the settings of providers to those who can be asked.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    asker::Asked,
    gate::Gate,
    http::{Http, SettingsError},
    outcome::{Failure, FailureKind, Outcome},
    prices::Place,
    provider::{Later, Provider},
    request::Request,
    secret::Key,
    settings::{Api, ProviderSettings},
};

/// The providers of a world by their names: those that it declares, and those that are there by themselves.
#[must_use]
pub fn settings_of(
    declared: impl IntoIterator<Item = (String, ProviderSettings)>,
) -> BTreeMap<String, ProviderSettings> {
    let usual = Api::ALL.map(|api| (api.as_str().to_owned(), ProviderSettings::of(api)));
    usual.into_iter().chain(declared).collect()
}

/// A provider over HTTP behind its gate. `key` is the value of the variable that its settings name; without it the
/// provider can be declared, and not asked.
///
/// # Errors
/// When its URL can't be asked.
pub fn connect(name: &str, settings: ProviderSettings, key: Option<Key>) -> Result<Asked, SettingsError> {
    connect_through(name, settings, key, |provider| provider)
}

/// As [`connect`], where requests that the gate lets through go by a way.
///
/// # Errors
/// When its URL can't be asked.
pub fn connect_through(
    name: &str,
    settings: ProviderSettings,
    key: Option<Key>,
    way: impl FnOnce(Arc<dyn Provider>) -> Arc<dyn Provider>,
) -> Result<Asked, SettingsError> {
    let limits = settings.limits();
    let (provider, place) = reach(name, settings, key)?;
    Ok(Asked { provider: Arc::new(Gate::new(name, way(provider), limits)), place })
}

/// A provider over HTTP without its gate, for requests that another one has let through.
///
/// # Errors
/// When its URL can't be asked.
pub fn reach(
    name: &str,
    settings: ProviderSettings,
    key: Option<Key>,
) -> Result<(Arc<dyn Provider>, Place), SettingsError> {
    let missing = settings.key_env.clone().filter(|_| key.is_none());
    let is_usual = settings.url.trim_end_matches('/') == settings.api.url().trim_end_matches('/');
    let api = settings.api;
    let http = Http::new(name, settings, key)?;
    let place = if is_usual {
        Place::Usual(api)
    } else if http.is_local() {
        Place::Local
    } else {
        Place::Elsewhere
    };
    let provider: Arc<dyn Provider> = match missing {
        None => Arc::new(http),
        Some(variable) => Arc::new(Keyless { name: name.into(), variable }),
    };
    Ok((provider, place))
}

/// A provider whose key is not there.
struct Keyless {
    name: String,
    variable: String,
}

impl Provider for Keyless {
    fn ask<'a>(&'a self, _request: &'a Request) -> Later<'a, Outcome> {
        let Self { name, variable } = self;
        let sentence = format!("`{name}` needs a key: set the variable `{variable}`");
        Box::pin(std::future::ready(Err(Failure::new(FailureKind::Auth, sentence))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Message, ModelName, Role};

    #[test]
    fn those_that_are_there_by_themselves_can_be_declared_otherwise() {
        let own = ProviderSettings { in_flight: 1, ..ProviderSettings::of(Api::Gemini) };
        let all = settings_of([("openai".to_owned(), own.clone()), ("local".to_owned(), own.clone())]);
        assert_eq!(all.keys().collect::<Vec<_>>(), ["anthropic", "gemini", "local", "openai"]);
        assert_eq!((&all["openai"], &all["gemini"]), (&own, &ProviderSettings::of(Api::Gemini)));
    }

    #[test]
    fn a_price_hangs_on_the_place() {
        for (url, place) in [
            (Api::OpenAi.url(), Place::Usual(Api::OpenAi)),
            ("https://api.openai.com/v1", Place::Usual(Api::OpenAi)),
            ("http://127.0.0.1:8080/v1", Place::Local),
            ("http://[::1]/v1", Place::Local),
            ("http://localhost:11434/v1", Place::Local),
            ("http://192.168.0.7/v1", Place::Local),
            ("https://openrouter.ai/api/v1", Place::Elsewhere),
            ("https://localhost.example.com/v1", Place::Elsewhere),
            ("https://8.8.8.8/v1", Place::Elsewhere),
        ] {
            let settings = ProviderSettings { url: url.into(), ..ProviderSettings::of(Api::OpenAi) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _inside = runtime.enter();
            assert_eq!(connect("x", settings, None).ok().unwrap().place, place, "{url}");
        }
    }

    #[tokio::test]
    async fn a_key_that_is_missing_is_named_by_its_variable() {
        let asked = connect("openai", ProviderSettings::of(Api::OpenAi), None).ok().unwrap();
        let request = Request {
            model: ModelName::parse("openai::gpt-4.1").unwrap(),
            messages: vec![Message::new(Role::User, "?")],
            schema: None,
            max_output_tokens: 1,
            temperature: None,
            seed: None,
        };
        let failure = asked.provider.ask(&request).await.unwrap_err();
        assert!(failure.is_fatal && failure.sentence.contains("`OPENAI_API_KEY`"), "{failure}");
    }
}
