//! What customers asked for and what they were told, kept outside the server: what its books are judged by.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::shop;

/// Of these there are always enough.
pub const PLENTY: &str = "PLENTY";
/// Of these there are fewer than are asked for.
pub const SCARCE: &str = "SCARCE";
/// One in so many of those who can be refused asks for what is scarce.
const ASKS_PER_SCARCE: u64 = 10;
/// Longest life of a hold, in seconds.
pub const HOLD_S_MAX: u64 = 86_400;

/// Where something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The shop states a sale.
    Webhook,
    /// `POST /v1/orders`, which may refuse.
    Order,
    /// `POST /v1/holds`, likewise.
    Hold,
}

/// One unit that somebody asks for. Its number says all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish(pub u64);

impl Wish {
    pub fn way(self) -> Way {
        match self.0 % 3 {
            0 => Way::Webhook,
            1 => Way::Order,
            _ => Way::Hold,
        }
    }

    pub fn sku(self) -> &'static str {
        let can_be_refused = self.way() != Way::Webhook;
        match can_be_refused && (self.0 / 3).is_multiple_of(ASKS_PER_SCARCE) {
            true => SCARCE,
            false => PLENTY,
        }
    }

    /// The order that it makes, if it makes one.
    pub fn order(self) -> Option<String> {
        match self.way() {
            Way::Webhook => Some(format!("shop:{}", self.0)),
            Way::Order => Some(format!("api:{}", self.0)),
            Way::Hold => None,
        }
    }

    pub fn key(self) -> String {
        format!("wish-{}", self.0)
    }

    /// What is sent for it; a hold lasts so many seconds.
    pub fn body(self, hold_s: u64) -> Value {
        let line = json!({ "line": "1", "sku": self.sku(), "units": 1 });
        match self.way() {
            Way::Webhook => shop::order(self.0, &[(self.sku(), 1)]),
            Way::Order => json!({
                "external_id": self.0.to_string(), "destination": { "country": "US" }, "lines": [line],
            }),
            Way::Hold => json!({ "lines": [line], "expires_in_s": hold_s }),
        }
    }
}

/// What a customer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It is kept. With what the answer said of it for good.
    Kept(Value),
    Refused,
}

/// What the server's books say.
#[derive(Debug, Default, Clone)]
pub struct Books {
    /// Orders as listed, without those that were refused.
    pub orders: Vec<String>,
    pub shelves: BTreeMap<String, Shelf>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Shelf {
    pub on_hand: i64,
    pub committed: i64,
    pub held: i64,
}

/// What must never be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// It was acknowledged and is not there.
    Lost(String),
    /// It is there more than once, or nobody was told of it.
    Doubled(String),
    /// More is promised than there is.
    Oversold(String),
    /// A repeat was answered otherwise than what it repeats.
    Changed(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(what) => write!(f, "lost: {what}"),
            Self::Doubled(what) => write!(f, "doubled: {what}"),
            Self::Oversold(what) => write!(f, "oversold: {what}"),
            Self::Changed(what) => write!(f, "answered otherwise: {what}"),
        }
    }
}

/// Every wish so far, with what was told of it.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    wishes: BTreeMap<Wish, Option<Told>>,
    stocked: BTreeMap<String, i64>,
    changed: Vec<Wrong>,
}

impl Ledger {
    /// So many units of a SKU are there to be promised.
    pub fn stocked(&mut self, sku: &str, units: u32) {
        *self.stocked.entry(sku.to_owned()).or_default() += i64::from(units);
    }

    /// A wish that nobody had yet.
    pub fn next(&mut self) -> Wish {
        let last = self.wishes.last_key_value().map_or(0, |(wish, _)| wish.0);
        let next = Wish(last + 1);
        self.wishes.insert(next, None);
        next
    }

    /// Notes an answer. One that is answered again must be answered the same.
    pub fn told(&mut self, wish: Wish, told: Told) {
        match self.wishes.insert(wish, Some(told.clone())).flatten() {
            Some(before) if before != told => {
                let what = format!("{wish:?}: {before:?}, then {told:?}");
                self.changed.push(Wrong::Changed(what));
            }
            _ => {}
        }
    }

    /// Wishes whose answer nobody heard, first the oldest.
    pub fn unanswered(&self) -> Vec<Wish> {
        let open = self.wishes.iter().filter(|(_, told)| told.is_none());
        open.map(|(wish, _)| *wish).collect()
    }

