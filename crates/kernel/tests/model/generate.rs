//! The cases on which the model is compared: small worlds, and actions that collide in them.
//!
//! Everything is read off a tape of numbers, as a choice among so many. A tape that has ended gives
//! zeros, and the first choice is always the simplest, so that a shorter tape is a simpler case.

use oikos_kernel::{
    founding::{Founder, Founding},
    op::OpKind,
    record::Pays,
    rules::{Renewal, ResourceId, ResourceKind, ResourceRule, Rules},
    time::Time,
};
use serde_json::{Value, json};

use super::support::program::decides;

/// A tape of choices.
pub(crate) struct Tape<'a> {
    numbers: &'a [u16],
    at: usize,
}

const PRINCIPALS: &[&str] = &["alice", "bob", "carol", "till", "wild"];
/// The artifacts that exist at first, and the ids that actions create, delete and try again.
const TARGETS: &[&str] = &[
    "tool",
    "wild",
    "n0",
    "pad",
    "till",
    "desk",
    "n1",
    "wild",
    "vault",
    "carol",
    "pad",
    "tool",
    "gate",
    "alice",
    "n0",
    "road",
    "n2",
    "road",
    "toll",
    "bob",
    "desk",
    "clerk",
    "wing",
    "nobody",
    "genesis_contract_public",
    "genesis_x",
    "maze",
    "inn",
    "hall",
    "yard",
    "inn",
    "yard",
    "patron",
    "split",
    "notes",
    "board",
];
const FRESH: &[&str] = &["n0", "n1", "n0", "n2", "pad", "wild"];
const CONTRACTS: &[&str] = &[
    "genesis_contract_public",
    "genesis_contract_freeware",
    "gate",
    "toll",
    "clerk",
    "genesis_contract_private",
    "genesis_contract_public",
    "genesis_contract_self_owned",
    "n0",
    "n1",
    "vault",
    "maze",
    "wild",
    "split",
    "patron",
];
const AMOUNTS: &[i64] = &[1, 2, 5, 0, 3, 10, 4, 40, 6, 1 << 62, i64::MAX, i64::MAX - 1, 20, (1 << 62) - 1];
const SHARES: &[i64] = &[1, 2, 3, 5, 8, 4, 90, 9, 300, i64::MAX];
const RESOURCES: &[&str] = &["actions", "fuel", "disk", "actions", "cpu", "memory"];

impl<'a> Tape<'a> {
    pub(crate) fn new(numbers: &'a [u16]) -> Self {
        Self { numbers, at: 0 }
    }

    fn below(&mut self, count: usize) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(number) % count
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    /// The next step: the principal who acts, the milliseconds until then, and the action.
    pub(crate) fn step(&mut self) -> (&'static str, i64, Value) {
        let who = self.pick(&[
            "alice", "bob", "carol", "alice", "bob", "till", "wild", "alice", "bob", "wild", "n0", "alice",
            "tool", "n1",
        ]);
        let wait = self.pick(&[0, 0, 1, 0, 7, 0, 30, 99, 0, 100, 20, 101, 0, 250]);
        let action = if self.one_in(4) {
            let count = self.below(4);
            (0..count).map(|_| self.submitted()).collect()
        } else {
            self.submitted()
        };
        (who, wait, action)
    }

    /// Now and then the only agent is asked, with so much set aside, or answers and has used so much of it.
    pub(crate) fn thought(&mut self) -> Option<[(usize, i64); 2]> {
        self.one_in(5).then(|| {
            let most = [(4, self.pick(&[2, 1, 5, 0, 6, i64::MAX / 5])), (3, self.pick(&[3, 1, 0, 9, 10]))];
            if self.one_in(2) { most } else { [most[1], most[0]] }
        })
    }

    fn submitted(&mut self) -> Value {
        let (name, mut fields) = self.op(3);
        fields["op"] = name.into();
        fields
    }

