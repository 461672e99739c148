//! What came of a demo: what shoppers hold and warehouses sent, by their own books, held against the journal.

use std::collections::{BTreeMap, BTreeSet};

use crossdock_sim::world::Missing;
use serde::Serialize;

use super::predicted::Lags;

/// Orders, and numbers, that are named which are not as they should be.
const NAMED_MAX: usize = 20;

/// Units by SKU.
pub(super) type Units = BTreeMap<String, u64>;

/// An order as whoever placed it holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub channel: String,
    /// When it was placed, in milliseconds since 1970.
    pub placed_at_ms: i64,
    pub ordered: Units,
    /// What is left of it after edits; nothing of a cancelled one.
    pub wanted: Units,
}

/// A parcel, as whoever sent it has it, or whoever was told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub order: String,
    /// The carrier's number; nothing if none was told.
    pub number: String,
    pub units: Units,
}

/// What the warehouses have in their books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shelves {
    /// Units that left, by order.
    pub left: BTreeMap<String, Units>,
    /// The parcels that they left in.
    pub parcels: Vec<Parcel>,
    /// Units that were asked for where there were none.
    pub missing: Vec<Missing>,
}

/// An order as the journal has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Journaled {
    /// How often it was received.
    pub received: u32,
    /// When it was received first, in milliseconds since 1970.
    pub received_at_ms: i64,
    /// Units of it that were sold when there were none.
    pub oversold: u64,
    /// Units of it that wait for stock.
    pub waiting: u64,
}

/// How a SKU sold out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SoldOut {
    /// How long it was in stock each time, until it was sold out.
    pub spans_ms: Vec<u64>,
    /// How long it was in stock in all.
    pub in_stock_ms: u64,
}

/// A number that a channel shows and should show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Number {
    pub channel: String,
    pub sku: String,
    pub shown: i64,
    pub should: i64,
}

/// Everything that the verdict rests on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Found {
    /// Orders of shoppers, by the id that the server gives them.
    pub held: BTreeMap<String, Held>,
    pub shelves: Shelves,
    /// Parcels that channels were told of, by their own books.
    pub told: Vec<Parcel>,
    /// Orders of the journal.
    pub journaled: BTreeMap<String, Journaled>,
    /// Orders that were asked for and refused: the journal may know them, nobody holds them.
    pub refused: BTreeSet<String>,
    /// Orders that were asked for and never answered: whether they are somebody's nobody can tell.
    pub unanswered: BTreeSet<String>,
    pub sold_out: BTreeMap<String, SoldOut>,
    /// Channels that ask before they sell.
    pub asking: BTreeSet<String>,
    /// Channels that have sold already.
    pub sold_already: BTreeSet<String>,
    pub numbers: Vec<Number>,
    /// How long changes took until each channel showed them.
    pub lags: BTreeMap<String, Lags>,
    pub lag_ms_p50: u64,
    pub lag_ms_p99: u64,
    /// How often each kind of fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// Whether nobody waited until what was under way had ended.
    pub is_broken_off: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Verdict {
    /// Orders that shoppers hold.
    pub orders: u64,
    /// Orders of which all that was wanted left.
    pub shipped: u64,
    /// Orders that were cancelled in time.
    pub cancelled: u64,
    /// Orders of which something waits for stock that is not there.
    pub waiting: u64,
    /// Orders that neither left nor wait nor were cancelled.
    pub unsettled: u64,
    /// Units that channels that ask sold beyond what there was.
    pub oversold_asking: u64,
    /// Units that each channel that had sold already sold beyond what there was.
    pub oversold_channels: BTreeMap<String, u64>,
    /// What the formulas say of those.
    pub predicted_oversold: BTreeMap<String, f64>,
    /// Orders that the journal does not know.
    pub lost: u64,
    /// Orders that the journal knows twice, or of which more left than was ordered, or that nobody placed.
    pub duplicated: u64,
    /// Numbers that channels show and should not.
    pub shown_wrong: u64,
    /// Parcels that channels were told of.
    pub told: u64,
    /// Parcels of which channels do not know what left.
    pub told_wrong: u64,
    pub lag_ms_p50: u64,
    pub lag_ms_p99: u64,
    pub faults: BTreeMap<&'static str, u64>,
    /// Whether every promise held, and every kind of fault happened.
    pub proved: bool,
    /// What keeps it from being proved, one sentence each.
    pub not_proved: Vec<String>,
}

impl Held {
    fn is_cancelled(&self) -> bool {
        self.wanted.values().all(|units| *units == 0)
    }
}

