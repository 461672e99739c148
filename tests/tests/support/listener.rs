//! A server that takes whatever is sent to it and remembers it: a warehouse, an endpoint, a trace collector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What came in one request.
#[derive(Debug, Clone)]
pub struct Call {
    pub head: String,
    pub body: Vec<u8>,
}

impl Call {
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.head, name)
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

pub struct Listener {
    pub port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Listener {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let kept = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&kept)));
            }
        });
        Self { port, calls }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Fulfilment requests per order: how many different ones, each counted once however often it came.
    pub fn requests_per_order(&self) -> BTreeMap<String, usize> {
        let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for call in self.calls() {
            let order = call.json()["order"].as_str().unwrap_or_default().to_owned();
            let id = call.header("webhook-id").unwrap_or_default();
            seen.entry(order).or_default().insert(id);
        }
        seen.into_iter()
            .map(|(order, ids)| (order, ids.len()))
            .collect()
    }
}

/// One request per connection is enough HTTP here.
async fn answer(mut stream: TcpStream, calls: Arc<Mutex<Vec<Call>>>) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if !more(&mut stream, &mut bytes).await {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some(end) = text.find("\r\n\r\n") {
            let length = header(&text, "content-length").and_then(|length| length.parse().ok());
            break (end + 4, length.unwrap_or(0));
        }
    };
    while bytes.len() < head + length {
        if !more(&mut stream, &mut bytes).await {
            return;
        }
    }
    let body = bytes[head..head + length].to_vec();
    let head = String::from_utf8_lossy(&bytes[..head]).into_owned();
    calls.lock().unwrap().push(Call { head, body });
    let done = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(done).await;
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk).await {
        Ok(0) | Err(_) => false,
        Ok(count) => {
            bytes.extend_from_slice(&chunk[..count]);
            true
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    })
}
