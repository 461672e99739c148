//! What locations have to do, on lists and sheets, and what they answer.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Server;

impl Server {
    /// An order of so many units of A-1.
    async fn ordered(&self, external: &str, units: u32) {
        let order = json!({
            "external_id": external, "lines": [{"sku": "A-1", "units": units}],
            "destination": {"country": "US"},
        });
        let placed = self
            .post("/v1/orders", &format!("o{external}"), &order)
            .await;
        assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.text);
    }

    /// What reno has to do once it is that many requests.
    async fn to_do(&self, requests: usize) -> Value {
        let path = "/v1/fulfilment-requests?location=reno&status=open&limit=200";
        let count = |found: &Value| found["items"].as_array().map_or(0, Vec::len);
        self.shows(path, |found| count(found) >= requests).await
    }
}

#[tokio::test]
async fn locations_see_and_ship_their_work() {
    let server = Server::start().await;
    server.stocked("A-1", 2).await;
    let order = json!({
        "external_id": "1", "name": "=cmd", "lines": [{"sku": "A-1", "units": 2}],
        "service_level": "express", "ship_by": "2030-01-02T03:04:05Z",
        "buyer": {"address": {"name": "<b>Canary</b>", "country": "US", "state": "NV", "phone": "+1 775"}},
    });
    server.post("/v1/orders", "o", &order).await;
    let open = "location=reno&status=open";
    let found = server.to_do(1).await;
    assert_eq!(found["items"][0]["order"], "api:1", "{found}");
    assert_eq!(found["items"][0]["lines"][0]["units"], 2);
    let csv = server
        .get(&format!("/v1/fulfilment-requests.csv?{open}"))
        .await
        .text;
    for cell in [
        "'=cmd",
        "express",
        "2030-01-02T03:04:05.000Z",
        "NV",
        "'+1 775",
    ] {
        assert!(
            csv.contains(&format!("\"{cell}\"")),
            "{cell} is not in {csv}"
        );
    }
    let html = server
        .get(&format!("/v1/fulfilment-requests.html?{open}"))
        .await
        .text;
    assert!(
        html.contains("&lt;b&gt;Canary") && !html.contains("<b>Canary"),
        "{html}"
    );
    let path = "/v1/orders/api:1/requests/1";
    let taken = server
        .post(&format!("{path}/acknowledge"), "a", &json!({}))
        .await;
    assert_eq!(taken.json()["status"], "acknowledged", "{}", taken.text);
    let ship = json!({"tracking": {"carrier": "DHL", "number": "1"}});
    let shipped = server.post(&format!("{path}/ship"), "s", &ship).await;
    assert_eq!(shipped.json()["status"], "shipped", "{}", shipped.text);
    let unknown = server
        .post("/v1/orders/api:1/requests/9/acknowledge", "x", &json!({}))
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.text);
}

/// A sheet is every page, in CSV and to print.
#[tokio::test]
async fn sheets_are_whole() {
    let server = Server::start().await;
    server.stocked("A-1", 300).await;
    for number in 0..210 {
        server.ordered(&number.to_string(), 1).await;
    }
    for number in 0..210 {
        server.requested(&format!("api:{number}")).await;
    }
    let mut page = server.to_do(200).await;
    let mut seen = page["items"].as_array().unwrap().len();
    while let Some(cursor) = page["next_cursor"].as_str() {
        let path = format!("/v1/fulfilment-requests?status=open&limit=200&cursor={cursor}");
        page = server.get(&path).await.json();
        seen += page["items"].as_array().unwrap().len();
    }
    assert_eq!(seen, 210);
    let csv = server
        .get("/v1/fulfilment-requests.csv?location=reno&status=open")
        .await;
    assert_eq!(csv.text.lines().count(), 211);
    assert!(!csv.headers.contains_key("crossdock-next-cursor"));
    let html = server.get("/v1/fulfilment-requests.html").await.text;
    assert_eq!(html.matches("<tr>").count(), 211);
    // What was cancelled is on no sheet that somebody picks from.
    let cancel = json!({"reason": "bought twice"});
    let cancelled = server.post("/v1/orders/api:7/cancel", "c", &cancel).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{}", cancelled.text);
    let answer = json!({"accepted": true});
    let path = "/v1/orders/api:7/requests/1/cancel-answer";
    server.post(path, "a", &answer).await;
    server.catch_up();
    let csv = server.get("/v1/fulfilment-requests.csv").await;
    assert_eq!(csv.text.lines().count(), 210);
    for wrong in ["status=opne", "status=open&limit=5"] {
        let refused = server
            .get(&format!("/v1/fulfilment-requests.csv?{wrong}"))
            .await;
        assert_eq!(refused.code(), "invalid", "{}", refused.text);
    }
}

/// Each of a location's answers, and where the order is then.
#[tokio::test]
async fn locations_answer_what_they_did() {
    let server = Server::start().await;
    server.stocked("A-1", 30).await;
    for external in ["1", "2", "3"] {
        server.ordered(external, 3).await;
    }
    server.to_do(3).await;
    let tell = async |order: &str, word: &str, body: Value| {
        let path = format!("/v1/orders/api:{order}/requests/1/{word}");
        let answer = server
            .post(&path, &format!("{order}{word}{body}"), &body)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{word}: {}", answer.text);
        answer.json()
    };
    let line = |units: u32| json!([{"line": "1", "sku": "A-1", "units": units}]);
    let parcel =
        json!({"shipment": "P1", "lines": line(1), "tracking": {"carrier": "UPS", "number": "1Z"}});
    let first = tell("1", "ship", parcel).await;
    assert_eq!(first["status"], "partly_shipped", "{first}");
    let short = tell("1", "short-pick", json!({"lines": line(1)})).await;
    assert_eq!(short["requests"][0]["status"], "partly_shipped", "{short}");
    let rejected = tell("2", "reject", json!({"reason": "cannot_ship_there"})).await;
    assert_eq!(rejected["requests"][0]["status"], "rejected", "{rejected}");
    let stop = json!({"reason": "buyer"});
    let asked = server
        .post("/v1/orders/api:3/cancel", "c", &stop)
        .await
        .json();
    assert_eq!(asked["requests"][0]["status"], "cancelling", "{asked}");
    let stopped = tell("3", "cancel-answer", json!({"accepted": true})).await;
    assert_eq!(stopped["status"], "cancelled", "{stopped}");

    server.catch_up();
    let shown = server.get("/v1/orders/api:1").await.json();
    let shipment = &shown["shipments"][0];
    assert_eq!(
        (
            &shipment["shipment"],
            &shipment["number"],
            &shipment["carrier"]
        ),
        (&json!("P1"), &json!("1Z"), &json!("UPS")),
        "{shown}"
    );
}
