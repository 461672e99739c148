//! What the formulas say that channels oversold, of the lags that were measured.

use std::collections::BTreeMap;

use crossdock_logic::oversell::{Seller, oversold_units};

use super::verdict::{Found, SoldOut};

/// Milliseconds of an hour.
const HOUR_MS: f64 = 3_600_000.0;
/// Share of the lags that are put together at most, as their mean.
const GROUP_SHARE: f64 = 0.01;

/// Lags as they were measured: the whole of them, as a few that are long weigh more than their share.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Lags {
    /// Mean, in milliseconds, and share of each group, the shortest first.
    groups: Vec<(f64, f64)>,
}

impl Lags {
    /// Lags in milliseconds, each with how often it was measured.
    pub(super) fn of(measured: impl IntoIterator<Item = (f64, u64)>) -> Self {
        let measured = measured.into_iter();
        Self::grouped(measured.map(|(ms, times)| (ms, times as f64)).collect())
    }

    fn grouped(mut measured: Vec<(f64, f64)>) -> Self {
        measured.retain(|(_, weight)| *weight > 0.0);
        measured.sort_by(|one, other| one.0.total_cmp(&other.0));
        let all: f64 = measured.iter().map(|(_, weight)| weight).sum();
        let mut groups: Vec<(f64, f64)> = Vec::new();
        for (ms, weight) in measured {
            let share = weight / all;
            let newest = groups.last_mut();
            match newest.filter(|(_, has)| *has + share <= GROUP_SHARE) {
                Some((mean, has)) => {
                    *mean = (*mean * *has + ms * share) / (*has + share);
                    *has += share;
                }
                None => groups.push((ms, share)),
            }
        }
        Self { groups }
    }

    /// These, and after each of them one of the others.
    fn and(&self, others: &Self) -> Self {
        let pairs = self.groups.iter().flat_map(|(ms, share)| {
            let others = others.groups.iter();
            others.map(move |(more, of)| (ms + more, share * of))
        });
        match (self.groups.is_empty(), others.groups.is_empty()) {
            (_, true) => self.clone(),
            (true, _) => others.clone(),
            (false, false) => Self::grouped(pairs.collect()),
        }
    }

    /// Their mean, each counted up to `most_ms`, in hours.
    fn mean_h(&self, most_ms: f64) -> f64 {
        let each = self.groups.iter();
        let sum: f64 = each.map(|(ms, share)| ms.min(most_ms) * share).sum();
        sum / HOUR_MS
    }
}

impl Found {
    /// Units that each channel that had sold already should have oversold, if nothing was kept back: formula 4, each
    /// time that a SKU sold out, at the rates it sold at.
    ///
    /// A lag is the time until a sale is heard of and, after it, the time until the other channel shows it. The formula
    /// is for stock that lasts longer than any lag, and linear in it. Here some lags (a call that is never answered) are
    /// longer than what there was lasted, and more than that nobody oversells: so it is averaged over the lags that were
    /// measured, each cut at the time in stock, which the formula of the mean lag is above.
    pub(super) fn predicted(&self) -> BTreeMap<String, f64> {
        let channels: Vec<&String> = self.asking.iter().chain(&self.sold_already).collect();
        let heard: Vec<Lags> = channels.iter().map(|from| self.heard_after(from)).collect();
        let none = Lags::default();
        let predicted = self.sold_already.iter().map(|target| {
            let shown = self.lags.get(target).unwrap_or(&none);
            let lags: Vec<Lags> = heard.iter().map(|heard| heard.and(shown)).collect();
            let sum = self.sold_out.iter().map(|(sku, out)| {
                let rates = self.rates_per_h(&channels, sku, out);
                let each = out.spans_ms.iter();
                each.map(|span| units(&channels, target, &rates, &lags, *span))
                    .sum::<f64>()
            });
            let units = (sum.sum::<f64>() * 100.0).round() / 100.0;
            (target.clone(), units)
        });
        predicted.collect()
    }

    /// Units of a SKU that each channel sold in an hour in stock.
    fn rates_per_h(&self, channels: &[&String], sku: &str, out: &SoldOut) -> Vec<f64> {
        let hours = out.in_stock_ms as f64 / HOUR_MS;
        let rate = |channel: &&String| match hours > 0.0 {
            true => self.units_sold(channel, sku) as f64 / hours,
            false => 0.0,
        };
        channels.iter().map(rate).collect()
    }

    fn units_sold(&self, channel: &str, sku: &str) -> u64 {
        let of_channel = self.held.values().filter(|held| held.channel == channel);
        of_channel.filter_map(|held| held.ordered.get(sku)).sum()
    }

    /// How long after sales of a channel the server heard of them.
    fn heard_after(&self, channel: &str) -> Lags {
        let of_channel = self.held.iter().filter(|(_, held)| held.channel == channel);
        let heard = of_channel.filter_map(|(order, held)| {
            let known = self
                .journaled
                .get(order)
                .filter(|known| known.received > 0)?;
            Some(((known.received_at_ms - held.placed_at_ms).max(0) as f64, 1))
        });
        Lags::of(heard)
    }
}

