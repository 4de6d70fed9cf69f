//! The form in bytes in which code's calls and answers go to another process and back.

use oikos_kernel::{
    code::{
        CallInfo, CodeAnswer, CodeCall, CodeFailure, CodeLimits, Entry, FailureKind, HostAnswer, HostCall,
        Meter,
    },
    host_fn::{self, Function, HostFn, LedgerFn},
    op::OpKind,
    time::Time,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

/// The bytes of a message, which must be the message again.
fn bytes<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(message: &T) -> Vec<u8> {
    let bytes = postcard::to_stdvec(message).unwrap();
    let back: T = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(&back, message);
    bytes
}

fn call(entry: Entry) -> CodeCall {
    CodeCall {
        source: "def run(x):\n    return x".into(),
        file: "tool".into(),
        entry,
        args: vec![json!({ "b": [1, 1.0, -0.0, null], "a": "ü" }), json!(i64::MIN)],
        me: "tool".into(),
        call: CallInfo {
            caller: Some("alice".into()),
            origin: None,
            paid: 7,
            given: vec![json!({ "resource": "cpu", "amount": 1 })],
        },
        parameters: Some(json!({ "harvest": 11, "b": [1.0] }).into()),
        now: Time::parse("2026-01-01T00:00:00.5Z").unwrap(),
        seed: u64::MAX,
        limits: CodeLimits { work: 100, memory_bytes: 6, output_bytes: 8, measure_cpu: true },
    }
}

#[test]
fn calls_and_answers_go_and_come_back_as_they_were() {
    let mut all = Vec::new();
    for entry in [Entry::Snippet, Entry::Method("run".into()), Entry::Check, Entry::Step] {
        all.extend(bytes(&call(entry)));
    }
    let functions = OpKind::ALL.map(HostFn::Op).into_iter();
    let functions =
        functions.chain(Function::ALL.map(HostFn::Function)).chain(LedgerFn::ALL.map(HostFn::Ledger));
    let meter = Meter { work: 3, cpu_ns: 4, memory_bytes: 5 };
    for function in functions {
        let kwargs = Map::from_iter([("z".to_owned(), json!(1)), ("a".to_owned(), json!([]))]);
        let call = HostCall { function, args: vec![Value::Null, json!("x")], kwargs };
        all.extend(bytes(&CodeAnswer::Call { call, meter }));
    }
    let failure = CodeFailure {
        exception: Some("no".into()),
        own_words: true,
        defines: vec!["run".into()],
        traceback: "Traceback".into(),
        ..CodeFailure::plain(FailureKind::Raised, "ValueError: no")
    };
    for result in [Ok(json!({ "b": 1, "a": 2 })), Ok(Value::Null), Err(failure)] {
        all.extend(bytes(&CodeAnswer::Done { result, meter, output: "said\n".into() }));
    }
    all.extend(bytes(&HostAnswer::Value(json!([{ "b": 1, "a": 2 }]))));
    all.extend(bytes(&HostAnswer::Raise("not_found: no".into())));
    // A change of the form changes this hash: both ends must know of it.
    assert_eq!(blake3::hash(&all).to_hex()[..16], *"23b60d0500b0187b");
}

#[test]
fn the_documentation_lists_every_host_function() {
    let page = include_str!("../../../../docs/python.md");
    assert!(page.contains(&host_fn::reference()), "put this into it:\n{}", host_fn::reference());
    for spec in Function::ALL.map(|function| (function.as_str(), function.spec())) {
        assert!(spec.1.call.starts_with(&format!("{}(", spec.0)), "{}", spec.0);
    }
    for (name, spec) in LedgerFn::ALL.map(|function| (function.as_str(), function.spec())) {
        assert_eq!(spec.call, format!("ledger.{name}({})", spec.args.join(", ")));
    }
}
