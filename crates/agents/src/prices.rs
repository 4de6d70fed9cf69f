//! Prices of models, in whole micro-dollars: what a request costs at most, and what it did cost.

use std::collections::HashMap;

use crate::{
    outcome::{Billed, Usage},
    request::{ModelName, Request},
    settings::Api,
};

/// The day on which the embedded prices were looked up.
pub const PRICES_AS_OF: &str = "2026-11-27";

/// The price of a model: micro-dollars for a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Of the request.
    pub input: u64,
    /// Of those tokens of the request that the provider had in its cache.
    pub cached_input: u64,
    /// Of the answer.
    pub output: u64,
    /// Whether it is a price within the world alone, for a provider that bills nothing: it counts as no dollars.
    pub internal: bool,
}

/// A price that is embedded: a model of a provider at its usual place, its price, and where that was read.
struct Embedded {
    api: Api,
    model: &'static str,
    /// Input, cached input and output, in micro-dollars for a million tokens.
    price: [u64; 3],
    source: &'static str,
}

/// Anthropic's own page for each model.
const ANTHROPIC: &str = "platform.claude.com, the model's overview";
/// GitHub's table of model prices, of the repository `github/docs`.
const GITHUB: &str = "github/docs, data/tables/copilot/models-and-pricing.yml";
/// The crate `openai-models` 0.1.1, from OpenAI's page of prices.
const CRATE: &str = "docs.rs/crate/openai-models/0.1.1";

/// A few models that many use. A price that is not here is refused, with the line to add.
const EMBEDDED: [Embedded; 6] = [
    Embedded { api: Api::OpenAi, model: "gpt-4o-mini", price: [150_000, 75_000, 600_000], source: CRATE },
    Embedded { api: Api::OpenAi, model: "gpt-4.1", price: [2_000_000, 500_000, 8_000_000], source: GITHUB },
    Embedded { api: Api::OpenAi, model: "gpt-5-mini", price: [250_000, 25_000, 2_000_000], source: GITHUB },
    // The page gives no price for what is cached: it counts as the rest.
    Embedded {
        api: Api::Anthropic,
        model: "claude-haiku-4-5-20251001",
        price: [1_000_000, 1_000_000, 5_000_000],
        source: ANTHROPIC,
    },
    Embedded {
        api: Api::Anthropic,
        model: "claude-haiku-4-5",
        price: [1_000_000, 1_000_000, 5_000_000],
        source: ANTHROPIC,
    },
    Embedded {
        api: Api::Anthropic,
        model: "claude-sonnet-5-5",
        price: [2_000_000, 200_000, 10_000_000],
        source: ANTHROPIC,
    },
];

/// A place at which a model is asked, as far as its price hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine, or a private network.
    Local,
    /// The usual place of an API.
    Usual(Api),
    /// Anywhere else.
    Elsewhere,
}

/// There is no price for a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no price for `{model}`; add one, in dollars for a million tokens:\n[llm.prices.\"{model}\"]\ninput = \
     \"$…\"\ncached_input = \"$…\"\noutput = \"$…\""
)]
pub struct Unpriced {
    /// The model.
    pub model: ModelName,
}

/// The prices of a world: its own first, then the embedded ones; a model on this machine is free.
#[derive(Clone, Debug, Default)]
pub struct Prices(HashMap<ModelName, Price>);

impl Prices {
    /// The prices that a world file declares.
    #[must_use]
    pub fn new(declared: impl IntoIterator<Item = (ModelName, Price)>) -> Self {
        Self(declared.into_iter().collect())
    }

    /// The price of a model that is asked at a place.
    ///
    /// # Errors
    /// When nobody knows it.
    pub fn of(&self, model: &ModelName, place: Place) -> Result<Price, Unpriced> {
        if let Some(price) = self.0.get(model) {
            return Ok(*price);
        }
        let embedded = match place {
            Place::Local => return Ok(Price::default()),
            Place::Elsewhere => None,
            Place::Usual(api) => EMBEDDED.iter().find(|row| row.api == api && row.model == model.model),
        };
        let [input, cached_input, output] = embedded.ok_or_else(|| Unpriced { model: model.clone() })?.price;
        Ok(Price { input, cached_input, output, internal: false })
    }
}

/// The embedded prices as lines of text, each with its source.
pub fn embedded() -> impl Iterator<Item = String> {
    EMBEDDED.iter().map(|row| {
        let [input, cached, output] = row.price.map(show_dollars);
        format!("{}::{} {input} {cached} {output} ({})", row.api.as_str(), row.model, row.source)
    })
}

