//! Watches that a shop still tells us what happens: it deletes a subscription whose webhooks are not taken for hours.

use std::sync::Arc;

use crossdock_channels::shopify::TOPICS;
use crossdock_channels::shopify::admin::{Admin, AdminError};
use crossdock_model::Duration;
use crossdock_model::command::ExceptionCommand;

use super::Poller;
use crate::spend::Spend;

/// Kind of the exception about webhooks that are not sent any more.
const SUBSCRIPTION_LOST: &str = "subscription_lost";
/// Kind of the exception about webhooks that the shop does not send.
const SUBSCRIPTION_REFUSED: &str = "subscription_refused";
/// Times in a row that the shop refuses before a person is told.
const TOLD_AFTER: u32 = 3;
/// Points of a shop that making one costs at most.
const SUBSCRIBE_POINTS: u32 = 20;
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_minutes(1);

/// What is known of the shop's subscriptions.
struct Seen {
    /// Whether they were made before, by this process or another.
    are_made: bool,
    /// Whether the exception about it may be open.
    may_be_open: bool,
    /// Times in a row that the shop refused some.
    refusals: u32,
    /// Whether the exception about that may be open.
    refusal_may_be_open: bool,
}

/// What the shop refuses, each topic with the shop's words.
type Refused = Vec<(&'static str, String)>;

impl Poller {
    /// Looks again and again, if it is said where the shop's webhooks are to go; never ends.
    pub(super) async fn watch_subscriptions(self: Arc<Self>) {
        let (Some(admin), Some(url)) = (&self.link.shop, &self.link.webhook_url) else {
            return std::future::pending().await;
        };
        let mut seen = Seen {
            are_made: self.polled().await.is_some(),
            may_be_open: true,
            refusals: 0,
            refusal_may_be_open: true,
        };
        loop {
            self.link.orders.list.take().await;
            match admin.subscribed(url).await {
                Ok(told) => {
                    let missing = TOPICS.into_iter().filter(|topic| !told.contains(topic));
                    self.subscribe(admin, url, missing.collect(), &mut seen)
                        .await;
                }
                Err(error) => {
                    tracing::warn!(channel = %self.link.channel, %error, "subscriptions could not be looked at");
                }
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    /// Makes what is missing. It is new where the shop was never read before. What the shop refuses keeps no other topic
    /// from being made.
    async fn subscribe(
        &self,
        admin: &Admin,
        url: &str,
        missing: Vec<&'static str>,
        seen: &mut Seen,
    ) {
        let spend = Spend::new(&self.link.numbers.purse, SUBSCRIBE_POINTS, 0, &self.clock);
        let (mut lost, mut refused, mut is_answered) = (Vec::new(), Refused::new(), true);
        for topic in missing {
            if is_answered {
                spend.take().await;
                match admin.subscribe(topic, url).await {
                    Ok(()) => {}
                    Err(AdminError::Refused(why)) => {
                        refused.push((topic, why));
                        continue;
                    }
                    Err(error) => {
                        tracing::warn!(channel = %self.link.channel, topic, %error, "not subscribed; tried again");
                        is_answered = false;
                    }
                }
            }
            lost.push(topic);
        }
        if !lost.is_empty() && seen.are_made {
            seen.may_be_open = true;
            self.tell(self.lost(&lost)).await;
            // What happened meanwhile was told to nobody.
            self.link.waits.hurry();
        }
        if !is_answered {
            return;
        }
        seen.are_made = true;
        if seen.may_be_open && self.tell(self.made_again()).await {
            seen.may_be_open = false;
        }
        self.note_refused(&refused, seen).await;
    }

    async fn note_refused(&self, refused: &Refused, seen: &mut Seen) {
        if refused.is_empty() {
            seen.refusals = 0;
            if seen.refusal_may_be_open && self.tell(self.taken()).await {
                seen.refusal_may_be_open = false;
            }
            return;
        }
        seen.refusals = seen.refusals.saturating_add(1);
        if seen.refusals >= TOLD_AFTER {
            seen.refusal_may_be_open = true;
            self.tell(self.refused(refused)).await;
        }
    }

    fn refused(&self, refused: &Refused) -> ExceptionCommand {
        let channel = &self.link.channel;
        let each: Vec<String> = refused
            .iter()
            .map(|(topic, why)| format!("{topic} ({why})"))
            .collect();
        let cause = format!(
            "{channel} does not send these webhooks, and says why: {}. What they would tell is heard of only when its orders \
             are read. See webhook_url in the configuration, and the scopes of the access token.",
            each.join(", ")
        );
        ExceptionCommand::open(SUBSCRIPTION_REFUSED, channel.as_str(), cause)
    }

    fn taken(&self) -> ExceptionCommand {
        let (channel, how) = (&self.link.channel, "all its webhooks are subscribed");
        ExceptionCommand::close(SUBSCRIPTION_REFUSED, channel.as_str(), how)
    }

    fn lost(&self, missing: &[&str]) -> ExceptionCommand {
        let channel = &self.link.channel;
        let cause = format!(
            "{channel} does not send webhooks of {} any more: it deletes subscriptions that are not answered for hours. \
             They are made again, and what happened meanwhile is read. See that webhook_url can be reached from outside.",
            missing.join(", ")
        );
        ExceptionCommand::open_with(
            SUBSCRIPTION_LOST,
            channel.as_str(),
            cause,
            vec![("topics".to_owned(), missing.join(" "))],
        )
    }

    fn made_again(&self) -> ExceptionCommand {
        let (channel, how) = (&self.link.channel, "its webhooks are subscribed again");
        ExceptionCommand::close(SUBSCRIPTION_LOST, channel.as_str(), how)
    }
}