    /// An op by name with its fields; code within it nests to `depth`.
    fn op(&mut self, depth: usize) -> (&'static str, Value) {
        let kind = self.below(if depth == 0 { 16 } else { 29 });
        let artifact = self.pick(TARGETS);
        let (name, mut fields) = match kind {
            0 => ("noop", json!({})),
            1 | 2 => ("transfer", json!({ "to": self.pick(PRINCIPALS), "amount": self.pick(AMOUNTS) })),
            3 => {
                let to = if self.one_in(6) { artifact } else { self.pick(PRINCIPALS) };
                let resource = self.pick(RESOURCES);
                let mut fields = json!({ "to": to, "amount": self.pick(SHARES), "resource": resource });
                if self.one_in(6) {
                    fields["part"] = self.pick(&["rate", "quota", "balance"]).into();
                }
                ("transfer", fields)
            }
            4 => ("read", json!({ "artifact": artifact, "code": self.one_in(2) })),
            5 => self.store(),
            6 => {
                let mut fields = json!({ "artifact": artifact });
                if self.one_in(2) {
                    let heirs = if self.one_in(6) { TARGETS } else { PRINCIPALS };
                    fields["heir"] = self.pick(heirs).into();
                }
                ("delete", fields)
            }
            7 => {
                let to = if self.one_in(6) { self.pick(TARGETS) } else { self.pick(PRINCIPALS) };
                ("transfer_ownership", json!({ "artifact": artifact, "to": to }))
            }
            8 => ("set_contract", json!({ "artifact": artifact, "contract": self.pick(CONTRACTS) })),
            9 => ("query", self.query()),
            10 => {
                let (field, old, new) = if self.one_in(3) {
                    ("code", "[[", self.pick(&["[[\"burn\",2],[", "", "[[\"raise\",\"x\"],["]))
                } else {
                    ("content", self.pick(&["a", "", "bc", "zz"]), self.pick(&["", "abc", "xyz"]))
                };
                ("edit", json!({ "artifact": artifact, "field": field, "old": old, "new": new }))
            }
            11 | 12 => self.charge(),
            13 => self.mandate(artifact),
            14 | 15 => self.memory(),
            16..=18 => ("write", self.write(depth)),
            19..=22 => ("run", json!({ "code": self.program(depth).to_string() })),
            _ => ("invoke", self.invoke(artifact)),
        };
        if self.one_in(2) {
            fields["max_spend"] = self.pick(&[10, 3, 40, 5, 0, 2, 100, i64::MAX, 1, 1 << 62]).into();
        }
        if self.one_in(6) {
            let bounds: &[(&str, i64)] = &[
                ("cpu", 20),
                ("disk", 60),
                ("cpu", 0),
                ("actions", 1),
                ("cpu", 3),
                ("disk", 0),
                ("cpu", 200),
                ("lead", 1),
            ];
            let at = self.below(bounds.len());
            let (resource, most) = bounds[at];
            fields["max_resources"] = json!({ resource: most });
        }
        (name, fields)
    }

    /// Few parties, so that mandates are met again.
    fn mandate(&mut self, artifact: &str) -> (&'static str, Value) {
        let holder = match self.below(4) {
            0 => self.pick(&["till", "toll", "patron", "split", "carol"]),
            1 => self.pick(PRINCIPALS),
            2 => artifact,
            _ => self.pick(&["split", "patron"]),
        };
        let mut fields = json!({
            "to": holder, "per_call": self.pick(&[5, 2, 9, 0, 1, 40, i64::MAX]),
            "per_window": self.pick(&[10, 3, 20, 5, i64::MAX]), "window": self.pick(&["100ms", "30ms", "7ms", "250ms"]),
        });
        if self.one_in(3) {
            fields["resource"] = self.pick(&["fuel", "scrip", "fuel", "cpu", "gold"]).into();
        }
        ("mandate", fields)
    }

