//! Many numbers in one document: a feed is taken at once and worked on minutes later.
//!
//! A number in an open feed is set when the feed is worked on, over whatever was set meanwhile: what was lowered in
//! between is sent again once the feed has ended. A feed whose beginning has no answer may have begun.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration as Wait;

use crossdock_model::{Duration, ListingId, SourceId, Timestamp};
use flate2::bufread::MultiGzDecoder;
use reqwest::{Method, RequestBuilder, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Seller, Taken, unreadable, written};
use super::numbers::patches;
use super::operation::Operation;
use super::wire::{ANSWER_BYTES_MAX, Answer, Request, read_body, unanswered};
use crate::inbound::Secret;
use crate::outbound::{Bulk, BulkState, CallError, Handing, said};

/// Numbers in one feed at most.
pub const FEED_NUMBERS_MAX: usize = 25_000;

/// Time for a document, there or back: a full one has five million bytes, for which a slow line takes minutes.
const DOCUMENT_MAX: Wait = Wait::from_secs(5 * 60);
/// Type of the feed.
const LISTINGS: &str = "JSON_LISTINGS_FEED";
/// Type of its document.
const JSON: &str = "application/json; charset=UTF-8";
/// How a feed's state is called while it is not worked on yet, and while it is.
const IN_QUEUE: &str = "IN_QUEUE";
const IN_PROGRESS: &str = "IN_PROGRESS";
/// By so much Amazon's clock may be behind ours.
const SKEW: Duration = Duration::from_minutes(10);
/// How documents are packed, by name, and the bytes that such a document begins with.
const GZIP: &str = "GZIP";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const FEEDS: [&str; 3] = ["feeds", "2021-06-30", "feeds"];
const DOCUMENTS: [&str; 3] = ["feeds", "2021-06-30", "documents"];

/// Where a document is put. Whoever has the address may do so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPlace {
    /// The document's id.
    pub document: String,
    /// Its address.
    pub url: Secret,
}

/// How far a feed is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedState {
    /// Not ended yet.
    Open,
    /// Worked on; its report is in that document.
    Done {
        /// The report's document.
        report: Option<String>,
    },
    /// Given up before it was worked on.
    Cancelled,
    /// Given up; some of it may have been done.
    Fatal {
        /// The report's document.
        report: Option<String>,
    },
}