/// The tokens and micro-dollars of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The tokens.
    pub usage: Usage,
    /// Micro-dollars.
    pub cost: u64,
}

impl Spent {
    /// Tokens of request and answer together.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.usage.tokens_in.saturating_add(self.usage.tokens_out)
    }
}

impl Spent {
    /// The greater of each.
    #[must_use]
    pub fn or_more(&self, other: &Self) -> Self {
        let (one, two) = (&self.usage, &other.usage);
        Self {
            usage: Usage {
                tokens_in: one.tokens_in.max(two.tokens_in),
                tokens_cached: one.tokens_cached.max(two.tokens_cached),
                tokens_out: one.tokens_out.max(two.tokens_out),
            },
            cost: self.cost.max(other.cost),
        }
    }
}

impl Price {
    /// Whether it costs nothing.
    #[must_use]
    pub fn is_free(&self) -> bool {
        (self.input, self.cached_input, self.output) == (0, 0, 0)
    }

    /// The micro-dollars of so many tokens, rounded up.
    #[must_use]
    pub fn cost(&self, usage: Usage) -> u64 {
        const MILLION: u128 = 1_000_000;
        let times = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let cached = usage.tokens_cached.min(usage.tokens_in);
        let parts = times(usage.tokens_in - cached, self.input)
            .saturating_add(times(cached, self.cached_input))
            .saturating_add(times(usage.tokens_out, self.output));
        u64::try_from(parts.div_ceil(MILLION)).unwrap_or(u64::MAX)
    }

    /// The most that a request can cost: this much is reserved before it is asked.
    #[must_use]
    pub fn worst(&self, request: &Request) -> Spent {
        let (tokens_in, tokens_out) = (request.tokens_in_max(), u64::from(request.max_output_tokens));
        let usage = Usage { tokens_in, tokens_cached: 0, tokens_out };
        let dearer = Self { input: self.input.max(self.cached_input), ..*self };
        Spent { usage, cost: dearer.cost(usage) }
    }

    /// The cost of a request by its bill; one that nobody knows counts as the worst case.
    #[must_use]
    pub fn settled(&self, request: &Request, billed: Billed) -> Spent {
        match billed {
            Billed::Nothing => Spent::default(),
            Billed::Counted(usage) => Spent { usage, cost: self.cost(usage) },
            Billed::Unknown => self.worst(request),
        }
    }
}

