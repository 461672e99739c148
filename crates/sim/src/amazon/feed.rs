//! Feeds: a document is put in its place, a feed is begun on it, and minutes later it is worked on.

use std::collections::BTreeMap;
use std::io::Write;

use crossdock_model::Timestamp;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::account::{Account, Due};
use super::body::{read, written};
use super::confirm::patched;
use super::http::{Reply, refused};
use super::search::Query;

/// Type of a feed that sets numbers.
const LISTINGS: &str = "JSON_LISTINGS_FEED";
/// Feeds of a page, unless another number is asked for.
const PAGE_FEEDS: usize = 10;

/// Documents and feeds.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    documents: BTreeMap<String, Document>,
    feeds: BTreeMap<String, Feed>,
    count: u64,
    reports: usize,
}

/// What is in a place for documents.
#[derive(Debug, Default)]
struct Document {
    /// Its bytes, once they are there.
    bytes: Option<Vec<u8>>,
    /// Whether it is said to be packed.
    is_marked: bool,
}

/// How a report is put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Packed,
    /// It is said to be packed, and is not.
    Marked,
}

/// As Amazon does it with one report and otherwise with the next: in turn.
const PACKINGS: [Packing; 3] = [Packing::Packed, Packing::Plain, Packing::Marked];

#[derive(Debug)]
struct Feed {
    document: String,
    created_at: Timestamp,
    state: Worked,
}

impl Feed {
    fn body(&self, id: &str) -> Value {
        let created_at = written(self.created_at);
        let mut body = json!({ "feedId": id, "feedType": LISTINGS, "createdTime": created_at });
        body["processingStatus"] = self.state.name().into();
        if let Worked::Done { report } = &self.state {
            body["resultFeedDocumentId"] = report.as_str().into();
        }
        body
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Worked {
    NotYet,
    Done { report: String },
    Fatal,
}

impl Worked {
    fn name(&self) -> &'static str {
        match self {
            Self::NotYet => "IN_QUEUE",
            Self::Done { .. } => "DONE",
            Self::Fatal => "FATAL",
        }
    }
}

impl Feeds {
    fn name(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-{}", self.count)
    }

    /// Whether there is such a place; its bytes are there then.
    pub(super) fn put(&mut self, document: &str, bytes: Vec<u8>) -> bool {
        match self.documents.get_mut(document) {
            Some(place) => {
                place.bytes = Some(bytes);
                true
            }
            None => false,
        }
    }

    pub(super) fn document(&self, document: &str) -> Option<&[u8]> {
        self.documents.get(document)?.bytes.as_deref()
    }

    /// Puts a report in a place, and says in which.
    fn put_report(&mut self, report: Vec<u8>) -> String {
        let packing = PACKINGS[self.reports % PACKINGS.len()];
        self.reports += 1;
        let place = Document {
            bytes: match packing {
                Packing::Packed => packed(&report),
                Packing::Plain | Packing::Marked => Some(report),
            },
            is_marked: packing != Packing::Plain,
        };
        let document = self.name("document");
        self.documents.insert(document.clone(), place);
        document
    }

    pub(super) fn begun(&self) -> usize {
        self.feeds.len()
    }
}

impl Account {
    pub(super) fn create_document(&mut self, base: &str) -> Reply {
        let document = self.feeds.name("document");
        let place = Document::default();
        self.feeds.documents.insert(document.clone(), place);
        let url = document_url(base, &document);
        (201, json!({ "feedDocumentId": document, "url": url }))
    }

    pub(super) fn create_feed(&mut self, body: &Value, now: Timestamp) -> Reply {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let (kind, document) = (text("feedType"), text("inputFeedDocumentId"));
        let document = document.unwrap_or_default().to_owned();
        if kind != Some(LISTINGS) || self.feeds.document(&document).is_none() {
            return refused(400, "InvalidInput", "the type or the document is not known");
        }
        let feed = self.feeds.name("feed");
        let begun = Feed {
            document,
            created_at: now,
            state: Worked::NotYet,
        };
        self.feeds.feeds.insert(feed.clone(), begun);
        self.plan(now + self.options.feed_takes, Due::Feed(feed.clone()));
        (202, json!({ "feedId": feed }))
    }

