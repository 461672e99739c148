//! Who may call, how often, and what goes wrong with a call.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_model::Timestamp;

use super::http::{Reply, refused};
use super::{Fault, Options};
use crate::Dice;

/// Operations, calls a second, and calls at once after a rest.
const PLANS: [(&str, f64, f64); 11] = [
    ("searchOrders", 0.0056, 20.0),
    ("getOrder", 0.5, 30.0),
    ("confirmShipment", 2.0, 10.0),
    ("patchListingsItem", 5.0, 5.0),
    ("getListingsItem", 5.0, 10.0),
    ("searchListingsItems", 5.0, 5.0),
    ("createFeedDocument", 0.5, 15.0),
    ("createFeed", 0.0083, 15.0),
    ("getFeed", 2.0, 15.0),
    ("getFeeds", 0.0222, 10.0),
    ("getFeedDocument", 0.0222, 10.0),
];

/// How often what happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Tokens that were granted.
    pub tokens: u64,
    /// Calls whose token was not good.
    pub denied: u64,
    /// Calls beyond the rate.
    pub throttled: u64,
    /// Calls that were not done and answered with 5xx.
    pub server_errors: u64,
    /// Calls that were done and not answered.
    pub lost_answers: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    per_s: f64,
    burst: f64,
    left: f64,
    at: Timestamp,
}

impl Bucket {
    #[expect(clippy::cast_precision_loss, reason = "a span of time")]
    fn take(&mut self, now: Timestamp) -> bool {
        let passed_s = now.since(self.at).as_ms() as f64 / 1000.0;
        self.left = (self.left + passed_s * self.per_s).min(self.burst);
        self.at = now.max(self.at);
        let granted = self.left >= 1.0;
        if granted {
            self.left -= 1.0;
        }
        granted
    }
}

/// Where every call goes through.
#[derive(Debug)]
pub(super) struct Gate {
    options: Options,
    tokens: BTreeMap<String, Timestamp>,
    buckets: BTreeMap<&'static str, Bucket>,
    dice: Dice,
    pub(super) seen: Seen,
    /// What happens to the next call of an operation.
    due: BTreeSet<(Fault, &'static str)>,
    happened: BTreeMap<(Fault, &'static str), u64>,
}

impl Gate {
    pub(super) fn new(options: Options, now: Timestamp) -> Self {
        let full = |&(name, per_s, burst): &(&'static str, f64, f64)| {
            let bucket = Bucket {
                per_s,
                burst,
                left: burst,
                at: now,
            };
            (name, bucket)
        };
        Self {
            dice: Dice::new(options.seed ^ 0x6761_7465),
            options,
            tokens: BTreeMap::new(),
            buckets: PLANS.iter().map(full).collect(),
            seen: Seen::default(),
            due: BTreeSet::new(),
            happened: BTreeMap::new(),
        }
    }

    /// A token for whoever the seller authorised.
    pub(super) fn grant(&mut self, form: &BTreeMap<String, String>, now: Timestamp) -> Reply {
        let is = |name: &str, value: &str| form.get(name).is_some_and(|told| told == value);
        let known = is("grant_type", "refresh_token")
            && is("client_secret", &self.options.client_secret)
            && is("refresh_token", &self.options.refresh_token);
        if !known {
            let denied = serde_json::json!({
                "error": "invalid_grant",
                "error_description": "The request has an invalid grant parameter",
            });
            return (400, denied);
        }
        self.seen.tokens += 1;
        let token = format!("Atza|{}-{:016x}", self.seen.tokens, self.dice.bits());
        self.tokens.retain(|_, ends_at| now < *ends_at);
        let ends_at = now + self.options.token_life;
        self.tokens.insert(token.clone(), ends_at);
        let granted = serde_json::json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.options.token_life.as_ms() / 1000,
            "refresh_token": self.options.refresh_token,
        });
        (200, granted)
    }

    pub(super) fn set_faults(&mut self, faults: super::Faults) {
        self.options.faults = faults;
    }

    /// It happens to the next call of an operation.
    pub(super) fn surely(&mut self, fault: Fault, operation: &'static str) {
        self.due.insert((fault, operation));
    }

    /// How often it happened to calls of an operation.
    pub(super) fn happened(&self, fault: Fault, operation: &'static str) -> u64 {
        let times = self.happened.get(&(fault, operation));
        times.copied().unwrap_or_default()
    }

    fn note(&mut self, fault: Fault, operation: &'static str) {
        *self.happened.entry((fault, operation)).or_default() += 1;
    }

    /// Whether the answer to a call that was made is lost; `is_done`: it was not refused.
    pub(super) fn loses(&mut self, operation: &'static str, is_done: bool) -> bool {
        let by_chance = self.dice.happens(self.options.faults.lost_answers);
        let is_lost = by_chance | (is_done && self.due.remove(&(Fault::LostAnswer, operation)));
        self.seen.lost_answers += u64::from(is_lost);
        if is_lost && is_done {
            self.note(Fault::LostAnswer, operation);
        }
        is_lost
    }

    /// No token is good any more.
    pub(super) fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    /// Whether a call may be made.
    pub(super) fn pass(
        &mut self,
        operation: &'static str,
        token: Option<&str>,
        now: Timestamp,
    ) -> Result<(), Reply> {
        let token = token.unwrap_or_default();
        if self.dice.happens(self.options.faults.lost_tokens) {
            self.tokens.remove(token);
        }
        if self.tokens.get(token).is_none_or(|ends_at| *ends_at <= now) {
            self.seen.denied += 1;
            let message = "Access to requested resource is denied.";
            return Err(refused(403, "Unauthorized", message));
        }
        let bucket = self.buckets.get_mut(operation);
        let is_over = bucket.is_none_or(|bucket| !bucket.take(now));
        if is_over | self.due.remove(&(Fault::TooMany, operation)) {
            self.seen.throttled += 1;
            self.note(Fault::TooMany, operation);
            let message = "You exceeded your quota for the requested resource.";
            return Err(refused(429, "QuotaExceeded", message));
        }
        let by_chance = self.dice.happens(self.options.faults.server_errors);
        if by_chance | self.due.remove(&(Fault::ServerError, operation)) {
            self.seen.server_errors += 1;
            self.note(Fault::ServerError, operation);
            let status = if self.dice.happens(0.5) { 500 } else { 503 };
            return Err(refused(
                status,
                "InternalFailure",
                "We encountered an internal error.",
            ));
        }
        Ok(())
    }

    /// What the header says of an operation's rate.
    pub(super) fn rate(&self, operation: &str) -> Option<f64> {
        self.buckets.get(operation).map(|bucket| bucket.per_s)
    }
}