    /// Few memories, so that entries are met again.
    fn memory(&mut self) -> (&'static str, Value) {
        let mut fields = json!({});
        if self.one_in(2) {
            fields["artifact"] = self.pick(&["notes", "board", "board", "notes", "vault", "n0"]).into();
        }
        if self.one_in(4) {
            if !self.one_in(3) {
                fields["entry"] = self.pick(&[1, 2, 3, 9]).into();
            }
            return ("forget", fields);
        }
        fields["text"] = self.pick(&["bread", "the mill", "é", "a long story, told at length"]).into();
        if self.one_in(2) {
            fields["tags"] = self.pick_tags();
        }
        if self.one_in(3) {
            fields["importance"] = self.pick(&[0, 10, 7]).into();
        }
        if self.one_in(3) {
            fields["supersedes"] = self.pick(&[1, 2, 3, 9]).into();
        }
        ("remember", fields)
    }

    fn pick_tags(&mut self) -> Value {
        let all: [&[&str]; 5] = [&["pinned"], &[], &["pinned", "trade"], &["trade"], &["superseded"]];
        json!(self.pick(&all))
    }

    fn charge(&mut self) -> (&'static str, Value) {
        let mut fields = json!({ "payer": self.pick(PRINCIPALS), "amount": self.pick(AMOUNTS) });
        if self.one_in(3) {
            fields["resource"] = self.pick(&["fuel", "scrip", "cpu"]).into();
        }
        if self.one_in(4) {
            fields["reason"] = self.pick(&["dues", ""]).into();
        }
        ("charge", fields)
    }

    /// A cost model, now and then one that is none.
    fn cost_model(&mut self, rule: &mut Value) {
        match self.below(6) {
            0 => rule["cost_model"] = "owner_pays".into(),
            1 => rule["cost_model"] = "artifact_pays".into(),
            2 => rule["cost_model"] = json!({ "payer": self.pick(TARGETS) }),
            3 => rule["cost_model"] = "invoker_pays".into(),
            _ => {
                rule["cost_model"] = "split".into();
                if !self.one_in(6) {
                    let shares = [1, 3, 0, 2, i64::MAX];
                    rule["shares"] =
                        json!({ "invoker": self.pick(&shares[..2]), "owner": self.pick(&shares) });
                }
            }
        }
    }

    fn store(&mut self) -> (&'static str, Value) {
        let (key, value) = (self.pick(&["k", "l"]), self.value());
        ("store", json!({ "key": key, "value": value }))
    }

    /// Any JSON, now and then with a number whose text is hard to read back.
    fn value(&mut self) -> Value {
        match self.below(7) {
            0 => Value::Null,
            1 => self.below(1_000).into(),
            2 => "abc".repeat(self.below(120)).into(),
            3 => json!({ "b": [1, null, true], "a": "é\n" }),
            4 => {
                let bits = (0..4).fold(0_u64, |bits, _| bits << 16 | self.below(1 << 16) as u64);
                let float = f64::from_bits(bits);
                if float.is_finite() { json!([float]) } else { json!(1.5e300) }
            }
            5 => json!(i64::MAX),
            _ => "abcd".into(),
        }
    }

    fn query(&mut self) -> Value {
        match self.below(8) {
            6 | 7 => self.recall(),
            0 => json!({ "what": "balance", "of": self.pick(TARGETS) }),
            1 => json!({ "what": "supply" }),
            2 => json!({ "what": "balances" }),
            3 => json!({ "what": "price", "artifact": self.pick(TARGETS) }),
            4 => json!({
                "what": "capacity", "resource": self.pick(RESOURCES), "of": self.pick(PRINCIPALS),
                "amount": self.pick(&[1, 2, 4, 5, 9, 10, 20, 400]),
            }),
            _ => json!({
                "what": "permission", "as": self.pick(TARGETS),
                "target": self.pick(&["tool", "vault", "wing", "road", "desk", "gate", "n0", "maze", "nobody"]),
                "action": self.pick(&["read", "write", "invoke", "delete", "transfer"]),
            }),
        }
    }

    fn recall(&mut self) -> Value {
        let mut fields = json!({ "what": "recall" });
        if self.one_in(2) {
            fields["artifact"] = self.pick(&["notes", "board", "board", "notes", "tool", "n1"]).into();
        }
        if self.one_in(3) {
            fields["tags"] = self.pick_tags();
        }
        if self.one_in(4) {
            fields["text"] = "nothing of it".into();
        }
        if self.one_in(4) {
            fields["since"] = self.below(4).into();
        }
        if self.one_in(4) {
            fields["limit"] = self.below(3).into();
        }
        fields
    }

