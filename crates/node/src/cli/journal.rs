//! `journal`: reads, checks, backs up and restores a data directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Subcommand;
use crossdock_journal::sqlite::{VerifyReport, master_key, restore, scan, verify};
use crossdock_journal::{JournalError, SqliteJournal, SqliteOptions, StoredFrame};
use crossdock_logic::audit::Audit;
use crossdock_model::{EntityId, Record, ShardId};
use crossdock_runtime::{Clock, RealClock};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::random_key;
use super::exit::{Failure, Outcome};
use super::out::{Out, text};
use super::target::Target;

/// Arguments of `journal`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data directory [default: `data.dir` of the configuration]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every record as JSON, one a line, also of a running server
    Cat {
        /// Only this shard
        #[arg(long, value_parser = clap::value_parser!(u16).range(0..256))]
        shard: Option<u16>,
        /// Only this entity, `sku:A-1`
        #[arg(long)]
        entity: Option<EntityId>,
    },
    /// Read everything, also of a running server, and say what is wrong
    Verify,
    /// Copy the journal to an empty directory; a running server copies it itself
    Backup {
        /// The empty directory
        #[arg(long)]
        to: PathBuf,
    },
    /// Make a data directory out of a backup
    Restore {
        /// The backup
        #[arg(long)]
        from: PathBuf,
        /// An empty directory
        #[arg(long)]
        to: PathBuf,
        /// Copies of erasures.log made after the backup: what they list is erased again
        #[arg(long, value_name = "FILE")]
        erasures: Vec<PathBuf>,
    },
}

/// Runs it.
pub(crate) async fn run(target: &Target, args: Args) -> Outcome {
    let out = target.out();
    match args.action {
        Action::Cat { shard, entity } => {
            let dir = data_dir(target, args.data.as_deref())?;
            cat(out, &dir, shard.and_then(ShardId::new), entity.as_ref())
        }
        Action::Verify => check(out, &data_dir(target, args.data.as_deref())?),
        Action::Backup { to } => backup(target, args.data.as_deref(), &to).await,
        Action::Restore { from, to, erasures } => {
            let erasures: Vec<&Path> = erasures.iter().map(PathBuf::as_path).collect();
            let report = restore(&from, &to, &erasures).map_err(failure)?;
            let document = json!({
                "to": to,
                "journal_id": format!("{:032x}", report.journal_id),
                "erased_again": report.erased_again,
                "frames": report.verified.frames,
            });
            out.show(&document, |out, _| {
                let (frames, erased) = (report.verified.frames, report.erased_again);
                out.line(format_args!(
                    "{frames} records restored to {}, {erased} erased again",
                    to.display()
                ));
                out.say("put the master key beside it, or name it as data.master_key_file");
            });
            Ok(())
        }
    }
}

fn data_dir(target: &Target, given: Option<&Path>) -> Outcome<PathBuf> {
    match given {
        Some(dir) => Ok(dir.to_owned()),
        None => Ok(target.config_or_default()?.data.dir),
    }
}

/// Copies a journal that nobody uses, or asks the server that uses it to.
async fn backup(target: &Target, given: Option<&Path>, to: &Path) -> Outcome {
    let document = match open(target, given)? {
        Opened::Free(journal, clock) => {
            let report = journal.backup(to, clock.now()).map_err(failure)?;
            json!({ "to": to, "files": report.files, "bytes": report.bytes })
        }
        Opened::InUse => {
            let to = std::path::absolute(to).with_context(|| to.display().to_string())?;
            let path = ["v1", "journal", "backups"];
            let client = target.client()?;
            let call = client.call(Method::POST, &path).key(&random_key()?);
            client.run(call.json(&json!({ "to": to })).long()).await?
        }
    };
    target.out().show(&document, |out, document| {
        let (files, bytes) = (text(document, "files"), text(document, "bytes"));
        out.line(format_args!(
            "{files} files, {bytes} bytes in {}",
            to.display()
        ));
        out.say("the master key is not in it: keep a copy of that elsewhere");
    });
    Ok(())
}

/// A journal to be copied.
enum Opened {
    Free(Box<SqliteJournal>, RealClock),
    InUse,
}

