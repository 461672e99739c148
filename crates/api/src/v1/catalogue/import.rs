//! An import of what a channel sells: its list is read to the end, as a SKU may come again anywhere in it; then each
//! variant is settled by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use crossdock_channels::Variant;
use crossdock_model::command::BucketCommand;
use crossdock_model::v1::ListingTarget;
use crossdock_model::{Answer, ChannelId, Command, ListingId};
use crossdock_runtime::catalogue::{Left, Named, Settled, named, settle};
use serde::Serialize;
use tokio::task::JoinSet;
use utoipa::ToSchema;

use super::to_do::Outcome;
use crate::ask::Asking;
use crate::error::ApiError;
use crate::state::ReadVariantsFn;
use crate::v1::brought::Brought;
use crate::v1::listings::{bucket, waited_for};
use crate::v1::patience::Patience;
use crate::v1::skus::known;

/// Variants that are read at most. About 300 bytes of each are kept for a while after the import.
const VARIANTS_MAX: usize = 200_000;
/// Variants settled at once: so many that one flush does not set the pace.
const AT_ONCE: usize = 512;

/// The last import of each channel since this server's start.
#[derive(Default)]
pub(crate) struct Catalogues(Mutex<BTreeMap<ChannelId, Arc<Import>>>);

impl Catalogues {
    /// Begins an import, unless the same is under way already.
    pub(super) fn begin(&self, channel: &ChannelId, preview: bool) -> Result<Begun, ApiError> {
        let mut imports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = imports.get(channel).filter(|known| known.is_running());
        match running {
            Some(known) if known.preview == preview => Ok(Begun::Known(Arc::clone(known))),
            Some(_) => {
                let detail = "an import of what this channel sells is under way: wait for its end";
                Err(ApiError::new(StatusCode::CONFLICT, "wrong_state", detail))
            }
            None => {
                let import = Arc::new(Import {
                    preview,
                    progress: Mutex::default(),
                });
                imports.insert(channel.clone(), Arc::clone(&import));
                Ok(Begun::New(AtWork(import)))
            }
        }
    }

    /// The last one of a channel.
    pub(super) fn find(&self, channel: &ChannelId) -> Option<Arc<Import>> {
        let imports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        imports.get(channel).cloned()
    }
}

/// What came of beginning an import.
pub(super) enum Begun {
    /// It is to be done.
    New(AtWork),
    /// It is on its way.
    Known(Arc<Import>),
}

/// An import at work. However the work ends, it has ended: nobody waits for it in vain.
pub(super) struct AtWork(pub Arc<Import>);

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut progress = self.0.progress();
        if progress.state != State::Done {
            progress.state = State::Stopped;
        }
    }
}

/// An import.
pub(crate) struct Import {
    pub preview: bool,
    progress: Mutex<Progress>,
}

/// How far an import is.
#[derive(Default)]
pub(super) struct Progress {
    pub state: State,
    pub rows: Vec<Row>,
    /// What became of each is kept no more.
    pub is_over: bool,
    /// Variants that were read.
    pub variants: usize,
    pub counts: Counts,
    /// Why it stopped.
    pub problem: Option<ApiError>,
}

/// A variant, and what becomes of it once that is known.
pub(super) struct Row {
    pub variant: Variant,
    pub outcome: Option<Outcome>,
}

/// How an import stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogueState)]
pub(crate) enum State {
    /// The channel's list is being read.
    #[default]
    Reading,
    /// Variants are being mapped.
    Mapping,
    /// Every variant was worked on.
    Done,
    /// It broke off: import again, what is done stays done.
    Stopped,
}

/// What became of how many variants; of a preview, what would.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = CatalogueCounts)]
pub(crate) struct Counts {
    /// Mapped to the SKU of the same text.
    mapped: u64,
    /// Mapped before.
    known: u64,
    /// Mapped to something else, and left so.
    conflicts: u64,
    /// Without a SKU.
    without_sku: u64,
    /// With a SKU that is none of ours.
    unknown_sku: u64,
    /// With a SKU that other variants have too.
    repeated_sku: u64,
    /// Sent by the channel itself, and left out.
    sent_by_channel: u64,
    /// Could not be done for the moment: import again.
    failed: u64,
}

