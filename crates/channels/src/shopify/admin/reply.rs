//! What an answer says: the data, or why there is none and whether anything was done.

use crossdock_model::{Duration, Timestamp};
use serde_json::Value;

use crate::outbound::{self, CallError, said};

/// Pause when the shop does not say how long to wait.
const PAUSE: Duration = Duration::from_s(1);
/// Shortest pause after the shop was asked too much.
const PAUSE_MIN: Duration = Duration::from_ms(100);
/// Longest such pause, whatever it says.
const PAUSE_MAX: Duration = Duration::from_s(60);

/// An answer as HTTP gave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered<'a> {
    pub status: u16,
    pub date: Option<&'a str>,
    pub retry_after: Option<&'a str>,
    pub body: &'a [u8],
}

/// An answer with data.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub data: Value,
    /// When, by the shop's clock.
    pub at: Option<Timestamp>,
}

/// Reads an answer: what is left of the app's budget, if it says so, and the data.
pub(super) fn read(answered: &Answered<'_>) -> (Option<u32>, Result<Reply, CallError>) {
    if let Err(error) = status(answered) {
        return (None, Err(error));
    }
    match serde_json::from_slice::<Value>(answered.body) {
        Ok(body) => {
            let left = cost(&body, "throttleStatus/currentlyAvailable").map(points);
            (left, data(&body, answered.date))
        }
        Err(_) => {
            let error = CallError::Unknown("the answer is not JSON".to_owned());
            (None, Err(error))
        }
    }
}

fn status(answered: &Answered<'_>) -> Result<(), CallError> {
    match answered.status {
        200..=299 => Ok(()),
        429 => {
            let seconds = answered
                .retry_after
                .and_then(|text| text.trim().parse().ok());
            Err(throttled(seconds))
        }
        status @ (408 | 500..) => Err(CallError::Unknown(format!("status {status}"))),
        status @ (401 | 403) => Err(CallError::NotDone(format!(
            "status {status}: the token is not valid, or the app may not do this"
        ))),
        status => Err(CallError::NotDone(format!("status {status}"))),
    }
}

fn data(body: &Value, date: Option<&str>) -> Result<Reply, CallError> {
    let errors = body.get("errors").and_then(Value::as_array);
    if let Some(errors) = errors.filter(|errors| !errors.is_empty()) {
        return Err(refusal(body, errors));
    }
    let data = body.get("data").filter(|data| data.is_object());
    let data = data.ok_or_else(|| CallError::Unknown("the answer has no data".to_owned()))?;
    Ok(Reply {
        data: data.clone(),
        at: date.and_then(outbound::http_date),
    })
}

/// Errors beside or in place of the data. Without `data` the document was not carried out at all, unless the shop
/// itself failed; with it, parts may have been.
fn refusal(body: &Value, errors: &[Value]) -> CallError {
    let code = |error: &Value| {
        let code = error.pointer("/extensions/code").and_then(Value::as_str);
        code.unwrap_or_default().to_owned()
    };
    let has = |wanted: &str| errors.iter().any(|error| code(error) == wanted);
    if has("THROTTLED") {
        let missing = cost(body, "requestedQueryCost")
            .zip(cost(body, "throttleStatus/currentlyAvailable"))
            .map(|(cost, left)| (cost - left).max(0.0));
        let rate = cost(body, "throttleStatus/restoreRate").filter(|rate| *rate > 0.0);
        return throttled(missing.zip(rate).map(|(points, rate)| points / rate));
    }
    let message = errors
        .iter()
        .find_map(|error| error.get("message")?.as_str());
    let said = said(message.unwrap_or("an error without a message"));
    let executed = body.get("data").is_some() && !has("ACCESS_DENIED");
    match executed || has("INTERNAL_SERVER_ERROR") {
        true => CallError::Unknown(said),
        false => CallError::NotDone(said),
    }
}

fn throttled(seconds: Option<f64>) -> CallError {
    let asked = seconds.and_then(outbound::seconds);
    CallError::Throttled {
        retry_after: asked.unwrap_or(PAUSE).clamp(PAUSE_MIN, PAUSE_MAX),
    }
}

fn cost(body: &Value, path: &str) -> Option<f64> {
    body.pointer(&format!("/extensions/cost/{path}"))?.as_f64()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as saturates, and points are small"
)]
fn points(points: f64) -> u32 {
    points as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> (Option<u32>, Result<Reply, CallError>) {
        read(&Answered {
            status,
            date: Some("Mon, 02 Nov 2026 14:30:00 GMT"),
            retry_after: Some("2.0"),
            body: body.as_bytes(),
        })
    }

    #[test]
    fn data_comes_with_the_budget_and_the_time() {
        let body = r#"{"data":{"a":{"id":"gid://shopify/A/820982911946154508"}},
            "extensions":{"cost":{"throttleStatus":{"currentlyAvailable":1958.0}}}}"#;
        let (left, reply) = said(200, body);
        let reply = reply.unwrap();
        assert_eq!(left, Some(1958));
        assert_eq!(reply.at, Some(Timestamp::from_ms(1_793_629_800_000)));
        assert_eq!(reply.data["a"]["id"], "gid://shopify/A/820982911946154508");
    }

    /// Whether it was surely not done, or nobody knows, decides whether it is sent again.
    #[test]
    fn every_answer_says_whether_anything_was_done() {
        let throttled = |ms| CallError::Throttled {
            retry_after: Duration::from_ms(ms),
        };
        let unknown = |text: &str| CallError::Unknown(text.to_owned());
        let not_done = |text: &str| CallError::NotDone(text.to_owned());
        let table = [
            (
                200,
                r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":
                {"requestedQueryCost":60,"throttleStatus":{"currentlyAvailable":10,"restoreRate":100.0}}}}"#,
                throttled(500),
            ),
            (
                200,
                r#"{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}]}"#,
                throttled(1000),
            ),
            (429, "", throttled(2000)),
            (500, "", unknown("status 500")),
            (502, r#"{"errors":"bad gateway"}"#, unknown("status 502")),
            (408, "", unknown("status 408")),
            (404, "", not_done("status 404")),
            (302, "", not_done("status 302")),
            (200, "<html>", unknown("the answer is not JSON")),
            (200, "{}", unknown("the answer has no data")),
            (
                200,
                r#"{"errors":[{"message":"no field x","extensions":{"code":"undefinedField"}}]}"#,
                not_done("no field x"),
            ),
            (
                200,
                r#"{"data":null,"errors":[{"message":"may not","extensions":{"code":"ACCESS_DENIED"}}]}"#,
                not_done("may not"),
            ),
            (
                200,
                r#"{"data":{"a":null},"errors":[{"message":"half way"}]}"#,
                unknown("half way"),
            ),
            (
                200,
                r#"{"errors":[{"message":"oh","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#,
                unknown("oh"),
            ),
        ];
        for (status, body, expected) in table {
            let (left, reply) = said(status, body);
            assert_eq!(reply, Err(expected), "{status} {body}");
            let is_told = body.contains("currentlyAvailable");
            assert_eq!(left, is_told.then_some(10), "{status} {body}");
        }
    }
}
