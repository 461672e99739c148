//! Who is put off while webhooks wait, and who is not.

use axum::http::Method;
use crossdock_runtime::testing::{in_time, until};
use crossdock_runtime::{Door, Entered};
use serde_json::json;

use super::Server;

impl Server {
    /// Whoever fills the room behind a door until they are let go.
    fn crowd(&self, door: Door) -> Vec<Entered> {
        std::iter::from_fn(|| self.handle.enter(door)).collect()
    }
}

#[tokio::test]
async fn each_is_told_when_to_come_again() {
    let server = Server::start().await;
    server.stocked("A-1", 5).await;
    let hold = json!({"hold": "h", "sku": "A-1", "units": 1, "expires_in_s": 60});
    for (door, again, method, path) in [
        (Door::Import, "10", Method::POST, "/v1/imports/stock"),
        (Door::Read, "3", Method::GET, "/v1/stock/A-1"),
        (Door::Hold, "2", Method::POST, "/v1/holds"),
        (Door::Ask, "1", Method::PUT, "/v1/skus/A-1"),
    ] {
        let crowd = server.crowd(door);
        let call = server.call(method.clone(), path).idempotency(path);
        let put_off = call.json(&hold).send().await;
        assert_eq!(put_off.status, 503, "{path}: {}", put_off.text);
        assert_eq!(put_off.code(), "overloaded", "{path}");
        assert_eq!(put_off.headers["retry-after"], again, "{path}");
        let others = server.get("/v1/stock/A-1").await.status;
        assert_eq!(others == 200, door != Door::Read, "beside {door:?}");
        let figures = server.anonymous(Method::GET, "/metrics").send().await;
        let name = door.name();
        let line = format!("crossdock_requests_put_off_total{{door=\"{name}\"}}");
        assert!(figures.text.contains(&line), "{}", figures.text);
        drop(crowd);
        let again = server.call(method, path).idempotency(path);
        let answer = again.json(&hold).send().await;
        assert_ne!(answer.status, 503, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn webhooks_and_those_who_look_after_the_server_are_never_put_off() {
    let server = Server::start().await;
    let _crowds = [Door::Import, Door::Read, Door::Hold, Door::Ask].map(|door| server.crowd(door));
    let delivered = server.deliver_signed("e1").await;
    assert_eq!(delivered.status, 200, "{}", delivered.text);
    for path in ["/healthz", "/readyz", "/metrics", "/v1/openapi.json"] {
        let looked = server.anonymous(Method::GET, path).send().await;
        assert_eq!(looked.status, 200, "{path}");
    }
}

/// Nothing of a file is lost by it.
#[tokio::test]
async fn lines_of_an_import_wait_and_go_on() {
    let server = Server::start().await;
    server.stocked("A-1", 1).await;
    let lines = "sku,location,on_hand\nA-1,reno,7\n";
    // The import is let in, its line is not.
    let mut crowd = server.crowd(Door::Import);
    crowd.pop();
    let importing = server.import("stock", "i", "text/csv", lines);
    let (done, ()) = tokio::join!(in_time("the import ends", importing), async {
        crowd.extend(server.handle.enter(Door::Import));
        until("the line is put off", async || {
            let figures = server.anonymous(Method::GET, "/metrics").send().await;
            figures.text.contains("put_off_total{door=\"import\"} 2")
        })
        .await;
        drop(crowd);
    });
    assert_eq!(done.json()["imported"], 1, "{}", done.text);
    let stock = server.get("/v1/stock/A-1").await.json();
    assert_eq!(stock["locations"][0]["on_hand"], 7);
}