    fn write(&mut self, depth: usize) -> Value {
        let artifact = if self.one_in(4) { self.pick(TARGETS) } else { self.pick(FRESH) };
        let mut fields = json!({ "artifact": artifact, "content": self.value() });
        if self.one_in(6) {
            fields["content"] = json!({ "resources": self.pick(&["owner", "caller", "nobody"]) });
        }
        if !self.one_in(3) {
            fields["code"] = self.code(depth - 1).into();
        } else if self.one_in(3) {
            fields["code"] = Value::Null;
        }
        if self.one_in(3) {
            fields["price"] = self.pick(AMOUNTS).into();
        }
        if self.one_in(3) {
            fields["access_contract"] = self.pick(CONTRACTS).into();
        }
        if self.one_in(2) {
            fields["has_standing"] = (!self.one_in(6)).into();
        }
        if self.one_in(6) {
            fields["has_loop"] = (!self.one_in(3)).into();
        }
        if self.one_in(4) {
            fields["pays"] = self.pick(&["self", "caller"]).into();
        }
        if self.one_in(8) {
            fields["kind"] = self.pick(&["tool", "data", "memory"]).into();
        }
        fields
    }

    /// The text of a program, of a contract, or of both.
    fn code(&mut self, depth: usize) -> String {
        match self.below(5) {
            0 => self.contract(depth).to_string(),
            1 => json!({ "run": self.program(depth), "check_permission": self.contract(depth) }).to_string(),
            2 if self.one_in(4) => "no program".into(),
            _ => self.program(depth).to_string(),
        }
    }

    fn contract(&mut self, depth: usize) -> Value {
        let mut rule = json!({});
        if self.one_in(2) {
            rule["deny"] = json!([self.pick(&["write", "delete", "invoke", "transfer", "read"])]);
        }
        if self.one_in(3) {
            rule["cost"] = self.pick(AMOUNTS).into();
        }
        if self.one_in(6) {
            rule["recipient"] = self.pick(TARGETS).into();
        }
        if self.one_in(3) {
            rule["state_updates"] = json!({ "seen": self.value() });
        }
        if self.one_in(3) {
            self.cost_model(&mut rule);
        }
        let mut block = if self.one_in(3) { self.block(depth, 2) } else { Vec::new() };
        block.push(if self.one_in(8) { json!(["return", 5]) } else { json!(["decide", rule]) });
        block.into()
    }

    fn invoke(&mut self, artifact: &str) -> Value {
        let mut fields = json!({ "artifact": artifact });
        if self.one_in(3) {
            fields["pay"] = self.pick(AMOUNTS).into();
        }
        if self.one_in(4) {
            let count = self.below(3);
            fields["give"] = (0..count).map(|_| self.gift()).collect();
        }
        if self.one_in(4) {
            fields["args"] = json!([self.value()]);
        }
        if self.one_in(6) {
            fields["method"] = self.pick(&["run", "other", "check_permission"]).into();
        }
        fields
    }

    fn gift(&mut self) -> Value {
        if self.one_in(3) {
            return json!({ "resource": self.pick(RESOURCES), "amount": self.pick(SHARES) });
        }
        self.pick(&["vault", "n0", "n1", "till", "tool"]).into()
    }

    fn program(&mut self, depth: usize) -> Value {
        self.block(depth, 4).into()
    }

    fn block(&mut self, depth: usize, most: usize) -> Vec<Value> {
        let count = self.below(most) + 1;
        (0..count).map(|_| self.instruction(depth)).collect()
    }

