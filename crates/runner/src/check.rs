//! Checks of a founded world that founding does not make: whether code can be entered as it will be, whether the
//! modules that it imports are there, and whether measures name methods that can be called.

use std::{collections::BTreeMap, sync::Arc};

use oikos_kernel::{
    code::{CallInfo, CodeAnswer, CodeCall, CodeLimits, Entry, HostAnswer},
    id::reserved_prefix,
    limits,
    mind::Mind,
    time::Time,
};
use oikos_sandbox::Sandbox;
use serde::Deserialize;

use crate::{
    config::{NamedMethod, WorldFile},
    error::RunError,
    workplace::Workplace,
};

/// Looks at code; it runs as any agent's code does.
const LOOK: &str = include_str!("check.py");
/// Units of work to look at one text: imports are most of it.
const WORK_MAX: u64 = 20_000_000;

/// Something about a world file that is wrong, or likely not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A lower-case sentence.
    pub sentence: String,
    /// Whether the world can't do what its file says; otherwise it is a warning.
    pub is_wrong: bool,
}

/// The facts found in a text of code.
#[derive(Debug, Deserialize)]
struct Found {
    functions: BTreeMap<String, Parameters>,
    names: Vec<String>,
    imports: Vec<(u64, String, bool)>,
}

#[derive(Debug, Deserialize)]
struct Parameters {
    line: u64,
    least: usize,
    most: Option<usize>,
    named: bool,
    known: bool,
}

/// A function that is going to be called.
struct Call<'a> {
    function: &'a str,
    /// The names of its arguments.
    arguments: &'a [&'a str],
}

/// The function of a mind where there are no phases, and its arguments.
const STEP: &str = "step";
const OBSERVATION: &[&str] = &["observation"];
/// The call of a contract.
const CHECK: Call<'static> =
    Call { function: "check_permission", arguments: &["caller", "action", "target", "context", "ledger"] };

/// Checks the code of a world file, which is Python, and its measures.
///
/// # Errors
/// When there is nothing to look at code with.
pub fn check(workplace: &Workplace, file: &WorldFile) -> Result<Vec<Finding>, RunError> {
    let (interpreter, _) = workplace.interpreter(&file.plan)?;
    let mut looked = Looked { sandbox: &*interpreter.sandbox, seen: Vec::new(), findings: Vec::new() };
    let founders = &file.founding.founders;
    let rules = &file.founding.rules;
    let model = rules.llm_model.as_deref();
    let no_phases = rules.phases.is_empty().then_some(STEP);
    let mut told: Vec<&Arc<str>> = Vec::new();
    for founder in founders.iter().filter(|founder| reserved_prefix(&founder.id).is_none()) {
        let Some(code) = &founder.code else { continue };
        // Agents made by `count` share their code, and its flaws are told once.
        if told.contains(&code) {
            continue;
        }
        told.push(code);
        looked.imports(&founder.id, code);
        if founder.has_loop && matches!(Mind::of(founder.content.value(), model), Ok(Mind::Script)) {
            for function in rules.phases.iter().map(String::as_str).chain(no_phases) {
                looked.call(&founder.id, code, &Call { function, arguments: OBSERVATION });
            }
        }
        let is_contract = || founders.iter().any(|other| other.access_contract.as_ref() == Some(&founder.id));
        if looked.defines(code, CHECK.function) || founder.kind == "contract" || is_contract() {
            looked.call(&founder.id, code, &CHECK);
        }
    }
    for NamedMethod { whose, artifact, method, args } in file.named_methods() {
        let before = looked.findings.len();
        match founders.iter().find(|founder| founder.id == artifact).map(|founder| &founder.code) {
            Some(Some(code)) => {
                looked.call(artifact, code, &Call { function: method, arguments: &vec!["…"; args] })
            }
            Some(None) => looked.wrong(format!("`{artifact}` has no code, and so no method `{method}`")),
            None => looked.wrong(format!("there is no artifact `{artifact}`")),
        }
        let of = format!("{whose}: ");
        looked.findings.iter_mut().skip(before).for_each(|found| found.sentence.insert_str(0, &of));
    }
    let mut findings = looked.findings;
    findings.extend(file.idle.iter().map(|sentence| Finding { sentence: sentence.clone(), is_wrong: false }));
    Ok(findings)
}

