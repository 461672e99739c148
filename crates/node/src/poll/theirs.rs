//! Reads orders that the channel sends itself where there are many: in their turn they would keep those waiting that take
//! something off stock, so they are read with what these leave of the calls for lists.

use crossdock_channels::Listed;

use super::{Poller, Progress, Unread};

impl Poller {
    /// Reads of them what may be read now.
    pub(super) async fn read_theirs(&self, progress: &mut Progress) {
        if let Err(error) = self.read_pages_of_theirs(progress).await {
            tracing::warn!(channel = %self.link.channel, %error, "orders that it sends itself could not be read; tried again");
        }
    }

    /// Half of what may be asked at once is left to the others. Once two lists after each other have ended with one page all is in
    /// one list again.
    async fn read_pages_of_theirs(&self, progress: &mut Progress) -> Result<(), Unread> {
        let link = &self.link.orders;
        while let Some(theirs) = progress.standing.theirs.clone() {
            if !link.list.try_take_spare() {
                break;
            }
            let page = link.orders.changed(theirs).await?;
            for order in page.orders {
                if let Listed::Stated { told, .. } = order {
                    self.store(told).await?;
                }
            }
            let standing = &mut progress.standing;
            if page.is_last && progress.theirs_ended {
                standing.cursor = link.orders.joined(standing.cursor.clone(), &page.cursor);
                standing.theirs = None;
            } else {
                standing.theirs = Some(page.cursor);
            }
            progress.theirs_ended = page.is_last;
            if page.is_last {
                break;
            }
            self.keep(progress).await;
        }
        Ok(())
    }
}