    pub(super) fn get_feed(&mut self, id: &str, now: Timestamp) -> Reply {
        self.settle(now);
        let Some(feed) = self.feeds.feeds.get(id) else {
            return refused(404, "NotFound", "the feed is not known");
        };
        (200, feed.body(id))
    }

    /// The first page of the feeds that are asked for; there are no others.
    pub(super) fn get_feeds(&mut self, query: &Query, now: Timestamp) -> Reply {
        self.settle(now);
        let names = |list: &str, name: &str| list.split(',').any(|one| one == name);
        let Some(kinds) = query.get("feedTypes") else {
            return refused(400, "InvalidInput", "feedTypes is required here");
        };
        let statuses = query.get("processingStatuses");
        let time = |name| query.get(name).and_then(|text| read(text));
        let (since, until) = (time("createdSince"), time("createdUntil"));
        let asked_for = self.feeds.feeds.iter().filter(|(_, feed)| {
            names(kinds, LISTINGS)
                && statuses.is_none_or(|statuses| names(statuses, feed.state.name()))
                && since.is_none_or(|since| feed.created_at >= since)
                && until.is_none_or(|until| feed.created_at <= until)
        });
        let mut feeds: Vec<Value> = asked_for.map(|(id, feed)| feed.body(id)).collect();
        let size = query.get("pageSize").and_then(|size| size.parse().ok());
        let rest = feeds.split_off(size.unwrap_or(PAGE_FEEDS).min(feeds.len()));
        let mut body = json!({ "feeds": feeds });
        if !rest.is_empty() {
            body["nextToken"] = "feeds-2".into();
        }
        (200, body)
    }

    pub(super) fn get_document(&self, document: &str, base: &str) -> Reply {
        let place = self.feeds.documents.get(document);
        let Some(place) = place.filter(|place| place.bytes.is_some()) else {
            return refused(404, "NotFound", "the document is not known");
        };
        let mut body = json!({ "feedDocumentId": document, "url": document_url(base, document) });
        if place.is_marked {
            body["compressionAlgorithm"] = "GZIP".into();
        }
        (200, body)
    }

    /// Shows the numbers of a feed, over whatever was written since it was begun.
    pub(super) fn work_on(&mut self, id: &str) {
        let feed = self.feeds.feeds.get(id);
        let document = feed.and_then(|feed| self.feeds.document(&feed.document));
        let document = document.and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
        let messages = document
            .as_ref()
            .and_then(|all| all.get("messages")?.as_array());
        let messages = messages.filter(|_| !self.gives_up());
        let state = match messages {
            Some(messages) => Worked::Done {
                report: self.work_through(messages),
            },
            None => Worked::Fatal,
        };
        if let Some(feed) = self.feeds.feeds.get_mut(id) {
            feed.state = state;
        }
    }

    fn work_through(&mut self, messages: &[Value]) -> String {
        let mut issues = Vec::new();
        for message in messages {
            let sku = message.get("sku").and_then(Value::as_str);
            let is_listed = |sku: &&str| self.listings.contains_key(*sku);
            let is_patch = message["operationType"] == "PATCH";
            let shown = patched(message.get("patches")).filter(|_| is_patch);
            match sku.filter(is_listed).zip(shown) {
                Some((sku, shown)) => self.show(sku, shown),
                None => issues.push(json!({
                    "messageId": message.get("messageId"),
                    "code": "4000001",
                    "severity": "ERROR",
                    "message": "The SKU or its attributes are invalid",
                })),
            }
        }
        let accepted = messages.len() - issues.len();
        let summary = json!({
            "errors": issues.len(),
            "warnings": 0,
            "messagesProcessed": messages.len(),
            "messagesAccepted": accepted,
            "messagesInvalid": issues.len(),
        });
        let report = json!({ "issues": issues, "summary": summary }).to_string();
        self.feeds.put_report(report.into_bytes())
    }
}

/// Packed in memory, where no write fails.
fn packed(report: &[u8]) -> Option<Vec<u8>> {
    let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
    packing.write_all(report).ok()?;
    packing.finish().ok()
}

fn document_url(base: &str, document: &str) -> String {
    format!("{base}/documents/{document}")
}
