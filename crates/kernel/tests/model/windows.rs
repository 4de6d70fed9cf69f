//! Windows against an oracle that sums every use anew.

use oikos_kernel::{
    founding::{Founder, Founding},
    op::{Action, Op, OpKind},
    refusal::Code,
    rules::{Renewal, ResourceId, ResourceKind, ResourceRule, Rules},
    time::Time,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{config, support::Toy};

const ACTIONS: ResourceId = ResourceId(3);

/// One schedule: a window, a rate, where it begins, and uses after so many milliseconds.
#[derive(Clone, Debug)]
struct Schedule {
    window_ms: i64,
    rate: i64,
    start_ms: i64,
    tick_ms: Option<i64>,
    uses: Vec<(i64, usize)>,
}

prop_compose! {
    fn schedule()(
        window_ms in prop_oneof![1_i64..8, 8_i64..300, 1_000_i64..100_000],
        rate in 0_i64..40,
        start_ms in prop_oneof![-5_000_i64..5_000, Just(1_767_225_600_000)],
        tick_ms in prop_oneof![Just(None), (1_i64..400).prop_map(Some)],
    )(
        uses in vec((prop_oneof![0..=0_i64, 0..=window_ms / 3, window_ms - 1..=window_ms + 1], 1_usize..12), 1..40),
        window_ms in Just(window_ms),
        rate in Just(rate),
        start_ms in Just(start_ms),
        tick_ms in Just(tick_ms),
    ) -> Schedule {
        Schedule { window_ms, rate, start_ms, tick_ms, uses }
    }
}

prop_compose! {
    /// Five calls a minute, asked for one by one, at any phase.
    fn five_a_minute()(
        start_ms in 1_767_225_600_000_i64..1_767_225_660_000,
        uses in vec((prop_oneof![Just(0_i64), 1_i64..20_000, 59_990_i64..60_010], Just(1_usize)), 6..60),
    ) -> Schedule {
        Schedule { window_ms: 60_000, rate: 5, start_ms, tick_ms: None, uses }
    }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn five_a_minute_lets_exactly_five_through_in_any_minute(schedule in five_a_minute()) {
        let used = check(&schedule);
        let tried = schedule.uses.iter().scan(schedule.start_ms, |now, (gap_ms, _)| {
            *now += gap_ms;
            Some(*now)
        });
        let mut admitted: Vec<i64> = Vec::new();
        for at in tried {
            let within = |since: i64| admitted.iter().filter(|used| since < **used && **used <= at).count();
            if within(at - 60_000) < 5 {
                admitted.push(at);
            }
        }
        assert_eq!(used, admitted);
        for first in &admitted {
            let within = admitted.iter().filter(|used| *first <= **used && **used < *first + 60_000).count();
            assert!(within <= 5, "{within} in the minute from {first}: {admitted:?}");
        }
    }

    #[test]
    fn a_window_never_lets_through_more_than_its_rate_and_waits_are_exact(schedule in schedule()) {
        check(&schedule);
    }
}

impl Schedule {
    /// Whether a use still counts: a rolling window lets go one window later, a tick at its next multiple.
    fn counts(&self, used_ms: i64, at_ms: i64) -> bool {
        let tick = |ms: i64, at: i64| (at - self.start_ms).div_euclid(ms);
        match self.tick_ms {
            None => at_ms < used_ms + self.window_ms,
            Some(ms) => tick(ms, used_ms) == tick(ms, at_ms),
        }
    }

    fn free(&self, used: &[(i64, i64)], at_ms: i64) -> i64 {
        let live = used.iter().filter(|(used_ms, _)| self.counts(*used_ms, at_ms));
        self.rate - live.map(|(_, amount)| amount).sum::<i64>()
    }

    /// The wait for an amount, found by trying each instant at which a use may come back.
    fn wait_ms(&self, used: &[(i64, i64)], now_ms: i64, amount: i64) -> Option<i64> {
        let back = |used_ms: i64| match self.tick_ms {
            None => used_ms + self.window_ms,
            Some(ms) => self.start_ms + ((used_ms - self.start_ms).div_euclid(ms) + 1) * ms,
        };
        let mut instants: Vec<i64> = used.iter().map(|(used_ms, _)| back(*used_ms)).collect();
        instants.push(now_ms);
        instants.retain(|at| *at >= now_ms);
        let first = instants.into_iter().filter(|at| self.free(used, *at) >= amount).min()?;
        // Nothing comes back between those instants, so a millisecond earlier is too early.
        assert!(first == now_ms || self.free(used, first - 1) < amount);
        Some(first - now_ms)
    }
}

/// Runs a schedule beside the oracle; gives when each use was.
fn check(schedule: &Schedule) -> Vec<i64> {
    let start = Time::from_ms(schedule.start_ms).unwrap();
    let mut rules = Rules::unlimited("windows", 1, start);
    let kind = ResourceKind::Renewable { window_ms: schedule.window_ms };
    rules.resources.push(ResourceRule { name: "actions".into(), kind });
    rules.costs.push((OpKind::Noop, ACTIONS, 1));
    if let Some(ms) = schedule.tick_ms {
        rules.renewal = Renewal::Tick { ms };
    }
    let mut alice = Founder { has_standing: true, ..Founder::new("alice") };
    alice.resources.insert("actions".into(), schedule.rate);
    let founding = Founding { rules, source: [0; 32], runtime: "toy".into(), founders: vec![alice] };
    let (mut world, _) = founding.found().unwrap();
    let (alice, mut toy) = (world.lookup("alice").unwrap(), Toy::new(&world));
    let mut used: Vec<(i64, i64)> = Vec::new();
    for (gap_ms, ops) in &schedule.uses {
        toy.wait_ms(*gap_ms);
        let (now, amount) = (toy.now.ms(), i64::try_from(*ops).unwrap());
        let free = schedule.free(&used, now);
        assert_eq!(world.capacity(alice, ACTIONS, toy.now), free);
        let query = json!({
            "op": "query", "what": "capacity", "of": "alice", "resource": "actions", "amount": amount,
        });
        let wait_ms = schedule.wait_ms(&used, now, amount);
        let Op::Query(query) = Action::parse(query).unwrap().ops.remove(0).op else { unreachable!() };
        let answer = toy.observe(&world, query).result();
        assert_eq!(answer["has"], json!(free >= amount));
        assert_eq!(answer["capacity"], json!(free));
        assert_eq!(answer["time_until_ms"], json!(wait_ms));
        let action: Value = vec![json!({ "op": "noop" }); *ops].into();
        let receipt = toy.act(&mut world, "alice", action);
        if free >= amount {
            assert!(receipt.outcome.is_ok(), "{receipt:?}");
            used.push((now, amount));
        } else {
            let refusal = receipt.refusal().unwrap();
            assert_eq!(refusal.code, Code::RateLimited);
            assert_eq!((refusal.need, refusal.have), (Some(amount), Some(free)));
        }
    }
    let most = used.iter().map(|(at, _)| schedule.rate - schedule.free(&used_until(&used, *at), *at)).max();
    assert!(most.unwrap_or(0) <= schedule.rate);
    assert_eq!(world.used(alice, ACTIONS), used.iter().map(|(_, amount)| amount).sum::<i64>());
    world.audit().unwrap();
    used.into_iter().map(|(at, _)| at).collect()
}

fn used_until(used: &[(i64, i64)], at_ms: i64) -> Vec<(i64, i64)> {
    used.iter().copied().filter(|(used_ms, _)| *used_ms <= at_ms).collect()
}