impl Counts {
    fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Mapped => &mut self.mapped,
            Outcome::Left(Left::Known) => &mut self.known,
            Outcome::Left(Left::Conflict(..)) => &mut self.conflicts,
            Outcome::Left(Left::Unnamed(named)) => match named {
                Named::Nothing => &mut self.without_sku,
                Named::Unknown | Named::Ours(_) => &mut self.unknown_sku,
                Named::Repeated(..) => &mut self.repeated_sku,
            },
            Outcome::SentByChannel => &mut self.sent_by_channel,
            Outcome::Failed(_) => &mut self.failed,
        };
        *counter += 1;
    }

    /// Variants of which it is known what becomes of them.
    pub fn settled(&self) -> u64 {
        let named = self.without_sku + self.unknown_sku + self.repeated_sku;
        let left = self.conflicts + named + self.sent_by_channel;
        self.mapped + self.known + left + self.failed
    }
}

impl Import {
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        matches!(self.progress().state, State::Reading | State::Mapping)
    }

    fn found(&self, variants: Vec<Variant>) -> Result<(), ApiError> {
        let progress = &mut *self.progress();
        let row = |variant| Row {
            variant,
            outcome: None,
        };
        progress.rows.extend(variants.into_iter().map(row));
        progress.variants = progress.rows.len();
        match progress.variants <= VARIANTS_MAX {
            true => Ok(()),
            false => {
                let detail = format!(
                    "more than {VARIANTS_MAX} variants: map them with crossdock import listings"
                );
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(ApiError::new(status, "limit", detail))
            }
        }
    }

    /// Forgets what became of each; how many they were is known still.
    fn forget(&self) {
        let progress = &mut *self.progress();
        progress.rows = Vec::new();
        progress.is_over = true;
    }

    fn settled(&self, at: usize, outcome: Outcome) {
        let progress = &mut *self.progress();
        progress.counts.count(&outcome);
        if let Some(row) = progress.rows.get_mut(at) {
            row.outcome = Some(outcome);
        }
    }
}

/// Reads a page of the channel's list; where it goes on. What stands in the way is why the import stops.
pub(super) async fn read_page(
    import: &Import,
    channel: &ChannelId,
    read: &ReadVariantsFn,
    after: Option<String>,
) -> Result<Option<String>, ApiError> {
    let page = read(channel.clone(), after).await.map_err(ApiError::from);
    let next = page.and_then(|page| import.found(page.variants).map(|()| page.next));
    if let Err(error) = &next {
        import.progress().problem = Some(error.clone());
    }
    next
}

/// Does an import to its end, and keeps what became of each variant for a while.
pub(super) async fn work_and_forget(
    asking: Asking,
    channel: ChannelId,
    read: ReadVariantsFn,
    at_work: AtWork,
    next: Option<String>,
) {
    let kept_for = asking.state.limits.catalogue_kept_for;
    // The next import of the channel drops it sooner.
    let import = Arc::downgrade(&at_work.0);
    work(asking, channel, read, at_work, next).await;
    tokio::time::sleep(kept_for).await;
    if let Some(import) = import.upgrade() {
        import.forget();
    }
}

/// Does an import to its end, from where its first page said that the list goes on.
async fn work(
    asking: Asking,
    channel: ChannelId,
    read: ReadVariantsFn,
    at_work: AtWork,
    mut next: Option<String>,
) {
    let import = Arc::clone(&at_work.0);
    while next.is_some() {
        match read_page(&import, &channel, &read, next).await {
            Ok(after) => next = after,
            Err(error) => {
                tracing::warn!(%channel, error = error.detail(), "an import of what a channel sells broke off");
                return;
            }
        }
    }
    let named = begin_mapping(&import);
    let patience = Patience::new(asking.state.limits.import_patience);
    let work = Arc::new(Work {
        asking,
        channel,
        import,
        brought: Brought::default(),
        patience,
    });
    let mut working = JoinSet::new();
    for (at, text) in named.into_iter().enumerate() {
        if working.len() >= AT_ONCE {
            working.join_next().await;
        }
        let work = Arc::clone(&work);
        working.spawn(async move { work.settle(at, text).await });
    }
    while working.join_next().await.is_some() {}
    work.brought.finish(&work.asking.state.handle).await;
    work.import.progress().state = State::Done;
}

