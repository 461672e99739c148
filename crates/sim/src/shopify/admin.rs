//! The Admin API of the simulated shop: one document, carried out at one time.

mod catalogue;
mod fulfilment;
mod inventory;
mod orders;
mod subscriptions;

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::fault::Fault;
use super::graphql::{self, Field};
use super::keys::Known;
use super::store::Store;

/// Points of a change, beside those of its answer.
const CHANGE_COST: f64 = 10.0;
/// Points of a call at most.
const COST_MAX: f64 = 1000.0;

/// What becomes of an operation: its payload, or an error in the shop's words.
type Carried = Result<Value, Refusal>;

/// Why a document is not carried out.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    message: String,
}

impl Refusal {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// An operation: its name, what it costs beside its answer, and how it is carried out.
struct Operation {
    name: &'static str,
    cost: f64,
    run: fn(&mut Store, &Field, Timestamp) -> Carried,
}

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "nodes",
        cost: 0.0,
        run: inventory::nodes,
    },
    Operation {
        name: "inventorySetQuantities",
        cost: CHANGE_COST,
        run: inventory::set_quantities,
    },
    Operation {
        name: "orders",
        cost: 0.0,
        run: orders::changed,
    },
    Operation {
        name: "order",
        cost: 0.0,
        run: orders::one,
    },
    Operation {
        name: "node",
        cost: 0.0,
        run: orders::part,
    },
    Operation {
        name: "orderCancel",
        cost: CHANGE_COST,
        run: orders::cancel,
    },
    Operation {
        name: "fulfillmentOrderMove",
        cost: CHANGE_COST,
        run: fulfilment::relocate,
    },
    Operation {
        name: "fulfillmentCreate",
        cost: CHANGE_COST,
        run: fulfilment::create,
    },
    Operation {
        name: "productVariants",
        cost: 0.0,
        run: catalogue::variants,
    },
    Operation {
        name: "locations",
        cost: 0.0,
        run: catalogue::places,
    },
    Operation {
        name: "webhookSubscriptions",
        cost: 0.0,
        run: subscriptions::list,
    },
    Operation {
        name: "webhookSubscriptionCreate",
        cost: CHANGE_COST,
        run: subscriptions::create,
    },
];

impl Store {
    /// How often an operation was carried out.
    #[must_use]
    pub fn carried_out(&self, operation: &str) -> u64 {
        self.carried_out.get(operation).copied().unwrap_or_default()
    }

    /// Answers a call of the Admin API: `request` is its body.
    pub fn answer(&mut self, request: &Value, now: Timestamp) -> Value {
        let document = request.get("query").and_then(Value::as_str);
        let variables = request.get("variables").unwrap_or(&Value::Null);
        let parsed = graphql::parse(document.unwrap_or_default(), variables);
        let field = match parsed {
            Ok(field) => field,
            Err(message) => return refused(&Refusal::new("parseError", message)),
        };
        let mut operations = OPERATIONS.iter();
        let Some(operation) = operations.find(|one| one.name == field.name) else {
            let message = format!("Field '{}' doesn't exist on type 'QueryRoot'", field.name);
            return refused(&Refusal::new("undefinedField", message));
        };
        let cost = operation.cost + field.cost();
        if cost > COST_MAX {
            let message = format!(
                "Query cost is {cost}, which exceeds the single query max cost limit ({COST_MAX})"
            );
            return refused(&Refusal::new("MAX_COST_EXCEEDED", message));
        }
        if !self.points.has(cost, now) {
            self.faults.note(Fault::Throttled);
            return self.throttled(cost);
        }
        let selected = (operation.run)(self, &field, now).and_then(|payload| {
            let selected = field.select(&payload);
            selected.map_err(|message| Refusal::new("undefinedField", message))
        });
        match selected {
            Ok(payload) => {
                let actual = operation.cost + f64::from(things(&payload));
                if is_done(&payload) {
                    *self.carried_out.entry(operation.name).or_default() += 1;
                }
                self.points.pay(actual);
                json!({
                    "data": { (field.name): payload },
                    "extensions": { "cost": self.cost(cost, json!(actual)) },
                })
            }
            Err(refusal) => refused(&refusal),
        }
    }

    /// The answer to a call that is too costly now.
    pub(super) fn throttled(&self, cost: f64) -> Value {
        json!({
            "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
            "extensions": { "cost": self.cost(cost, Value::Null) },
        })
    }

    fn cost(&self, requested: f64, actual: Value) -> Value {
        let rate = self.points.rate();
        json!({
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": rate.maximum,
                "currentlyAvailable": self.points.left().floor(),
                "restoreRate": rate.restore_per_s,
            },
        })
    }
}

fn refused(refusal: &Refusal) -> Value {
    json!({
        "errors": [{ "message": refusal.message, "extensions": { "code": refusal.code } }],
    })
}

/// Whether an operation was carried out: it says otherwise in a list of errors.
fn is_done(payload: &Value) -> bool {
    let errors = ["userErrors", "orderCancelUserErrors"].map(|name| payload[name].as_array());
    errors.into_iter().flatten().all(Vec::is_empty)
}

/// Things in an answer: only what was answered is paid for.
fn things(value: &Value) -> u32 {
    match value {
        Value::Array(elements) => elements.iter().map(things).sum(),
        Value::Object(fields) if fields.contains_key("nodes") => things(&fields["nodes"]),
        Value::Object(fields) => 1 + fields.values().map(things).sum::<u32>(),
        _ => 0,
    }
}

/// A list. Which page of it is answered is said by the document.
fn list(nodes: impl IntoIterator<Item = Value>) -> Value {
    json!({ "nodes": nodes.into_iter().collect::<Vec<_>>() })
}

/// An error of an operation that was understood and not carried out.
fn user_error(code: &str, field: &[&str], message: &str) -> Value {
    json!({ "code": code, "field": field, "message": message })
}

/// Carries out what is named by a key once: a repeat is answered as the first time.
fn once(
    store: &mut Store,
    field: &Field,
    run: impl FnOnce(&mut Store) -> Carried,
    failed: impl FnOnce(Value) -> Value,
) -> Carried {
    let key = field.directive("idempotent", "key").and_then(Value::as_str);
    let Some(key) = key.filter(|key| !key.trim().is_empty()) else {
        let message = format!("The @idempotent directive is required for {}", field.name);
        return Err(Refusal::new("BAD_REQUEST", message));
    };
    let asked = field.argument("input");
    let (code, message) = match store.keys.look_up(key, asked) {
        Known::New => {
            let answer = run(store)?;
            let errors = answer["userErrors"].as_array();
            let is_done = errors.is_none_or(Vec::is_empty);
            let kept = is_done.then(|| answer.clone());
            store.keys.note(key, asked.clone(), kept);
            return Ok(answer);
        }
        Known::Answered(answer) => return Ok(answer),
        Known::Failed => (
            "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
            "A previous request with this idempotency key failed",
        ),
        Known::Other => (
            "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
            "The same idempotency key cannot be used with different operation parameters",
        ),
    };
    Ok(failed(user_error(code, &[], message)))
}