    /// The newest wishes that were kept, as many as that.
    pub fn newest_kept(&self, count: usize) -> Vec<Wish> {
        self.kept().rev().take(count).collect()
    }

    /// Forgets what was told after that moment: it was told by a machine that has lost its power since.
    pub fn rewind(&mut self, moment: &Self) {
        for (wish, told) in &mut self.wishes {
            *told = moment.wishes.get(wish).cloned().flatten();
        }
    }

    fn kept(&self) -> impl DoubleEndedIterator<Item = Wish> {
        let kept = |told: &Option<Told>| matches!(told, Some(Told::Kept(_)));
        self.wishes
            .iter()
            .filter(move |(_, told)| kept(told))
            .map(|(wish, _)| *wish)
    }

    /// Orders that were acknowledged.
    pub fn orders(&self) -> usize {
        self.kept().filter(|wish| wish.order().is_some()).count()
    }

    /// Holds that were acknowledged.
    pub fn holds(&self) -> usize {
        self.kept().filter(|wish| wish.order().is_none()).count()
    }

    /// Everything that is wrong in the books, once every wish is answered and nothing is under way.
    pub fn judge(&self, books: &Books) -> Vec<Wrong> {
        let mut wrongs = self.changed.clone();
        let open = self.unanswered();
        assert!(open.is_empty(), "judged too early: {open:?} are unanswered");
        wrongs.extend(self.judge_orders(books));
        for (sku, units) in &self.stocked {
            let shelf = books.shelves.get(sku).cloned().unwrap_or_default();
            wrongs.extend(self.judge_shelf(sku, *units, &shelf));
        }
        wrongs
    }

    fn judge_orders(&self, books: &Books) -> Vec<Wrong> {
        let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
        for order in &books.orders {
            *listed.entry(order).or_default() += 1;
        }
        let mut wrongs = Vec::new();
        for order in self.kept().filter_map(Wish::order) {
            match listed.remove(order.as_str()) {
                None => wrongs.push(Wrong::Lost(order)),
                Some(1) => {}
                Some(times) => {
                    wrongs.push(Wrong::Doubled(format!("{order} is listed {times} times")));
                }
            }
        }
        let strays = listed.keys();
        wrongs.extend(strays.map(|order| Wrong::Doubled(format!("{order}: nobody has it"))));
        wrongs
    }

    fn judge_shelf(&self, sku: &str, stocked: i64, shelf: &Shelf) -> Vec<Wrong> {
        let wishes = |is_order: bool| {
            let of_sku = self.kept().filter(|wish| wish.sku() == sku);
            let count = of_sku
                .filter(|wish| wish.order().is_some() == is_order)
                .count();
            i64::try_from(count).unwrap()
        };
        let (ordered, held) = (wishes(true), wishes(false));
        let table = [
            ("ordered", ordered, shelf.committed),
            ("held", held, shelf.held),
            ("in the house", stocked, shelf.on_hand),
        ];
        let mut wrongs = Vec::new();
        for (what, expected, found) in table {
            let what = format!("{found} units of {sku} {what}, not {expected}");
            match found {
                _ if found < expected => wrongs.push(Wrong::Lost(what)),
                _ if found > expected => wrongs.push(Wrong::Doubled(what)),
                _ => {}
            }
        }
        let promised = (ordered + held).max(shelf.committed + shelf.held);
        if promised > stocked {
            let what = format!("{promised} of {stocked} units of {sku}");
            wrongs.push(Wrong::Oversold(what));
        }
        wrongs
    }
}

/// Orders that must have succeeded for a run to count.
pub const ORDERS_MIN: usize = 1_000;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Run {
    /// How often something was made to go wrong, and how often it was seen to.
    pub faults: usize,
    pub seen: usize,
    pub orders: usize,
    pub holds: usize,
    pub wrongs: Vec<Wrong>,
}

impl Run {
    /// Why it proves nothing, or what it proves wrong; empty if all is well.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints: Vec<String> = self.wrongs.iter().map(Wrong::to_string).collect();
        if self.seen < self.faults {
            let (seen, faults) = (self.seen, self.faults);
            complaints.push(format!("seen {seen} of {faults} faults"));
        }
        if self.orders < ORDERS_MIN {
            let orders = self.orders;
            complaints.push(format!("{orders} of {ORDERS_MIN} orders succeeded"));
        }
        complaints
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} faults seen; {} orders and {} holds acknowledged; wrong: {}",
            self.seen,
            self.faults,
            self.orders,
            self.holds,
            self.wrongs.len(),
        )
    }
}