/// What the SKU text of each variant names, as far as the channel's list alone says. A list that changed while it was
/// read may have one twice.
fn begin_mapping(import: &Import) -> Vec<Named> {
    let progress = &mut *import.progress();
    let mut seen = BTreeSet::new();
    progress
        .rows
        .retain(|row| seen.insert(row.variant.sold_as.clone()));
    progress.variants = progress.rows.len();
    progress.state = State::Mapping;
    let variants = progress.rows.iter().map(|row| &row.variant);
    named(variants.map(|variant| (&variant.sold_as, variant.sku.as_deref())))
}

/// What variants are settled with.
struct Work {
    asking: Asking,
    channel: ChannelId,
    import: Arc<Import>,
    brought: Brought,
    patience: Patience,
}

impl Work {
    async fn settle(&self, at: usize, named: Named) {
        let Some(variant) = self.variant(at) else {
            return;
        };
        let settled = self.patience.take(|| self.once(&variant, &named));
        let outcome = settled.await.unwrap_or_else(|error| {
            // The request was answered long ago: nobody else tells the log.
            if let Some(cause) = error.cause() {
                tracing::error!(listing = %variant.sold_as, cause, "a listing was not mapped");
            }
            Outcome::Failed(error.detail().to_owned())
        });
        self.import.settled(at, outcome);
    }

    fn variant(&self, at: usize) -> Option<Variant> {
        let progress = self.import.progress();
        progress.rows.get(at).map(|row| row.variant.clone())
    }

    async fn once(&self, variant: &Variant, named: &Named) -> Result<Outcome, ApiError> {
        if variant.is_sent_by_channel {
            return Ok(Outcome::SentByChannel);
        }
        let named = self.defined(named).await?;
        let stands_for = [
            self.look(&variant.sold_as).await?,
            self.look(&variant.counted_as).await?,
        ];
        let listings = [&variant.sold_as, &variant.counted_as];
        match settle(listings, named, stands_for) {
            Settled::Left(left) => Ok(Outcome::Left(left)),
            Settled::Map(listings, target) => {
                for listing in listings {
                    self.map(listing, target.clone()).await?;
                }
                Ok(Outcome::Mapped)
            }
        }
    }

    /// What is named, once it is known whether there is such a SKU.
    async fn defined(&self, named: &Named) -> Result<Named, ApiError> {
        let Named::Ours(sku) = named else {
            return Ok(named.clone());
        };
        match known(&self.asking, sku).await {
            Ok(()) => Ok(named.clone()),
            Err(error) if error.code() == "not_found" => Ok(Named::Unknown),
            Err(error) => Err(error),
        }
    }

    async fn look(&self, listing: &ListingId) -> Result<Option<ListingTarget>, ApiError> {
        let entity = bucket(&self.channel, listing);
        let look = Command::Bucket(BucketCommand::Look {
            listing: listing.clone(),
        });
        let reply = self.asking.ask_by(entity, look, self.asking.by()).await?;
        Ok(match reply.answer {
            Answer::Listings(found) => found.into_iter().next().map(|(_, target)| target),
            _ => None,
        })
    }

    /// Maps a listing, if nobody has meanwhile; a preview asks whether it would be.
    async fn map(&self, listing: ListingId, target: ListingTarget) -> Result<(), ApiError> {
        let (asking, channel) = (&self.asking, &self.channel);
        let map = BucketCommand::MapNew {
            listing: listing.clone(),
            target,
        };
        match self.import.preview {
            true => {
                let entity = bucket(channel, &listing);
                asking.try_out(entity, Command::Bucket(map)).await
            }
            false => {
                let entity = bucket(channel, &listing);
                let waited_for = waited_for(channel, &listing);
                asking
                    .ask_by(entity, Command::Bucket(map), asking.by())
                    .await?;
                self.brought.add(&asking.state.handle, [waited_for]).await;
                Ok(())
            }
        }
    }
}
