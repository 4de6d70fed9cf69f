//! Every key of a world file: the one table behind the parser's checks, `oikos schema world` and the
//! reference in `docs/world-file.md`.

use serde_json::{Map, Value, json};

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// The type, as the reference says it.
    pub(super) kind: &'static str,
    pub(super) default: &'static str,
    pub(super) doc: &'static str,
}

/// One section with its keys; `open` sections take other names too.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) open: bool,
    pub(super) keys: &'static [Key],
}

const fn key(name: &'static str, kind: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc }
}

const ARTIFACT_KEYS: [Key; 18] = [
    key("id", "id", "required", "its id"),
    key("owner", "id", "itself", "the principal that owns it; an artifact without standing must name one"),
    key("kind", "string", "\"data\"", "a word for what it is"),
    key("code", "string", "none", "its Python code"),
    key("code_file", "path", "none", "a file with its code, relative to the world file"),
    key("content", "any", "null", "text or JSON"),
    key("content_file", "path", "none", "a file with its content as text"),
    key("interface", "array", "none", "MCP-style list of tools, each with a name"),
    key("price", "integer", "0", "scrip that an invocation costs"),
    key("pays", "\"self\" or \"caller\"", "\"caller\"", "who bears the resources that its code uses"),
    key(
        "access_contract",
        "id",
        "\"genesis_contract_freeware\"",
        "the contract that decides all access to it",
    ),
    key("memory_artifact", "id", "none", "the artifact that is its memory"),
    key("depends_on", "array of ids", "[]", "artifacts that it builds on"),
    key("metadata", "table", "{}", "free-form"),
    key(
        "policy",
        "table",
        "none",
        "`allow_read`, `allow_write`, `allow_invoke`, `read_price`, `invoke_price`: docs/policy.md",
    ),
    key("has_standing", "boolean", "false", "whether it can own and hold things"),
    key("scrip", "integer", "0", "scrip it starts with; needs standing"),
    key("resources", "table of amounts", "{}", "rates, balances and quotas it starts with; needs standing"),
];

const AGENT_KEYS: [Key; 26] = [
    key("id", "id", "required", "its id; with `count` the beginning of it"),
    key(
        "count",
        "integer",
        "none",
        "so many agents: `trader` becomes `trader_001` … `trader_100`, three digits or more",
    ),
    key(
        "mind",
        "\"script\", \"llm\" or \"external\"",
        "\"script\"",
        "what decides for it: the `step(observation)` of its code, a language model or a client. This and the seven \
         keys that follow are written into its content, as `mind`",
    ),
    key("model", "string", "`[llm] model`", "its language model, as `PROVIDER::MODEL`"),
    key("prompt", "string", "none", "the words that say who it is"),
    key("prompt_file", "path", "none", "a file with its prompt"),
    key("temperature", "number", "the provider's", "0 to 2"),
    key("max_output_tokens", "integer", "600", "the most tokens of an answer"),
    key("recall", "integer", "8", "how many entries of its memory are before it"),
    key("template_file", "path", "none", "a file with the template of its prompts, in MiniJinja"),
    key("owner", "id", "itself", "the principal that owns it"),
    key(
        "kind",
        "string",
        "its `id` here",
        "a word for what it is, which queries, measures and `order` go by; agents of the kind `coordinator` are in no \
         sample and no measure that does not name them",
    ),
    key("code", "string", "none", "its Python code"),
    key("code_file", "path", "none", "a file with its code, relative to the world file"),
    key("content", "any", "null", "its own configuration"),
    key("content_file", "path", "none", "a file with its content as text"),
    key("interface", "array", "none", "MCP-style list of tools, each with a name"),
    key("price", "integer", "0", "scrip that an invocation of it costs"),
    key(
        "access_contract",
        "id",
        "\"genesis_contract_self_owned\"",
        "the contract that decides all access to it",
    ),
    key(
        "policy",
        "table",
        "none",
        "`allow_read`, `allow_write`, `allow_invoke`, `read_price`, `invoke_price`: docs/policy.md",
    ),
    key("memory_artifact", "id", "none", "the artifact that is its memory"),
    key(
        "memory",
        "boolean",
        "false",
        "whether it begins with a memory of its own, `NAME_memory`, which it owns and only it may use",
    ),
    key("depends_on", "array of ids", "[]", "artifacts that it builds on"),
    key("metadata", "table", "{}", "free-form"),
    key("scrip", "integer", "`[scrip] start`", "scrip it starts with"),
    key("resources", "table of amounts", "the world's shares", "rates, balances and quotas it starts with"),
];

