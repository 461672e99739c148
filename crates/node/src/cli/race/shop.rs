//! What is done in a race: by buyers, and where units come back by those who cancel and by the location that ships.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::super::exit::{Failure, Outcome};
use super::Mode;
use super::host::settled;
use super::run::{self, Crowd, Door, Pressed};
use super::scene::Scene;
use super::verdict::{Books, Ended, Tally, is_settled};

/// Times that a buyer presses at once in [`Mode::Duplicates`].
const COPIES: usize = 3;
/// How long the holds of [`Mode::ExpiryAgainstConfirm`] last at least.
const HOLD_MIN: Duration = Duration::from_secs(2);
/// Holds that can be placed in a second, on a slow machine: the more there are, the longer they last.
const HOLDS_PER_S: u32 = 200;
/// How much earlier or later than its hold expires a buyer confirms it, at most.
const AROUND: Duration = Duration::from_millis(20);
/// How long the locations of [`Mode::CancelAgainstShip`] take to ship, at most.
const SHIPS_WITHIN: Duration = Duration::from_millis(200);
/// Wait before it is looked again what became of an order.
const LOOK: Duration = Duration::from_millis(5);
/// The same before a buyer starts over, in milliseconds.
const LOOK_MS: u64 = 20;
/// Looks before that.
const LOOKS_MAX: u32 = 200;

/// The fulfilment request of an order of one unit.
pub(super) const REQUEST: u32 = 1;

/// What is told of a buyer's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is not wanted any more.
    Cancel,
    /// Its location has stopped it.
    Stop,
    /// Its location has shipped it.
    Ship,
}

/// What the server said to that.
#[derive(Debug)]
pub(super) enum Said {
    /// It is recorded.
    Done,
    /// It cannot be any more: the order is too far on, or its request is over.
    TooLate,
    /// Busy, or no answer: the same again after a while, in milliseconds.
    Again(u64),
    /// Anything else.
    Odd(String),
}

/// What a server that is raced on can be asked. A repeat is under the same key.
pub(super) trait Shop: Send + Sync + 'static {
    /// Buys by the door of the path.
    fn buy(&self, buyer: u32) -> impl Future<Output = Pressed> + Send;
    /// Holds what the buyer wants for so long.
    fn hold(&self, buyer: u32, life: Duration) -> impl Future<Output = Pressed> + Send;
    /// Makes the buyer's hold an order.
    fn confirm(&self, buyer: u32, hold: &str) -> impl Future<Output = Pressed> + Send;
    /// Tells something of the buyer's order.
    fn tell(&self, buyer: u32, step: Step) -> impl Future<Output = Said> + Send;
    /// The status of the buyer's order.
    fn status(&self, buyer: u32) -> impl Future<Output = Outcome<String>> + Send;
    /// What the server's books say.
    fn books(&self) -> impl Future<Output = Outcome<Books>> + Send;
}

/// Races, at most `at_once` buyers on their way at a time, and reads the books.
pub(super) async fn race<S: Shop>(
    shop: &Arc<S>,
    scene: &Scene,
    crowd: Crowd,
    at_once: usize,
) -> Outcome<(Tally, Books)> {
    let buyers = Arc::new(Buyers {
        shop: Arc::clone(shop),
        scene: scene.clone(),
        crowd,
        owned: own(shop, scene, crowd, at_once).await?,
    });
    let mut tally = run::race(&buyers, 0..crowd.buyers, at_once).await?;
    if scene.mode.gives_back() {
        books(&**shop, scene, &tally).await?;
        press_again(&buyers, &mut tally, at_once).await?;
    }
    let books = books(&**shop, scene, &tally).await?;
    Ok((tally, books))
}

/// The books once they have settled.
pub(super) async fn books<S: Shop>(shop: &S, scene: &Scene, tally: &Tally) -> Outcome<Books> {
    settled(|| shop.books(), |books| is_settled(scene, tally, books)).await
}

/// All that was to come back has. Whoever was refused before that was not refused without need; who is refused now is.
async fn press_again<S: Shop>(
    buyers: &Arc<Buyers<S>>,
    tally: &mut Tally,
    at_once: usize,
) -> Outcome {
    let others = buyers.crowd.buyers;
    let refused = tally.refused().into_iter().map(|buyer| buyer + others);
    let again = run::race(buyers, refused, at_once).await?;
    tally.settle(|buyer, ended| match ended {
        Ended::Refused => again.ended(buyer + others).cloned(),
        _ => None,
    });
    Ok(())
}

/// What a buyer has before the race.
#[derive(Debug, Clone)]
struct Owned {
    /// The hold, or the order.
    id: String,
    /// When the hold expires.
    expires: Instant,
}

struct Buyers<S> {
    shop: Arc<S>,
    scene: Scene,
    crowd: Crowd,
    owned: BTreeMap<u32, Owned>,
}