/// Units that a channel oversells of a SKU that sells out after so long, on average.
fn units(channels: &[&String], target: &String, rates: &[f64], lags: &[Lags], span_ms: u64) -> f64 {
    let sellers = channels.iter().zip(rates).zip(lags);
    let sellers = sellers.map(|((_, rate_per_h), lags)| {
        let lag_h = lags.mean_h(span_ms as f64);
        // What others show does not count here: only what this one sells meanwhile.
        let to = |to: &&String| if *to == target { lag_h } else { 0.0 };
        Seller {
            rate_per_h: *rate_per_h,
            lag_h: channels.iter().map(to).collect(),
        }
    });
    oversold_units(&sellers.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::verdict::{Held, Units};
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn lags(measured: &[(u64, u64)]) -> Lags {
        Lags::of(measured.iter().map(|(ms, times)| (*ms as f64, *times)))
    }

    /// What was measured, for how long there was stock, and the mean of that, in milliseconds.
    type Case<'a> = (&'a [(u64, u64)], f64, f64);

    #[test]
    fn a_lag_counts_up_to_the_time_in_stock() {
        let few_long = [(0, 90), (10_000, 10)];
        let table: [Case; 5] = [
            (&[], 1_000.0, 0.0),
            (&[(30, 10)], 1_000.0, 30.0),
            (&few_long, 60_000.0, 1_000.0),
            (&few_long, 2_000.0, 200.0),
            (&[(10_000, 1), (0, 9)], 2_000.0, 200.0),
        ];
        for (measured, most_ms, mean_ms) in table {
            let found = lags(measured).mean_h(most_ms) * HOUR_MS;
            assert!((found - mean_ms).abs() < 1e-6, "{measured:?}: {found}");
        }
    }

    #[test]
    fn one_lag_after_another_is_their_sum() {
        let both = lags(&[(100, 1), (300, 1)]).and(&lags(&[(0, 3), (1_000, 1)]));
        assert!((both.mean_h(1e9) * HOUR_MS - 450.0).abs() < 1e-6);
        // Three eighths of them are 100, as many 300, and what is left is longer than 500.
        let cut = 100.0 * 0.375 + 300.0 * 0.375 + 500.0 * 0.25;
        assert!((both.mean_h(500.0) * HOUR_MS - cut).abs() < 1e-6);
        assert_eq!(lags(&[(7, 1)]).and(&Lags::default()), lags(&[(7, 1)]));
    }

    /// Many are put together, and stay what they were on average; few that are long stay by themselves.
    #[test]
    fn many_lags_are_few_groups() {
        let all = Lags::of((0..10_000).map(|ms| (f64::from(ms), 1)));
        assert!(all.groups.len() <= 102, "{}", all.groups.len());
        assert!((all.mean_h(1e9) * HOUR_MS - 4_999.5).abs() < 1e-3);
        let rare = lags(&[(0, 9_999), (100_000, 1)]).mean_h(10_000.0) * HOUR_MS;
        assert!((rare - 1.0).abs() < 1e-6, "{rare}");
    }

    /// Formula 4's check value: two channels at 10 an hour and 10 minutes oversell 1.667 units a stock-out, half of them
    /// on each; one of the two asks here.
    #[test]
    fn the_formulas_say_what_should_have_been_oversold() {
        let sold = |channel: &str| {
            let units = Units::from([("TEE".to_owned(), 10)]);
            let held = Held {
                channel: channel.to_owned(),
                placed_at_ms: 1_100,
                ordered: units.clone(),
                wanted: units,
            };
            (format!("{channel}:1"), held)
        };
        let mut found = Found {
            held: ["till", "shop"].map(sold).into(),
            asking: ["till".to_owned()].into(),
            sold_already: ["shop".to_owned()].into(),
            ..Found::default()
        };
        let out = |minutes: u64| SoldOut {
            spans_ms: vec![minutes * MINUTE_MS; 2],
            in_stock_ms: 60 * MINUTE_MS,
        };
        let shown = |measured: &[(u64, u64)]| [("shop".to_owned(), lags(measured))].into();
        found.sold_out.insert("TEE".to_owned(), out(30));
        found.lags = shown(&[(10 * MINUTE_MS, 1)]);
        // Of two stock-outs half of 1.667 each.
        assert_eq!(found.predicted()["shop"], 1.67);
        // As late on average, and half of it in vain: nothing was there that long.
        found.lags = shown(&[(0, 2), (30 * MINUTE_MS, 1)]);
        assert_eq!(found.predicted()["shop"], 1.67);
        found.sold_out.insert("TEE".to_owned(), out(15));
        assert_eq!(found.predicted()["shop"], 0.83);
        found.asking.clear();
        assert_eq!(found.predicted()["shop"], 0.0);
    }
}
