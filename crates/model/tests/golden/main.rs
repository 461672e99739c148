//! The bytes of every layout that is written into the journal, held against files.
//!
//! A layout may never change: what is in a file must be read for ever. Every variant of every enum has a
//! sample, or this does not compile. `UPDATE_GOLDEN=1` writes the files; a diff that changes or moves a line
//! that was there before is a broken journal, a diff that adds lines is a new variant.
#![allow(
    clippy::expect_used,
    reason = "a sample that cannot be made is a bug of the test"
)]

mod answer;
mod nested;
mod order;
mod others;
mod publishing;
mod sample;
mod sku;

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use crossdock_model::codec;
use crossdock_model::{Answer, Event, Record};
use sample::{meta, meta_in_full, record};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version byte of all samples.
const VERSION: u8 = 1;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Compares samples with `golden/{file}.hex`: one line each, a name and the bytes behind the version byte.
#[track_caller]
fn check<T>(file: &str, samples: Vec<(String, T)>)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("golden/{file}.hex"));
    let line = |(name, value): &(String, T)| {
        let bytes = codec::encode(VERSION, value).expect("a sample has bytes");
        format!("{name} {}\n", hex(&bytes))
    };
    let encoded: Vec<String> = samples.iter().map(line).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, encoded.concat()).expect("the golden file is written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    let golden: Vec<&str> = golden.lines().collect();
    assert_eq!(
        golden.len(),
        samples.len(),
        "{file}: lines in the file, and samples"
    );
    for ((golden, encoded), (name, sample)) in golden.iter().zip(&encoded).zip(&samples) {
        assert_eq!(*golden, encoded.trim_end(), "{file}: {name}");
        let (_, text) = golden.split_once(' ').expect("a name and bytes");
        let bytes = unhex(text);
        let (_, body) = codec::version(&bytes, VERSION).expect("a version byte");
        let decoded: T = codec::decode(body).expect("golden bytes are read");
        assert_eq!(decoded, *sample, "{file}: {name}");
    }
}

/// Each event in a record of its own, as it is written.
#[track_caller]
fn check_events<E>(file: &str, wrap: fn(E) -> Event, samples: Vec<(String, E)>) {
    let record = |(name, event): (String, E)| (name, record(meta(), vec![wrap(event)], None));
    check(file, samples.into_iter().map(record).collect());
}

#[test]
fn sku_events() {
    check_events("sku_event", Event::Sku, sku::events());
}

#[test]
fn order_events() {
    check_events("order_event", Event::Order, order::events());
}

#[test]
fn other_events() {
    check_events("request_event", Event::Request, others::request_events());
    check_events("channel_event", Event::Channel, others::channel_events());
    check_events("bucket_event", Event::Bucket, others::bucket_events());
    check_events("location_event", Event::Location, others::location_events());
    check_events("system_event", Event::System, others::system_events());
}

#[test]
fn events_of_every_kind() {
    let of = |(name, event): (String, Event)| (name, record(meta(), vec![event], None));
    check("event", others::events().into_iter().map(of).collect());
}

#[test]
fn records() {
    let event = || Event::Order(crossdock_model::v1::OrderEvent::Freed);
    let bare = record(meta(), vec![event()], None);
    let full = record(meta_in_full(), vec![event(), event()], Some(Answer::Done));
    let samples = vec![("bare".to_owned(), bare), ("full".to_owned(), full)];
    for (name, sample) in &samples {
        let bytes = sample.encode().expect("a record has bytes");
        assert_eq!(
            bytes,
            codec::encode(VERSION, sample).expect("bytes"),
            "{name}"
        );
        assert_eq!(Record::decode(&bytes).expect("a record"), *sample, "{name}");
    }
    check("record", samples);
}

/// Answers to keyed commands are kept in their records.
#[test]
fn answers() {
    let of =
        |(name, answer): (String, Answer)| (name, record(meta_in_full(), Vec::new(), Some(answer)));
    check("answer", answer::answers().into_iter().map(of).collect());
}

#[test]
fn nested_enums() {
    check("tracking", nested::trackings());
    check("condition", nested::conditions());
    check("count_basis", nested::count_bases());
    check("count_outcome", nested::count_outcomes());
    check("move_reason", nested::move_reasons());
    check("sale", nested::sales());
    check("order_status", nested::order_statuses());
    check("payment", nested::payments());
    check("origin", nested::origins());
    check("restock", nested::restocks());
    check("verdict", nested::verdicts());
    check("fallback", nested::fallbacks());
    check("reject_reason", nested::reject_reasons());
    check("attempt_end", nested::attempt_ends());
    check("channel_mode", nested::channel_modes());
    check("listing_target", nested::listing_targets());
    check("connector", nested::connectors());
    check("scope", nested::scopes());
    check("rejection", nested::rejections());
    check("writes", publishing::writes());
    check("uncounted", publishing::uncounted());
    check("buffer", publishing::buffers());
    check("listing_mode", publishing::listing_modes());
    check("call_outcome", publishing::call_outcomes());
}
