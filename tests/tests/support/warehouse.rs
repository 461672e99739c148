//! A warehouse that takes fulfilment requests and remembers them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Every call: webhook id and body.
pub type Calls = Arc<Mutex<Vec<(String, Value)>>>;

pub struct Warehouse {
    pub port: u16,
    pub calls: Calls,
}

impl Warehouse {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Calls::default();
        let kept = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&kept)));
            }
        });
        Self { port, calls }
    }

    /// Requests per order: how many different ones, each counted once however often it came.
    pub fn requests_per_order(&self) -> BTreeMap<String, usize> {
        let mut seen: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
        for (id, body) in self.calls.lock().unwrap().iter() {
            let order = body["order"].as_str().unwrap_or_default().to_owned();
            seen.entry(order).or_default().insert(id.clone());
        }
        seen.into_iter()
            .map(|(order, ids)| (order, ids.len()))
            .collect()
    }
}

/// One request per connection is enough HTTP for a webhook.
async fn answer(mut stream: TcpStream, calls: Calls) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some(end) = text.find("\r\n\r\n") {
            let length = header(&text, "content-length")
                .and_then(|l| l.parse().ok())
                .unwrap_or(0);
            break (end + 4, length);
        }
    };
    while bytes.len() < head + length {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let id = header(&text, "webhook-id").unwrap_or_default();
    let body = serde_json::from_slice(&bytes[head..head + length]).unwrap_or(Value::Null);
    calls.lock().unwrap().push((id, body));
    let _ = stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .await;
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}
