//! Who may call what: every route with every scope, and the document that says so.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use crossdock_model::v1::Scope;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Server;
use crate::auth::scope_name;
use crate::error::CODES;
use crate::openapi::operation_id;
use crate::route::{Access, KeyUse};
use crate::server::table;
use crate::{Limits, Page, serve};

fn filled(path: &str) -> String {
    let part = |part: &str| match part.starts_with('{') {
        true => part
            .replace(part.split('}').next().unwrap_or(part), "1")
            .replace('}', ""),
        false => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_route_needs_its_scope() {
    let server = Server::start().await;
    let scopes = [Scope::Read, Scope::Operate, Scope::Admin];
    for route in table() {
        let Access::Key(needed) = route.access else {
            continue;
        };
        let (method, path) = (route.method.clone(), filled(route.path));
        let none = server.anonymous(method.clone(), &path).send().await;
        assert_eq!(none.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        for scope in scopes {
            let bearer = format!("Bearer {}", server.keys[scope_name(scope)]);
            let call = server.anonymous(method.clone(), &path);
            let answer = call.header("Authorization", &bearer).send().await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(refused, scope < needed, "{method} {path} with {scope:?}");
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_ne!(
                answer.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn only_what_must_be_open_is_open() {
    let open: Vec<&str> = table()
        .iter()
        .filter(|route| route.access == Access::Public)
        .map(|route| route.path)
        .collect();
    let known = [
        "/webhooks/{channel}",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/openapi.json",
        "/docs/errors/{code}",
    ];
    assert_eq!(open, known);
}

/// A page is there where it was given, and nowhere else.
#[tokio::test]
async fn a_page_is_served_where_there_is_one() {
    let mut server = Server::start().await;
    let open = async |server: &Server, path: &str| {
        let answer = server.anonymous(Method::GET, path).send().await;
        (answer.status, answer.text)
    };
    assert_eq!(open(&server, "/").await.0, StatusCode::NOT_FOUND);
    let page = Page {
        html: "<p>shown</p>",
        document: std::sync::Arc::new(|| json!({ "orders": 3 })),
    };
    server.router = crate::server::router(server.state_with(Limits::default(), Some(page)));
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    assert_eq!(open(&server, "/").await, ok("<p>shown</p>"));
    assert_eq!(open(&server, "/status.json").await, ok("{\"orders\":3}"));
}

#[tokio::test]
async fn the_document_describes_every_route() {
    let server = Server::start().await;
    let document = server
        .anonymous(Method::GET, "/v1/openapi.json")
        .send()
        .await
        .json();
    let mut ids = BTreeSet::new();
    for route in table() {
        let method = route.method.as_str().to_ascii_lowercase();
        let operation = &document["paths"][route.path][&method];
        assert_eq!(
            operation["operationId"],
            operation_id(&route),
            "{method} {}",
            route.path
        );
        assert!(
            ids.insert(operation_id(&route)),
            "{} twice",
            operation_id(&route)
        );
    }
    let text = document.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name} is missing"
        );
    }
}

/// What refuses to do anything without a key says so in the document, and nothing else does; what takes a key says so too.
#[tokio::test]
async fn the_document_tells_where_a_key_is_needed() {
    let server = Server::start().await;
    let document = server.get("/v1/openapi.json").await.json();
    let mut needed = 0;
    for route in table().iter().filter(|route| route.is_command()) {
        let (method, path) = (route.method.clone(), filled(route.path));
        let operation = &document["paths"][route.path][&method.as_str().to_ascii_lowercase()];
        let parameters = operation["parameters"].as_array().unwrap();
        let header = |name: &str| {
            let mut all = parameters.iter().filter(|one| one["in"] == "header");
            all.find(|one| one["name"] == name).unwrap().clone()
        };
        let is_required = header("Idempotency-Key")["required"] == true;
        for name in ["Idempotency-Issued-At", "Crossdock-Reason"] {
            assert_eq!(header(name)["required"], false, "{method} {path}: {name}");
        }
        let success = operation["responses"].as_object().unwrap();
        for (status, response) in success.iter().filter(|(status, _)| *status != "default") {
            let position = &response["headers"]["Crossdock-Position"];
            assert!(position.is_object(), "{method} {path}: {status}");
        }
        let keyless = server.call(method.clone(), &path).json(&json!({})).send();
        let is_refused = keyless.await.code() == "idempotency_key_missing";
        let is_needed_by_body = route.key == KeyUse::NeededUnlessNamed;
        assert!(!(is_required && is_needed_by_body), "{method} {path}");
        assert_eq!(is_refused, is_required, "{method} {path}");
        needed += usize::from(is_refused);
    }
    assert!(needed >= 14, "only {needed} routes need a key");
    let required = |schema: &str| document["components"]["schemas"][schema]["required"].clone();
    assert_eq!(required("NewOrder"), json!(["lines"]));
    assert_eq!(required("HeldOrder"), Value::Null, "a hold has lines");
    assert_eq!(required("NewLine"), json!(["sku", "units"]));
    let import = &document["paths"]["/v1/imports/{import}"]["post"];
    for kind in ["text/csv", "application/x-ndjson"] {
        assert!(import["requestBody"]["content"][kind].is_object(), "{kind}");
    }
    assert!(import["responses"]["202"]["content"].is_object());
}

#[tokio::test]
async fn keys_are_made_shown_once_and_revoked() {
    let server = Server::start().await;
    let body = json!({"name": "till 4", "scope": "operate"});
    let made = server.post("/v1/keys", "k", &body).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let (id, secret) = (made.json()["id"].clone(), made.json()["secret"].clone());
    let bearer = format!("Bearer {}", secret.as_str().unwrap());
    let read = || {
        let call = server.anonymous(Method::GET, "/v1/locations");
        call.header("Authorization", &bearer).send()
    };
    assert_eq!(read().await.status, StatusCode::OK);
    let listed = server.get("/v1/keys").await;
    assert!(listed.text.contains("till 4"));
    assert!(
        !listed
            .text
            .contains(secret.as_str().unwrap().rsplit('_').next().unwrap())
    );
    let path = format!("/v1/keys/{}", id.as_str().unwrap());
    assert_eq!(
        server.call(Method::DELETE, &path).send().await.status,
        StatusCode::OK
    );
    let refused = read().await;
    assert_eq!(
        (refused.status, refused.code()),
        (StatusCode::UNAUTHORIZED, "unauthorized".to_owned())
    );
}

#[tokio::test]
async fn mistakes_are_problems_with_codes_that_have_pages() {
    let server = Server::start().await;
    let post = |body: &'static str| {
        let call = server.call(Method::POST, "/v1/orders").idempotency("x");
        call.header("Content-Type", "application/json")
            .bytes(body.as_bytes())
            .send()
    };
    let cases = [
        (server.get("/v1/nowhere").await, 404, "not_found"),
        (
            server.call(Method::PUT, "/v1/orders").send().await,
            405,
            "method_not_allowed",
        ),
        (server.get("/v1/orders?limit=201").await, 422, "invalid"),
        (server.get("/v1/orders?colour=red").await, 422, "invalid"),
        (server.get("/v1/orders?cursor=x").await, 422, "invalid"),
        (server.get("/v1/orders/no-channel").await, 422, "invalid"),
        (server.get("/v1/orders/shop:1").await, 404, "not_found"),
        (post("{").await, 400, "malformed"),
        (
            post(r#"{"lines":[{"sku":"A","units":"3"}]}"#).await,
            422,
            "invalid",
        ),
        (
            post(r#"{"lines":[{"sku":"","units":3}]}"#).await,
            422,
            "invalid",
        ),
    ];
    for (answer, status, code) in cases {
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{}",
            answer.text
        );
        assert_eq!(answer.headers["Content-Type"], "application/problem+json");
        assert!(answer.headers.contains_key("X-Request-Id"));
        let page = answer.json()["type"].as_str().unwrap().to_owned();
        let page = server.anonymous(Method::GET, &page).send().await;
        assert!(page.text.starts_with(&format!("# {code}\n")));
        assert!(CODES.iter().any(|(known, _)| *known == code));
    }
    let nameless = server.get("/v1/orders/no-channel").await.text;
    assert!(nameless.contains("channel:external_id"), "{nameless}");
    let named = post(r#"{"lines":[{"sku":"A","units":"3"}]}"#).await.text;
    assert!(named.contains("lines[0].units"), "{named}");
    let plain = server
        .call(Method::POST, "/v1/orders")
        .idempotency("x")
        .bytes(b"{}")
        .send()
        .await;
    assert_eq!(plain.code(), "unsupported_media_type");
    let large = vec![b' '; (1 << 20) + 1];
    let large = server
        .call(Method::POST, "/v1/orders")
        .idempotency("x")
        .header("Content-Type", "application/json")
        .bytes(&large);
    assert_eq!(large.send().await.code(), "too_large");
}

/// A client that never finishes its head keeps no connection; one more than there may be waits its turn.
#[tokio::test]
async fn connections_are_limited_and_slow_heads_cut() {
    let server = Server::start().await;
    let limits = Limits {
        connections_max: 1,
        head: Duration::from_millis(200),
        ..Limits::default()
    };
    let state = server.state(limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(listener, state, async { drop(stopped.await) }));

    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x")
        .await
        .unwrap();
    let mut next = TcpStream::connect(address).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    next.write_all(request).await.unwrap();
    let mut cut = Vec::new();
    slow.read_to_end(&mut cut).await.unwrap();
    let mut answer = String::new();
    next.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    stop.send(()).unwrap();
    serving.await.unwrap();
}