fn open(target: &Target, given: Option<&Path>) -> Outcome<Opened> {
    let mut data = target.config_or_default()?.data;
    if let Some(dir) = given {
        data.dir = dir.to_owned();
    }
    // Opening makes what is missing; a backup must not.
    let key = data.master_key();
    if !key.exists() {
        let (dir, key) = (data.dir.display(), key.display());
        let what = format!("{dir} holds no journal: {key} is missing");
        return Err(Failure::failed(what).remedy("name the data directory with --data or --config"));
    }
    let clock = RealClock::default();
    let options = SqliteOptions::new(master_key(&data.dir, &key).map_err(failure)?);
    match SqliteJournal::open(&data.dir, options, clock.now()) {
        Ok(journal) => Ok(Opened::Free(Box::new(journal), clock)),
        Err(JournalError::InUse { .. }) => Ok(Opened::InUse),
        Err(error) => Err(failure(error)),
    }
}

/// What the journal says; some of it names what to do already.
fn failure(error: JournalError) -> Failure {
    Failure::failed(error.to_string())
}

fn cat(out: Out, dir: &Path, shard: Option<ShardId>, entity: Option<&EntityId>) -> Outcome {
    let is_wanted = |frame: &StoredFrame| {
        shard.is_none_or(|only| only == frame.position.shard)
            && entity.is_none_or(|only| *only == frame.frame.entity)
    };
    let (mut separator, mut unreadable) = (if out.is_json() { "[" } else { "" }, None);
    scan(dir, |frame| {
        if !is_wanted(&frame) {
            return true;
        }
        match document(&frame) {
            Ok(document) => out.line(format_args!("{separator}{document}")),
            Err(error) => unreadable = Some(error),
        }
        if out.is_json() {
            separator = ",";
        }
        unreadable.is_none()
    })
    .map_err(failure)?;
    if let Some(error) = unreadable {
        return Err(error.into());
    }
    if out.is_json() {
        out.line(if separator == "[" { "[]" } else { "]" });
    }
    Ok(())
}

fn document(stored: &StoredFrame) -> anyhow::Result<Value> {
    let (shard, seq) = (stored.position.shard, stored.position.seq);
    let record = Record::decode(&stored.frame.body)
        .with_context(|| format!("record {shard}:{seq} of {}", stored.frame.entity))?;
    let record =
        serde_json::to_value(&record).map_err(|error| anyhow!("record {shard}:{seq}: {error}"))?;
    Ok(json!({
        "position": format!("{shard}:{seq}"),
        "epoch": stored.epoch,
        "at_ms": stored.at,
        "entity": stored.frame.entity.to_string(),
        "record": record,
    }))
}

fn check(out: Out, dir: &Path) -> Outcome {
    let mut report = verify(dir).map_err(failure)?;
    let broken = audit(dir, &mut report).map_err(failure)?;
    let document = json!({
        "sound": report.is_sound(),
        "commits": report.commits,
        "frames": report.frames,
        "segments": report.segments,
        "checkpoints": report.checkpoints,
        "deliveries": report.deliveries,
        "problem_count": report.problem_count,
        "problems": report.problems,
    });
    out.show(&document, |out, _| {
        for problem in &report.problems {
            out.line(problem);
        }
        out.line(format_args!(
            "{} commits, {} records, {} sealed segments, {} checkpoints, {} deliveries: {} problems",
            report.commits, report.frames, report.segments, report.checkpoints, report.deliveries,
            report.problem_count
        ));
    });
    if report.is_sound() {
        return Ok(());
    }
    let remedy = match broken == report.problem_count {
        true => {
            "this is a defect of crossdock: report it, with what `crossdock journal cat --entity` says of one"
        }
        false => "restore a backup: crossdock journal restore --from BACKUP --to DIR",
    };
    let what = format!("{} has {} problems", dir.display(), report.problem_count);
    Err(Failure::failed(what).remedy(remedy).told())
}

/// Whether what is written keeps its promises; notes what does not, and returns how often.
fn audit(dir: &Path, report: &mut VerifyReport) -> Result<u64, JournalError> {
    let (mut audit, mut broken) = (Audit::default(), 0);
    if !report.is_sound() {
        // What is damaged keeps nothing.
        return Ok(broken);
    }
    scan(dir, |stored| {
        let entity = &stored.frame.entity;
        let folded = match Record::decode(&stored.frame.body) {
            Ok(record) => audit.fold(entity, &record).map_err(|e| e.to_string()),
            Err(error) => Err(format!("{} of {entity}: {error}", stored.position)),
        };
        if let Err(what) = folded {
            broken += 1;
            report.problem(what);
        }
        true
    })?;
    Ok(broken)
}