/// Whether at least so much of every SKU is there.
fn covers(there: &Units, wanted: &Units) -> bool {
    let is_there = |(sku, units): (&String, &u64)| there.get(sku).copied().unwrap_or(0) >= *units;
    wanted.iter().all(is_there)
}

impl Found {
    /// What came of it.
    pub(super) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict {
            orders: self.held.len() as u64,
            shipped: self.count(|order, held| self.is_shipped(order, held)),
            cancelled: self.count(|_, held| held.is_cancelled()),
            waiting: self.count(|order, held| self.waits(order, held)),
            unsettled: self.count(|order, held| self.is_unsettled(order, held)),
            oversold_asking: self.oversold(&self.asking).values().sum(),
            oversold_channels: self.oversold(&self.sold_already),
            predicted_oversold: self.predicted(),
            lost: self.count(|order, _| self.is_lost(order)),
            duplicated: self.duplicated(),
            shown_wrong: self.wrong_numbers().count() as u64,
            told: self.told.len() as u64,
            told_wrong: self.told_wrong(),
            lag_ms_p50: self.lag_ms_p50,
            lag_ms_p99: self.lag_ms_p99,
            faults: self.faults.clone(),
            proved: false,
            not_proved: Vec::new(),
        };
        let broken_off = "it was broken off: what was still under way counts as not done";
        let broken_off = self.is_broken_off.then(|| broken_off.to_owned());
        verdict.not_proved = broken_off.into_iter().chain(verdict.broken()).collect();
        verdict.proved = verdict.not_proved.is_empty();
        verdict
    }

    /// What may come right yet, without what takes long to reckon.
    pub(super) fn under_way(&self) -> Vec<String> {
        let open = [
            (
                self.count(|order, _| self.is_lost(order)),
                "orders not heard of",
            ),
            (
                self.count(|order, held| self.is_unsettled(order, held)),
                "orders not sent",
            ),
            (
                self.count(|order, held| self.waits(order, held)),
                "orders wait for stock",
            ),
            (self.wrong_numbers().count() as u64, "numbers not right"),
            (self.told_wrong(), "parcels not told"),
        ];
        let open = open.iter().filter(|(count, _)| *count > 0);
        open.map(|(count, what)| format!("{count} {what}"))
            .collect()
    }

    /// Orders of shoppers of which that is so.
    fn count(&self, is: impl Fn(&str, &Held) -> bool) -> u64 {
        let orders = self.held.iter().filter(|(order, held)| is(order, held));
        orders.count() as u64
    }

    fn wrong_numbers(&self) -> impl Iterator<Item = &Number> {
        self.numbers.iter().filter(|one| one.shown != one.should)
    }

    fn is_lost(&self, order: &str) -> bool {
        let known = self.journaled.get(order);
        known.is_none_or(|known| known.received == 0)
    }

    /// Whether all that is wanted of an order left.
    fn is_shipped(&self, order: &str, held: &Held) -> bool {
        let left = self.shelves.left.get(order);
        !held.is_cancelled() && left.is_some_and(|left| covers(left, &held.wanted))
    }

    fn waits(&self, order: &str, held: &Held) -> bool {
        let known = self.journaled.get(order);
        let is_waiting = known.is_some_and(|known| known.waiting > 0);
        is_waiting && !held.is_cancelled() && !self.is_shipped(order, held)
    }

    fn is_unsettled(&self, order: &str, held: &Held) -> bool {
        !held.is_cancelled() && !self.is_shipped(order, held) && !self.waits(order, held)
    }

    /// Orders and numbers that are not as they should be, one sentence each, some of many.
    pub(super) fn wrong(&self) -> Vec<String> {
        let orders = self.held.iter().filter_map(|(order, held)| {
            let is_lost = self.is_lost(order);
            let is_unsettled = self.is_unsettled(order, held);
            match (is_lost, is_unsettled) {
                (true, _) => Some(format!("{order} is not known to the server")),
                (false, true) => Some(format!("{order} neither left nor waits for stock")),
                (false, false) => None,
            }
        });
        let numbers = self.wrong_numbers().map(|one| {
            let Number {
                channel,
                sku,
                shown,
                should,
            } = one;
            format!("{channel} shows {shown} of {sku}, and should show {should}")
        });
        let mut wrong = some_of(orders.collect());
        wrong.extend(some_of(numbers.collect()));
        wrong
    }

    /// Units of each channel's orders that were sold, or promised, where there were none.
    fn oversold(&self, channels: &BTreeSet<String>) -> BTreeMap<String, u64> {
        let mut oversold: BTreeMap<String, u64> = channels
            .iter()
            .map(|channel| (channel.clone(), 0))
            .collect();
        let sold = self.held.keys().filter_map(|order| {
            let known = self.journaled.get(order)?;
            Some((order, known.oversold))
        });
        let missing = self.shelves.missing.iter();
        let missing = missing.map(|one| (&one.order, u64::from(one.units)));
        for (order, units) in sold.chain(missing) {
            let channel = self.held.get(order).map(|held| &held.channel);
            if let Some(sum) = channel.and_then(|channel| oversold.get_mut(channel)) {
                *sum += units;
            }
        }
        oversold
    }

    fn duplicated(&self) -> u64 {
        let twice = self.journaled.values().filter(|known| known.received > 1);
        let nobodys = self.journaled.keys().filter(|order| {
            let is_known = self.held.contains_key(*order) || self.refused.contains(*order);
            !is_known && !self.unanswered.contains(*order)
        });
        let too_much = self.shelves.left.iter().filter(|(order, left)| {
            let held = self.held.get(*order);
            let is_too_much = held.is_none_or(|held| !covers(&held.ordered, left));
            is_too_much && !self.unanswered.contains(*order)
        });
        (twice.count() + nobodys.count() + too_much.count()) as u64
    }

    /// Parcels of which a channel does not know what left: that it was not told of, was told of twice or otherwise, or
    /// that never left. Of an order that lost units while they left already (its buyer was too late) no parcel can be told.
    fn told_wrong(&self) -> u64 {
        let is_told = |order: &str| {
            let held = self.held.get(order);
            held.is_some_and(|held| self.sold_already.contains(&held.channel))
        };
        let mut sent = by_number(&self.shelves.parcels);
        sent.retain(|(order, _), _| is_told(order));
        let mut told = by_number(&self.told);
        let mut wrong = 0;
        for (parcel, left) in sent {
            let is_right = match told.remove(&parcel) {
                Some(told) => told == left,
                None => self.is_overtaken(parcel.0),
            };
            wrong += u64::from(!is_right);
        }
        wrong + told.len() as u64
    }

    /// Whether more of an order left than is wanted of it now.
    fn is_overtaken(&self, order: &str) -> bool {
        let held_and_left = self.held.get(order).zip(self.shelves.left.get(order));
        held_and_left.is_some_and(|(held, left)| !covers(&held.wanted, left))
    }
}

