//! World files as tables: a text, and the place and words of what is wrong with it.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;

use oikos_runner::{
    Journal, Live,
    config::{self, Lasts, Overrides, WorldFile},
    library,
};

fn read(text: &str, set: &[(&str, &str)]) -> Result<WorldFile, String> {
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut files = |name: &str| match name {
        "shop.md" => Ok("You keep a shop.".to_owned()),
        "prompt.j2" => Ok("{{ prompt }}".to_owned()),
        "broken.j2" => Ok("{% if %}".to_owned()),
        "mind.py" => Ok("def step(observation):\n    return None\n".to_owned()),
        _ => Err("there is no such file".to_owned()),
    };
    door::prepare();
    let overrides = Overrides { seed: None, set };
    config::parse("w.toml", text.to_owned(), &mut files, &overrides, library::founders())
        .map_err(|error| error.to_string())
}

/// Each case is a text and what its error has to contain; ` | ` stands between parts.
fn refused(cases: &[(&str, &str)]) {
    let mut problems = Vec::new();
    for (text, parts) in cases {
        let error = match read(text, &[]) {
            Ok(_) => "nothing is wrong".to_owned(),
            Err(error) => error,
        };
        problems.extend(
            parts
                .split(" | ")
                .filter(|part| !error.contains(part))
                .map(|part| format!("{text}\n{part:?} is missing in:\n{error}\n")),
        );
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A founded world, and what its principals have of a resource.
fn shares(text: &str, resource: &str) -> Vec<(String, i64)> {
    let live = Live::found(read(text, &[]).expect("it is fine"), Journal::in_memory).expect("it is founded");
    let world = live.world();
    let id = world.rules().resource(resource).expect("a resource");
    let principals = world.artifacts().filter(|(_, artifact)| artifact.has_standing());
    let shares = principals.map(|(handle, artifact)| (artifact.id().to_string(), world.limit(handle, id)));
    shares.filter(|(id, _)| !id.starts_with("genesis_")).collect()
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    refused(&[
        ("[worl]\nname = 'x'", "unknown section `worl` | w.toml:1:2 | did you mean `world`?"),
        ("[world]\nnam = 'x'", "unknown key `nam` in `world` | w.toml:2:1 | did you mean `name`?"),
        ("[world]\nzzzzzz = 1", "the keys are name, seed, clock, start"),
        ("[execution]\ntick = 5", "did you mean `ticks`?"),
        ("[execution]\nmode = 'tik'", "`mode` can't be \"tik\" | did you mean \"tick\"?"),
        ("[resources.cpu]\nkind = 'renewable'\nrate = '1s'\nwindw = '1s'", "did you mean `window`?"),
        ("[resources.actions]\nkind = 'renewabel'\nrate = 1", "did you mean \"renewable\"?"),
        ("[costs]\ninvok = { cpu = 1 }", "there is no op `invok` | did you mean `invoke`?"),
        ("[costs]\nnoop = { cpus = 1 }", "has no resource `cpus` | did you mean `cpu`?"),
        ("[measures]\nx = 'ginni(scrip)'", "there is no measure `ginni` | did you mean `gini`?"),
        ("[measures]\nx = 'quantile(scrip)'", "`quantile` takes two, such as (scrip, 0.9)"),
        ("[measures]\nx = 'gini(scrip, 0.5)'", "`gini` takes one, such as (scrip)"),
        ("[measures]\nx = 'top_share(scrip, 1.1)'", "\"1.1\" is no share: a number from 0 to 1"),
        ("[measures]\nx = 'quantile(scrip, -0.1)'", "\"-0.1\" is no share"),
        ("[measures]\nx = 'mean(content.)'", "this world has no resource `content.` | such as content.skill"),
        (
            "[measures]\nx = { of = 'mean(scrip)', who = 'a' }",
            "unknown key `who` | a measure has `of` and `where`",
        ),
        ("[measures]\nx = { where = 'a' }", "a table with `of` and `where`"),
        ("[measures]\nx = { of = 'mean(scrip)', where = 3 }", "a pattern of ids such as"),
        ("[measures]\nx = 'gini(gold)'", "has no resource `gold`"),
        ("[measures]\nx = 'nobody.price'", "there is no artifact `nobody`"),
        ("[measures]\nx = 'five'", "is no measure | artifact.method"),
        ("[[agents]]\nid = 'a'\ncode_file = 'mind.py'\nscript = 1", "unknown key `script` in `agents`"),
        ("[[agents]]\nid = 'a'\ncode_file = 'mnd.py'", "mnd.py | w.toml:3:13 | no such file"),
        ("[[artifacts]]\nid = 'a'\nowner = 'bob'", "`bob` | w.toml:3"),
        (
            "[[artifacts]]\nid = 'genesis_a'\nowner = 'bob'",
            "ids that begin with `genesis_` are reserved | w.toml:2",
        ),
        (
            "[[artifacts]]\nid = 'handbook_a'\nowner = 'bob'",
            "ids that begin with `handbook_` are reserved | w.toml:2",
        ),
        ("[[agents]]\nid = 'a'\ncode_file = 'mind.py'\nmemory = 'yes'", "`memory` must be true or false"),
        (
            "[[agents]]\nid = 'a'\ncode_file = 'mind.py'\nmemory = true\nmemory_artifact = 'a'",
            "give `memory` or `memory_artifact`, not both | w.toml:4",
        ),
        (
            "[[artifacts]]\nid = 'a_memory'\nowner = 'a'\n[[agents]]\nid = 'a'\ncode_file = 'mind.py'\nmemory = true",
            "the id `a_memory` stands twice",
        ),
        ("[memory]\nhalf_life = '0s'", "`half_life` must be a duration of at least 1ms"),
        ("[memory]\nhalflife = '1h'", "did you mean `half_life`?"),
        ("[[agents]]\nid = 'a'\ncode_file = 'mind.py'\naccess_contract = 'law'", "`law` | w.toml:4"),
        ("[[agents]]\nid = 'a'\ncode_file = 'mind.py'\n[agents.resources]\ngold = 4", "gold | w.toml:5"),
    ]);
}

#[test]
fn wrong_types_and_numbers_are_refused_where_they_stand() {
    refused(&[
        ("[world]\nname = 5", "`name` must be a string, not 5 | w.toml:2:8"),
        ("[world]\nname = ''", "`name` must be letters"),
        ("[world]\nname = 'a b'", "`name` must be letters"),
        ("[world]\nname = '../x'", "`name` must be letters"),
        ("[world]\nseed = -1", "`seed` must be an integer of at least 0, not -1"),
        ("[world]\nseed = 1.5", "`seed` must be an integer of at least 0, not the float 1.5"),
        ("[world]\nseed = 99999999999999999999", "w.toml:2"),
        ("[world]\nstart = 'yesterday'", "an RFC 3339 time"),
        ("[world]\nstart = '+999999-01-01T00:00:00Z'", "an RFC 3339 time"),
        ("[world]\nclock = true", "`clock` must be a string"),
        ("world = 5", "`world` must be a table"),
        ("[execution]\nticks = -1", "at least 0"),
        ("[execution]\ntick_duration = 60", "a duration such as \"60s\""),
        ("[execution]\ntick_duration = '0s'", "a duration of at least 1ms"),
        ("[execution]\ntick_duration = '-5s'", "a duration of at least 1ms"),
        ("[execution]\ntick_duration = '1us'", "a duration of at least 1ms"),
        ("[execution]\ntick_duration = '99999999999999h'", "a duration of at least 1ms"),
        ("[execution]\ncpu_per_work = '0s'", "from 1ns to 1s"),
        ("[execution]\ncpu_per_work = 5", "`cpu_per_work` must be a string"),
        ("[execution]\ncpu_per_256_instructions = '3us'", "is no more in `execution`"),
        ("[execution]\ncpu_per_256_instructions = '3us'", "use `cpu_per_work`"),
        ("[execution]\nwork_per_run = 0", "`work_per_run` must be an integer of at least 1"),
        ("[execution]\nwork_per_action = '5s'", "`work_per_action` must be an integer of at least 1"),
        ("[execution]\nresources_per_invoke = 5", "`resources_per_invoke` must be a table of amounts"),
        ("[execution]\nresources_per_invoke = { cpu = -1 }", "`cpu` must be a duration"),
        ("[execution]\nresources_per_invoke = { cqu = 1 }", "did you mean `cpu`?"),
        ("[execution]\nresources_per_invoke = { gold = 1 }", "declare it in [resources.gold]"),
        ("[scrip]\nstart = nan", "`start` must be an integer of at least 0, not the float nan"),
        ("[scrip]\nstart = '5'", "not \"5\""),
        ("[resources.gold]\nkind = 'depletable'\ntotal = -1", "`gold` must be an integer of at least 0"),
        ("[resources.gold]\nkind = 'depletable'\ntotal = 1e3", "`gold` must be"),
        ("[resources.gold]\nkind = 'depletable'", "`total` is missing"),
        ("[resources.gold]\ntotal = 5", "`kind` is missing"),
        ("[resources]\ngold = 5", "must be a table"),
        ("[resources.llm_budget]\nkind = 'depletable'\ntotal = '1.00'", "dollars such as"),
        ("[resources.disk]\nkind = 'allocatable'\ntotal = '10 QB'", "bytes such as"),
        ("[resources.disk]\nkind = 'renewable'\nrate = 1", "`disk` can only be allocatable"),
        ("[resources.cpu]\nkind = 'depletable'\ntotal = 1", "`cpu` can only be renewable"),
        ("[resources.cpu]\nkind = 'renewable'\nrate = '1s'\ntotal = 5", "`total` does not go with"),
        ("[resources.disk]\nkind = 'allocatable'\ntotal = 5\nrate = 5", "`rate` does not go with"),
        ("[costs]\nnoop = 5", "a table such as { actions = 1 }"),
        ("[costs]\nnoop = { disk = 5 }", "an op can't consume it"),
        ("[[agents]]\ncode_file = 'mind.py'", "`id` is missing"),
        ("[[agents]]\nid = '-'\ncode_file = 'mind.py'", "`id`"),
        ("[[agents]]\nid = 'genesis_me'\ncode_file = 'mind.py'", "reserved"),
        ("[[agents]]\nid = 'a'\ncount = 0\ncode_file = 'mind.py'", "`count`"),
        (
            "[[agents]]\nid = 'a'\ncount = 99999999999\ncode_file = 'mind.py'",
            "these are 99999999999 agents; a world file may have 4000000 agents together | w.toml:3:9",
        ),
        ("[[agents]]\nid = 'a'\nscrip = -1\ncode_file = 'mind.py'", "at least 0, not -1"),
        ("[[agents]]\nid = 'a'", "code"),
        ("[[agents]]\nid = 'a'\ncode = 'x'\ncode_file = 'mind.py'", "code"),
        ("[[agents]]\nid = 'a'\nmind = 'llm'\ncode_file = 'mind.py'", "mind"),
        ("[[artifacts]]\nid = 'a'", "owner"),
        ("[[artifacts]]\nid = 'a'\nowner = 'a'\nscrip = 5", "standing"),
        (
            "[[agents]]\nid = 'a'\ncode_file = 'mind.py'\n[[agents]]\nid = 'a'\ncode_file = 'mind.py'",
            "`a` | w.toml:5",
        ),
        ("[agents]\nid = 'a'", "agents"),
        ("[world]\nname = 'x'\nname = 'y'", "w.toml:3"),
        ("[world\n", "w.toml:1"),
        ("[mint]\nauthorities = ['nobody']", "there is no artifact `nobody`"),
    ]);
}

#[test]
fn what_is_not_in_this_version_says_so() {
    refused(&[
        ("[execution]\nmode = 'autonomos'", "autonomous"),
        ("[execution]\npace = '0s'", "pace"),
        ("[execution]\nduration = '-1h'", "duration"),
        ("[execution]\non_exhaustion = 'wait'", "block"),
        ("[execution]\nisolation = 'proces'", "it is one of thread, process | did you mean \"process\"?"),
        ("[execution]\nworkers = 0", "`workers` must be an integer of at least 1, not 0 | w.toml:2"),
        ("[execution]\nworkers = 1025", "`workers` must be an integer from 1 to 1024"),
        ("[execution]\nworkers = 'all'", "`workers` must be an integer"),
    ]);
}

#[test]
fn a_policy_is_kept_where_policies_decide() {
    let artifact = |policy: &str| {
        format!(
            "[[agents]]\nid = 'a'\ncode = 'def step(o): return None'\n[[artifacts]]\nid = 'x'\nowner = 'a'\n{policy}\n"
        )
    };
    let policies = |policy: &str| format!("[permissions]\nmode = 'policy'\n{}", artifact(policy));
    assert!(
        read(&policies("policy = { allow_read = ['a'], read_price = 2, invoke_price = 3 }"), &[]).is_ok()
    );
    assert!(read(&artifact("policy = { invoke_price = 3 }"), &[]).is_ok());
    refused(&[
        (&artifact("policy = { read_price = 2 }"), "in this world contracts decide | def check_permission"),
        (
            &policies("policy = { alow_read = [] }"),
            "`policy` has no field `alow_read` | did you mean `allow_read`?",
        ),
        (&policies("policy = 5"), "`policy` must be an object"),
        (
            &policies("price = 1\npolicy = { invoke_price = 2 }"),
            "`price` and `policy.invoke_price` are the same key",
        ),
    ]);
}

#[test]
fn totals_are_shared_to_the_last_unit() {
    let agents = "[[agents]]\nid = 'a'\ncount = 3\ncode = 'def step(o): return None'\n";
    let world = |split: &str, more: &str| {
        format!("[resources.gold]\nkind = 'depletable'\ntotal = 100\n{split}\n{agents}{more}")
    };
    let named =
        |text: &str| -> Vec<i64> { shares(text, "gold").into_iter().map(|(_, share)| share).collect() };
    assert_eq!(named(&world("", "")), [34, 33, 33]);
    assert_eq!(named(&world("split = 'none'", "")), [0, 0, 0]);
    assert_eq!(named(&world("split = { a_002 = 60, a_003 = 40 }", "")), [0, 60, 40]);
    // An agent that names its own share has it; the others share the rest.
    let rich = "[[agents]]\nid = 'rich'\ncode = 'def step(o): return None'\nresources = { gold = 40 }\n";
    assert_eq!(named(&world("", rich)), [20, 20, 20, 40]);
    refused(&[
        (&world("", "resources = { gold = 40 }"), "gold"),
        (&world("split = { a_002 = 60, a_003 = 41 }", ""), "add up to more than its total"),
        (&world("split = { nobody = 1 }", ""), "there is no principal `nobody`"),
        (&world("split = 'fair'", ""), "\"equal\", \"none\" or a table"),
    ]);
}

#[test]
fn options_of_the_command_line_override_keys() {
    let text = "[world]\nname = 'x'\nseed = 3\n[execution]\nticks = 5\n";
    let file =
        read(text, &[("execution.ticks", "9"), ("world.name", "y"), ("scrip.start", "7")]).expect("fine");
    assert_eq!((file.plan.lasts, file.plan.name.as_str()), (Lasts::Ticks(9), "y"));
    for (key, value, part) in [
        ("execution.tiks", "9", "did you mean `ticks`?"),
        ("execution.ticks", "many", "an integer of at least 0"),
        ("ticks", "9", "unknown section `ticks`"),
        ("execution..ticks", "9", "is no key"),
        ("", "9", "is no key"),
        ("world.name.x", "9", "world"),
    ] {
        let error = read(text, &[(key, value)]).expect_err(key);
        assert!(error.contains(part) && error.contains("--set"), "{key}={value}: {error}");
    }
}

#[test]
fn options_reach_parameters_agents_and_artifacts() {
    let text = r#"
[parameters]
harvest = 3
rule = "sqrt"
shore = { fee = 1 }
[[agents]]
id = "trader"
count = 2
scrip = 5
code_file = "mind.py"
[[agents]]
id = "v1.trader"
code_file = "mind.py"
[[artifacts]]
id = "pot"
owner = "trader_001"
content = { fine = 1, rules = { "a" = [1] } }
[[artifacts]]
id = "note"
owner = "trader_001"
content = "hello"
"#;
    let set = [
        ("parameters.harvest", "11.5"),
        ("parameters.shore.fee", "0"),
        ("parameters.rule", "log"),
        ("agents.trader.count", "3"),
        ("agents.trader.scrip", "7"),
        ("agents.v1.trader.scrip", "9"),
        ("agents.trader.resources", "{}"),
        ("artifacts.pot.content.fine", "0"),
        ("artifacts.pot.content.rules.a", "[]"),
        ("artifacts.note.content", "bye"),
    ];
    let file = read(text, &set).expect("fine");
    let named = &file.founding.rules.parameters;
    assert_eq!(named.value(), &serde_json::json!({ "harvest": 11.5, "rule": "log", "shore": { "fee": 0 } }));
    let of = |id: &str| file.founding.founders.iter().find(|founder| founder.id == id).expect("it is there");
    assert_eq!((of("trader_003").scrip, of("v1.trader").scrip), (7, 9));
    assert_eq!(of("pot").content.value(), &serde_json::json!({ "fine": 0, "rules": { "a": [] } }));
    assert_eq!(of("note").content.value(), "bye");
    for (key, value, part) in [
        ("parameters.harvst", "9", "declares no `parameters.harvst` | did you mean `parameters.harvest`?"),
        ("parameters.zzzzzz", "9", "`parameters` has harvest, rule, shore"),
        ("parameters.shore.fees", "9", "did you mean `parameters.shore.fee`?"),
        ("parameters.harvest.x", "9", "`parameters.harvest` is an integer, not a table"),
        ("parameters.harvest", "many", "`parameters.harvest` is an integer in the world file, not a string"),
        ("parameters.rule", "9", "`parameters.rule` is a string in the world file, not an integer"),
        ("parameters", "9", "must be a table, not an integer"),
        ("agents.trade.count", "9", "there is no agent `trade` | did you mean `trader`?"),
        ("agents.zzzzzzzz.count", "9", "write it as agents.ID.KEY"),
        ("agents.trader_001.scrip", "9", "`agents.trader` sets all that its `count` makes"),
        ("agents.trader", "9", "names no key; write it as agents.trader.scrip"),
        ("agents.trader.conut", "9", "unknown key `conut` in `agents` | did you mean `count`?"),
        ("agents.trader.count", "0", "`count` must be an integer of at least 1, not 0"),
        ("agents.trader.count", "many", "`count` must be an integer of at least 1, not \"many\""),
        ("agents.trader.count", "4000001", "these are 4000001 agents | a world file may have 4000000"),
        ("artifacts.trader.scrip", "9", "there is no artifact `trader`"),
        ("artifacts.genesis_mint.price", "9", "there is no artifact `genesis_mint`"),
        ("artifacts.pot.content.fien", "9", "did you mean `artifacts.pot.content.fine`?"),
        ("artifacts.note.content.x", "9", "`artifacts.note.content` is a string, not a table"),
        (
            "artifacts.pot.metadata.x",
            "9",
            "declares no `artifacts.pot.metadata.x` | declare it in the world file",
        ),
        ("artifacts", "9", "two brackets"),
    ] {
        let error = read(text, &[(key, value)]).expect_err(key);
        let missing: Vec<&str> = part.split(" | ").filter(|part| !error.contains(part)).collect();
        assert!(missing.is_empty() && error.contains("--set"), "{key}={value}: {missing:?} in {error}");
    }
    let error = read("", &[("agents.a.count", "9")]).expect_err("it has none");
    assert!(error.contains("the world file has no `[[agents]]`"), "{error}");
}

#[test]
fn order_phases_hooks_and_ends_are_read() {
    let agent = "[[agents]]\nid = 'a'\ncode_file = 'mind.py'\n";
    let with = |text: &str| format!("{text}\n{agent}");
    let hook = |text: &str| with(&format!("[[hooks]]\n{text}"));
    let alone = "mode = 'autonomous'\n";
    refused(&[
        (
            &with("[execution]\norder = 'kinds'"),
            "`order` can't be \"kinds\"; it is one of random, fixed, by_kind",
        ),
        (&with("[execution]\nphases = 'plan'"), "`phases` must be an array of the names of functions"),
        (
            &with("[execution]\nphases = ['plan', 3]"),
            "`phases` must be an array of the names of functions | not 3",
        ),
        (&with("[execution]\nphases = ['_plan']"), "not \"_plan\""),
        (&with("[execution]\nphases = ['plan', 'plan']"), "`phases` names `plan` twice"),
        (
            &with(&format!("[execution]\n{alone}phases = ['plan']")),
            "no phase that all have together | mode = \"tick\"",
        ),
        (&with("[hooks]\nat = 'setup'"), "write `[[hooks]]`, with two brackets"),
        (&hook("artifact = 'a'"), "`at` is missing in `hooks`"),
        (&hook("at = 'setup'"), "`artifact` is missing in `hooks`"),
        (&hook("at = 'start'\nartifact = 'a'"), "it is one of setup, tick_start, tick_end"),
        (&hook("at = 'setup'\nartifact = 'aa'"), "there is no artifact `aa` | did you mean `a`?"),
        (&hook("at = 'setup'\nartifact = 'a'\nmethd = 'x'"), "did you mean `method`?"),
        (&hook("at = 'setup'\nartifact = 'a'\nargs = 3"), "`args` must be an array such as [10, 10], not 3"),
        (
            &format!("[execution]\n{alone}{}", hook("at = 'tick_end'\nartifact = 'a'")),
            "no ticks that begin and end",
        ),
        (&with("[execution]\nuntil = 'gini > 0.5'"), "there is no measure `gini` | such as \"gini > 0.5\""),
        (&with("[execution]\nuntil = 'gin > 0.5'\n[measures]\ngini = 'gini(scrip)'"), "did you mean `gini`?"),
        (
            &with("[execution]\nuntil = 'gini'\n[measures]\ngini = 'gini(scrip)'"),
            "ends a run by a bound | gini > 0.5",
        ),
        (&with("[execution]\nuntil = 'gini(scrip) > many'"), "\"many\" is no number"),
        (&with("[execution]\nuntil = 'gini(scrip) > nan'"), "\"nan\" is no number"),
        (&with("[execution]\nuntil = 'aa.closed'"), "there is no artifact `aa` | did you mean `a`?"),
        (&with("[execution]\nuntil = 7"), "`until` must be a string, not 7"),
        (
            &with(&format!("[execution]\n{alone}until = 'count() > 5'")),
            "looked at each `[measures] every`, which is not named | every = \"1m\"",
        ),
        (
            &with("[measures]\nx = { of = 'count()', where = { kin = 'a' } }"),
            "`where` must be a pattern of ids",
        ),
        (&with("[measures]\nx = { of = 'a.step', where = { kind = 'a' } }"), "`where` goes with a function"),
    ]);
    let text = format!(
        "[execution]\nphases = []\nuntil = 'count() >= 1'\norder = 'by_kind'\n{agent}[[agents]]\nid = 'b'\nkind = 'a'\ncode_file = 'mind.py'\n[[agents]]\nid = 'c'\ncode_file = 'mind.py'\n"
    );
    let file = read(&text, &[]).expect("fine");
    let kinds = vec!["a".to_owned(), "c".to_owned()];
    assert_eq!(file.founding.rules.order, oikos_runner::kernel::rules::Order::ByKind { kinds });
}

#[test]
fn parameters_are_bounded_values() {
    let long = format!("[parameters]\nx = \"{}\"", "y".repeat(70_000));
    let many: String = (0..9_000).map(|at| format!("k{at} = 1\n")).collect();
    refused(&[
        ("[parameters]\nx = nan", "`x`: JSON can't hold nan | w.toml:2:5"),
        ("[parameters]\nx = 2026-01-01", "`x`: JSON can't hold a date"),
        ("[parameters]\nx = 9223372036854775808", "JSON can't hold a number beyond 64 bits"),
        ("[[parameters]]\nx = 1", "`parameters` must be a table"),
        (&long, "`x` is too large: the most is 65536 bytes"),
        (&format!("[parameters]\n{many}"), "`parameters` is too large: the most is 65536 bytes"),
    ]);
    let file = read("[parameters]\nb = 1\na = 2\n", &[]).expect("fine");
    let turned = read("[parameters]\na = 2\nb = 1\n", &[]).expect("fine");
    assert_eq!(file.founding.rules, turned.founding.rules, "the order of the file decides nothing");
    assert_eq!(read("", &[]).expect("fine").founding.rules.parameters.value(), &serde_json::json!({}));
}

#[test]
fn the_smallest_world_is_a_world() {
    for text in ["", "\u{feff}[world]\r\nname = 'x'\r\n", "# nothing\n"] {
        let live = Live::found(read(text, &[]).expect("fine"), Journal::in_memory).expect("founded");
        assert_eq!(live.world().supply(), 0);
    }
}

#[test]
fn code_that_is_no_python_is_named_with_its_line() {
    let text = "[[agents]]\nid = 'a'\ncode = '''\ndef step(o):\n    return (\n'''\n";
    let error = Live::found(read(text, &[]).expect("the file is fine"), Journal::in_memory)
        .expect_err("the code is not");
    let error = error.to_string();
    assert!(error.contains("`a`") && error.contains("SyntaxError"), "{error}");
}

#[test]
fn the_institutions_of_a_world_are_read_where_they_stand() {
    refused(&[
        ("[mint]\nevery = 20", "`every` must say of what, not 20 | write \"20t\" for ticks | w.toml:2:9"),
        ("[mint]\nevery = 'soon'", "`every` must be a duration such as \"1h\", or ticks such as \"20t\""),
        ("[mint]\nevery = '0t'", "`every` must be a duration"),
        ("[mint]\nevery = '-1t'", "`every` must be a duration"),
        ("[mint]\nevery = '9223372036854775807t'", "`every` must be a duration"),
        ("[mint]\nevery = '0s'", "`every` must be a duration"),
        ("[mint]\nslots = 0", "`slots` must be an integer of at least 1"),
        ("[mint]\nslots = 101", "`slots` must be an integer from 1 to 100, not 101"),
        ("[mint]\nreserve = 0", "`reserve` must be an integer of at least 1"),
        ("[mint]\nratio = 0", "`ratio` must be an integer of at least 1"),
        ("[mint]\nmin_price = 0", "`min_price` must be an integer of at least 1"),
        ("[mint]\nsharing = 'some'", "equal"),
        ("[mint]\nscorer = 'nobody'", "there is no artifact `nobody` | w.toml:2:10"),
        ("[mint]\nscorer = 'handbook_start'", "`handbook_start` has no code that could score"),
        ("[mint]\nauthorities = ['nobody']", "there is no artifact `nobody`"),
        ("[mint]\nslot = 1", "did you mean `slots`?"),
        ("[market]\nlots = { gold = 5 }", "this world has no resource `gold`"),
        ("[market]\nlots = { cpu = '0s' }", "an amount of at least 1"),
        ("[market]\nlots = 5", "`lots` must be a table of amounts"),
    ]);
    let content = |text: &str, id: &str| {
        let file = read(text, &[]).expect("the file is fine");
        let founder = file.founding.founders.into_iter().find(|founder| founder.id == id);
        founder.expect("it is of the library").content.to_value().to_string()
    };
    assert_eq!(
        content("", "genesis_mint"),
        r#"{"every_ms":3600000,"slots":1,"reserve":1,"ratio":10,"scorer":"genesis_scorer","sharing":"equal"}"#
    );
    let ticks = "[execution]\ntick_duration = '90s'\n[mint]\nevery = '20t'\nsharing = 'burn'\nmin_price = 7";
    assert!(content(ticks, "genesis_mint").starts_with(r#"{"every_ms":1800000,"#));
    assert_eq!(content(ticks, "genesis_scorer"), r#"{"min_price":7}"#);
    assert_eq!(
        content("[market]\nlots = { disk = '2 kB' }", "genesis_market"),
        r#"{"lots":{"cpu":1000,"disk":2000}}"#
    );
    let authorities = |text: &str| read(text, &[]).expect("the file is fine").founding.rules.mint_authorities;
    assert_eq!(authorities(""), ["genesis_mint"]);
    assert_eq!(authorities("[mint]\nauthorities = []"), [""; 0]);
    // An interface in a world file is held to the same words as one in an op.
    let text = "[[artifacts]]\nid = 'a'\nhas_standing = true\ninterface = [{ name = 'f', inputSchema = { pattern = 'x' } }]";
    let error = Live::found(read(text, &[]).expect("it is read"), Journal::in_memory);
    let error = error.expect_err("its schema would not be checked").to_string();
    assert!(error.contains("the word `pattern` is not checked here"), "{error}");
}

#[test]
fn an_agent_may_begin_with_a_memory_of_its_own() {
    let text = "[resources.disk]\nkind = 'allocatable'\ntotal = '10 MB'\n[memory]\nhalf_life = '30m'\n\
                [[agents]]\nid = 'a'\ncode_file = 'mind.py'\nmemory = true\n\
                [[agents]]\nid = 'b'\ncount = 2\ncode_file = 'mind.py'\nmemory = true\n\
                [[agents]]\nid = 'c'\ncode_file = 'mind.py'";
    let file = read(text, &[]).expect("the file is fine");
    assert_eq!(file.founding.rules.memory_half_life_ms, 1_800_000);
    let of = |id: &str| file.founding.founders.iter().find(|founder| founder.id == id);
    for (agent, memory) in [
        ("a", Some("a_memory")),
        ("b_001", Some("b_001_memory")),
        ("b_002", Some("b_002_memory")),
        ("c", None),
    ] {
        assert_eq!(of(agent).expect("an agent").memory_artifact.as_deref(), memory, "{agent}");
        let Some(memory) = memory.and_then(of) else { continue };
        assert_eq!((memory.kind.as_str(), memory.owner.as_deref()), ("memory", Some(agent)));
        assert_eq!(memory.access_contract.as_deref(), Some("genesis_contract_private"));
        assert!(memory.resources.is_empty() && !memory.has_standing);
    }
    assert!(of("c_memory").is_none());
    Live::found(file, Journal::in_memory).expect("the world can be founded");
}

#[test]
fn the_keys_of_a_mind_are_written_into_the_content() {
    refused(&[
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'",
            "`mind.model` is missing, and the world names none | w.toml:3",
        ),
        ("[[agents]]\nid = 'a'\nmind = 'lm'", "`mind` can't be \"lm\" | did you mean \"llm\"?"),
        ("[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'x'", "`mind.model` names no provider | w.toml:4"),
        (
            "[[agents]]\nid = 'a'\ncode_file = 'mind.py'\nmodel = 'a::x'",
            "`model` goes with mind = \"llm\" | w.toml:4",
        ),
        (
            "[[agents]]\nid = 'a'\nmind = 'external'\nprompt = 'x'",
            "`prompt` goes with mind = \"llm\" | w.toml:4",
        ),
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\ntemperature = 3",
            "`mind.temperature` must be a number from 0 to 2 | w.toml:5",
        ),
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\ntemperature = 'hot'",
            "`mind.temperature` must be a number",
        ),
        ("[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\nrecall = 101", "`mind.recall` | w.toml:5"),
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\nmax_output_tokens = 0",
            "`mind.max_output_tokens`",
        ),
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\ntemplate_file = 'broken.j2'",
            "`mind.template` is no template | w.toml:5",
        ),
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\ncontent = 'text'",
            "its `content` must be a table",
        ),
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\ncontent = { mind = { kind = 'script' } }",
            "give `mind` or `content.mind`, not both",
        ),
        (
            "[[agents]]\nid = 'a'\ncontent = { mind = { kind = 'llm', modle = 'a::x' } }",
            "has no `modle` | did you mean `model`? | w.toml:3",
        ),
        (
            "[[agents]]\nid = 'a'\nmind = 'llm'\nmodel = 'a::x'\nprompt = 'x'\nprompt_file = 'shop.md'",
            "give `prompt` or `prompt_file`, not both",
        ),
        ("[llm]\nmodel = 'x'", "`model` names no provider | w.toml:2"),
        ("[llm]\nthink_time = '0s'", "`think_time` must be a duration of at least 1ms"),
    ]);
    let text = "[llm]\nmodel = 'local::small'\nthink_time = '3s'\n\
                [[agents]]\nid = 'a'\nmind = 'llm'\nprompt_file = 'shop.md'\ncontent = { style = 'bold' }\n\
                [[agents]]\nid = 'b'\nmind = 'llm'\nmodel = 'local::large'\nprompt = 'You buy.'\ntemperature = 0.5\n\
                max_output_tokens = 90\nrecall = 3\ntemplate_file = 'prompt.j2'\n\
                [[agents]]\nid = 'c'\nmind = 'external'\n\
                [[agents]]\nid = 'd'\nmind = 'script'\ncode_file = 'mind.py'";
    let file = read(text, &[]).expect("the file is fine");
    let rules = &file.founding.rules;
    assert_eq!((rules.llm_model.as_deref(), rules.think_time_ms), (Some("local::small"), 3_000));
    let of = |id: &str| file.founding.founders.iter().find(|founder| founder.id == id).expect("an agent");
    for (id, content) in [
        ("a", r#"{"style":"bold","mind":{"kind":"llm","prompt":"You keep a shop."}}"#),
        (
            "b",
            r#"{"mind":{"kind":"llm","model":"local::large","prompt":"You buy.","max_output_tokens":90,"recall":3,"temperature":0.5,"template":"{{ prompt }}"}}"#,
        ),
        ("c", r#"{"mind":{"kind":"external"}}"#),
        ("d", "null"),
    ] {
        assert_eq!(of(id).content.to_value().to_string(), content, "{id}");
    }
    Live::found(file, Journal::in_memory).expect("it is founded, and nobody is asked yet");
}

#[test]
fn the_document_has_the_reference_of_every_key() {
    let document = include_str!("../../../docs/world-file.md");
    let reference = config::reference();
    assert!(
        document.contains(reference.trim()),
        "docs/world-file.md lacks the reference as it is now:\n{reference}"
    );
}
