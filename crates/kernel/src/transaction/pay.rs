//! The payers of a permission: the cost models of contracts, and the agreement of those who pay for others.

use super::{
    Transaction,
    stack::{Actor, Ask, Task},
};
use crate::{
    artifact::stored_bytes,
    contract::{CostModel, Verdict},
    id::{Handle, Id},
    limits,
    op::bounded,
    record::{Effect, Why},
    refusal::{Code, Refusal},
    state::State,
};

/// The payments that an answer brings about.
pub(super) struct Settlement {
    recipient: Handle,
    shares: Vec<Share>,
}

/// The part of a cost that one principal pays.
#[derive(Clone, Copy)]
struct Share {
    payer: Handle,
    amount: i64,
    /// Whether it is the invoker's own, which `max_spend` bounds.
    is_invokers: bool,
}

/// Why a principal may be made to pay.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Agreement {
    /// It bears the prices of the op, which `max_spend` bounds.
    Bound,
    /// It, or its owner, owns the contract, and always did.
    Owner,
    /// It gave the contract a mandate.
    Mandate,
}

impl Transaction<'_> {
    /// Finds who pays whom, and looks at the changes of the contract's storage; all that is wrong is the
    /// contract's own failure.
    pub(super) fn check_verdict(
        &self,
        actor: Actor,
        ask: Ask,
        contract: Option<Handle>,
        verdict: &Verdict,
    ) -> Result<Settlement, String> {
        if let Some(contract) = contract {
            self.check_updates(contract, verdict)?;
        }
        let owner = self.draft.artifact(ask.target).map_or(ask.target, |target| target.owner);
        let recipient = match &verdict.recipient {
            Some(id) => self.party("recipient", id)?,
            None if verdict.cost > 0 => self.holder("recipient", owner)?,
            None => owner,
        };
        let payer = match &verdict.cost_model {
            CostModel::Payer(id) => self.party("cost_model", id)?,
            _ if verdict.cost == 0 => owner,
            CostModel::ArtifactPays => self.holder("cost_model", ask.target)?,
            CostModel::OwnerPays | CostModel::Split { .. } => self.holder("cost_model", owner)?,
            CostModel::InvokerPays => owner,
        };
        let shares = match actor.bearer.prices.filter(|_| verdict.cost > 0) {
            Some(invoker) => shares(verdict, invoker, payer),
            // A look that is charged to nobody is so for all.
            None => Vec::new(),
        };
        Ok(Settlement {
            recipient,
            shares: shares.into_iter().filter(|share| share.payer != recipient).collect(),
        })
    }

    fn check_updates(&self, contract: Handle, verdict: &Verdict) -> Result<(), String> {
        let Some(row) = self.draft.artifact(contract) else { return Ok(()) };
        let mut after = row.storage_bytes;
        for (key, value) in &verdict.updates {
            let most = limits::STORAGE_KEY_BYTES_MAX;
            if key.is_empty() || key.len() > most {
                return Err(format!("`state_updates`: a key is empty or longer than {most} bytes"));
            }
            bounded("state_updates", value, limits::STORAGE_VALUE_BYTES_MAX)
                .map_err(|refusal| refusal.message)?;
            after -= row.storage.get(key.as_str()).map_or(0, |old| stored_bytes(key, old));
            after += if value.is_null() { 0 } else { stored_bytes(key, &value.clone().into()) };
        }
        let most = limits::STATE_BYTES_MAX;
        if after > most.max(row.storage_bytes) {
            return Err(format!(
                "`state_updates`: its storage would grow to {after} bytes; the most is {most}"
            ));
        }
        Ok(())
    }

    /// The principal that a contract names.
    fn party(&self, key: &str, id: &str) -> Result<Handle, String> {
        let found = Id::parse(id).map_err(Refusal::from).and_then(|id| self.target(&id));
        let handle = found.map_err(|refusal| format!("`{key}`: {}", refusal.message))?;
        self.holder(key, handle)
    }

    fn holder(&self, key: &str, handle: Handle) -> Result<Handle, String> {
        if self.has_standing(handle) {
            return Ok(handle);
        }
        Err(format!("`{key}`: `{}` has no standing", self.name(handle)))
    }

    /// Refuses, while a mind thinks, a look that would cost or change something: a thought does neither. Its own
    /// artifacts are free to it.
    pub(super) fn check_looks(&self, ask: Ask, verdict: &Verdict) -> Result<(), Refusal> {
        if !self.is_looking() || (verdict.cost == 0 && verdict.updates.is_empty()) {
            return Ok(());
        }
        let (action, target) = (ask.action.word(), self.name(ask.target));
        if verdict.cost > 0 {
            let cost = verdict.cost;
            return Err(as_an_action(format!(
                "to {action} `{target}` costs {cost} scrip, and a thought pays for nothing"
            )));
        }
        let own = self.draft.artifact(ask.target).map(|target| target.owner) == self.actor.me;
        if own {
            return Ok(());
        }
        Err(as_an_action(format!(
            "the contract of `{target}` keeps account of who may {action} it, and a thought changes nothing"
        )))
    }

    /// Whether a mind looks, and asks no more than what something would cost.
    fn is_looking(&self) -> bool {
        let is_quote = matches!(self.stack.last(), Some(Task::Op(task)) if task.quote.is_some());
        self.is_thought() && self.trial.is_none() && !is_quote
    }

    /// Refuses, while a mind thinks, an invocation that has a price.
    pub(super) fn check_looks_at_price(
        &self,
        artifact: Handle,
        owner: Handle,
        price: i64,
    ) -> Result<(), Refusal> {
        if !self.is_looking() || price == 0 || self.actor.me == Some(owner) {
            return Ok(());
        }
        let name = self.name(artifact);
        Err(as_an_action(format!("to invoke `{name}` costs {price} scrip, and a thought pays for nothing")))
    }

    /// Takes the contract's cost, and applies its changes to its own storage.
    pub(super) fn settle_verdict(
        &mut self,
        actor: Actor,
        ask: Ask,
        contract: Option<Handle>,
        verdict: Verdict,
        settlement: &Settlement,
    ) -> Result<(), Refusal> {
        self.check_free(verdict.cost)?;
        // Nobody pays before all have agreed.
        let agreed: Vec<(Share, Agreement)> = settlement
            .shares
            .iter()
            .map(|share| self.agreement(actor, ask, contract, *share).map(|agreed| (*share, agreed)))
            .collect::<Result<_, _>>()?;
        let asks = contract.unwrap_or(ask.target);
        for (share, agreement) in agreed {
            self.take_share(ask, asks, share, agreement, settlement.recipient)?;
        }
        let Some(contract) = contract else { return Ok(()) };
        for (key, value) in verdict.updates {
            let value = (!value.is_null()).then(|| value.into());
            self.put(Effect::Store { artifact: contract, key, value })?;
        }
        Ok(())
    }

    /// Why a principal may be made to pay a share; a refusal if it may not.
    fn agreement(
        &self,
        actor: Actor,
        ask: Ask,
        contract: Option<Handle>,
        share: Share,
    ) -> Result<Agreement, Refusal> {
        // Without a contract in code only the invoker pays.
        let Some(contract) = contract.filter(|_| !share.is_invokers) else {
            return Ok(Agreement::Bound);
        };
        let payers_owner = self.draft.artifact(share.payer).map(|artifact| artifact.owner);
        let vouches = self.vouches_for(contract);
        if vouches.is_some() && (vouches == Some(share.payer) || vouches == payers_owner) {
            return Ok(Agreement::Owner);
        }
        let mandate = State::mandate(&self.draft, (share.payer, contract, None));
        if mandate.is_some_and(|mandate| mandate.allows(share.amount, self.now).is_ok()) {
            return Ok(Agreement::Mandate);
        }
        if actor.bearer.prices == Some(share.payer) {
            return Ok(Agreement::Bound);
        }
        Err(self.not_agreed(actor, ask, contract, share))
    }

    /// The owner of a contract who agrees to it by owning it: not one to whom it was handed over, who may neither
    /// have written nor wanted it.
    pub(super) fn vouches_for(&self, contract: Handle) -> Option<Handle> {
        let row = self.draft.artifact(contract).filter(|row| !row.changed_hands);
        row.map(|row| row.owner)
    }

    fn not_agreed(&self, actor: Actor, ask: Ask, contract: Handle, share: Share) -> Refusal {
        let Share { payer, amount, .. } = share;
        let (name, target) = (self.name(contract), self.name(ask.target));
        let (who, payer_name) = (actor.me.map_or("an observer", |me| self.name(me)), self.name(payer));
        let action = ask.action.word();
        let key = (payer, contract, None);
        let start = format!(
            "`{who}` may not {action} `{target}`: its contract `{name}` lets `{payer_name}` pay {amount} scrip"
        );
        let Err(why) = self.check_mandate(key, amount) else {
            return Refusal::new(Code::PermissionDenied, start);
        };
        if State::mandate(&self.draft, key).is_none() {
            let sentence = format!("{start}, and `{payer_name}` has not agreed to that");
            return Refusal::new(Code::PermissionDenied, sentence).hint(format!(
                "`{payer_name}` agrees by giving `{name}` a mandate, with the op `mandate`, or by having owned it from the beginning"
            ));
        }
        let mut refusal = Refusal { code: Code::PermissionDenied, ..why };
        refusal.message = format!("{start}, and {}", refusal.message);
        if let Some(about) = &mut refusal.about {
            about.sentence = format!("`{who}` may not {action} `{target}`: {}", about.sentence);
        }
        refusal
    }

    fn take_share(
        &mut self,
        ask: Ask,
        contract: Handle,
        share: Share,
        agreement: Agreement,
        to: Handle,
    ) -> Result<(), Refusal> {
        let Share { payer, amount, .. } = share;
        let key = (payer, contract, None);
        match agreement {
            Agreement::Bound => self.consent(payer, amount)?,
            Agreement::Owner => {}
            Agreement::Mandate => self.use_mandate(key, amount)?,
        }
        let paid =
            self.put(Effect::Pay { from: payer, to, amount, why: Why::ContractCost, of: Some(contract) });
        if agreement == Agreement::Bound {
            return paid;
        }
        paid.map_err(|mut refusal| {
            let (name, target) = (self.name(contract), self.name(ask.target));
            let lets = format!("`{name}`, the contract of `{target}`, lets `{}` pay", self.name(payer));
            refusal.message = format!("{lets}: {}", refusal.message);
            if let Some(about) = &mut refusal.about {
                about.sentence = format!("{lets}: {}", about.sentence);
            }
            refusal
        })?;
        if agreement == Agreement::Mandate {
            let reason = format!("{} {}", ask.action.word(), self.name(ask.target));
            self.tell_charge(key, to, amount, Some(reason));
        }
        Ok(())
    }
}

/// The parts of a cost; `payer` is the other than the invoker whom the model names.
fn shares(verdict: &Verdict, invoker: Handle, payer: Handle) -> Vec<Share> {
    let cost = verdict.cost;
    let own = |amount: i64| Share { payer: invoker, amount, is_invokers: true };
    let other = |amount: i64| Share { payer, amount, is_invokers: false };
    let shares = match &verdict.cost_model {
        CostModel::InvokerPays => vec![own(cost)],
        CostModel::OwnerPays | CostModel::ArtifactPays | CostModel::Payer(_) => vec![other(cost)],
        CostModel::Split { invoker, owner } => {
            let owners = part(cost, *owner, *invoker);
            vec![own(cost - owners), other(owners)]
        }
    };
    shares.into_iter().filter(|share| share.amount > 0).collect()
}

/// The part of a cost that `of` is beside `beside`, rounded down.
fn part(cost: i64, of: i64, beside: i64) -> i64 {
    let part = i128::from(cost) * i128::from(of) / (i128::from(of) + i128::from(beside));
    i64::try_from(part).unwrap_or(cost)
}

fn as_an_action(sentence: String) -> Refusal {
    Refusal::new(Code::LimitExceeded, sentence).hint("do it as an action: it is done then, and paid")
}
