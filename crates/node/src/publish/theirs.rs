//! Tells a person of listings that the channel sends itself: they are mapped like others, and no number of them is sent.

use std::sync::Arc;

use crossdock_model::Duration;
use crossdock_model::command::{BucketCommand, ExceptionCommand};
use crossdock_runtime::BUCKETS;

use super::Publisher;

/// Kind of the exception about listings that a channel sends itself.
const SENT_BY_CHANNEL: &str = "sent_by_channel";
/// They are found one after the other: how many there are is told when none was found for so long.
const SETTLED_AFTER: Duration = Duration::from_s(30);

impl Publisher {
    /// A bucket has so many numbers of them.
    pub(super) fn note_theirs(&self, bucket: u16, numbers: usize) {
        self.theirs.send_if_modified(|known| {
            let before = match numbers {
                0 => known.remove(&bucket),
                numbers => known.insert(bucket, numbers),
            };
            before.unwrap_or(0) != numbers
        });
    }

    /// Tells that there are some, and when there are none any more; never ends.
    pub(super) async fn tell_of_theirs(self: Arc<Self>) {
        let mut theirs = self.theirs.subscribe();
        for bucket in 0..BUCKETS {
            // Whoever answers has said how many it has.
            self.ask_surely(bucket, BucketCommand::LookInBulk).await;
        }
        // Another process may have told.
        let mut is_told = None;
        loop {
            let numbers: usize = theirs.borrow_and_update().values().sum();
            tokio::select! {
                biased;
                changed = theirs.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = self.clock.sleep(SETTLED_AFTER) => {}
            }
            let are_there = Some(numbers > 0);
            if is_told != are_there && !self.tell(self.about_theirs(numbers)).await {
                continue;
            }
            is_told = are_there;
            if theirs.changed().await.is_err() {
                return;
            }
        }
    }

    fn about_theirs(&self, numbers: usize) -> ExceptionCommand {
        let channel = &self.link.channel;
        if numbers == 0 {
            let how = "the channel sends none of the listings itself that are mapped";
            return ExceptionCommand::close(SENT_BY_CHANNEL, channel.as_str(), how);
        }
        let cause = format!(
            "{channel} sends what some of the mapped listings sell itself (Amazon fulfils them; {numbers} when this was \
             found). No number of these is sent: it would have the seller send them, and nobody could buy what lies with the channel. `crossdock channel \
             publish --channel {channel} --preview` names them. Take their mappings away; or, if the seller is to send \
             them, say so at the channel: their numbers are sent after that."
        );
        let evidence = vec![("listings".to_owned(), numbers.to_string())];
        ExceptionCommand::open_with(SENT_BY_CHANNEL, channel.as_str(), cause, evidence)
    }
}