    fn instruction(&mut self, depth: usize) -> Value {
        match self.below(16) {
            0..=4 => self.call("call", depth),
            5..=8 => self.call("attempt", depth),
            9..=11 if depth > 0 => json!(["try", self.block(depth - 1, 3)]),
            12 => json!(["raise", "boom"]),
            13 => json!(["burn", self.pick(&[1, 3, 40])]),
            14 => self.pick_end(),
            _ => {
                let (name, fields) = match self.below(4) {
                    0 => ("pay", json!({ "to": self.pick(PRINCIPALS), "amount": self.pick(AMOUNTS) })),
                    1 => ("storage_set", self.store().1),
                    2 => ("storage_get", json!({ "key": "k" })),
                    _ => ("get_balance", json!({ "of": self.pick(TARGETS) })),
                };
                json!(["call", name, [], fields])
            }
        }
    }

    fn pick_end(&mut self) -> Value {
        match self.below(4) {
            0 => json!(["return", self.value()]),
            1 => json!(["return_call"]),
            2 => json!(["return_arg", 0]),
            _ => json!(["burn", 1]),
        }
    }

    fn call(&mut self, how: &str, depth: usize) -> Value {
        let (name, fields) = self.op(depth.saturating_sub(1));
        json!([how, name, [], fields])
    }
}

/// One of the kinds of worlds: unlimited; scarce with a rolling window; scarce by the tick; and
/// one whose amounts come near to the largest there is.
pub(crate) fn founding(kind: u8) -> Founding {
    let mut rules = Rules::unlimited("model", 7, Time::from_ms(1_000_003).unwrap());
    rules.cpu_ns_per_work = 1_000;
    let rule = |name: &str, kind| ResourceRule { name: name.into(), kind };
    let renewable = ResourceKind::Renewable { window_ms: 100 };
    let scarce = kind == 1 || kind == 2;
    let or_metered = |kind| if scarce { kind } else { ResourceKind::Metered };
    rules.resources = vec![
        rule("cpu", or_metered(renewable)),
        rule("memory", ResourceKind::Allocatable),
        rule("disk", or_metered(ResourceKind::Allocatable)),
        rule("actions", or_metered(renewable)),
        rule("fuel", if kind == 0 { ResourceKind::Metered } else { ResourceKind::Depletable }),
    ];
    if scarce {
        rules.costs = [OpKind::Noop, OpKind::Transfer, OpKind::Read, OpKind::Query, OpKind::Write]
            .map(|op| (op, ResourceId(3), 1))
            .to_vec();
        rules.costs.push((OpKind::Delete, ResourceId(4), 2));
        rules.costs.push((OpKind::Invoke, ResourceId(3), 2));
    } else {
        // A resource that is only metered has no end, but its sum has.
        rules.costs = vec![(OpKind::Noop, ResourceId(3), i64::MAX / 2), (OpKind::Invoke, ResourceId(3), 1)];
    }
    if kind == 2 {
        rules.renewal = Renewal::Tick { ms: 100 };
    }
    rules.memory_half_life_ms = 40;
    Founding { rules, source: [0; 32], runtime: "toy".into(), founders: founders(kind) }
}