/// The first of many sentences.
fn some_of(mut sentences: Vec<String>) -> Vec<String> {
    let more = sentences.len().saturating_sub(NAMED_MAX);
    sentences.truncate(NAMED_MAX);
    sentences.extend((more > 0).then(|| format!("… and {more} more")));
    sentences
}

/// What is said of each parcel, by its order and number.
fn by_number(parcels: &[Parcel]) -> BTreeMap<(&str, &str), Vec<&Units>> {
    let mut found: BTreeMap<_, Vec<&Units>> = BTreeMap::new();
    for one in parcels {
        let number = (one.order.as_str(), one.number.as_str());
        found.entry(number).or_default().push(&one.units);
    }
    found
}

impl Verdict {
    /// What keeps it from being proved.
    fn broken(&self) -> Vec<String> {
        let promises = [
            (
                self.lost,
                "orders that shoppers hold are not known to the server",
            ),
            (self.duplicated, "orders were taken or sent twice"),
            (
                self.oversold_asking,
                "units were sold that were not there, though the channel asked first",
            ),
            (self.unsettled, "orders neither left nor wait for stock"),
            (self.shown_wrong, "numbers that channels show are wrong"),
            (
                self.told_wrong,
                "parcels left otherwise than channels were told",
            ),
        ];
        let broken = promises.iter().filter(|(count, _)| *count > 0);
        let mut broken: Vec<String> = broken
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if self.shipped == 0 {
            broken.push("nothing was sent".to_owned());
        }
        let never = self.faults.iter().filter(|(_, times)| **times == 0);
        let never: Vec<&str> = never.map(|(kind, _)| *kind).collect();
        if !never.is_empty() {
            let kinds = never.join(", ");
            broken.push(format!(
                "it was too short for every fault to happen: in a longer run these do too: {kinds}"
            ));
        }
        broken
    }

