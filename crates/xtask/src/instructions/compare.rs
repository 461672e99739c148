//! What was counted against what is recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::RECORD;

/// By how much a count may differ from the recorded one.
const PERCENT_MAX: u64 = 5;

/// A piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub piece: String,
    /// Instructions of doing it once; `None`: it is not done any more.
    pub counted: Option<u64>,
    /// `None`: it is new.
    pub recorded: Option<u64>,
}

/// All pieces that are counted or recorded, by name.
pub fn rows(recorded: &BTreeMap<String, u64>, counted: &BTreeMap<String, u64>) -> Vec<Row> {
    let pieces: BTreeSet<&String> = recorded.keys().chain(counted.keys()).collect();
    let row = |piece: &String| Row {
        piece: piece.clone(),
        counted: counted.get(piece).copied(),
        recorded: recorded.get(piece).copied(),
    };
    pieces.into_iter().map(row).collect()
}

/// What is wrong with each piece that is not as recorded.
pub fn faults(rows: &[Row]) -> Vec<String> {
    rows.iter().filter_map(fault).collect()
}

fn fault(row: &Row) -> Option<String> {
    let piece = &row.piece;
    let (counted, recorded) = match (row.counted, row.recorded) {
        (Some(counted), Some(recorded)) => (counted, recorded),
        (Some(counted), None) => {
            return Some(format!(
                "{piece} takes {counted} and is not recorded: {RECORD}"
            ));
        }
        (None, Some(recorded)) => {
            return Some(format!(
                "{piece} is recorded with {recorded} and not counted any more: {RECORD}"
            ));
        }
        (None, None) => return None,
    };
    if counted.abs_diff(recorded) * 100 <= recorded * PERCENT_MAX {
        return None;
    }
    let change = change(counted, recorded);
    Some(match counted > recorded {
        true => format!(
            "{piece} takes {counted}, recorded are {recorded}: {change}. If it is worth that: {RECORD}"
        ),
        false => format!(
            "{piece} takes {counted}, recorded are {recorded}: {change}. So that it stays so: {RECORD}"
        ),
    })
}

/// By how much it differs, `+5.1 %`.
fn change(counted: u64, recorded: u64) -> String {
    let more = counted as f64 - recorded as f64;
    format!("{:+.1} %", 100.0 * more / recorded as f64)
}

/// The pieces as lines for a person.
pub fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.piece.len()).max().unwrap_or(0);
    let number = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
    let line = |row: &Row| {
        let both = row.counted.zip(row.recorded);
        let change = both.map_or("-".to_owned(), |(counted, recorded)| {
            change(counted, recorded)
        });
        format!(
            "{:<width$} {:>12} {:>12} {change:>9}\n",
            row.piece,
            number(row.counted),
            number(row.recorded)
        )
    };
    let head = format!(
        "{:<width$} {:>12} {:>12} {:>9}\n",
        "piece", "instructions", "recorded", "change"
    );
    head + &rows.iter().map(line).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        let one = |(piece, count): &(&str, u64)| ((*piece).to_owned(), *count);
        counts.iter().map(one).collect()
    }

    #[track_caller]
    fn check(recorded: &[(&str, u64)], counted: &[(&str, u64)], expected: &[&str]) {
        assert_eq!(faults(&rows(&counts(recorded), &counts(counted))), expected);
    }

    #[test]
    fn five_percent_are_let_pass_and_no_more() {
        check(&[("a", 1000)], &[("a", 1000)], &[]);
        check(&[("a", 1000)], &[("a", 1050)], &[]);
        check(&[("a", 1000)], &[("a", 950)], &[]);
        check(
            &[("a", 1000)],
            &[("a", 1051)],
            &[
                "a takes 1051, recorded are 1000: +5.1 %. If it is worth that: cargo xtask instructions --record",
            ],
        );
        check(
            &[("a", 1000)],
            &[("a", 949)],
            &[
                "a takes 949, recorded are 1000: -5.1 %. So that it stays so: cargo xtask instructions --record",
            ],
        );
    }

    #[test]
    fn every_piece_that_is_wrong_is_named_and_no_other() {
        check(
            &[("gone", 7), ("less", 100), ("more", 100), ("same", 100)],
            &[("less", 50), ("more", 300), ("new", 7), ("same", 101)],
            &[
                "gone is recorded with 7 and not counted any more: cargo xtask instructions --record",
                "less takes 50, recorded are 100: -50.0 %. So that it stays so: cargo xtask instructions --record",
                "more takes 300, recorded are 100: +200.0 %. If it is worth that: cargo xtask instructions --record",
                "new takes 7 and is not recorded: cargo xtask instructions --record",
            ],
        );
    }

    #[test]
    fn the_table_says_what_is_counted_and_by_how_much_it_differs() {
        let rows = rows(
            &counts(&[("route", 200), ("gone", 7)]),
            &counts(&[("route", 205)]),
        );
        let expected = "\
piece instructions     recorded    change
gone             -            7         -
route          205          200    +2.5 %
";
        assert_eq!(table(&rows), expected);
    }
}
