//! A queue in which channels take turns: one that is flooded takes neither the room of others nor their turn.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use crossdock_journal::{InboxInsert, InboxRow};
use crossdock_model::ChannelId;

/// What lines up for a channel's turn.
pub(crate) trait Delivered {
    fn delivery(&self) -> &InboxInsert;
}

impl Delivered for InboxRow {
    fn delivery(&self) -> &InboxInsert {
        &self.delivery
    }
}

impl<T> Delivered for (InboxInsert, T) {
    fn delivery(&self) -> &InboxInsert {
        &self.0
    }
}

/// How much a queue holds.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Deliveries.
    pub rows: usize,
    /// Bytes of bodies.
    pub bytes: usize,
    /// A channel may have as much as is free, divided by this: with 3, one alone takes a quarter of the room, the next
    /// a quarter of what is left, and there is always something left for one more.
    pub divisor: usize,
}

/// Deliveries in a line for each channel; those of one channel stay in their order.
pub(crate) struct FairQueue<T> {
    room: Room,
    /// None is empty.
    lines: BTreeMap<ChannelId, Line<T>>,
    /// The channel whose turn was last.
    last: Option<ChannelId>,
    rows: usize,
    bytes: usize,
}

struct Line<T> {
    rows: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self {
            rows: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<T: Delivered> FairQueue<T> {
    pub fn new(room: Room) -> Self {
        Self {
            room,
            lines: BTreeMap::new(),
            last: None,
            rows: 0,
            bytes: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes that the channel has room for, if there is any.
    pub fn bytes_left(&self, channel: &ChannelId) -> Option<usize> {
        let ((rows, bytes), (rows_max, bytes_max)) = (self.used(channel), self.share());
        (rows < rows_max && bytes < bytes_max).then(|| bytes_max - bytes)
    }

    /// Whether the channel has used less than half of what it may have.
    pub fn is_low(&self, channel: &ChannelId) -> bool {
        let ((rows, bytes), (rows_max, bytes_max)) = (self.used(channel), self.share());
        rows < rows_max / 2 && bytes < bytes_max / 2
    }

    /// Rows and bytes of a channel.
    fn used(&self, channel: &ChannelId) -> (usize, usize) {
        let line = self.lines.get(channel);
        line.map_or((0, 0), |line| (line.rows.len(), line.bytes))
    }

    /// Rows and bytes that a channel may have.
    fn share(&self) -> (usize, usize) {
        let free = |max: usize, used| max.saturating_sub(used) / self.room.divisor;
        (
            free(self.room.rows, self.rows),
            free(self.room.bytes, self.bytes),
        )
    }

    /// Takes one in, however large, if its channel has any room left.
    pub fn push(&mut self, one: T) -> bool {
        let delivery = one.delivery();
        if self.bytes_left(&delivery.id.channel).is_none() {
            return false;
        }
        let (channel, bytes) = (delivery.id.channel.clone(), delivery.body.len());
        let line = self.lines.entry(channel).or_default();
        line.rows.push_back(one);
        line.bytes += bytes;
        self.rows += 1;
        self.bytes += bytes;
        true
    }

    /// The one whose turn is next, of channels that may go on.
    pub fn peek(&self, may_go_on: impl Fn(&ChannelId) -> bool) -> Option<&T> {
        let after = self.last.as_ref().map_or(Unbounded, Excluded);
        let after = self.lines.range::<ChannelId, _>((after, Unbounded));
        let mut turns = after.chain(&self.lines);
        let (_, line) = turns.find(|(channel, _)| may_go_on(channel))?;
        line.rows.front()
    }

    pub fn pop(&mut self, may_go_on: impl Fn(&ChannelId) -> bool) -> Option<T> {
        let channel = self.peek(may_go_on)?.delivery().id.channel.clone();
        let line = self.lines.get_mut(&channel)?;
        let one = line.rows.pop_front()?;
        let bytes = one.delivery().body.len();
        line.bytes -= bytes;
        self.rows -= 1;
        self.bytes -= bytes;
        if line.rows.is_empty() {
            self.lines.remove(&channel);
        }
        self.last = Some(channel);
        Some(one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossdock_journal::InboxId;
    use crossdock_model::Timestamp;

    type One = (InboxInsert, usize);

    fn one(channel: &str, number: usize, bytes: usize) -> One {
        let delivery = InboxInsert {
            id: InboxId {
                channel: ChannelId::checked(channel).unwrap(),
                delivery: number.to_string(),
            },
            received_at: Timestamp::default(),
            topic: String::new(),
            headers: Vec::new(),
            body: vec![0; bytes],
        };
        (delivery, number)
    }

    fn queue(rows: usize, bytes: usize, divisor: usize) -> FairQueue<One> {
        FairQueue::new(Room {
            rows,
            bytes,
            divisor,
        })
    }

    /// Each letter is a channel, in the order in which they come and in which they go.
    #[test]
    fn channels_take_turns() {
        for (come, go) in [
            ("", ""),
            ("aaaa", "aaaa"),
            ("aaaaab", "abaaaa"),
            ("bbbbba", "abbbbb"),
            ("aaabbc", "abcaba"),
            ("cccbbaa", "abcabcc"),
        ] {
            let mut queue = queue(1_000, 1_000, 1);
            for (number, channel) in come.chars().enumerate() {
                assert!(queue.push(one(&channel.to_string(), number, 1)));
            }
            let mut last = BTreeMap::new();
            let gone: String = std::iter::from_fn(|| queue.pop(|_| true))
                .map(|(delivery, number)| {
                    let channel = delivery.id.channel.to_string();
                    let before = last.insert(channel.clone(), number);
                    assert!(before < Some(number), "{come}: each in its order");
                    channel
                })
                .collect();
            assert_eq!(gone, go, "{come}");
            assert_eq!((queue.rows, queue.bytes, queue.lines.len()), (0, 0, 0));
        }
    }

    /// One that comes while another channel is worked off is next, whenever that is.
    #[test]
    fn one_of_another_channel_waits_for_one_at_most() {
        for worked_off in 0..10 {
            for late in ["a", "z"] {
                let mut queue = queue(1_000, 1_000, 1);
                for number in 0..20 {
                    queue.push(one("m", number, 1));
                }
                for _ in 0..worked_off {
                    queue.pop(|_| true);
                }
                queue.push(one(late, 0, 1));
                let next = [0; 2].map(|_| queue.pop(|_| true).unwrap().0.id.channel);
                let comes = next.iter().any(|channel| channel.as_str() == late);
                assert!(comes, "{worked_off} {late} {next:?}");
            }
        }
    }

    #[test]
    fn a_channel_that_may_not_go_on_holds_up_no_other() {
        let mut queue = queue(1_000, 1_000, 1);
        for (channel, number) in [("a", 0), ("b", 1), ("a", 2), ("b", 3)] {
            queue.push(one(channel, number, 1));
        }
        let pop = |held: &str| {
            let next = queue.pop(|channel| channel.as_str() != held);
            next.map(|(_, number)| number)
        };
        let order = ["a", "a", "a", "b", "", ""].map(pop);
        assert_eq!(order, [Some(1), Some(3), None, Some(0), Some(2), None]);
    }

    /// However many are flooded, there is room for one more; and all of them together keep to the room there is.
    #[test]
    fn there_is_always_room_for_one_more() {
        // (room, divisor, flooded one after the other, what each gets)
        for (rows, divisor, flooded, each) in [
            (1_024, 3, 1, vec![256]),
            (1_024, 1, 1, vec![512]),
            (1_024, 1, 3, vec![512, 256, 128]),
            (1_024, 3, 3, vec![256, 192, 144]),
        ] {
            for bytes in [1, 1_000] {
                // Rows are what is short, then bytes.
                let mut queue = match bytes {
                    1 => queue(rows, usize::MAX, divisor),
                    _ => queue(usize::MAX, rows * bytes, divisor),
                };
                let mut fill = |channel: usize| {
                    let flood = (0..).take_while(|number| {
                        queue.push(one(&format!("c{channel}"), *number, bytes))
                    });
                    flood.count()
                };
                let filled: Vec<_> = (0..flooded).map(&mut fill).collect();
                assert_eq!(filled, each, "{divisor} {bytes}");
                let used: usize = filled.iter().sum();
                let more: usize = (flooded..50)
                    .map(&mut fill)
                    .filter(|count| *count > 0)
                    .count();
                assert!(more > 5, "{divisor} {bytes} {more}");
                assert!(used < rows && queue.len() <= rows);
                let channel = ChannelId::checked("c0").unwrap();
                assert_eq!(queue.bytes_left(&channel), None);
                while queue.pop(|_| true).is_some() {}
                assert!(queue.is_low(&channel) && queue.bytes_left(&channel).is_some());
            }
        }
    }
}
