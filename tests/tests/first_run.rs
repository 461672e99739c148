//! What a new user does first: the README's commands, `init`, wrong keys, bad configuration.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};

use serde_json::{Value, json};
use support::{Setup, binary};

/// The README's order: from a signed webhook to *requested*, explained step by step.
#[tokio::test]
async fn a_shopify_order_flows_to_requested_and_explains_itself() {
    let mut setup = Setup::new();
    setup.config_text = Some(example(&setup));
    let server = setup.start().await;
    let trigger = [
        "trigger",
        "orders/create",
        "--order",
        "1001",
        "--sku",
        "TEE-BLK-M:2",
        "--sku",
        "MUG-01:1",
    ];
    let (code, said, error) = setup.crossdock(&trigger);
    assert_eq!(code, 0, "{said}{error}");
    support::settled(&server, "shop:820000000000001001", &["requested"]).await;
    let show = || setup.crossdock(&["order", "show", "shop:820000000000001001"]);
    // Requested is what was decided; that it was sent is a step of its own, a moment later.
    support::until("the request is sent", async || {
        show().1.contains("Request 1 sent to columbus")
    })
    .await;
    let (code, said, error) = show();
    assert_eq!(code, 0, "{said}{error}");
    for step in [
        "Received from shop",
        "columbus chosen",
        "reno outranked",
        "Reserved 2 × TEE-BLK-M",
    ] {
        assert!(said.contains(step), "{step} is not in:\n{said}");
    }
    let (_, said, _) = setup.crossdock(&["order", "show", "shop:820000000000001001", "--json"]);
    let order: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(order["status"], "requested");
}

/// All topics, twice, out of order and late: one order, reserved once.
#[tokio::test]
async fn a_shop_that_repeats_itself_is_heard_once() {
    let mut setup = Setup::new();
    setup.config_text = Some(example(&setup));
    let server = setup.start().await;
    support::until("the example stock is there", async || {
        server.call("GET", "/v1/stock/MUG-01", None).await.1["ats"].as_i64() > Some(0)
    })
    .await;
    let before = server.get("/v1/stock/TEE-BLK-M").await["ats"]
        .as_i64()
        .unwrap();
    let trigger = [
        "trigger",
        "orders/create",
        "--order",
        "2000",
        "--count",
        "5",
        "--sku",
        "TEE-BLK-M:1",
        "--duplicate",
        "2",
        "--shuffle",
        "--stale",
    ];
    let (code, said, error) = setup.crossdock(&trigger);
    assert_eq!(code, 0, "{said}{error}");
    for number in 2000..2005 {
        support::settled(
            &server,
            &format!("shop:82000000000000{number}"),
            &["requested"],
        )
        .await;
    }
    assert_eq!(server.get("/v1/stock/TEE-BLK-M").await["ats"], before - 5);
}

/// A body of the user's own is signed and delivered as it is.
#[tokio::test]
async fn a_body_from_a_file_is_triggered() {
    let setup = Setup::new();
    let server = setup.start().await;
    support::stock(&server, None, &[("A", 5)]).await;
    let body = setup.dir.path().join("order.json");
    let order = support::shop::order(7, &[("A", 2)]);
    std::fs::write(&body, order.to_string()).unwrap();
    let file = body.to_str().unwrap();
    let (code, said, error) = setup.crossdock(&["trigger", "orders/create", "--file", file]);
    assert_eq!(code, 0, "{said}{error}");
    let id = format!("shop:{}", order["id"]);
    support::settled(&server, &id, &["requested"]).await;
}

/// A server in a folder, once it answers to the key that lies there. Its log goes to a file there.
async fn served(dir: &Path) -> Child {
    let mut serve = Command::new(binary());
    let log = File::create(dir.join("log")).unwrap();
    let serve = serve.arg("serve").current_dir(dir).stderr(log);
    let server = serve.spawn().unwrap();
    support::until("the server answers to the key", async || {
        run(dir, &["key", "list"]).0 == 0
    })
    .await;
    server
}

/// Told to stop as an init system does it, a server ends well and says so.
fn stopped(mut server: Child, dir: &Path) {
    let pid = server.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.unwrap().success() && server.wait().unwrap().success());
    let log = std::fs::read_to_string(dir.join("log")).unwrap();
    let last = log.lines().last().unwrap();
    assert!(last.contains("stopped: "), "{log}");
}

