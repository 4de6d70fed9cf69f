//! The naive model's recursive interpreter of the toy language, and what code costs.

use oikos_kernel::{limits, rules::ResourceKind};
use serde_json::{Value, json};

use super::{
    naive::{Art, Fail, Model, Told, fail, short},
    naive_ops::{Actor, Fields, text},
    support::program::{decide, first_word},
    work::Bound,
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
    /// Units used, and those of them that are charged.
    work: u64,
    charged: u64,
    work_max: u64,
    bound: Bound,
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
        if art.price > 0 && actor.purse != art.owner {
            self.consent(&actor.purse, art.price)?;
            self.pay(&actor.purse, &art.owner, art.price, "price")?;
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
                self.own(actor, artifact, id)?;
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
            purse: if pays_itself { id.into() } else { actor.purse.clone() },
            depth,
            callers: actor.with_itself(),
            ..actor.clone()
        };
        let args = fields.get("args").and_then(Value::as_array).cloned().unwrap_or_default();
        let method = fields.get("method").and_then(Value::as_str).unwrap_or("run");
        self.run(inner, &code, method, Call { args, caller: actor.me.clone(), paid, given }, &actor.payer)?
    }

    /// Runs code. The outer error is a shortage of its payer; the inner one is the code's.
    pub(crate) fn run(
        &mut self,
        actor: Actor,
        source: &str,
        entry: &str,
        call: Call,
        asker: &str,
    ) -> Result<Result<Value, Fail>, Fail> {
        let actor = Actor { in_code: true, ..actor };
        let payer = actor.payer.clone();
        self.settle_work(asker);
        let (room, bound) = self.budget(&payer, 0);
        if room == 0 {
            return Err(self.out_of_work(&payer, bound, 1));
        }
        // Every run uses a unit at least.
        self.use_work(&payer, 1);
        let (work_max, bound) = self.budget(&payer, 1);
        let mut run = Run { actor, call, work: 0, charged: 1, work_max, bound, log: Vec::new() };
        let program = serde_json::from_str::<Value>(source).unwrap_or_default();
        let stop = match &program {
            Value::Array(block) => self.block(&mut run, block),
            Value::Object(entries) => match entries.get(entry).and_then(Value::as_array) {
                Some(block) => self.block(&mut run, block),
                None => Err(Stop::Refused(Fail { code: "not_found", numbers: None, is_payers: false })),
            },
            _ => Err(Stop::Refused(Fail { code: "invalid_code", numbers: None, is_payers: false })),
        };
        self.meter(&mut run);
        match stop {
            Ok(()) => Ok(Ok(run.log.into())),
            Err(Stop::Return(value)) => Ok(Ok(value)),
            Err(Stop::Raised(_)) => Ok(fail("code_error")),
            Err(Stop::Refused(refusal)) if refusal.is_payers || self.is_open(&run.actor) => Ok(Err(refusal)),
            Err(Stop::Refused(refusal)) => Ok(fail(refusal.code)),
            Err(Stop::Exhausted) if run.bound == Bound::Run => {
                Ok(Err(self.out_of_work(&payer, run.bound, 1)))
            }
            Err(Stop::Exhausted) => Err(self.out_of_work(&payer, run.bound, 1)),
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

    fn meter(&mut self, run: &mut Run) {
        let charged = run.work.max(run.charged);
        self.use_work(&run.actor.payer.clone(), charged - run.charged);
        run.charged = charged;
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
                    self.meter(run);
                    let actor = run.actor.clone();
                    let result = self.host(&actor, step[1].as_str().unwrap_or(""), step[3].as_object());
                    self.settle_work(&actor.payer);
                    (run.work_max, run.bound) = self.budget(&actor.payer, run.charged);
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
        self.look(&actor.payer, limits::PARTS_PER_CALL)?;
        match name {
            "pay" => self.op(actor, "transfer", &fields),
            "storage_set" => self.op(actor, "store", &fields),
            "storage_get" => {
                let stored = self.live(&actor.me)?.storage.get(text(&fields, "key")).cloned();
                let bytes = stored.as_ref().map_or(0, |value| value.to_string().len() as u64);
                self.look(&actor.payer, bytes * limits::PARTS_PER_BYTE)?;
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
