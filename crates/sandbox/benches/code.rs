//! The costs of code, in units of work and in CPU time: fresh runs of a trivial function, a contract's check with one
//! question, an agent's step of fifty lines, and compiling; and the memory of a call that waits.
//! `cargo bench -p oikos-sandbox --bench code`

#![expect(clippy::expect_used, clippy::panic, reason = "a bench may stop")]

use std::{path::Path, time::Duration};

use oikos_kernel::{
    code::{CallInfo, CodeAnswer, CodeCall, CodeLimits, Entry, HostAnswer},
    limits,
    time::Time,
};
use oikos_sandbox::{PythonSandbox, Sandbox as _};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

const ROUNDS: usize = 10;
const RUNS: u32 = 300;
const SUSPENDED: u64 = 200;

const TRIVIAL: &str = "def run(x):\n    return x + 1\n";
const RAISES: &str = "def run(x):\n    return x['a']\n";
const CHECK: &str = "def check_permission(caller, action, target, context, ledger):\n    if action in ('read', 'invoke'):\n        return {'allowed': True, 'reason': 'open', 'cost': 1}\n    if caller == target and ledger.get_scrip(caller) >= 1:\n        return {'allowed': True, 'reason': 'owner', 'cost': 0}\n    return {'allowed': False, 'reason': 'no', 'cost': 0}\n";
const STEP: &str = r#"
import math
PRICES = {"wheat": 4, "iron": 9, "cloth": 7}

def score(offer, stock):
    need = max(0, 10 - stock.get(offer["good"], 0))
    return need * PRICES.get(offer["good"], 1) - offer["price"] * offer["amount"]

def parse(mail):
    out = []
    for letter in mail:
        parts = letter["text"].split(" ")
        if len(parts) != 4 or parts[0] != "sell":
            continue
        try:
            amount, price = int(parts[2]), float(parts[3])
        except ValueError:
            continue
        out.append({"from": letter["from"], "good": parts[1], "amount": amount, "price": price})
    return out

def summary(stock):
    total, rows = 0, []
    for good in sorted(stock):
        value = stock[good] * PRICES.get(good, 1)
        total += value
        rows.append(f"{good}:{stock[good]}@{value}")
    return total, ", ".join(rows)

def step(seen):
    stock, money, ops = dict(seen["stock"]), seen["money"], []
    ranked = sorted(parse(seen["mail"]), key=lambda offer: (-score(offer, stock), offer["from"]))
    for offer in ranked:
        cost = offer["price"] * offer["amount"]
        if cost > money or score(offer, stock) <= 0:
            continue
        money -= cost
        stock[offer["good"]] = stock.get(offer["good"], 0) + offer["amount"]
        ops.append({"op": "transfer", "to": offer["from"], "amount": int(cost)})
    letters = {}
    for letter in seen["mail"]:
        letters[letter["from"]] = letters.get(letter["from"], 0) + 1
    total, text = summary(stock)
    mean = sum(letters.values()) / max(1, len(letters))
    spread = math.sqrt(sum((count - mean) ** 2 for count in letters.values()) / max(1, len(letters)))
    ops.append({"op": "write", "artifact": "log", "content": f"{text} {round(spread, 3)}"})
    return ops
"#;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let sandbox = PythonSandbox::open(Some(&folder), &mut |_| {}).expect("the runtime opens");
    let goods = ["wheat", "iron", "cloth", "salt"].into_iter().cycle();
    let mail: Vec<Value> = (0..12)
        .zip(goods)
        .map(|(at, good)| {
            json!({ "from": format!("ag{}", at % 5), "text": format!("sell {good} {} {}.0", at % 3 + 1, at % 7 + 2) })
        })
        .collect();
    let seen = json!([{ "stock": { "wheat": 3, "iron": 1 }, "money": 90, "mail": mail }]);
    let run = || Entry::Method("run".into());
    let check = json!(["a", "write", "a", {}]);
    for (name, call) in [
        ("x + 1", call(TRIVIAL, run(), json!([1]))),
        ("an exception", call(RAISES, run(), json!([{}]))),
        ("check with one question", call(CHECK, Entry::Check, check)),
        ("step of 50 lines", call(STEP, Entry::Step, seen)),
    ] {
        let work = end(&sandbox, call.clone());
        let time = best(|| (0..RUNS).for_each(|_| assert_eq!(end(&sandbox, call.clone()), work)));
        println!("{name}: {work} units of work, {:?}", time / RUNS);
    }
    let mut at = 0;
    let time = best(|| {
        for _ in 0..20 {
            at += 1;
            sandbox.check(&format!("{STEP}# {at}").into(), "agent").expect("it is Python");
        }
    });
    println!("compiling 50 lines: {:?}", time / 20);
    let before = anonymous_bytes();
    let waiting: Vec<_> = (0..SUSPENDED)
        .map(|_| sandbox.start(call(CHECK, Entry::Check, json!(["a", "write", "a", {}]))).suspended)
        .collect();
    let each = anonymous_bytes().saturating_sub(before) / SUSPENDED;
    println!("a suspended call: {each} bytes, of {} calls", waiting.len());
}

/// The memory of this process that no file holds, in bytes.
fn anonymous_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim_end_matches("kB").trim().parse::<u64>().unwrap_or(0) * 1_024
}

fn call(source: &str, entry: Entry, args: Value) -> CodeCall {
    CodeCall {
        source: source.into(),
        file: "tool".into(),
        entry,
        args: args.as_array().cloned().unwrap_or_default(),
        me: "tool".into(),
        call: CallInfo::default(),
        parameters: None,
        now: Time::default(),
        seed: 7,
        limits: CodeLimits {
            work: limits::WORK_PER_RUN,
            memory_bytes: limits::CODE_MEMORY_BYTES_MAX,
            output_bytes: limits::OUTPUT_BYTES_MAX,
            measure_cpu: false,
        },
    }
}

/// Runs a call to its end, and answers its work.
fn end(sandbox: &PythonSandbox, call: CodeCall) -> u64 {
    let work = call.limits.work;
    let mut progress = sandbox.start(call);
    loop {
        match (progress.answer, progress.suspended) {
            (CodeAnswer::Done { meter, .. }, _) => return meter.work,
            (CodeAnswer::Call { .. }, Some(suspended)) => {
                progress = suspended.resume(HostAnswer::Value(json!(5)), work);
            }
            (CodeAnswer::Call { call, .. }, None) => panic!("{call:?} can't be answered"),
        }
    }
}

/// The least CPU time of some rounds.
fn best(mut round: impl FnMut()) -> Duration {
    let times = (0..ROUNDS).map(|_| {
        let begun = cpu();
        round();
        cpu().saturating_sub(begun)
    });
    times.min().unwrap_or_default()
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
