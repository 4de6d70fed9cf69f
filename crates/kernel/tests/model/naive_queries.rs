//! The naive model's answers to queries.

use oikos_kernel::{limits, rules::ResourceKind};
use serde_json::{Value, json};

use super::{
    naive::{Fail, Model, fail},
    naive_ops::{Actor, Fields, text},
};

impl Model {
    pub(crate) fn query(&mut self, actor: &Actor, fields: &Fields) -> Result<Value, Fail> {
        let of = fields.get("of").and_then(Value::as_str).unwrap_or(&actor.me).to_owned();
        let holder = |model: &Self| match model.live(&of)?.standing {
            true => Ok(()),
            false => fail("invalid_argument"),
        };
        match text(fields, "what") {
            "balance" => holder(self).map(|()| self.get(&of).scrip.into()),
            "balances" => {
                for _ in 0..self.state.arts.len() {
                    self.look(&actor.payer, 2 * limits::PARTS_PER_ROW)?;
                }
                let holders = self.state.arts.iter().filter(|(_, art)| art.standing && !art.deleted);
                Ok(holders.map(|(id, art)| (id.clone(), Value::from(art.scrip))).collect())
            }
            "supply" => {
                let sum: i128 = self.state.arts.values().map(|art| i128::from(art.scrip)).sum();
                Ok(i64::try_from(sum).unwrap().into())
            }
            "recall" => self.recall(actor, fields),
            "price" => Ok(self.live(text(fields, "artifact"))?.price.into()),
            "capacity" => {
                holder(self)?;
                let resource = self.resource(text(fields, "resource"))?;
                let amount = fields.get("amount").and_then(Value::as_i64).unwrap_or(1);
                let free = self.free(&of, resource);
                let metered = self.kind(resource) == ResourceKind::Metered;
                Ok(json!({
                    "has": free >= amount, "capacity": if metered { Value::Null } else { free.into() },
                    "time_until_ms": self.wait(&of, resource, amount),
                }))
            }
            "permission" => {
                let (who, target) = (text(fields, "as").to_owned(), text(fields, "target").to_owned());
                self.live(&who)?;
                self.live(&target)?;
                let contract = self.get(&target).contract.clone();
                let verdict = self.verdict(actor, &who, text(fields, "action"), &target)?;
                Ok(json!({
                    "allowed": verdict["allowed"], "cost": verdict["cost"], "contract": contract,
                }))
            }
            other => panic!("the model doesn't know query {other}"),
        }
    }
}
