//! Units that are committed to orders, by the orders' channel: a channel that counts leaves out its own.

use crossdock_model::ChannelId;
use crossdock_model::v1::CountBasis;
use serde::{Deserialize, Serialize};

/// Units by channel, in the order of the channels. There is mostly one, and never more than sell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Allocated(Vec<(ChannelId, i64)>);

impl Allocated {
    /// So many more, or fewer. A channel stays known once it had any: that something changed can matter where it
    /// cancels out.
    pub fn change(&mut self, channel: &ChannelId, units: i64) {
        match self.0.binary_search_by(|(known, _)| known.cmp(channel)) {
            Ok(at) => self.0[at].1 += units,
            Err(at) => self.0.insert(at, (channel.clone(), units)),
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (channel, units) in &other.0 {
            self.change(channel, *units);
        }
    }

    /// Units that such a count does not have in it.
    pub fn left_out_of(&self, basis: &CountBasis) -> i64 {
        let left_out = self.0.iter().filter(|(of, _)| basis.leaves_out(of));
        left_out.map(|(_, units)| units).sum()
    }

    /// Whether there is anything that such a count leaves out.
    pub fn concerns(&self, basis: &CountBasis) -> bool {
        self.0.iter().any(|(of, _)| basis.leaves_out(of))
    }
}
