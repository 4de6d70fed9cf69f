//! The naive model's recursive interpreter of the toy language, and what code costs.

use oikos_kernel::{limits, rules::ResourceKind};
use serde_json::{Value, json};

use super::{
    naive::{Art, Fail, Model, Told, fail, short},
    naive_ops::{Actor, Fields, text},
    support::program::{decide, first_word},
};

/// The call as the called code knows it.
pub(crate) struct Call {
    pub(crate) args: Vec<Value>,
    pub(crate) caller: String,
    pub(crate) paid: i64,
    pub(crate) given: Vec<Value>,
}

/// How a block of instructions ended, when not by running to its end.
enum Stop {
    Return(Value),
    Raised(String),
    Refused(Fail),
    /// The budget ran out; no `try` catches that.
    Exhausted,
}

/// A run of code under way.
struct Run {
    actor: Actor,
    call: Call,
    work: u64,
    work_max: u64,
    charged: i64,
    log: Vec<Value>,
}

impl Model {
    pub(crate) fn invoke(&mut self, actor: &Actor, id: &str, fields: &Fields) -> Result<Value, Fail> {
        let art = Art::clone(self.live(id)?);
        let Some(code) = art.code else {
            return fail("invalid_argument");
        };
        let depth = actor.depth + 1;
        if depth > limits::INVOKE_DEPTH_MAX {
            return short("depth_exceeded", depth.into(), limits::INVOKE_DEPTH_MAX.into());
        }
        if art.price > 0 && actor.payer != art.owner {
            self.consent(&actor.payer, art.price)?;
            self.pay(&actor.payer, &art.owner, art.price, "price")?;
        }
        let paid = fields.get("pay").and_then(Value::as_i64).unwrap_or(0);
        let given = fields.get("give").and_then(Value::as_array).cloned().unwrap_or_default();
        if (paid > 0 || !given.is_empty()) && (!art.standing || actor.decides) {
            return fail("invalid_argument");
        }
        if paid > 0 {
            self.pay(&actor.me, id, paid, "pay")?;
        }
        for given in &given {
            if let Some(artifact) = given.as_str() {
                self.own(artifact, id)?;
                let (artifact, to) = (Some(artifact.into()), Some(id.into()));
                self.tell(actor, "transfer_ownership", Told { artifact, to, ..Told::default() });
                continue;
            }
            let (name, amount) = (text(given.as_object().unwrap(), "resource"), given["amount"].as_i64());
            let resource = self.resource(name)?;
            if self.kind(resource) == ResourceKind::Metered || !self.can_hold(&actor.me) {
                return fail("invalid_argument");
            }
            self.shift(&actor.me, id, resource, amount.unwrap())?;
            let (to, resource) = (Some(id.into()), Some(name.into()));
            self.tell(actor, "transfer", Told { to, amount, resource, ..Told::default() });
        }
        // An artifact that the action itself created can't bear charges: they would outlive it if it fails.
        let pays_itself = art.pays_itself && self.base.arts.contains_key(id);
        let inner = Actor {
            me: id.into(),
            payer: if pays_itself { id.into() } else { actor.payer.clone() },
            depth,
            callers: actor.with_itself(),
            ..actor.clone()
        };
        let args = fields.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
        let method = fields.get("method").and_then(Value::as_str).unwrap_or("run");
        self.run(inner, &code, method, Call { args, caller: actor.me.clone(), paid, given })?
    }

    /// Runs code. The outer error is a shortage of its payer; the inner one is the code's.
    pub(crate) fn run(
        &mut self,
        actor: Actor,
        source: &str,
        entry: &str,
        call: Call,
    ) -> Result<Result<Value, Fail>, Fail> {
        let actor = Actor { in_code: true, ..actor };
        let payer = actor.payer.clone();
        if self.chargeable(&payer, 0) < 1 {
            return Err(self.shortage(&payer, 0, 1));
        }
        let mut run = Run { actor, call, work: 0, work_max: 0, charged: 0, log: Vec::new() };
        self.budget(&mut run);
        let program = serde_json::from_str::<Value>(source).unwrap_or_default();
        let stop = match &program {
            Value::Array(block) => self.block(&mut run, block),
            Value::Object(entries) => match entries.get(entry).and_then(Value::as_array) {
                Some(block) => self.block(&mut run, block),
                None => Err(Stop::Refused(Fail { code: "not_found", numbers: None, is_payers: false })),
            },
            _ => Err(Stop::Refused(Fail { code: "invalid_code", numbers: None, is_payers: false })),
        };
        self.meter(&mut run, 1);
        match stop {
            Ok(()) => Ok(Ok(run.log.into())),
            Err(Stop::Return(value)) => Ok(Ok(value)),
            Err(Stop::Raised(_)) => Ok(fail("code_error")),
            Err(Stop::Refused(refusal)) if refusal.is_payers || self.is_open(&run.actor) => Ok(Err(refusal)),
            Err(Stop::Refused(refusal)) => Ok(fail(refusal.code)),
            Err(Stop::Exhausted) if self.kind(0) == ResourceKind::Metered => Ok(fail("code_timeout")),
            Err(Stop::Exhausted) => Err(self.shortage(&payer, 0, self.cpu_us(1))),
        }
    }

