//! Calls to a channel that only read: paid for, and made again where that may help.

use crossdock_channels::CallError;
use crossdock_model::Duration;
use crossdock_runtime::Clock;

use crate::links::Link;
use crate::spend::Spend;

/// Times a call is made that the channel has no room for now.
const THROTTLED_MAX: u32 = 10;
/// Times a call is made that has no answer.
const UNANSWERED_MAX: u32 = 3;
/// Pause after a call without an answer.
const PAUSE: Duration = Duration::from_s(1);

/// Makes a call that only reads, once its points are there; again while the channel has no room for it, and a few times
/// where it does not answer.
///
/// # Errors
/// The last one.
pub async fn patiently<T, F>(
    spend: &Spend,
    clock: &dyn Clock,
    call: impl Fn() -> F,
) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let (mut throttled, mut unanswered) = (1, 1);
    loop {
        spend.take().await;
        let pause = match call().await {
            Err(CallError::Throttled { retry_after }) if throttled < THROTTLED_MAX => {
                throttled += 1;
                retry_after
            }
            Err(CallError::Unknown(_)) if unanswered < UNANSWERED_MAX => {
                unanswered += 1;
                PAUSE
            }
            ended => return ended,
        };
        clock.sleep(pause).await;
    }
}

/// What a person is to do once a call that only reads has failed for good.
#[must_use]
pub fn remedy(error: &CallError, link: &Link) -> String {
    let section = match link.shop {
        Some(_) => format!("[channels.{}.publish]", link.channel),
        None => format!("[channels.{}.amazon]", link.channel),
    };
    match error {
        CallError::Throttled { .. } => {
            "others ask it too much, or it allows less than is configured: try again later"
                .to_owned()
        }
        CallError::NotDone(_) => format!(
            "look at the address and the secrets in {section}, and at what they give access to"
        ),
        CallError::Unknown(_) => format!(
            "try again; if it stays so, look at the address in {section}, and whether it can be reached from here"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use crossdock_model::Timestamp;
    use crossdock_runtime::{Budget, FastClock};

    use super::*;
    use crate::spend::Purse;

    /// What may go well the next time is tried again, so often; what will not is told at once.
    #[tokio::test]
    async fn only_what_may_help_is_tried_again() {
        let throttled = || {
            Err(CallError::Throttled {
                retry_after: Duration::from_s(60),
            })
        };
        let unknown = || Err(CallError::Unknown("silence".to_owned()));
        let not_done = || Err(CallError::NotDone("no".to_owned()));
        type Answer = Result<u32, CallError>;
        let cases: [(Vec<Answer>, Answer, u32); 6] = [
            (vec![Ok(1)], Ok(1), 1),
            (vec![throttled(), throttled(), Ok(2)], Ok(2), 3),
            (vec![unknown(), throttled(), unknown(), Ok(3)], Ok(3), 4),
            (vec![not_done(), Ok(4)], not_done(), 1),
            (vec![unknown(); 9], unknown(), UNANSWERED_MAX),
            (vec![throttled(); 20], throttled(), THROTTLED_MAX),
        ];
        for (answers, expected, calls) in cases {
            let clock: Arc<dyn Clock> = Arc::new(FastClock::new(Timestamp::default(), 10_000));
            let budget = Budget::new(1_000, 1_000, Timestamp::default());
            let spend = Spend::new(&Purse::new(budget), 1, 0, &clock);
            let made = Cell::new(0_u32);
            let call = || {
                let at = made.replace(made.get() + 1) as usize;
                std::future::ready(answers[at].clone())
            };
            let called = patiently(&spend, &*clock, call).await;
            assert_eq!((called, made.get()), (expected, calls), "{answers:?}");
        }
    }
}
