//! `init`: writes a commented configuration, makes the data directory and the first admin key.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use crossdock_journal::sqlite::make_private_dir;
use crossdock_runtime::Handle;
use serde_json::json;

use super::client::random_key;
use super::exit::{Failure, Outcome};
use super::offline::with_node;
use super::target::{CONFIG_FILE, Target};
use super::template;
use crate::config::{Config, Data};
use crate::first_key::{ADMIN_KEY_FILE, create_key_in};

/// The data directory, beside the configuration.
const DATA_DIR: &str = "data";
/// Where the example channel's secret is, in the data directory.
const SHOP_SECRET_FILE: &str = "shop.secret";

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to put configuration and data
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let file = args.dir.join(CONFIG_FILE);
    let data = Data {
        dir: args.dir.join(DATA_DIR),
        ..Data::default()
    };
    refuse(&file)?;
    refuse(&data.dir.join(ADMIN_KEY_FILE))?;
    fs::create_dir_all(&args.dir).with_context(|| format!("cannot make {}", args.dir.display()))?;
    make_private_dir(&data.dir).context("the data directory")?;
    let secret = data.dir.join(SHOP_SECRET_FILE);
    write(&secret, &random_key()?, 0o600)?;
    let text = template::text(DATA_DIR, &format!("{DATA_DIR}/{SHOP_SECRET_FILE}"))?;
    Config::parse(&file, &text).map_err(|mistakes| Failure::config(&mistakes))?;
    let key = admin_key(&data).await?;
    // Last: a configuration that is there says that everything it names is.
    write(&file, &text, 0o644)?;
    let document = json!({ "config": file, "data": data.dir, "admin_key": key });
    target.out().show(&document, |out, _| {
        out.line(&key);
        out.say("this is the first admin key, shown once; the command line finds it in the data directory");
        out.say(format_args!("keep a copy of {} elsewhere", data.master_key().display()));
        out.say(format_args!("next: crossdock serve --config {}", file.display()));
    });
    Ok(())
}

/// Nothing is written over.
fn refuse(file: &Path) -> Outcome {
    if !file.exists() {
        return Ok(());
    }
    let what = format!("{} exists and is not written over", file.display());
    Err(Failure::failed(what).remedy("choose another directory with --dir, or move it away"))
}

fn write(file: &Path, text: &str, mode: u32) -> Outcome {
    let mut options = OpenOptions::new();
    let written = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .and_then(|mut opened| {
            opened.write_all(text.trim_end().as_bytes())?;
            opened.write_all(b"\n")?;
            opened.sync_all()
        });
    Ok(written.with_context(|| format!("cannot write {}", file.display()))?)
}

/// Makes the journal and in it the first key.
async fn admin_key(data: &Data) -> Outcome<String> {
    let file = data.dir.join(ADMIN_KEY_FILE);
    let create = async |handle: Handle| create_key_in(&file, &handle, "admin").await;
    with_node(data, create).await
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn nothing_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("crossdock.toml");
        write(&file, "a", 0o600).unwrap();
        assert!(refuse(&file).is_err());
        assert!(write(&file, "b", 0o600).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "a\n");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_it_makes_is_whole_and_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target {
            config: None,
            url: None,
            json: true,
        };
        let again = || Args {
            dir: dir.path().to_owned(),
        };
        run(&target, again()).await.unwrap();
        let config = Config::read(&dir.path().join(CONFIG_FILE)).unwrap();
        // The folder can be moved: nothing in it says where it is.
        let text = fs::read_to_string(dir.path().join(CONFIG_FILE)).unwrap();
        assert!(text.contains("dir = \"data\""), "{text}");
        assert!(config.channels["shop"].webhook_secrets[0].read().is_ok());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&config.data.dir), 0o700);
        for name in [ADMIN_KEY_FILE, SHOP_SECRET_FILE, "master.key"] {
            assert_eq!(mode(&config.data.dir.join(name)), 0o600, "{name}");
        }
        assert!(run(&target, again()).await.is_err());
    }
}