/// What became of a feed's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedReport {
    /// Messages that were taken.
    pub accepted: u32,
    /// Messages that were not taken, by their number, with the reason.
    pub refused: Vec<(u32, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DocumentBody {
    feed_document_id: String,
    url: String,
    compression_algorithm: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedBody {
    feed_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeedBody {
    processing_status: String,
    result_feed_document_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    feeds: Vec<FeedBody>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct ReportBody {
    issues: Option<Vec<IssueBody>>,
    summary: SummaryBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IssueBody {
    message_id: u32,
    severity: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryBody {
    messages_accepted: u32,
}

/// The document that sets numbers. Messages are counted from 1, in the order given.
#[must_use]
pub fn listings_feed(
    seller: &str,
    product_type: &str,
    numbers: &[(ListingId, SourceId, u32)],
) -> Vec<u8> {
    let message = |(id, (sku, place, units)): (u32, &(ListingId, SourceId, u32))| {
        json!({
            "messageId": id,
            "sku": sku.as_str(),
            "operationType": "PATCH",
            "productType": product_type,
            "patches": patches(place, *units),
        })
    };
    let messages: Vec<Value> = (1..).zip(numbers).map(message).collect();
    let header = json!({ "sellerId": seller, "version": "2.0", "issueLocale": "en_US" });
    json!({ "header": header, "messages": messages })
        .to_string()
        .into_bytes()
}

impl Bulk for Seller {
    fn numbers_max(&self) -> usize {
        FEED_NUMBERS_MAX
    }

    fn hand_over(&self, numbers: Vec<(ListingId, SourceId, u32)>) -> Handing<String> {
        let seller = self.clone();
        Box::pin(async move { seller.set_by_feed(&numbers).await })
    }

    fn look(&self, name: String, count: usize) -> Handing<BulkState> {
        let seller = self.clone();
        Box::pin(async move {
            let report = match seller.get_feed(&name).await? {
                FeedState::Open => return Ok(BulkState::Open),
                FeedState::Cancelled => return Ok(BulkState::NotDone),
                FeedState::Fatal { .. } => {
                    return Ok(BulkState::Lost("the feed is FATAL".to_owned()));
                }
                FeedState::Done { report } => report,
            };
            let at = seller.inner().wire.time_there();
            let Some(report) = report else {
                return Ok(BulkState::Lost("the feed has no report".to_owned()));
            };
            match seller.feed_report(&report).await {
                Ok(report) => Ok(done(report, count, at)),
                Err(CallError::NotDone(problem)) => Ok(BulkState::Lost(problem)),
                Err(error) => Err(error),
            }
        })
    }

    fn is_open(&self, since: Timestamp, until: Timestamp) -> Handing<bool> {
        let seller = self.clone();
        Box::pin(async move {
            let (since, until) = (since - SKEW, until + SKEW);
            seller.has_open_feeds(since, until).await
        })
    }
}

/// What a report says of each number. One that does not speak of all says nothing certain of any.
fn done(report: FeedReport, count: usize, at: Timestamp) -> BulkState {
    let messages = report.refused.into_iter();
    let refused: BTreeMap<usize, String> = messages
        .filter_map(|(message, problem)| {
            let at = usize::try_from(message).ok()?.checked_sub(1)?;
            (at < count).then_some((at, problem))
        })
        .collect();
    match usize::try_from(report.accepted) {
        Ok(accepted) if accepted + refused.len() == count => BulkState::Done { at, refused },
        _ => BulkState::Lost(format!(
            "the feed's report speaks of {} + {} numbers of {count}",
            report.accepted,
            refused.len()
        )),
    }
}

impl Seller {
    /// Sets numbers by a feed and says which. *Once*: whoever has no answer does not know whether it has begun.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_by_feed(
        &self,
        numbers: &[(ListingId, SourceId, u32)],
    ) -> Result<String, CallError> {
        if numbers.len() > FEED_NUMBERS_MAX {
            return Err(CallError::NotDone(format!(
                "a feed sets {FEED_NUMBERS_MAX} numbers at most"
            )));
        }
        let inner = self.inner();
        let document = listings_feed(&inner.seller, &inner.product_type, numbers);
        let place = self.create_feed_document().await.map_err(undone)?;
        if let Taken::Refused(problem) = self.upload(&place, document).await? {
            return Err(CallError::NotDone(problem));
        }
        self.create_feed(&place.document).await
    }

    /// A place for a document. *Keyed* by itself: one that is not used is forgotten.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_feed_document(&self) -> Result<UploadPlace, CallError> {
        let body = json!({ "contentType": JSON });
        let created = self.feeds(Operation::CreateFeedDocument, &DOCUMENTS, Some(body));
        let created: DocumentBody = read(&created.await?)?;
        Ok(UploadPlace {
            document: created.feed_document_id,
            url: Secret::new(created.url),
        })
    }

    /// Puts a document in its place. *Keyed*: a repeat replaces it by itself.
    ///
    /// # Errors
    /// [`CallError`]: without a feed nothing comes of it.
    pub async fn upload(&self, place: &UploadPlace, body: Vec<u8>) -> Result<Taken, CallError> {
        let request = self.document(Method::PUT, &place.url)?;
        let request = request.header("content-type", JSON).body(body);
        let answer = request.send().await;
        let status = answer.map_err(|error| undone(unanswered(&error)))?.status();
        Ok(match status.is_success() {
            true => Taken::Done,
            false => Taken::Refused(format!(
                "the document is refused with status {}",
                status.as_u16()
            )),
        })
    }

    /// Begins a feed on a document and says which. *Once*: whoever has no answer does not know whether it has begun.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn create_feed(&self, document: &str) -> Result<String, CallError> {
        let body = json!({
            "feedType": LISTINGS,
            "marketplaceIds": [self.inner().marketplace],
            "inputFeedDocumentId": document,
        });
        let created = self
            .feeds(Operation::CreateFeed, &FEEDS, Some(body))
            .await?;
        read::<CreatedBody>(&created).map(|created| created.feed_id)
    }

    /// How far a feed is. Reads only.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get_feed(&self, feed: &str) -> Result<FeedState, CallError> {
        let [api, version, feeds] = FEEDS;
        let path = [api, version, feeds, feed];
        let body = self.feeds(Operation::GetFeed, &path, None).await?;
        let FeedBody {
            processing_status,
            result_feed_document_id: report,
        } = read(&body)?;
        match processing_status.as_str() {
            IN_QUEUE | IN_PROGRESS => Ok(FeedState::Open),
            "DONE" => Ok(FeedState::Done { report }),
            "CANCELLED" => Ok(FeedState::Cancelled),
            "FATAL" => Ok(FeedState::Fatal { report }),
            other => Err(CallError::Unknown(format!(
                "the feed is {:?}, which is not known",
                said(other)
            ))),
        }
    }

    /// Whether feeds that set numbers were begun between those times and have not ended. Reads only.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn has_open_feeds(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<bool, CallError> {
        let mut query = vec![
            ("feedTypes", LISTINGS.to_owned()),
            ("marketplaceIds", self.inner().marketplace.clone()),
            ("processingStatuses", format!("{IN_QUEUE},{IN_PROGRESS}")),
            ("createdSince", written(since)),
        ];
        // Without one it is the present time.
        let until = Some(until).filter(|until| *until < (self.inner().wire.now)());
        query.extend(until.map(|until| ("createdUntil", written(until))));
        let request = Request {
            operation: Operation::GetFeeds,
            method: Method::GET,
            path: &FEEDS,
            query,
            body: None,
        };
        let list = self.ask(&request).await?;
        let ListBody { feeds, next_token } = read(&list)?;
        Ok(!feeds.is_empty() || next_token.is_some())
    }

    /// What became of a feed's messages. Reads only.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn feed_report(&self, document: &str) -> Result<FeedReport, CallError> {
        let [api, version, documents] = DOCUMENTS;
        let path = [api, version, documents, document];
        let body = self.feeds(Operation::GetFeedDocument, &path, None).await?;
        let place: DocumentBody = read(&body)?;
        if let Some(how) = place.compression_algorithm.filter(|how| how != GZIP) {
            return Err(CallError::NotDone(format!(
                "the report of the feed is packed with {}, which is not read here",
                said(&how)
            )));
        }
        let request = self.document(Method::GET, &Secret::new(place.url))?;
        let answer = request.send().await;
        let mut answer = answer.map_err(|error| unanswered(&error))?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(CallError::Unknown(format!(
                "status {status} for the report"
            )));
        }
        let body = read_body(&mut answer).await.map_err(CallError::Unknown)?;
        report(&unzipped(body).map_err(CallError::NotDone)?)
    }

    /// A document, there or back.
    fn document(&self, method: Method, url: &Secret) -> Result<RequestBuilder, CallError> {
        let url = Url::parse(url.expose())
            .map_err(|_| CallError::NotDone("the document has no address".to_owned()))?;
        let request = self.inner().wire.http.request(method, url);
        Ok(request.timeout(DOCUMENT_MAX))
    }

    async fn feeds(
        &self,
        operation: Operation,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Vec<u8>, CallError> {
        let method = match body {
            Some(_) => Method::POST,
            None => Method::GET,
        };
        self.ask(&Request {
            operation,
            method,
            path,
            query: Vec::new(),
            body,
        })
        .await
    }

    async fn ask(&self, request: &Request<'_>) -> Result<Vec<u8>, CallError> {
        match self.inner().wire.call(request).await? {
            Answer::Done(body) => Ok(body),
            Answer::Refused { problem, .. } => Err(CallError::NotDone(problem)),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(unreadable)
}

/// A document by itself does nothing: the feed on it has not begun.
fn undone(error: CallError) -> CallError {
    match error {
        CallError::Unknown(what) => CallError::NotDone(what),
        known @ (CallError::NotDone(_) | CallError::Throttled { .. }) => known,
    }
}

/// A document as it was before it was packed, if it was: that is known by its first bytes. Some are said to be packed and
/// are not, others are and nobody says so: issues 2618 and 1280 of the models.
fn unzipped(body: Vec<u8>) -> Result<Vec<u8>, String> {
    if !body.starts_with(&GZIP_MAGIC) {
        return Ok(body);
    }
    let mut document = Vec::new();
    let mut unpacking = MultiGzDecoder::new(&body[..]).take(ANSWER_BYTES_MAX as u64 + 1);
    match unpacking.read_to_end(&mut document) {
        Ok(length) if length > ANSWER_BYTES_MAX => Err("the report is too long".to_owned()),
        Ok(_) => Ok(document),
        Err(error) => Err(format!("the report cannot be unpacked: {error}")),
    }
}

/// Warnings are about messages that were taken.
fn report(body: &[u8]) -> Result<FeedReport, CallError> {
    let body: ReportBody = read(body)?;
    let issues = body.issues.into_iter().flatten();
    let refused = issues
        .filter(|issue| issue.severity == "ERROR")
        .map(|issue| {
            let problem = format!("{}: {}", issue.code, issue.message);
            (issue.message_id, said(&problem))
        });
    Ok(FeedReport {
        accepted: body.summary.messages_accepted,
        refused: refused.collect(),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// What Amazon says of a message is journaled: a sentence of it.
    #[test]
    fn what_a_report_says_is_kept_in_part() {
        let told = |message: &str| {
            let issue = json!({
                "messageId": 1, "code": "4000001", "severity": "ERROR", "message": message,
            });
            let body = json!({ "issues": [issue], "summary": { "messagesAccepted": 0 } });
            let mut refused = report(body.to_string().as_bytes()).unwrap().refused;
            refused.pop().unwrap().1
        };
        assert_eq!(told("invalid"), "4000001: invalid");
        assert_eq!(told(&"x".repeat(10_000)).chars().count(), 301);
    }

    fn zipped(document: &[u8]) -> Vec<u8> {
        let mut packing = GzEncoder::new(Vec::new(), Compression::fast());
        packing.write_all(document).unwrap();
        packing.finish().unwrap()
    }

    /// Also in two parts, one behind the other; what is broken or too long is named.
    #[test]
    fn a_document_is_unpacked_if_it_is_packed_and_as_far_as_answers_go() {
        let (whole, half) = (zipped(b"report"), zipped(b"rep"));
        let parts = [half.clone(), zipped(b"ort")].concat();
        for body in [b"report".to_vec(), whole.clone(), parts] {
            assert_eq!(unzipped(body), Ok(b"report".to_vec()));
        }
        let (longest, longer) = (vec![0; ANSWER_BYTES_MAX], vec![0; ANSWER_BYTES_MAX + 1]);
        assert!(unzipped(zipped(&longest)) == Ok(longest));
        for (body, problem) in [
            (zipped(&longer), "too long"),
            (whole[..whole.len() - 1].to_vec(), "cannot be unpacked"),
            (GZIP_MAGIC.to_vec(), "cannot be unpacked"),
        ] {
            let told = unzipped(body).unwrap_err();
            assert!(told.contains(problem), "{told}");
        }
    }
}
