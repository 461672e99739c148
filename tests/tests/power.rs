//! Power cuts under load, each in the middle of whatever the disk was doing: what it had at that moment is what the next start
//! finds. What customers were told is kept outside it. The control syncs less, and must lose what it acknowledged.
//!
//! It takes what mounts images: an administrator, loop devices, and `mkfs.xfs`. Elsewhere it says so and is skipped;
//! `crash.rs` cuts the power of a disk that is only modelled.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test target")]

mod support;

use std::sync::Arc;

use support::customers::{Crowd, Customers, settle};
use support::image::Image;
use support::ledger::{HOLD_S_MAX, ORDERS_MIN, Run, Wrong};
use support::{Server, Setup, until};

const CUTS: usize = 60;
/// What was acknowledged last is asked for once more after each cut.
const REPEATS: usize = 10;
/// Cuts that a control has to lose by: it loses only what is younger than the last move of the write-ahead log, which syncs.
const CUTS_OF_CONTROL: usize = 20;
/// Acknowledged orders that a control has before its last cut.
const ORDERS_OF_CONTROL: usize = 1_000;
const CANARY: &str = "was not synced";

#[tokio::test(flavor = "multi_thread")]
async fn sixty_power_cuts_lose_nothing() {
    let Some(run) = run("full", CUTS, ORDERS_MIN).await else {
        return;
    };
    println!("{run}");
    assert_eq!(run.complaints(), Vec::<String>::new());
}

/// The same must fail where the disk is not waited for, or it proves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_with_less_syncing_loses() {
    let Some(run) = run("normal", CUTS_OF_CONTROL, ORDERS_OF_CONTROL).await else {
        return;
    };
    println!("{run}");
    let lost = run
        .wrongs
        .iter()
        .filter(|wrong| matches!(wrong, Wrong::Lost(what) if what.contains(':')));
    assert!(lost.count() > 0, "nothing was lost: {run}");
}

/// Cuts the power so often while so many orders succeed, or until something is lost.
async fn run(synchronous: &'static str, cuts: usize, orders: usize) -> Option<Run> {
    let mut machine = Machine::start(synchronous).await?;
    let customers = Customers::of(&machine.server, HOLD_S_MAX).await;
    machine.image.sync();
    let mut run = Run::default();
    for cut in 1..=cuts {
        let crowd = Crowd::at(&machine.server, &customers);
        until("orders are acknowledged", async || {
            customers.ledger().orders() >= orders * cut / cuts
        })
        .await;
        machine.cut_power(&customers, crowd, &mut run).await;
        settle(&machine.server, &customers).await;
        run.wrongs = customers.judge(&machine.server).await;
        if !run.wrongs.is_empty() {
            break;
        }
        // A repeat of what is lost would bring it back: not before it is judged.
        customers.repeat_newest(&machine.server, REPEATS).await;
        run.wrongs = customers.judge(&machine.server).await;
    }
    let ledger = customers.ledger();
    (run.orders, run.holds) = (ledger.orders(), ledger.holds());
    drop(ledger);
    Some(run)
}

/// In the order in which they end.
struct Machine {
    server: Server,
    image: Image,
    setup: Setup,
}

impl Machine {
    /// A server whose data is on a disk of its own; none where that cannot be.
    async fn start(synchronous: &'static str) -> Option<Self> {
        let mut setup = Setup::new();
        setup.data_name = "disk/data";
        setup.synchronous = synchronous;
        let dir = setup.dir.path();
        let image = Image::make(dir, &dir.join("disk"));
        let image = match image {
            Ok(image) => image,
            Err(what) => {
                eprintln!(
                    "skipped: no image can be mounted as root by loop device, or xfsprogs is missing ({what})"
                );
                return None;
            }
        };
        let server = setup.start().await;
        Some(Self {
            server,
            image,
            setup,
        })
    }

    /// Takes the power off while customers are at it, and starts again from what the disk had.
    async fn cut_power(&mut self, customers: &Arc<Customers>, crowd: Crowd, run: &mut Run) {
        let canary = self.setup.dir.path().join("disk/canary");
        std::fs::write(&canary, CANARY).unwrap();
        let moment = customers.ledger().clone();
        self.image.cut();
        self.server.kill();
        crowd.leave().await;
        self.image.restore();
        run.faults += 1;
        run.seen += usize::from(std::fs::read_to_string(&canary).ok().as_deref() != Some(CANARY));
        let _ = std::fs::remove_file(&canary);
        customers.ledger().rewind(&moment);

        let (code, said, error) = self.setup.crossdock(&["journal", "verify"]);
        assert_eq!(code, 0, "{said}{error}");
        self.server = self.setup.start().await;
    }
}
