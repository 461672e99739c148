//! Lists of orders: late, in pages, and a page can be asked for only so long.

use std::collections::BTreeMap;

use crossdock_model::Timestamp;
use serde_json::{Value, json};

use super::account::Account;
use super::body::{read, written};
use super::http::{Reply, refused};

/// Searches that are not at their end.
#[derive(Debug, Default)]
pub(super) struct Searches {
    open: BTreeMap<String, Search>,
    count: u64,
}

/// What of a search is not told yet.
#[derive(Debug, Clone)]
struct Search {
    orders: Vec<usize>,
    seen_at: Timestamp,
    before: Timestamp,
    ends_at: Timestamp,
}

/// A query's pairs.
pub(super) type Query = BTreeMap<String, String>;

impl Account {
    /// A page of the orders that changed, as they were a while ago.
    pub(super) fn search(&mut self, query: &Query, now: Timestamp) -> Reply {
        self.settle(now);
        self.searches.open.retain(|_, search| now < search.ends_at);
        let Some(after) = query.get("lastUpdatedAfter").and_then(|text| read(text)) else {
            return refused(400, "InvalidInput", "lastUpdatedAfter is required here");
        };
        let search = match query.get("paginationToken") {
            Some(token) => match self.searches.open.get(token) {
                Some(search) => search.clone(),
                None => return refused(400, "InvalidInput", "paginationToken is not valid"),
            },
            None => self.find(after, query, now),
        };
        (200, self.page(search))
    }

    fn find(&self, after: Timestamp, query: &Query, now: Timestamp) -> Search {
        let seen_at = now - self.options.list_lag;
        let asked = query.get("lastUpdatedBefore").and_then(|text| read(text));
        let before = asked.map_or(seen_at, |asked| asked.min(seen_at));
        let by = query.get("fulfilledBy").map(String::as_str);
        let changed = |(at, order): (usize, &super::Order)| {
            let is_asked_for = by.is_none_or(|by| (by == "AMAZON") == order.is_amazons());
            let (since, _) = order.state_at(seen_at)?;
            (is_asked_for && after <= since && since <= before).then_some((since, at))
        };
        let mut found: Vec<(Timestamp, usize)> =
            self.orders.iter().enumerate().filter_map(changed).collect();
        found.sort_unstable();
        Search {
            orders: found.into_iter().map(|(_, at)| at).collect(),
            seen_at,
            before,
            ends_at: now + self.options.page_life,
        }
    }

    fn page(&mut self, mut search: Search) -> Value {
        let size = self.options.page_orders_max.min(search.orders.len());
        let rest = search.orders.split_off(size);
        let marketplace = &self.options.marketplace;
        let told = |at: &usize| {
            let order = &self.orders[*at];
            let state = order.state_at(search.seen_at)?;
            Some(order.body(marketplace, state))
        };
        let orders: Vec<Value> = search.orders.iter().filter_map(told).collect();
        let mut page = json!({ "orders": orders, "lastUpdatedBefore": written(search.before) });
        if !rest.is_empty() {
            self.searches.count += 1;
            let token = format!("page-{}", self.searches.count);
            page["pagination"] = json!({ "nextToken": token });
            search.orders = rest;
            self.searches.open.insert(token, search);
        }
        page
    }

    /// An order as it is now.
    pub(super) fn get(&mut self, id: &str, now: Timestamp) -> Reply {
        self.settle(now);
        let Some(order) = self.order(id) else {
            return refused(404, "NotFound", "the order is not known");
        };
        let body = order.body(&self.options.marketplace, order.now_and_since());
        (200, json!({ "order": body }))
    }
}
