//! What is over and is remembered for the dedup window, so that late and repeated messages change nothing.

use std::collections::{BTreeMap, VecDeque};

use crossdock_model::{Duration, Timestamp};
use serde::{Deserialize, Serialize};

/// Things by id, each with the time at which it was noted last. At most so many are kept, oldest given up first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept<K: Ord, V> {
    /// Boxed: most entities remember one or two, and a map has room for eleven.
    known: BTreeMap<K, Box<(Timestamp, V)>>,
    /// Oldest first. An entry that was noted again is listed again; its old listing says nothing any more.
    times: VecDeque<(Timestamp, K)>,
}

impl<K: Ord, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            times: VecDeque::new(),
        }
    }
}

impl<K: Ord + Clone, V> Kept<K, V> {
    pub fn get(&self, key: &K) -> Option<&V> {
        self.known.get(key).map(|known| &known.1)
    }

    /// Notes it, and gives up what is too much, oldest first.
    pub fn note(&mut self, key: K, value: V, at: Timestamp, max: usize) -> Vec<(Timestamp, K)> {
        self.times.push_back((at, key.clone()));
        self.known.insert(key, Box::new((at, value)));
        let mut given_up = Vec::new();
        while self.times.len() > max {
            given_up.extend(self.drop_oldest());
        }
        given_up
    }

    /// Forgets what was noted longer ago than the window.
    pub fn forget(&mut self, now: Timestamp, window: Duration) {
        while let Some((at, _)) = self.times.front()
            && now.since(*at) > window
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> Option<(Timestamp, K)> {
        let (at, key) = self.times.pop_front()?;
        let known = self.known.get(&key).is_some_and(|known| known.0 == at);
        known.then(|| {
            self.known.remove(&key);
            (at, key)
        })
    }
}

#[cfg(test)]
mod tests {
    use crossdock_model::{Duration, Timestamp};

    use super::Kept;

    #[test]
    fn it_is_remembered_for_the_window_since_it_was_noted_last() {
        let at = Timestamp::from_ms;
        let mut kept = Kept::default();
        kept.note("a", 1, at(0), 9);
        kept.note("b", 2, at(5), 9);
        kept.note("a", 3, at(8), 9);
        kept.forget(at(10), Duration::from_ms(4));
        assert_eq!((kept.get(&"a"), kept.get(&"b")), (Some(&3), None));
        assert_eq!(kept.note("c", 4, at(10), 1), [(at(8), "a")]);
        assert_eq!((kept.get(&"a"), kept.get(&"c")), (None, Some(&4)));
    }
}
