//! Postgres in a temporary folder.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A Postgres of this run's own, in a temporary folder, reached by its socket only.
pub struct Server {
    dir: tempfile::TempDir,
    bin: PathBuf,
    socket: PathBuf,
}

impl Server {
    /// Starts one; none where Postgres is not installed.
    pub fn start() -> Option<Self> {
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .flatten()
            .map(|e| e.path())
            .collect();
        versions.sort();
        let bin = versions.pop()?.join("bin");
        if !bin.join("initdb").exists() {
            return None;
        }
        let dir = tempfile::Builder::new().prefix("pg").tempdir().ok()?;
        let server = Self {
            socket: dir.path().to_owned(),
            bin,
            dir,
        };
        server.own();
        let data = server.data();
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c max_connections=100 -c shared_buffers=256MB",
            server.socket.display()
        );
        let log = server.socket.join("log");
        server.tool("initdb", &["-D", &data, "-U", "bench", "--auth=trust"])?;
        server.tool(
            "pg_ctl",
            &[
                "-D",
                &data,
                "-l",
                log.to_str()?,
                "-w",
                "-o",
                &options,
                "start",
            ],
        )?;
        Some(server)
    }

    /// What a client connects to.
    pub fn url(&self) -> String {
        format!("host={} user=bench dbname=postgres", self.socket.display())
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    /// Postgres does not run as root: give the folder to its own user then.
    fn own(&self) {
        if is_root() {
            let _ = Command::new("chown")
                .arg("postgres")
                .arg(self.dir.path())
                .status();
        }
    }

    fn tool(&self, name: &str, words: &[&str]) -> Option<()> {
        let program = self.bin.join(name);
        let mut command = match is_root() {
            true => {
                let mut as_postgres = Command::new("runuser");
                as_postgres.args(["-u", "postgres", "--"]).arg(program);
                as_postgres
            }
            false => Command::new(program),
        };
        command
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
            .current_dir("/")
            .status()
            .ok()?
            .success()
            .then_some(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.tool("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}
