//! Parts of sentences: numbers with their nouns, lists, instants.

use crossdock_model::Timestamp;
use crossdock_model::v1::{LineUnits, RejectReason, RequestLine};

/// `1 unit`, `2 units`.
pub(super) fn count(number: u32, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

/// All of them together.
pub(super) fn sum(numbers: impl IntoIterator<Item = u32>) -> u32 {
    numbers.into_iter().fold(0, u32::saturating_add)
}

/// The length of a list with its noun.
pub(super) fn many<T>(items: &[T], noun: &str) -> String {
    count(u32::try_from(items.len()).unwrap_or(u32::MAX), noun)
}

/// `a, b`.
pub(super) fn list<T: ToString>(parts: impl IntoIterator<Item = T>) -> String {
    let parts: Vec<String> = parts.into_iter().map(|part| part.to_string()).collect();
    parts.join(", ")
}

/// `2 × A, 1 × B`.
pub(super) fn request_lines(lines: &[RequestLine]) -> String {
    list(
        lines
            .iter()
            .map(|line| format!("{} × {}", line.units, line.sku)),
    )
}

/// `2 units of line 1, 1 unit of line 2`.
pub(super) fn line_units(lines: &[LineUnits]) -> String {
    list(
        lines
            .iter()
            .map(|one| format!("{} of line {}", count(one.units, "unit"), one.line)),
    )
}

/// A text that goes on in a sentence: without its own full stop.
pub(super) fn open_ended(text: &str) -> &str {
    text.trim_end_matches(['.', ' '])
}

/// `2026-11-23 18:00 UTC`.
pub(super) fn instant(at: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(at.as_ms()) {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => "the end of time".to_owned(),
    }
}

/// Why a location refuses a request.
pub(super) fn refusal(reason: &RejectReason) -> &str {
    match reason {
        RejectReason::NotInStock => "not in stock",
        RejectReason::CannotShipThere => "it cannot ship there",
        RejectReason::CapacityFull => "no capacity left",
        RejectReason::Other(text) => open_ended(text),
    }
}
