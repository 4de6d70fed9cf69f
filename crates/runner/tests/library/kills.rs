//! Killed around what is due: a journal that ends after any record of the runs around it goes on to the same end.

use oikos_runner::{
    Journal, Live, Stop,
    kernel::record::{Cause, Record},
};

use crate::{
    door::{workplace, world_file},
    records::records,
};

/// Agents that bid, ask, post and vote by themselves, so that the mint, a vote and a task are due within the run.
fn world(execution: &str) -> String {
    format!(
        r#"
[world]
name = "kills"
[execution]
{execution}
[mint]
every = "90s"
slots = 2
[resources.disk]
kind = "allocatable"
total = "400 kB"
[[agents]]
id = "ann"
scrip = 100
code = """
def step(observation):
    if storage_get('begun') is None:
        return [
            {{'op': 'store', 'key': 'begun', 'value': 1}},
            {{'op': 'write', 'artifact': 'a', 'code': 'def run(): return 1', 'price': 1}},
            {{'op': 'invoke', 'artifact': 'genesis_mint', 'method': 'bid', 'args': ['a'], 'pay': 20}},
            {{'op': 'invoke', 'artifact': 'genesis_vote', 'method': 'propose', 'args': ['x', ['yes', 'no'], '80s']}},
            {{'op': 'invoke', 'artifact': 'genesis_tasks', 'method': 'post', 'args': ['x', [{{'args': [], 'result': 2}}], [], 7, '75s'], 'pay': 7}},
        ]
    return {{'op': 'noop'}}
"""
[[agents]]
id = "bob"
scrip = 100
code = """
def step(observation):
    number = storage_get('n', 0)
    count = {{'op': 'store', 'key': 'n', 'value': number + 1}}
    if number == 0:
        return [
            count,
            {{'op': 'write', 'artifact': 'b', 'code': 'def run(): return 1'}},
            {{'op': 'invoke', 'artifact': 'genesis_mint', 'method': 'bid', 'args': ['b'], 'pay': 30}},
            {{'op': 'write', 'artifact': 'b2', 'code': 'def run(): return 1'}},
            {{'op': 'invoke', 'artifact': 'genesis_mint', 'method': 'bid', 'args': ['b2'], 'pay': 5}},
        ]
    if number == 1:
        return [count, {{'op': 'invoke', 'artifact': 'genesis_vote', 'method': 'vote', 'args': ['vote_1', 'yes']}}]
    return {{'op': 'noop'}}
"""
"#
    )
}

fn run(live: &mut Live) {
    let goal = live.goal().expect("a goal");
    assert!(live.run_until(goal, &Stop::default(), |_, _| ()).expect("it runs").is_done());
}

fn is_due(record: &Record) -> bool {
    matches!(record.cause, Cause::Due { .. })
}

#[test]
fn a_world_that_was_killed_around_what_is_due_ends_as_if_it_had_not_been() {
    for execution in
        ["mode = \"tick\"\nticks = 5", "mode = \"autonomous\"\nduration = \"5m\"\npace = \"20s\""]
    {
        let text = world(execution);
        let mut whole = workplace().found(world_file(&*text), Journal::in_memory).expect("it is founded");
        run(&mut whole);
        let (digest, records) = (whole.world().digest(), records(&mut whole));
        let hash = whole.sequencer.journal().expect("no fault").head().journal_hash;
        let refused: Vec<&Record> = records.iter().filter(|record| !record.outcome.is_ok()).collect();
        assert!(refused.is_empty(), "{execution}: {refused:?}");
        let dues: Vec<usize> = (0..records.len()).filter(|at| is_due(&records[*at])).collect();
        // The mint takes a record for the round, one to share and one for the losers; vote and task end in their own.
        assert!(dues.len() >= 5, "{execution}: {dues:?}");
        let (first, last) = (dues[0] - 1, dues[dues.len() - 1] + 2);
        for end in first..=last.min(records.len()) {
            let folder = tempfile::tempdir().expect("a folder");
            let db = folder.path().join("w.oikos");
            drop(workplace().open_or_found(world_file(&*text), &db).expect("it is founded"));
            let mut journal = Journal::open(&db).expect("it opens");
            let founded = usize::try_from(journal.head().seq).expect("few");
            journal.append(&records[founded..end], &[]).expect("no fault");
            drop(journal);
            let mut live = workplace().open_or_found(world_file(&*text), &db).expect("it opens");
            assert_eq!(live.world().seq(), end as u64);
            run(&mut live);
            let told = format!("{execution}: after {end}, {:?}", records[end - 1].cause);
            assert_eq!(live.world().digest(), digest, "{told}");
            assert_eq!(live.sequencer.journal().expect("no fault").head().journal_hash, hash, "{told}");
            live.world().audit().expect("the books add up");
        }
    }
}
