//! Many threads at one desk: conserved, in one order, answered once, and refused when there are too many.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod door;

use std::sync::atomic::{AtomicU64, Ordering};

use oikos_runner::{Journal, Live, NotTaken, Stop, verify};
use serde_json::json;

use self::door::world_file;

const THREADS: usize = 64;
const ACTIONS: usize = 40;

const WORLD: &str = r#"
[[artifacts]]
id = "till"
has_standing = true

[[artifacts]]
id = "shop"
has_standing = true
code = """
def buy():
    buyer = storage_get('sold_to')
    if buyer is not None:
        raise ValueError(f'the painting was sold to {buyer}')
    storage_set('sold_to', call['caller'])
    return call['paid']
"""

[[agents]]
id = "p"
count = 64
scrip = 100
code = "def step(observation): return None"
"#;

fn live() -> Live {
    Live::found(world_file(WORLD), Journal::in_memory).expect("the world is founded")
}

#[test]
fn threads_submit_at_once_and_nothing_is_lost() {
    let mut live = live();
    let (desk, stop) = (live.desk(), Stop::default());
    let (sold, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let submitters: Vec<_> = (1..=THREADS)
            .map(|number| {
                let (desk, sold, refused) = (desk.clone(), &sold, &refused);
                scope.spawn(move || {
                    let me = format!("p_{number:03}");
                    // Real threads race for one thing: one has it, the others are told who.
                    let buy = json!({ "op": "invoke", "artifact": "shop", "method": "buy", "pay": 7 });
                    let receipt = desk.submit(&me, buy).expect("the desk is open");
                    match receipt.refusal() {
                        None => sold.fetch_add(1, Ordering::SeqCst),
                        Some(refusal) => {
                            assert!(refusal.message.contains("the painting was sold to p_"), "{refusal}");
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                    };
                    for turn in 0..ACTIONS {
                        // One in ten goes to one account.
                        let to = if turn % 10 == 0 { "till".into() } else { format!("p_{:03}", turn % THREADS + 1) };
                        let pay = json!({ "op": "transfer", "to": to, "amount": 1, "action_id": format!("a{turn}") });
                        let first = desk.submit(&me, pay.clone()).expect("the desk is open");
                        let again = desk.submit(&me, pay).expect("the desk is open");
                        assert_eq!(first.seq, again.seq, "an action id is one action");
                    }
                })
            })
            .collect();
        let asking = stop.clone();
        scope.spawn(move || {
            for submitter in submitters {
                submitter.join().expect("no thread fails");
            }
            asking.ask(oikos_runner::Why::ClosedPipe);
        });
        live.attend(&stop).expect("no fault");
    });
    assert_eq!((sold.into_inner(), refused.into_inner()), (1, 63));
    live.world().audit().expect("the books add up");
    assert_eq!(live.world().supply(), 6_400);
    let verified = verify(live.sequencer.journal().expect("no fault"), |_| ()).expect("the journal verifies");
    assert_eq!(verified.world.digest(), live.world().digest());
    drop(live);
    let late = desk.submit("p_001", json!({ "op": "noop" }));
    assert!(matches!(late, Err(NotTaken::Closed)), "{late:?}");
}