/// Every section, in the order of the reference.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "world",
        doc: "The world itself.",
        open: false,
        keys: &[
            key("name", "string", "the file's name", "its name; the database is `NAME.oikos`"),
            key("seed", "integer", "0", "the seed of everything random"),
            key(
                "clock",
                "\"virtual\" or \"wall\"",
                "\"virtual\"",
                "whether time jumps to the next event or passes",
            ),
            key("start", "time", "2026-01-01T00:00:00Z", "where virtual time begins; RFC 3339"),
        ],
    },
    Section {
        name: "execution",
        doc: "How the agents are run.",
        open: false,
        keys: &[
            key(
                "mode",
                "\"tick\" or \"autonomous\"",
                "\"tick\"",
                "the scheduler: all agents in turns, or each by itself",
            ),
            key("ticks", "integer", "100", "for the tick scheduler: how many ticks"),
            key(
                "tick_duration",
                "duration",
                "\"60s\"",
                "how far a tick moves the clock; also when renewable resources come back with `renewal = \"tick\"`",
            ),
            key("duration", "duration", "\"1h\"", "for the autonomous scheduler: how long"),
            key(
                "until",
                "string",
                "none",
                "a condition that ends the run before: a method that returns truth, such as \"market.closed\", or a measure \
                 or method with a bound, such as \"gini > 0.5\"; after each tick, or at each `[measures] every` where each \
                 agent has its own turns",
            ),
            key(
                "order",
                "\"random\", \"fixed\" or \"by_kind\"",
                "\"random\"",
                "who acts first of those whose turn comes at one instant: the seed decides anew each time; as they stand in \
                 the world file; or kind after kind as they stand there, within a kind by the seed",
            ),
            key(
                "phases",
                "array of strings",
                "[]",
                "for the tick scheduler: the parts of a tick, such as [\"plan\", \"trade\"]. In each all think, each mind by \
                 the function of that name in the place of `step`, and all act, before the next begins",
            ),
            key(
                "isolation",
                "\"thread\" or \"process\"",
                "\"thread\"",
                "where code runs: in the process of the world, or in worker processes behind a second wall; the world \
                 is the same",
            ),
            key(
                "workers",
                "integer",
                "one for each core",
                "how many think at once in a tick, and how many worker processes there are; the world is the same",
            ),
            key(
                "followers",
                "\"any\" or \"none\"",
                "\"any\"",
                "for a world in PostgreSQL: whether processes that follow it think for its agents too, and ask models; \
                 the world is the same",
            ),
            key(
                "on_exhaustion",
                "\"block\" or \"skip\"",
                "\"block\"",
                "what an agent does that lacks CPU, or whose action lacks a resource: it waits until there is \
                 enough, or lets the turn pass",
            ),
            key(
                "pace",
                "duration",
                "\"1s\"",
                "for the autonomous scheduler: from one step to the next, unless the agent sleeps",
            ),
            key(
                "external_timeout",
                "duration",
                "\"60s\"",
                "on the wall clock, how long the turn of an agent waits whose mind is a client; then it passes",
            ),
            key("step_reserve", "duration", "\"1ms\"", "CPU that an agent must have before it thinks"),
            key(
                "cpu_per_work",
                "duration",
                "\"5us\"",
                "CPU that a unit of work costs, some three hundred steps of Python: all of it under the virtual clock; under the wall \
                 clock code costs the time that was measured, and what the host does for it this",
            ),
            key("work_per_run", "integer", "200000", "units of work one run of code may use"),
            key(
                "work_per_action",
                "integer",
                "400000",
                "units of work one action may use, or one act of thinking, with all that it calls",
            ),
            key(
                "resources_per_invoke",
                "table of amounts",
                "{}",
                "the most of each resource that an invocation may take of its caller where it names no `max_resources`",
            ),
        ],
    },
    Section {
        name: "parameters",
        doc: "Values of your own by name, such as `harvest = 11`: numbers, text, booleans, arrays, tables, at most 64 \
              KiB together. All code reads them as `parameters[\"harvest\"]`, and every mind finds them in its \
              observation. `--set parameters.harvest=12` sets one that is declared here; a fork may set them too.",
        open: true,
        keys: &[],
    },
    Section {
        name: "permissions",
        doc: "The authority over permissions.",
        open: false,
        keys: &[
            key(
                "mode",
                "\"contracts\" or \"policy\"",
                "\"contracts\"",
                "each artifact's contract decides, or its `policy`: docs/policy.md",
            ),
            key("missing", "\"freeware\" or \"deny\"", "\"freeware\"", "what a missing contract means"),
        ],
    },
    Section {
        name: "privacy",
        doc: "The facts that agents may know of each other; observers see all. Scrip and resources that are sent along with an \
              invocation are its parties' affair in any world.",
        open: false,
        keys: &[key(
            "balances",
            "\"public\" or \"own\"",
            "\"public\"",
            "whether agents may see what others have and use, or only their own: with `own` sealed bids are sealed; with \
             `public` the size of a bid can be inferred from balances",
        )],
    },
    Section {
        name: "llm",
        doc: "Language models.",
        open: false,
        keys: &[
            key("model", "string", "none", "the model of agents that name none, as `PROVIDER::MODEL`"),
            key(
                "think_time",
                "duration",
                "\"2s\"",
                "the time between an observation and the act that follows from it, for agents that name none",
            ),
            key(
                "tape",
                "\"auto\", \"replay\" or \"record\"",
                "\"auto\"",
                "answers: those on the tape are taken from there and the rest is asked; nothing is asked; all is asked. \
                 This and the keys that follow are no rules of the world: they may differ when it goes on",
            ),
            key("tape_file", "path", "none", "a file with answers that a fresh world begins with"),
            key(
                "budget",
                "dollars",
                "none",
                "the most that all answers of the world may cost, replayed or not, such as \"$2.00\"; then the run ends",
            ),
            key("providers", "table", "{}", "tables `[llm.providers.NAME]`"),
            key("prices", "table", "{}", "tables `[llm.prices.\"PROVIDER::MODEL\"]`"),
        ],
    },
    Section {
        name: "llm.providers.NAME",
        doc: "Those who answer. `openai`, `anthropic` and `gemini` are there without being declared, with their usual URLs \
              and keys in `OPENAI_API_KEY`, `ANTHROPIC_API_KEY` and `GEMINI_API_KEY`.",
        open: false,
        keys: &[
            key(
                "api",
                "\"openai\", \"anthropic\" or \"gemini\"",
                "required",
                "the language that it speaks; most servers speak `openai`",
            ),
            key("url", "string", "required", "where it is, such as \"http://127.0.0.1:8080/v1\""),
            key("key_env", "string", "no key", "the environment variable that holds its key"),
            key("in_flight", "integer", "4", "requests at the same time"),
            key("requests_per_minute", "integer", "no limit", "requests in a minute, evenly spread"),
            key(
                "tokens_per_minute",
                "integer",
                "no limit",
                "tokens of requests and answers in a minute, as the provider counts them; those of one minute may go \
                 at once",
            ),
            key("timeout", "duration", "\"120s\"", "how long one attempt may take"),
            key(
                "structured",
                "\"schema\", \"json\", \"tool\" or \"text\"",
                "by `api`",
                "how it is first made to answer in JSON; one that can't is asked the next way",
            ),
        ],
    },
    Section {
        name: "llm.prices.MODEL",
        doc: "The price of a model, for a million tokens. A few models have embedded prices, and local URLs are free.",
        open: false,
        keys: &[
            key("input", "dollars", "required", "tokens of the request"),
            key("cached_input", "dollars", "`input`", "those that the provider had in its cache"),
            key("output", "dollars", "required", "tokens of the answer"),
            key(
                "internal",
                "boolean",
                "false",
                "whether it is charged in the world alone, since the provider bills nothing: it counts as no dollars",
            ),
        ],
    },
    Section {
        name: "memory",
        doc: "Memories: artifacts of the kind `memory`, with entries that are remembered, recalled and forgotten.",
        open: false,
        keys: &[key(
            "half_life",
            "duration",
            "\"1h\"",
            "the time in which an entry becomes half as recent, which a recall weighs beside its words and importance",
        )],
    },
    Section {
        name: "scrip",
        doc: "The internal money.",
        open: false,
        keys: &[key("start", "integer", "0", "scrip of each agent that names none")],
    },
    Section {
        name: "resources",
        doc: "`renewal`, and a table `[resources.NAME]` for each resource that is limited.",
        open: true,
        keys: &[key(
            "renewal",
            "\"rolling\" or \"tick\"",
            "\"rolling\"",
            "when renewable resources come back",
        )],
    },
    Section {
        name: "resources.NAME",
        doc: "One resource. `cpu` is renewable, `disk` and `memory` are allocatable; any other name is yours.",
        open: false,
        keys: &[
            key("kind", "\"renewable\", \"depletable\" or \"allocatable\"", "required", "how it is scarce"),
            key("rate", "amount", "required if renewable", "what each agent may use in a window"),
            key("window", "duration", "\"60s\"", "the window of a renewable resource"),
            key("total", "amount", "required unless renewable", "what all agents together start with"),
            key(
                "split",
                "\"equal\", \"none\" or a table id = amount",
                "\"equal\"",
                "how the total is shared",
            ),
            key(
                "regrow",
                "a table",
                "none",
                "how a depletable resource grows back where artifacts hold it: `{ rate_ppm, cap, every }`",
            ),
        ],
    },
    Section {
        name: "resources.NAME.regrow",
        doc: "The growth of a depletable resource with the artifacts that the world file gives some of it, agents apart: at \
              every multiple of `every` a stock below `cap` grows by stock · rate_ppm · (cap − stock) / (cap · 10⁶), \
              rounded down.",
        open: false,
        keys: &[
            key(
                "rate_ppm",
                "integer",
                "required",
                "the growth of a small stock in an interval, in parts per million, at most 1000000",
            ),
            key(
                "cap",
                "amount",
                "required",
                "the stock that does not grow any more; a larger one stays as it is",
            ),
            key("every", "duration", "required", "the interval, counted from the start of the world"),
        ],
    },
    Section {
        name: "costs",
        doc: "The consumption of ops: `op = { resource = amount }`; `\"*\"` stands for every op that is not named.",
        open: true,
        keys: &[],
    },
    Section {
        name: "measures",
        doc: "`name = \"function(of)\"`: gini, share_zero, mean, sum, min, max, median, quantile(x, q), count, or \
              top_share(x, p), the part of the sum that the richest share p has. Of the agents' scrip, of a resource \
              (what is free of it, or used if it limits nobody), or of a number in their content, such as \
              content.skill; agents without that number are left out. `name = { of = \"gini(scrip)\", where = \
              \"trader_*\" }` measures those whose id fits a pattern, `where = { kind = \"trader\" }` those of a kind; without it \
              all but coordinators are meant. `name = \"artifact.method\"` is run read-only. `count(event.transfer)`, \
              `count(payment.price)` and `sum(payment.price)` are rates: events of a type, payments for a reason, or \
              their scrip, or all of them as in `count(event)`; since the moment before in the series, of the whole \
              run in its summary; `where` fits the actor or the payer. \
              The table `series` of the world's database has each value (seq, time, name, value). `[measures.agents]` \
              names numbers of each agent, as in `wealth = \"scrip\"`, `left = \"cpu\"` or `skill = \
              \"content.skill\"`: at the same moments they are taken of all agents, and `oikos export` writes them as \
              the table `agent_series`, a row for each agent and moment.",
        open: true,
        keys: &[key(
            "every",
            "duration",
            "the end only",
            "how often they are taken for the series: at the start, at each multiple of it from there, on the state after the \
             last record at or before that time, and at the end",
        )],
    },
    Section {
        name: "mint",
        doc: "The artifacts that may create scrip, and the auction of `genesis_mint`.",
        open: false,
        keys: &[
            key(
                "authorities",
                "array of ids",
                "[\"genesis_mint\"]",
                "the artifacts whose code may create scrip",
            ),
            key(
                "every",
                "duration or ticks",
                "\"1h\"",
                "how often the auction resolves, such as \"1h\" or, in ticks, \"20t\"",
            ),
            key("slots", "integer", "1", "how many bids win; at most 100"),
            key(
                "reserve",
                "integer",
                "1",
                "the least bid, and the price where there are no more bids than slots",
            ),
            key("ratio", "integer", "10", "points of a score for each scrip that is minted"),
            key("min_price", "integer", "1", "sales below it don't count for `genesis_scorer`"),
            key(
                "scorer",
                "id",
                "\"genesis_scorer\"",
                "the artifact whose `score(artifact)` gives 0 to 100 points",
            ),
            key(
                "sharing",
                "\"equal\", \"active\" or \"burn\"",
                "\"equal\"",
                "who gets what the winners pay: all agents alike, by the sales that each has made, or nobody",
            ),
        ],
    },
    Section {
        name: "market",
        doc: "The order book of `genesis_market`.",
        open: false,
        keys: &[key(
            "lots",
            "table of amounts",
            "{ cpu = \"1ms\", disk = \"1 kB\" }",
            "how much of a resource one lot is; 1 where nothing is said",
        )],
    },
    Section {
        name: "genesis",
        doc: "The library of artifacts that every world starts with.",
        open: false,
        keys: &[key(
            "resources",
            "table of amounts",
            "{ disk = \"10 MB\" }",
            "what each of them starts with; where nothing is said, those that act by themselves have all they need",
        )],
    },
    Section {
        name: "hooks",
        doc: "`[[hooks]]`, one each: a method that an artifact invokes of itself at a moment of the run. It bears what that \
              uses, or its owner where it has no standing; hooks of one moment are run in the order of the \
              file. One that \
              fails changes nothing, and the run goes on: the summary and `oikos log --refused` tell of it.",
        open: false,
        keys: &[
            key(
                "at",
                "\"setup\", \"tick_start\" or \"tick_end\"",
                "required",
                "once before the first turn; before all think in a tick; or when all have acted in it",
            ),
            key("artifact", "id", "required", "the artifact"),
            key("method", "string", "\"run\"", "its method"),
            key("args", "array", "[]", "the arguments"),
        ],
    },
    Section { name: "artifacts", doc: "`[[artifacts]]`, one each.", open: false, keys: &ARTIFACT_KEYS },
    Section {
        name: "agents",
        doc: "`[[agents]]`, one each, or many with `count`.",
        open: false,
        keys: &AGENT_KEYS,
    },
];

