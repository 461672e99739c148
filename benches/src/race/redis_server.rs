//! Units in Redis, taken by a script, every write flushed before it is answered.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::Script;
use redis::aio::MultiplexedConnection;

use super::shop::{Order, Store};

/// All lines or none, and the order beside them.
const SELL: &str = "
    for at = 2, #KEYS do
        if tonumber(redis.call('GET', KEYS[at])) < tonumber(ARGV[at - 1]) then return 0 end
    end
    for at = 2, #KEYS do redis.call('DECRBY', KEYS[at], ARGV[at - 1]) end
    redis.call('RPUSH', KEYS[1], unpack(KEYS, 2))
    return 1";

const PAUSE: Duration = Duration::from_millis(20);
/// Looks until it answers.
const LOOKS_MAX: u32 = 250;

/// A Redis of the run's own, in a temporary folder, reached by its socket only.
pub struct Redis {
    connection: MultiplexedConnection,
    sell: Script,
    version: String,
    _server: Server,
}

struct Server {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn spawn(dir: tempfile::TempDir, socket: &Path) -> Option<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "yes"]);
        command
            .args(["--appendfsync", "always", "--unixsocket"])
            .arg(socket);
        command.arg("--dir").arg(dir.path()).stdout(Stdio::null());
        let child = command.spawn().ok()?;
        Some(Self { child, _dir: dir })
    }
}

impl Redis {
    pub async fn start() -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("redis").tempdir().unwrap();
        let socket = dir.path().join("socket");
        let server = Server::spawn(dir, &socket)?;
        let client = redis::Client::open(format!("unix://{}", socket.display())).unwrap();
        for _ in 0..LOOKS_MAX {
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                let info = redis::cmd("INFO").arg("server").to_owned();
                let info: String = info.query_async(&mut connection).await.unwrap();
                let version = info
                    .lines()
                    .find_map(|line| line.strip_prefix("redis_version:"));
                return Some(Self {
                    connection,
                    sell: Script::new(SELL),
                    version: version.unwrap_or_default().to_owned(),
                    _server: server,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }
}

impl Store for Redis {
    fn name(&self) -> String {
        format!("Redis {}, Lua script, appendfsync always", self.version)
    }

    async fn stock(&self, skus: &[String], units: u32) {
        for sku in skus {
            let mut connection = self.connection.clone();
            let set = redis::cmd("SET").arg(sku).arg(units).to_owned();
            set.exec_async(&mut connection).await.unwrap();
        }
    }

    async fn sell(&self, order: &Order) -> Result<bool, String> {
        let mut call = self.sell.key(format!("order:{}", order.external_id));
        for line in &order.lines {
            call.key(&line.sku).arg(line.units);
        }
        let mut connection = self.connection.clone();
        let sold: Result<u32, redis::RedisError> = call.invoke_async(&mut connection).await;
        sold.map(|sold| sold == 1)
            .map_err(|error| error.to_string())
    }
}