/// The code that was looked at, and what was found.
struct Looked<'a> {
    sandbox: &'a dyn Sandbox,
    seen: Vec<(Arc<str>, Option<Arc<Found>>)>,
    findings: Vec<Finding>,
}

impl Looked<'_> {
    fn wrong(&mut self, sentence: String) {
        self.findings.push(Finding { sentence, is_wrong: true });
    }

    /// Says which imports of a text fail. One that may never be reached is only worth a warning.
    fn imports(&mut self, id: &str, code: &Arc<str>) {
        let Some(found) = self.found(code) else { return };
        for (line, why, is_certain) in &found.imports {
            let sentence = format!("the code of `{id}`, line {line}: {why}");
            self.findings.push(Finding { sentence, is_wrong: *is_certain });
        }
    }

    fn defines(&mut self, code: &Arc<str>, function: &str) -> bool {
        self.found(code).is_some_and(|found| found.functions.contains_key(function))
    }

    /// Says whether a function can't be called with its arguments.
    fn call(&mut self, id: &str, code: &Arc<str>, call: &Call<'_>) {
        let Some(found) = self.found(code) else { return };
        let (name, count) = (call.function, call.arguments.len());
        let form = format!("{name}({})", call.arguments.join(", "));
        let Some(function) = found.functions.get(name) else {
            // A name may be bound in other ways, such as `step = make()`.
            if !found.names.iter().any(|bound| bound == name || bound == "*") {
                let near = oikos_kernel::id::nearest(name, found.functions.keys().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                self.wrong(format!("the code of `{id}` defines no `{form}`{near}"));
            }
            return;
        };
        let too_few = function.most.is_some_and(|most| most < count);
        if function.known && (too_few || function.least > count || function.named) {
            let line = function.line;
            let takes = if function.named {
                "has arguments that must be named".to_owned()
            } else if too_few {
                format!("takes {}", function.most.unwrap_or(0))
            } else {
                format!("needs {}", function.least)
            };
            self.wrong(format!("the code of `{id}`, line {line}: it is called as `{form}`, and {takes}"));
        }
    }

    /// The facts about a text; none where looking at it takes too long.
    fn found(&mut self, code: &Arc<str>) -> Option<Arc<Found>> {
        if let Some((_, found)) = self.seen.iter().find(|(seen, _)| seen == code) {
            return found.clone();
        }
        let found = look(self.sandbox, code).map(Arc::new);
        self.seen.push((Arc::clone(code), found.clone()));
        found
    }
}

fn look(sandbox: &dyn Sandbox, code: &Arc<str>) -> Option<Found> {
    let call = CodeCall {
        source: LOOK.into(),
        file: "<check>".into(),
        entry: Entry::Method("run".into()),
        args: vec![(&**code).into()],
        me: "check".into(),
        call: CallInfo::default(),
        parameters: None,
        now: Time::default(),
        seed: 0,
        limits: CodeLimits {
            work: WORK_MAX,
            memory_bytes: limits::CODE_MEMORY_BYTES_MAX,
            output_bytes: limits::OUTPUT_BYTES_MAX,
            measure_cpu: false,
        },
    };
    let mut progress = sandbox.start(call);
    loop {
        match progress.answer {
            CodeAnswer::Done { result, .. } => return serde_json::from_value(result.ok()?).ok(),
            CodeAnswer::Call { .. } => {
                let nothing = HostAnswer::Raise("there is no world here".into());
                progress = progress.suspended?.resume(nothing, WORK_MAX);
            }
        }
    }
}