/// The names of the top level.
pub(super) const TOP: &[&str] = &[
    "world",
    "execution",
    "parameters",
    "permissions",
    "privacy",
    "llm",
    "memory",
    "scrip",
    "resources",
    "costs",
    "measures",
    "mint",
    "market",
    "genesis",
    "hooks",
    "artifacts",
    "agents",
];

/// Keys that are no more: the section, the key, and what to write instead.
pub(super) const GONE: &[(&str, &str, &str)] = &[(
    "execution",
    "cpu_per_256_instructions",
    "use `cpu_per_work`, the CPU of a unit of work, which is some three hundred steps of Python; its default is \"5us\"",
)];

/// The keys of a section.
pub(super) fn section(name: &str) -> &'static Section {
    const NONE: Section = Section { name: "", doc: "", open: false, keys: &[] };
    SECTIONS.iter().find(|section| section.name == name).unwrap_or(&NONE)
}

/// The JSON Schema of the world file.
pub(super) fn schema() -> Value {
    let mut properties = Map::new();
    for section in SECTIONS.iter().filter(|section| TOP.contains(&section.name)) {
        let object = match section.name {
            "resources" => {
                let mut object = object(section);
                if let Value::Object(map) = &mut object {
                    map.insert("additionalProperties".into(), self::object(self::section("resources.NAME")));
                }
                object
            }
            "llm" => {
                let mut object = object(section);
                for (key, name) in [("providers", "llm.providers.NAME"), ("prices", "llm.prices.MODEL")] {
                    let each = json!({ "additionalProperties": self::object(self::section(name)) });
                    if let (Some(Value::Object(inner)), Value::Object(each)) =
                        (object.pointer_mut(&format!("/properties/{key}")), each)
                    {
                        inner.extend(each);
                    }
                }
                object
            }
            "hooks" | "artifacts" | "agents" => json!({ "type": "array", "items": object(section) }),
            _ => object(section),
        };
        properties.insert(section.name.into(), object);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Oikos world file",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn object(section: &Section) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in section.keys {
        let text = format!("{}; {}; default: {}", key.doc, key.kind, key.default);
        let mut schema = Map::from_iter([("description".to_owned(), Value::from(text))]);
        let kind = match key.kind {
            "string" | "id" | "path" | "duration" | "time" => "string",
            "integer" => "integer",
            "boolean" => "boolean",
            kind if kind.starts_with("array") => "array",
            kind if kind.starts_with("table") => "object",
            _ => "",
        };
        if !kind.is_empty() {
            schema.insert("type".into(), kind.into());
        }
        properties.insert(key.name.into(), Value::Object(schema));
        if key.default == "required" {
            required.push(key.name);
        }
    }
    let (doc, open) = (section.doc, section.open);
    json!({ "description": doc, "type": "object", "properties": properties, "required": required,
            "additionalProperties": open })
}

/// The reference of every key as Markdown.
pub(super) fn reference() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        text.push_str(&format!("\n## `{}`\n\n{}\n", section.name, section.doc));
        if !section.keys.is_empty() {
            text.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        }
        for key in section.keys {
            text.push_str(&format!("| `{}` | {} | {} | {} |\n", key.name, key.kind, key.default, key.doc));
        }
    }
    text
}
