//! Reads orders that the channel sends itself, where there are many of them.
//!
//! As a rule one list has all orders that changed. Where it has more pages than the channel's rate lets be read soon, what is
//! to be sent from here would wait behind what the channel sends (Amazon, say, of goods that lie with it). The channel then
//! splits its list ([`crossdock_channels::OrdersListed::theirs`]): the one with the orders to be sent from here is read as
//! before, and the other one here, after it, by calls that leave half of what may be asked at once. Nothing waits for these
//! orders, as they take nothing off stock; but somebody is told if they are not read for long, as the others take all calls.
//! Once two pages of the second list in a row have been its last, the two are one again.

use crossdock_channels::Listed;
use crossdock_model::command::ExceptionCommand;
use crossdock_model::{Duration, Timestamp};

use super::{Poller, Progress, Unread};

/// Kind of the exception about orders that a channel sends itself and that are not read to their end.
const UNREAD: &str = "sent_by_channel_unread";
/// After so long somebody is told.
const UNREAD_AFTER: Duration = Duration::from_minutes(60);
/// Why they are not read if no call has failed.
const NO_CALLS_LEFT: &str = "none was left of those that the channel allows";

/// How far they are read.
pub(super) struct Theirs {
    /// Whether the last page that was read of their list was its last one.
    has_ended: bool,
    /// When all of them were read last.
    read_at: Timestamp,
    /// Whether the exception about it is open. `None`: another process may have opened it.
    is_told: Option<bool>,
}

impl Theirs {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            has_ended: false,
            read_at: now,
            is_told: None,
        }
    }
}

impl Poller {
    /// Reads of them what may be read now. All other orders were just read.
    pub(super) async fn read_theirs(&self, progress: &mut Progress) {
        let mut problem = NO_CALLS_LEFT.to_owned();
        match self.read_pages_of_theirs(progress).await {
            Ok(true) => return self.theirs_are_read(progress).await,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(channel = %self.link.channel, %error, "orders that it sends itself could not be read; tried again");
                problem = error.to_string();
            }
        }
        self.tell_when_theirs_are_late(progress, &problem).await;
    }

    /// Whether all of them are read.
    async fn read_pages_of_theirs(&self, progress: &mut Progress) -> Result<bool, Unread> {
        let link = &self.link.orders;
        while let Some(theirs) = progress.standing.theirs.clone() {
            if !link.list.try_take_spare() {
                return Ok(false);
            }
            let page = link.orders.changed(theirs).await?;
            for order in page.orders {
                if let Listed::Stated { told, .. } = order {
                    self.store(told).await?;
                }
            }
            let standing = &mut progress.standing;
            if page.is_last && progress.theirs.has_ended {
                standing.cursor = link.orders.joined(standing.cursor.clone(), &page.cursor);
                standing.theirs = None;
            } else {
                standing.theirs = Some(page.cursor);
            }
            progress.theirs.has_ended = page.is_last;
            if page.is_last {
                break;
            }
            self.keep(progress).await;
        }
        Ok(true)
    }

    async fn theirs_are_read(&self, progress: &mut Progress) {
        progress.theirs.read_at = self.clock.now();
        if progress.theirs.is_told != Some(false) {
            let (channel, how) = (&self.link.channel, "all of them are read again");
            let read = ExceptionCommand::close(UNREAD, channel.as_str(), how);
            if self.tell(read).await {
                progress.theirs.is_told = Some(false);
            }
        }
    }

    async fn tell_when_theirs_are_late(&self, progress: &mut Progress, problem: &str) {
        let since = progress.theirs.read_at;
        let unread_for = self.clock.now().since(since);
        if unread_for < UNREAD_AFTER || progress.theirs.is_told == Some(true) {
            return;
        }
        let channel = &self.link.channel;
        let minutes = unread_for.as_ms() / 60_000;
        let cause = format!(
            "Orders of {channel} that it sends itself could not all be read for {minutes} minutes: what is known here of \
             them is as old. Nothing of the stock here depends on them, and no other order waits for them: they are read \
             with the calls that those leave. It is tried again all the time. The last call: {problem}"
        );
        let evidence = vec![("all_read_at_ms".to_owned(), since.as_ms().to_string())];
        let unread = ExceptionCommand::open_with(UNREAD, channel.as_str(), cause, evidence);
        if self.tell(unread).await {
            progress.theirs.is_told = Some(true);
        }
    }
}