    /// The verdict for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let row = |name: &str, value: String| format!("{name:<42}{value}");
        let mut lines = vec![
            row("orders", self.orders.to_string()),
            row("shipped in full", self.shipped.to_string()),
            row("cancelled in time", self.cancelled.to_string()),
            row("waiting for stock", self.waiting.to_string()),
            row("lost", self.lost.to_string()),
            row("taken or sent twice", self.duplicated.to_string()),
            row(
                "oversold where the till asked",
                self.oversold_asking.to_string(),
            ),
        ];
        for (channel, units) in &self.oversold_channels {
            let predicted = self
                .predicted_oversold
                .get(channel)
                .copied()
                .unwrap_or_default();
            let name = format!("oversold on {channel}, units");
            lines.push(row(
                &name,
                format!("{units} (the formulas say {predicted:.1})"),
            ));
        }
        lines.push(row(
            "numbers shown wrong at the end",
            self.shown_wrong.to_string(),
        ));
        lines.push(row("parcels told to channels", self.told.to_string()));
        lines.push(row("told wrong", self.told_wrong.to_string()));
        let lag = format!(
            "{} ms, 99 of 100 within {} ms",
            self.lag_ms_p50, self.lag_ms_p99
        );
        lines.push(row("until a channel showed a change", lag));
        for (kind, times) in &self.faults {
            lines.push(row(&format!("  {kind}"), times.to_string()));
        }
        match self.proved {
            true => lines.push("Proved: every promise held, whatever went wrong.".to_owned()),
            false => {
                lines.push("Not proved:".to_owned());
                lines.extend(self.not_proved.iter().map(|why| format!("  {why}")));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(units: u64) -> Units {
        Units::from([("TEE".to_owned(), units)])
    }

    /// A till that sold one tee and a shop that sold two, all of which left.
    fn found() -> Found {
        let held = |channel: &str, count| Held {
            channel: channel.to_owned(),
            placed_at_ms: 1_000,
            ordered: units(count),
            wanted: units(count),
        };
        let journaled = Journaled {
            received: 1,
            received_at_ms: 1_100,
            ..Journaled::default()
        };
        let ids = ["till:1", "shop:1"].map(str::to_owned);
        let [till, shop] = ids.clone();
        Found {
            held: [
                (till.clone(), held("till", 1)),
                (shop.clone(), held("shop", 2)),
            ]
            .into(),
            shelves: Shelves {
                left: [(till.clone(), units(1)), (shop.clone(), units(2))].into(),
                parcels: [(till, 1), (shop, 2)]
                    .map(|(order, units)| parcel(&order, units))
                    .into(),
                missing: Vec::new(),
            },
            told: vec![parcel("shop:1", 2)],
            journaled: ids.into_iter().map(|id| (id, journaled.clone())).collect(),
            asking: ["till".to_owned()].into(),
            sold_already: ["shop".to_owned()].into(),
            numbers: vec![number(3)],
            faults: [("webhook lost", 1)].into(),
            ..Found::default()
        }
    }

    /// All parcels have one number: they are of different orders.
    fn parcel(order: &str, count: u64) -> Parcel {
        Parcel {
            order: order.to_owned(),
            number: "1Z1".to_owned(),
            units: units(count),
        }
    }

    fn number(shown: i64) -> Number {
        Number {
            channel: "shop".to_owned(),
            sku: "TEE".to_owned(),
            shown,
            should: 3,
        }
    }

    #[test]
    fn what_held_is_proved() {
        let verdict = found().verdict();
        assert!(verdict.proved, "{:?}", verdict.not_proved);
        assert_eq!((verdict.orders, verdict.shipped), (2, 2));
        assert_eq!(verdict.oversold_channels["shop"], 0);
    }

    /// What is done to the books, and what the verdict then says.
    type Case = (fn(&mut Found), &'static str);

    fn check(cases: &[Case]) {
        for (change, said) in cases {
            let mut found = found();
            change(&mut found);
            let verdict = found.verdict();
            let broken = verdict.not_proved.join("; ");
            assert!(!verdict.proved && broken.contains(said), "{said}: {broken}");
        }
    }

    #[test]
    fn whatever_is_not_as_promised_is_found() {
        check(&[
            (
                |found| found.journaled.retain(|order, _| order != "shop:1"),
                "1 orders that shoppers hold are not known",
            ),
            (
                |found| found.journaled.get_mut("shop:1").unwrap().received = 2,
                "1 orders were taken or sent twice",
            ),
            (
                |found| drop(found.shelves.left.insert("shop:1".to_owned(), units(3))),
                "1 orders were taken or sent",
            ),
            (
                |found| {
                    let nobodys = ("shop:9".to_owned(), Journaled::default());
                    found.journaled.extend([nobodys]);
                },
                "1 orders were taken",
            ),
            (
                |found| drop(found.shelves.left.insert("shop:9".to_owned(), units(1))),
                "1 orders were taken or sent",
            ),
            (
                |found| found.journaled.get_mut("till:1").unwrap().oversold = 1,
                "1 units were sold that were not there",
            ),
            (
                |found| {
                    found.shelves.missing.push(Missing {
                        order: "till:1".to_owned(),
                        sku: "TEE".to_owned(),
                        units: 2,
                    });
                },
                "2 units were sold that were not there",
            ),
            (
                |found| drop(found.shelves.left.insert("shop:1".to_owned(), units(1))),
                "1 orders neither left nor wait",
            ),
            (
                |found| found.numbers.push(number(4)),
                "1 numbers that channels show are wrong",
            ),
            (
                |found| {
                    found.faults.insert("webhook lost", 0);
                },
                "in a longer run these do too: webhook lost",
            ),
            (|found| found.held.clear(), "nothing was sent"),
            (|found| found.is_broken_off = true, "it was broken off"),
        ]);
    }

    #[test]
    fn what_is_wrong_is_named_and_only_some_of_much() {
        let mut found = found();
        assert_eq!(found.wrong(), Vec::<String>::new());
        found.journaled.remove("shop:1");
        found.shelves.left.remove("till:1");
        found.numbers.extend((0..25).map(|_| number(4)));
        let wrong = found.wrong();
        let orders = [
            "shop:1 is not known to the server",
            "till:1 neither left nor waits for stock",
        ];
        assert_eq!(wrong[..2], orders);
        assert_eq!(wrong[2], "shop shows 4 of TEE, and should show 3");
        assert_eq!(wrong.last().unwrap(), "… and 5 more");
        assert_eq!(wrong.len(), 2 + NAMED_MAX + 1);
    }

    #[test]
    fn what_may_come_right_yet_is_waited_for() {
        let cases: [Case; 5] = [
            (|found| found.journaled.clear(), "2 orders not heard of"),
            (|found| found.shelves.left.clear(), "2 orders not sent"),
            (
                |found| {
                    found.shelves.left.clear();
                    found.journaled.get_mut("shop:1").unwrap().waiting = 2;
                },
                "1 orders not sent, 1 orders wait for stock",
            ),
            (|found| found.numbers[0].shown = 4, "1 numbers not right"),
            (|found| found.told.clear(), "1 parcels not told"),
        ];
        assert_eq!(found().under_way(), Vec::<String>::new());
        for (change, said) in cases {
            let mut found = found();
            change(&mut found);
            assert_eq!(found.under_way().join(", "), said);
        }
    }

    #[test]
    fn parcels_that_channels_do_not_know_as_they_left_are_found() {
        check(&[
            (|found| found.told.clear(), "1 parcels left otherwise"),
            (
                |found| found.told.push(parcel("shop:1", 2)),
                "1 parcels left otherwise",
            ),
            (
                |found| found.told[0].units = units(1),
                "1 parcels left otherwise",
            ),
            (
                |found| found.told[0].number.clear(),
                "2 parcels left otherwise",
            ),
            (
                |found| found.told.push(parcel("shop:8", 1)),
                "1 parcels left otherwise",
            ),
        ]);
    }

    #[test]
    fn what_was_cancelled_refused_or_waits_is_no_fault() {
        let cases: [fn(&mut Found); 5] = [
            |found| {
                found.held.get_mut("shop:1").unwrap().wanted = units(0);
                found.shelves.left.remove("shop:1");
                (found.shelves.parcels, found.told) = (Vec::new(), Vec::new());
            },
            |found| {
                found
                    .journaled
                    .insert("till:2".to_owned(), Journaled::default());
                found.refused.insert("till:2".to_owned());
            },
            |found| {
                // The till gave up asking, and whoever stood there left.
                let asked = "till:2".to_owned();
                found.journaled.insert(asked.clone(), Journaled::default());
                found.shelves.left.insert(asked.clone(), units(1));
                found.unanswered.insert(asked);
            },
            |found| {
                let known = found.journaled.get_mut("shop:1").unwrap();
                (known.waiting, known.oversold) = (1, 1);
                found.shelves.left.insert("shop:1".to_owned(), units(1));
                found.shelves.parcels = vec![parcel("shop:1", 1)];
                found.told = vec![parcel("shop:1", 1)];
            },
            |found| {
                // Its buyer cancelled when it had left, and before the shop was told of it.
                found.held.get_mut("shop:1").unwrap().wanted = units(0);
                found.told.clear();
            },
        ];
        for (case, change) in cases.into_iter().enumerate() {
            let mut found = found();
            change(&mut found);
            let verdict = found.verdict();
            assert!(verdict.proved, "{case}: {:?}", verdict.not_proved);
            assert_eq!(verdict.oversold_channels["shop"], u64::from(case == 3));
        }
    }
}