/// Reads dollars such as `$0.25`, exactly, in micro-dollars.
#[must_use]
pub fn dollars(text: &str) -> Option<u64> {
    const DIGITS: usize = 6;
    let text = text.trim();
    let number = text.strip_prefix('$').unwrap_or(text);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(part) || part.len() > DIGITS {
        return None;
    }
    let micro: u64 = format!("{part:0<DIGITS$}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micro)
}

/// Writes micro-dollars as dollars, with at least two digits after the point.
#[must_use]
pub fn show_dollars(micro: u64) -> String {
    let (whole, part) = (micro / 1_000_000, format!("{:06}", micro % 1_000_000));
    let digits = part.trim_end_matches('0').len().max(2);
    format!("${whole}.{}", part.get(..digits).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::{Message, Role};

    fn request(text: &str, most: u32) -> Request {
        Request {
            model: ModelName::parse("openai::gpt-4o-mini").unwrap(),
            messages: vec![Message::new(Role::System, "You."), Message::new(Role::User, text)],
            schema: None,
            max_output_tokens: most,
            temperature: None,
            seed: None,
        }
    }

    #[test]
    fn dollars_are_read_exactly() {
        for (text, micro) in [
            ("$0.25", Some(250_000)),
            ("2", Some(2_000_000)),
            ("$0.000001", Some(1)),
            (" $10.00 ", Some(10_000_000)),
            ("$0.0000001", None),
            ("$", None),
            ("$.5", None),
            ("$1.", None),
            ("-$1", None),
            ("$1e3", None),
            ("$99999999999999999999", None),
            ("$18446744073709551615", None),
        ] {
            assert_eq!(dollars(text), micro, "{text}");
        }
        for (micro, shown) in [(0, "$0.00"), (1, "$0.000001"), (250_000, "$0.25"), (2_500_000, "$2.50")] {
            assert_eq!(show_dollars(micro), shown);
            assert_eq!(dollars(shown), Some(micro));
        }
    }

    #[test]
    fn a_price_is_declared_or_embedded_or_refused() {
        let model = |name: &str| ModelName::parse(name).unwrap();
        let own = Price { input: 7, cached_input: 1, output: 9, internal: true };
        let prices = Prices::new([(model("openai::gpt-4.1"), own)]);
        let usual = Place::Usual(Api::OpenAi);
        assert_eq!(prices.of(&model("openai::gpt-4.1"), usual), Ok(own), "a declared price goes before");
        let mini = prices.of(&model("openai::gpt-4o-mini"), usual).unwrap();
        assert_eq!((mini.input, mini.cached_input, mini.output), (150_000, 75_000, 600_000));
        assert!(prices.of(&model("local::anything"), Place::Local).unwrap().is_free());
        assert_eq!(prices.of(&model("openai::gpt-4.1"), Place::Local), Ok(own));
        for (name, place) in [
            ("openai::unheard-of", usual),
            ("other::gpt-4o-mini", Place::Elsewhere),
            ("anthropic::gpt-4o-mini", Place::Usual(Api::Anthropic)),
        ] {
            let refused = prices.of(&model(name), place).unwrap_err().to_string();
            assert!(refused.contains(&format!("[llm.prices.\"{name}\"]")), "{refused}");
        }
    }

    #[test]
    fn costs_are_rounded_up_and_never_overflow() {
        let price = Price { input: 150_000, cached_input: 75_000, output: 600_000, internal: false };
        for (usage, cost) in [
            ((0, 0, 0), 0),
            ((1, 0, 0), 1),
            ((1, 1, 0), 1),
            ((1_000_000, 0, 0), 150_000),
            ((1_000_000, 400_000, 0), 120_000),
            ((0, 0, 1_000_001), 600_001),
        ] {
            let (tokens_in, tokens_cached, tokens_out) = usage;
            assert_eq!(price.cost(Usage { tokens_in, tokens_cached, tokens_out }), cost);
        }
        let most = u64::MAX;
        let dear = Price { input: most, cached_input: most, output: most, internal: false };
        assert_eq!(dear.cost(Usage { tokens_in: most, tokens_cached: 5, tokens_out: most }), most);
    }

    #[test]
    fn the_bound_on_tokens_holds_for_a_tokenizer() {
        let ranks = [tiktoken_rs::cl100k_base().unwrap(), tiktoken_rs::o200k_base().unwrap()];
        let texts = [
            "",
            " ",
            "a",
            "hello world",
            "\u{0}\u{1}",
            "\u{1f9d1}\u{200d}\u{1f680}",
            "ﷺ",
            "\u{fffd}",
            "日本語のテキスト",
            "<|endoftext|>",
            "  \n\n\t\t   ",
            "{\"op\":\"transfer\",\"amount\":9007199254740991}",
            "a\u{301}\u{302}\u{303}",
        ];
        for text in texts {
            for ranks in &ranks {
                let counted =
                    ranks.encode_ordinary(text).len().max(ranks.encode_with_special_tokens(text).len());
                assert!(counted <= text.len(), "{text:?}: {counted}");
                assert!((counted as u64) < request(text, 1).tokens_in_max());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_bound_holds_for_any_text(text in "\\PC{0,300}|[\\x00-\\x7f]{0,300}|\\p{Any}{0,100}") {
            let ranks = tiktoken_rs::o200k_base_singleton();
            prop_assert!(ranks.encode_ordinary(&text).len() <= text.len());
        }

        #[test]
        fn nothing_costs_more_than_its_worst_case(
            input in 0..=30_000_000_u64, cached in 0..=30_000_000_u64, output in 0..=90_000_000_u64,
            text in ".{0,200}", most in 1..5_000_u32, share in 0..=100_u64, cached_share in 0..=100_u64,
        ) {
            let price = Price { input, cached_input: cached, output, internal: false };
            let request = request(&text, most);
            let worst = price.worst(&request);
            let tokens_in = worst.usage.tokens_in * share / 100;
            let usage = Usage {
                tokens_in, tokens_cached: tokens_in * cached_share / 100, tokens_out: u64::from(most) * share / 100,
            };
            for billed in [Billed::Nothing, Billed::Counted(usage), Billed::Unknown] {
                let spent = price.settled(&request, billed);
                prop_assert!(spent.cost <= worst.cost && spent.tokens() <= worst.tokens());
            }
        }
    }
}