impl<S: Shop> Door for Buyers<S> {
    fn due(&self, buyer: u32, start: Instant) -> Instant {
        if buyer >= self.crowd.buyers {
            return start;
        }
        match self.scene.mode {
            Mode::ExpiryAgainstConfirm => self.due_around_expiry(buyer).unwrap_or(start),
            _ => self.crowd.due(buyer, start),
        }
    }

    async fn press(&self, buyer: u32) -> Pressed {
        let shop = &*self.shop;
        match (self.scene.mode, self.owned.get(&buyer)) {
            (Mode::Duplicates, _) => {
                let copies = [(); COPIES].map(|()| shop.buy(buyer));
                one_of(futures::future::join_all(copies).await)
            }
            (Mode::CancelAgainstShip, Some(_)) => cancel_against_ship(shop, buyer).await,
            (Mode::ExpiryAgainstConfirm, Some(owned)) => shop.confirm(buyer, &owned.id).await,
            _ => shop.buy(buyer).await,
        }
    }
}

impl<S> Buyers<S> {
    /// Owners confirm shortly before or after their holds expire; the others come one after the other meanwhile.
    fn due_around_expiry(&self, buyer: u32) -> Option<Instant> {
        if let Some(owned) = self.owned.get(&buyer) {
            return Some(owned.expires - AROUND + spread(buyer, 2 * AROUND));
        }
        let expires = || self.owned.values().map(|owned| owned.expires);
        let from = expires().min()? - AROUND;
        let window = expires().max()? + AROUND - from;
        let owners = u32::try_from(self.owned.len()).unwrap_or(u32::MAX);
        let others = self.crowd.buyers.saturating_sub(owners).max(1);
        Some(from + window.mul_f64(f64::from(buyer.saturating_sub(owners)) / f64::from(others)))
    }
}

/// Gives the first buyers all that there is, where units are to come back in the race.
async fn own<S: Shop>(
    shop: &Arc<S>,
    scene: &Scene,
    crowd: Crowd,
    at_once: usize,
) -> Outcome<BTreeMap<u32, Owned>> {
    let owners = scene.owners(crowd.buyers);
    let door = Arc::new(Owners {
        shop: Arc::clone(shop),
        mode: scene.mode,
        life: HOLD_MIN + Duration::from_secs((owners / HOLDS_PER_S).into()),
        expiries: Mutex::default(),
    });
    let tally = run::race(&door, 0..owners, at_once).await?;
    let expiries = door.expiries.lock().unwrap_or_else(PoisonError::into_inner);
    let owned = (0..owners).map(|buyer| match tally.ended(buyer) {
        Some(Ended::Sold(id)) => {
            let expires = expiries.get(&buyer).copied();
            let expires = expires.unwrap_or_else(Instant::now);
            let id = id.clone();
            Ok((buyer, Owned { id, expires }))
        }
        other => Err(Failure::failed(format!(
            "buyer {buyer} was to own a unit before the race: {other:?}"
        ))),
    });
    owned.collect()
}

struct Owners<S> {
    shop: Arc<S>,
    mode: Mode,
    life: Duration,
    expiries: Mutex<BTreeMap<u32, Instant>>,
}

impl<S: Shop> Door for Owners<S> {
    fn due(&self, _: u32, start: Instant) -> Instant {
        start
    }

    async fn press(&self, buyer: u32) -> Pressed {
        if self.mode == Mode::ExpiryAgainstConfirm {
            self.note_expiry(buyer);
            return self.shop.hold(buyer, self.life).await;
        }
        let bought = self.shop.buy(buyer).await;
        match self.shop.status(buyer).await {
            Ok(status) if status == "requested" => bought,
            Ok(_) => Pressed::Again(LOOK_MS),
            Err(_) if matches!(bought, Pressed::Again(_)) => bought,
            Err(failure) => Pressed::Settled(Ended::Unsettled(failure.what)),
        }
    }
}

impl<S> Owners<S> {
    /// A hold expires that long after it was first asked for, or as much later as the answer takes.
    fn note_expiry(&self, buyer: u32) {
        let expires = Instant::now() + self.life;
        let expiries = self.expiries.lock();
        let mut expiries = expiries.unwrap_or_else(PoisonError::into_inner);
        expiries.entry(buyer).or_insert(expires);
    }
}

/// A buyer cancels an order while its location ships it, sooner or later: it may hear in time that it is to stop it, stop it at one
/// table while it is shipped at another, or hear of it too late.
async fn cancel_against_ship<S: Shop>(shop: &S, buyer: u32) -> Pressed {
    let shipped = async {
        tokio::time::sleep(spread(buyer, SHIPS_WITHIN)).await;
        ship(shop, buyer).await
    };
    let (stopped, shipped) = tokio::join!(stop(shop, buyer), shipped);
    shipped_or_stopped(shipped, stopped)
}

/// A span of up to that long, another one for each buyer.
fn spread(buyer: u32, within: Duration) -> Duration {
    let steps = u32::try_from(within.as_millis()).unwrap_or(u32::MAX - 1) + 1;
    Duration::from_millis(u64::from(buyer) * 7 % u64::from(steps))
}