#[tokio::test]
async fn what_init_writes_serves() {
    let dir = tempfile::tempdir().unwrap();
    let init = run(dir.path(), &["init", "--dir", "."]);
    assert_eq!(init.0, 0, "{init:?}");
    assert!(
        init.1.trim().starts_with("cdk_"),
        "the key is shown: {init:?}"
    );
    let again = run(dir.path(), &["init", "--dir", "."]);
    assert_ne!(again.0, 0, "nothing is written over");
    let check = run(dir.path(), &["check"]);
    assert_eq!(check.0, 0, "{check:?}");
    assert!(!check.2.contains("warning"), "{check:?}");
    let port = support::free_port();
    let config = std::fs::read_to_string(dir.path().join("crossdock.toml")).unwrap();
    let config = config.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    assert!(config.contains(&port.to_string()), "{config}");
    std::fs::write(dir.path().join("crossdock.toml"), config).unwrap();
    let mut server = served(dir.path()).await;
    let unknown = run(dir.path(), &["order", "show", "shop:1"]);
    assert_eq!(unknown.0, 4, "{unknown:?}");
    let offline = [
        "key",
        "create",
        "--name",
        "ops",
        "--scope",
        "admin",
        "--offline",
    ];
    let in_use = run(dir.path(), &offline);
    assert!(
        in_use.0 == 1 && in_use.2.contains("a server uses"),
        "{in_use:?}"
    );
    server.kill().unwrap();
    server.wait().unwrap();
    only_its_user_may_look(dir.path());
    // Whoever has lost the admin key makes another where the data is.
    let key_file = dir.path().join("data/admin.key");
    std::fs::remove_file(&key_file).unwrap();
    let made = run(dir.path(), &offline);
    assert!(made.0 == 0 && made.1.starts_with("cdk_"), "{made:?}");
    std::fs::write(&key_file, &made.1).unwrap();
    let skus = dir.path().join("skus.csv");
    std::fs::write(&skus, "sku,title\nA-1,Tee\n,nameless\n").unwrap();
    let server = served(dir.path()).await;
    let imported = run(dir.path(), &["import", "skus", "skus.csv", "--json"]);
    let report: Value = serde_json::from_str(&imported.1).unwrap();
    assert_eq!(
        (imported.0, &report["imported"]),
        (1, &json!(1)),
        "{imported:?}"
    );
    assert!(imported.2.contains("skus.csv:3:"), "{imported:?}");
    stopped(server, dir.path());
    let gone = run(dir.path(), &["order", "show", "shop:1"]);
    assert_eq!(gone.0, 5, "{gone:?}");
    assert!(
        gone.2.contains("crossdock serve"),
        "it says what to do: {gone:?}"
    );
}

#[test]
fn every_mistake_of_a_configuration_is_named_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[server]\nlisten = \"nowhere\"\n[data]\ndedup_days = 0\n[channels.shop]\nkind = \"etsy\"\n[typo]\n";
    std::fs::write(dir.path().join("crossdock.toml"), text).unwrap();
    let (code, said, error) = run(dir.path(), &["check"]);
    let told = said + &error;
    assert_eq!(code, 3, "{told}");
    for line in [
        "crossdock.toml:2:",
        "crossdock.toml:4:",
        "crossdock.toml:6:",
        "crossdock.toml:7:",
    ] {
        assert!(told.contains(line), "{line} is not in:\n{told}");
    }
}

#[tokio::test]
async fn keys_open_what_their_scope_says() {
    let setup = Setup::new();
    let server = setup.start().await;
    support::stock(&server, None, &[("A", 1)]).await;
    let (code, said, error) = setup.crossdock(&[
        "key", "create", "--name", "reader", "--scope", "read", "--json",
    ]);
    assert_eq!(code, 0, "{error}");
    let key: Value = serde_json::from_str(&said).unwrap();
    let mut reader = server.door();
    reader.key = key["secret"].as_str().unwrap().to_owned();
    assert_eq!(reader.call("GET", "/v1/stock/A", None).await.0, 200);
    let receipt = json!({ "location": "reno", "units": 1 });
    let (status, refused) = reader
        .call("POST", "/v1/stock/A/receipts", Some(receipt))
        .await;
    assert_eq!((status, &refused["code"]), (403, &json!("forbidden")));
    reader.key = "cdk_000000000000_wrong".to_owned();
    let (status, refused) = reader.call("GET", "/v1/stock/A", None).await;
    assert_eq!((status, &refused["code"]), (401, &json!("unauthorized")));
    assert!(!setup.log_text().contains("cdk_"), "a key is in the log");
}

/// Without the key it was made under, data is not opened, and nothing is left that looks like that key.
#[tokio::test]
async fn data_without_its_key_is_refused() {
    let setup = Setup::new();
    drop(setup.start().await);
    let key = setup.data().join("master.key");
    std::fs::remove_file(&key).unwrap();
    let refused = setup.try_start().await.err().unwrap();
    assert!(refused.contains("master.key is not there"), "{refused}");
    assert!(!key.exists());
}

/// The data folder and all that is in it are for one user; `check` warns of a folder that others may read.
fn only_its_user_may_look(dir: &Path) {
    let data = dir.join("data");
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
    }
    assert!(data.join("insight.sqlite").exists());
    assert_eq!(mode(&data), 0o700);
    set_mode(&data, 0o755);
    let check = run(dir, &["check", "--json"]);
    let said: Value = serde_json::from_str(&check.1).unwrap();
    let warning = said["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains("chmod 700"), "{check:?}");
    assert_eq!(check.0, 0, "a warning is no mistake: {check:?}");
    set_mode(&data, 0o700);
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn run(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(binary());
    let done = command.args(arguments).current_dir(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        done.status.code().unwrap_or(-1),
        text(done.stdout),
        text(done.stderr),
    )
}

/// The example configuration on a free port, with data of its own.
fn example(setup: &Setup) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join("config/example.toml")).unwrap();
    text.replace(
        "\"example/",
        &format!("\"{}/config/example/", root.display()),
    )
    .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", setup.port))
    .replace("\"../data\"", &format!("{:?}", setup.data()))
}