fn founders(kind: u8) -> Vec<Founder> {
    let big = kind == 3;
    let call = |name: &str, fields: Value| json!(["call", name, [], fields]);
    let principal = |id: &str, scrip: i64| {
        let mut founder = Founder { has_standing: true, scrip, ..Founder::new(id) };
        let shares = [("cpu", 300), ("memory", 1_000), ("disk", 1_300), ("actions", 9), ("fuel", 5)];
        for (name, amount) in shares {
            let amount = if big && name == "fuel" { i64::MAX / 5 } else { amount };
            founder.resources.insert(name.into(), amount);
        }
        founder.access_contract = Some("genesis_contract_self_owned".into());
        founder
    };
    let made = |id: &str, owner: &str, code: Value| Founder {
        owner: Some(owner.into()),
        code: Some(code.to_string().into()),
        ..Founder::new(id)
    };
    let carol = json!([
        ["attempt", "transfer", [], { "to": "alice", "amount": if big { 1_i64 << 62 } else { 1 } }],
        ["return_call"],
    ]);
    let tool = json!([["attempt", "invoke", [], { "artifact": "tool", "max_spend": 20 }], ["burn", 1]]);
    let till = json!({
        "run": [call("pay", json!({ "to": "bob", "amount": 2 })), call("storage_set", json!({
            "key": "k", "value": "paid" })), ["return_call"]],
        "other": [["raise", "boom"]],
    });
    let gate = json!([["decide", { "deny": ["delete"], "only": ["alice", "till", "tool"], "cost": 0 }]]);
    let toll = json!([["decide", { "cost": 3, "recipient": "bob", "state_updates": { "seen": 1 } }]]);
    // Asking it asks it again, until the limit of depth.
    let maze = json!([call("read", json!({ "artifact": "maze" })), ["decide", {}]]);
    // A contract that pays for its own questions, if its caller allows.
    let clerk = json!([["attempt", "invoke", [], { "artifact": "tool", "max_spend": 9 }], ["decide", {}]]);
    // Contracts that others pay for: the owner of what they guard, in part, and whoever gave a mandate.
    let split = json!([["decide", {
        "cost": 5, "recipient": "carol", "cost_model": "split", "shares": { "invoker": 1, "owner": 3 },
    }]]);
    let patron = json!([["burn", 3], ["decide", { "cost": 2, "cost_model": { "payer": "alice" } }]]);
    let public = Some("genesis_contract_public".to_owned());
    let carol = Founder {
        has_loop: true,
        code: Some(carol.to_string().into()),
        price: if big { 1 << 62 } else { 1 },
        access_contract: Some("genesis_contract_freeware".into()),
        ..principal("carol", 20)
    };
    let founders = vec![
        Founder {
            memory_artifact: Some("notes".into()),
            ..principal("alice", if big { (1 << 62) + 100 } else { 100 })
        },
        Founder {
            memory_artifact: Some("board".into()),
            ..principal("bob", if big { (1 << 62) - 500 } else { 30 })
        },
        carol,
        Founder { price: 2, ..made("tool", "alice", tool) },
        Founder {
            owner: Some("bob".into()),
            code: Some(till.to_string().into()),
            access_contract: Some("genesis_contract_freeware".into()),
            ..principal("till", 6)
        },
        Founder {
            code: Some(json!([["return_call"]]).to_string().into()),
            access_contract: public.clone(),
            price: 1,
            pays: Some(Pays::Itself),
            ..principal("wild", 9)
        },
        Founder {
            access_contract: public,
            content: Value::from("a zz").into(),
            owner: Some("bob".into()),
            ..Founder::new("pad")
        },
        // A contract whose answer is none denies.
        made("husk", "alice", json!([["return", null]])),
        Founder { access_contract: Some("husk".into()), ..made("wing", "alice", json!([["return_call"]])) },
        Founder {
            kind: "memory".into(),
            owner: Some("alice".into()),
            access_contract: Some("genesis_contract_private".into()),
            ..Founder::new("notes")
        },
        Founder {
            kind: "memory".into(),
            owner: Some("bob".into()),
            access_contract: Some("toll".into()),
            ..Founder::new("board")
        },
        made("gate", "bob", gate),
        made("clerk", "bob", clerk),
        Founder { access_contract: Some("toll".into()), ..made("road", "alice", json!([["return_call"]])) },
        Founder { access_contract: Some("clerk".into()), ..made("desk", "bob", json!([["return_call"]])) },
        made("toll", "bob", toll),
        made("split", "bob", split),
        Founder { content: json!({ "resources": "owner" }).into(), ..made("patron", "bob", patron) },
        Founder { access_contract: Some("split".into()), ..made("inn", "alice", json!([["return_call"]])) },
        Founder { access_contract: Some("patron".into()), ..made("yard", "alice", json!([["return_call"]])) },
        Founder { access_contract: Some("patron".into()), ..made("hall", "bob", json!([["return_call"]])) },
        Founder { access_contract: Some("maze".into()), ..made("maze", "bob", maze) },
        Founder {
            content: Value::from("abcd").into(),
            access_contract: Some("gate".into()),
            owner: Some("alice".into()),
            ..Founder::new("vault")
        },
    ];
    let looked_at = founders
        .into_iter()
        .map(|founder| Founder { decides: founder.code.as_deref().is_some_and(decides), ..founder });
    looked_at.collect()
}
