//! A buyer's data on its way into the vault, beside the command by which an order comes to name it.

use crossdock_engine::{Door, Other};
use crossdock_journal::{VaultEntry, VaultWrite};
use crossdock_model::{Answer, Command, EntityId, Rejection, Timestamp};
use tokio::sync::oneshot;

use crate::ask::{AskError, By, Handle, Reply};
use crate::commit::OtherWrite;

/// What a statement says of a buyer.
#[derive(Debug, Clone)]
pub struct Personal {
    /// Names the address, see [`Handle::address_version`].
    pub version: u64,
    /// When it was stated: of two statements with one address the newer stays.
    pub stated_at: Timestamp,
    /// Whose data it is: one key a buyer.
    pub buyer: String,
    /// The data.
    pub entry: VaultEntry,
}

impl Handle {
    /// Names an address of an order: what its destination says of it outside the vault. 0 stands for none.
    #[must_use]
    pub fn address_version(&self, order: &EntityId, address: Option<&str>) -> u64 {
        let journal = &self.0.journal;
        address.map_or(0, |text| journal.address_version(&order.to_string(), text))
    }

    /// Tells an order something with its buyer's data beside it. The data is queued before the order hears of it, so
    /// it is durable in the same flush or in one before; and once the order has answered, only the row that it names
    /// is kept, and none of an order that was refused and is not there. One such command of an order at a time: else the row of one could go before its order names it.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn ask_with_buyer(
        &self,
        order: EntityId,
        buyer: Option<Personal>,
        command: Command,
        by: By,
    ) -> Result<Reply, AskError> {
        let Some(buyer) = buyer else {
            return self.ask(order, command, by).await;
        };
        let _turn = self.turn(&order).await;
        // A live order answers within the same flush; and a new one has no other row that would need one to be dropped.
        let door = Door::of(&command, by.class);
        let known = match self.read_through(door, order.clone()).await {
            Ok(_) => true,
            Err(AskError::Rejected(Rejection::NotFound(_))) => false,
            Err(error) => return Err(error),
        };
        let (subject, version) = (order.to_string(), buyer.version);
        let put = VaultWrite::Put {
            subject: subject.clone(),
            version,
            stated_at: buyer.stated_at,
            buyer: buyer.buyer,
            entry: buyer.entry,
        };
        let put = self.write_vault(&order, put);
        let asked = self.ask(order.clone(), command, by);
        let (kept, reply) = tokio::join!(biased; put, asked);
        let named = self.named(door, &order, &reply).await;
        if let Some(version) = named.filter(|named| known || *named != Some(version)) {
            // Nobody waits for it: whatever is left over goes with the next statement.
            drop(self.queue_vault(&order, VaultWrite::Keep { subject, version }));
        }
        kept?;
        reply
    }

    /// The version that an order names after a command, or that there is no order to name one. Nothing when that is not
    /// known.
    async fn named(
        &self,
        door: Door,
        order: &EntityId,
        reply: &Result<Reply, AskError>,
    ) -> Option<Option<u64>> {
        if let Ok(Reply {
            answer: Answer::Order(summary),
            ..
        }) = reply
        {
            return Some(Some(summary.address_version));
        }
        let read = self.read_through(door, order.clone()).await;
        match read.map(|reply| reply.answer) {
            Ok(Answer::Order(summary)) => Some(Some(summary.address_version)),
            Err(AskError::Rejected(Rejection::NotFound(_))) => Some(None),
            Ok(_) | Err(_) => None,
        }
    }

    /// Erases the personal data of an order for good. Returns once it is on no disk any more.
    ///
    /// # Errors
    /// [`AskError::Unknown`] when the write was lost, [`AskError::Unavailable`] when it is durable and its remains
    /// could not be taken off the disk yet: repeat it.
    pub async fn erase(&self, order: &EntityId) -> Result<(), AskError> {
        let subject = order.to_string();
        self.write_vault(order, VaultWrite::Erase { subject })
            .await?;
        self.journal_read(|journal| journal.purge_erased()).await
    }

    async fn write_vault(&self, order: &EntityId, write: VaultWrite) -> Result<(), AskError> {
        let told = self.queue_vault(order, write);
        told.await.map_err(|_| AskError::Unknown)
    }

    fn queue_vault(&self, order: &EntityId, write: VaultWrite) -> oneshot::Receiver<()> {
        let (done, told) = oneshot::channel();
        self.0.commits.push_other(Other {
            shard: order.shard(),
            write: OtherWrite::Vault(write),
            rested_on: true,
            done,
        });
        told
    }
}