async fn ship<S: Shop>(shop: &S, buyer: u32) -> Pressed {
    Pressed::Settled(match shop.tell(buyer, Step::Ship).await {
        Said::Done => Ended::Sold(format!("parcel {buyer}")),
        Said::TooLate => Ended::Refused,
        Said::Again(ms) => return Pressed::Again(ms),
        Said::Odd(why) => Ended::Unsettled(why),
    })
}

/// The location's word that it was stopped counts only if it had not left: the order says. It is not heard before the location was
/// asked, which a channel's cancellation takes a moment for.
async fn stop<S: Shop>(shop: &S, buyer: u32) -> Pressed {
    match shop.tell(buyer, Step::Cancel).await {
        Said::Done | Said::TooLate => {}
        Said::Again(ms) => return Pressed::Again(ms),
        Said::Odd(why) => return Pressed::Settled(Ended::Unsettled(why)),
    }
    for _ in 0..LOOKS_MAX {
        match shop.tell(buyer, Step::Stop).await {
            Said::Done | Said::TooLate => {}
            Said::Again(ms) => return Pressed::Again(ms),
            Said::Odd(why) => return Pressed::Settled(Ended::Unsettled(why)),
        }
        match shop.status(buyer).await.as_deref() {
            Ok("cancelled") => return Pressed::Settled(Ended::Cancelled),
            Ok("shipped" | "closed") => return Pressed::Settled(Ended::Refused),
            Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
    Pressed::Again(LOOK_MS)
}

/// A parcel has left, or was stopped: one of the two.
fn shipped_or_stopped(shipped: Pressed, stopped: Pressed) -> Pressed {
    let (shipped, stopped) = match (shipped, stopped) {
        (Pressed::Again(ms), _) | (_, Pressed::Again(ms)) => return Pressed::Again(ms),
        (Pressed::Settled(shipped), Pressed::Settled(stopped)) => (shipped, stopped),
    };
    Pressed::Settled(match (shipped, stopped) {
        (Ended::Sold(id), Ended::Refused) => Ended::Sold(id),
        (Ended::Refused, Ended::Cancelled) => Ended::Cancelled,
        (Ended::Sold(_), Ended::Cancelled) => Ended::Torn("shipped, and stopped".to_owned()),
        (odd @ Ended::Unsettled(_), _) | (_, odd @ Ended::Unsettled(_)) => odd,
        (shipped, stopped) => Ended::Unsettled(format!(
            "neither shipped nor stopped: {shipped:?}, {stopped:?}"
        )),
    })
}

/// What a buyer was told who pressed several times at once under one key: the same each time.
fn one_of(copies: Vec<Pressed>) -> Pressed {
    let mut told: Vec<Ended> = Vec::new();
    for copy in copies {
        match copy {
            Pressed::Again(ms) => return Pressed::Again(ms),
            Pressed::Settled(odd @ Ended::Unsettled(_)) => return Pressed::Settled(odd),
            Pressed::Settled(ended) => told.push(ended),
        }
    }
    let same = told.windows(2).all(|pair| pair[0] == pair[1]);
    let torn = || Ended::Torn("copies under one key were answered differently".to_owned());
    Pressed::Settled(told.pop().filter(|_| same).unwrap_or_else(torn))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(pressed: Pressed) -> Ended {
        match pressed {
            Pressed::Settled(ended) => ended,
            Pressed::Again(_) => panic!("not settled"),
        }
    }

    fn sold(id: &str) -> Pressed {
        Pressed::Settled(Ended::Sold(id.to_owned()))
    }

    fn refused() -> Pressed {
        Pressed::Settled(Ended::Refused)
    }

    #[test]
    fn copies_are_answered_alike() {
        assert_eq!(
            ended(one_of(vec![sold("a"), sold("a"), sold("a")])),
            Ended::Sold("a".to_owned())
        );
        assert_eq!(ended(one_of(vec![refused(), refused()])), Ended::Refused);
        let odd = [
            vec![sold("a"), sold("b"), sold("a")],
            vec![sold("a"), refused(), sold("a")],
        ];
        for copies in odd {
            assert!(matches!(ended(one_of(copies)), Ended::Torn(_)));
        }
        let busy = one_of(vec![sold("a"), Pressed::Again(7)]);
        assert!(matches!(busy, Pressed::Again(7)));
    }

    #[test]
    fn a_parcel_leaves_or_is_stopped() {
        let stopped = || Pressed::Settled(Ended::Cancelled);
        let which = |shipped, stopped| ended(shipped_or_stopped(shipped, stopped));
        assert_eq!(which(sold("a"), refused()), Ended::Sold("a".to_owned()));
        assert_eq!(which(refused(), stopped()), Ended::Cancelled);
        assert!(matches!(which(sold("a"), stopped()), Ended::Torn(_)));
        assert!(matches!(which(refused(), refused()), Ended::Unsettled(_)));
        let busy = shipped_or_stopped(sold("a"), Pressed::Again(7));
        assert!(matches!(busy, Pressed::Again(7)));
    }
}