    /// Whether all who wait for code may surely read it: only then are they told the words of its failure.
    fn is_open(&self, actor: &Actor) -> bool {
        let art = self.get(&actor.me);
        actor.callers.iter().all(|caller| {
            let is_owner = art.owner == *caller;
            *caller == actor.me
                || match art.contract.as_str() {
                    "genesis_contract_freeware" | "genesis_contract_public" => true,
                    "genesis_contract_self_owned" | "genesis_contract_private" => is_owner,
                    _ => false,
                }
        })
    }

    /// The price of work: rounded up to whole microseconds.
    fn cpu_us(&self, work: u64) -> i64 {
        i64::try_from((work * self.rules.cpu_ns_per_work).div_ceil(1_000)).unwrap()
    }

    /// The most work that the payer can afford, those it has used included.
    fn budget(&self, run: &mut Run) {
        let free = self.chargeable(&run.actor.payer, 0);
        let most = self.rules.work_per_run;
        let fits = |work: &u64| self.cpu_us(*work) <= run.charged.saturating_add(free);
        // Units of work cost whole microseconds in these worlds, so what fits is found by division.
        let affordable = if free == i64::MAX {
            most
        } else {
            u64::try_from(run.charged + free).unwrap() * 1_000 / self.rules.cpu_ns_per_work
        };
        run.work_max = affordable.min(most);
        assert!(run.work_max == 0 || fits(&run.work_max));
    }

    fn meter(&mut self, run: &mut Run, least: i64) {
        let due = self.cpu_us(run.work).max(least) - run.charged;
        let due = due.min(self.chargeable(&run.actor.payer, 0));
        if due > 0 {
            self.charge(&run.actor.payer, 0, due);
            run.charged += due;
        }
    }

    fn block(&mut self, run: &mut Run, block: &[Value]) -> Result<(), Stop> {
        for step in block {
            let name = step[0].as_str().unwrap_or("");
            let work = if name == "burn" { step[1].as_u64().unwrap_or(0) } else { 1 };
            if run.work + work > run.work_max {
                run.work = run.work.max(run.work_max);
                return Err(Stop::Exhausted);
            }
            run.work += work;
            match name {
                "burn" => {}
                "call" | "attempt" => {
                    self.meter(run, 0);
                    let actor = run.actor.clone();
                    let result = self.host(&actor, step[1].as_str().unwrap_or(""), step[3].as_object());
                    self.budget(run);
                    let logged = match result {
                        Ok(value) if name == "attempt" => json!({ "ok": true, "result": value }),
                        Ok(value) => value,
                        Err(Fail { code, numbers, .. }) if name == "attempt" => json!({
                            "ok": false, "code": code,
                            "need": numbers.map(|numbers| numbers.0), "have": numbers.map(|numbers| numbers.1),
                        }),
                        Err(refusal) => return Err(Stop::Refused(refusal)),
                    };
                    run.log.push(logged);
                }
                "try" => {
                    let caught = match self.block(run, step[1].as_array().map_or(&[][..], Vec::as_slice)) {
                        Err(Stop::Raised(text)) => first_word(&text).to_owned(),
                        Err(Stop::Refused(refusal)) => refusal.code.to_owned(),
                        other => {
                            other?;
                            continue;
                        }
                    };
                    run.log.push(json!({ "caught": caught }));
                }
                "raise" => return Err(Stop::Raised(step[1].as_str().unwrap_or("").into())),
                "return" => return Err(Stop::Return(step[1].clone())),
                "return_arg" => {
                    let at = usize::try_from(step[1].as_u64().unwrap_or(0)).unwrap();
                    return Err(Stop::Return(run.call.args.get(at).cloned().unwrap_or_default()));
                }
                "return_call" => {
                    return Err(Stop::Return(json!({
                        "me": run.actor.me, "caller": run.call.caller, "origin": run.actor.origin,
                        "paid": run.call.paid, "given": run.call.given,
                    })));
                }
                "decide" => return Err(Stop::Return(decide(&step[1], &run.call.args))),
                other => panic!("the model doesn't know the instruction {other}"),
            }
        }
        Ok(())
    }

    fn host(&mut self, actor: &Actor, name: &str, fields: Option<&Fields>) -> Result<Value, Fail> {
        let fields = fields.cloned().unwrap_or_default();
        match name {
            "pay" => self.op(actor, "transfer", &fields),
            "storage_set" => self.op(actor, "store", &fields),
            "storage_get" => {
                let stored = self.live(&actor.me)?.storage.get(text(&fields, "key")).cloned();
                Ok(stored.unwrap_or_default())
            }
            "get_balance" => {
                let of = fields.get("of").and_then(Value::as_str).unwrap_or(&actor.me);
                let holder = self.live(of)?;
                if holder.standing { Ok(holder.scrip.into()) } else { fail("invalid_argument") }
            }
            op => self.op(actor, op, &fields),
        }
    }
}
